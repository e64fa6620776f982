"""A report as one HTML file with its worst examples in it."""

import base64
import html
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..drawing import figure_png
from ..files import Table
from ..pages import page, section
from ._scored_foil import ScoredFoil
from ._scored_phrase import ScoredPhrase

if TYPE_CHECKING:
    from matplotlib.figure import Figure


# The page's title, and what the views of its examples show.
_OF_PHRASES = (
    "Do the words find their objects?",
    "What the words name is outlined; their map is pinned.",
)
_OF_FOILS = (
    "Are captions told from their foils?",
    "Each is the caption less its foil; the words that were changed are pinned.",
)


def report_page(
    heading: str,
    comparison: Table,
    classes: "tuple[Table, Figure] | None",
    examples: Sequence[ScoredPhrase | ScoredFoil],
) -> str:
    """Return the page; its examples are explained anew.

    Parameters
    ----------
    heading
        A sentence on what was evaluated.
    comparison
        The table of runs.
    classes
        The table of classes and its figure, ``None`` where no phrase or foil was measured.
    examples
        The worst phrases or foils.
    """
    # A single run with many numbers would make a row that is wider than the page.
    first = comparison.turned() if len(comparison.rows) == 1 else comparison
    of_foils = any(isinstance(one, ScoredFoil) for one in examples)
    title, shown = _OF_FOILS if of_foils else _OF_PHRASES
    body = [
        f"<h1>{title}</h1>",
        f"<p>{html.escape(heading)}</p>",
        first._repr_html_(),
    ]
    if classes:
        table, figure = classes
        drawing = base64.b64encode(figure_png(figure)).decode()
        body.append("<h2>Classes, the widest gap first</h2>")
        body.append(f'<img alt="The table below, drawn" src="data:image/png;base64,{drawing}">')
        body.append(table._repr_html_())
        body.append("<h2>The worst examples</h2>")
        body.append(f"<p>{shown}</p>")
        for one in examples:
            score = f"{one.metric.replace('_', ' ')} {one.value:.2f}"
            body.append(f"<h3>{html.escape(f'{one.title}: {score}')}</h3>")
            widget = one.widget()
            body.append(section(widget))
            widget.close()
    return page(body, title)
