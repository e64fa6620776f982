"""A report as one HTML file with its worst examples in it."""

import base64
import html
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..drawing import figure_png
from ..files import Table
from ..pages import page, section

if TYPE_CHECKING:
    from ._report import Report


def report_page(report: "Report", heading: str, tables: Sequence[Table], examples: int) -> str:
    """Return the page; what is shown in it is explained anew.

    Parameters
    ----------
    report
        The report.
    heading
        What was evaluated, in a sentence.
    tables
        Its tables.
    examples
        Number of worst examples.
    """
    body = ["<h1>Do the words find their objects?</h1>", f"<p>{html.escape(heading)}</p>"]
    # Many numbers of one run would be one line that no page is wide enough for.
    first = tables[0].turned() if len(tables[0].rows) == 1 else tables[0]
    comparison, *classes = (table._repr_html_() for table in (first, *tables[1:]))
    body.append(comparison)
    if classes:
        drawing = base64.b64encode(figure_png(report.plot())).decode()
        body.append("<h2>Classes, the widest gap first</h2>")
        body.append(f'<img alt="The table below, drawn" src="data:image/png;base64,{drawing}">')
        body += classes
        body.append("<h2>The worst examples</h2>")
        body.append("<p>What the words name is outlined; their map is pinned.</p>")
        for finding in report.worst(examples):
            said = f"“{finding.words}” in “{finding.sample.caption}”"
            score = f"{finding.metric.replace('_', ' ')} {finding.value:.2f}"
            body.append(f"<h3>{html.escape(f'{said}: {score}')}</h3>")
            widget = finding.widget()
            body.append(section(widget))
            widget.close()
    return page(body, "Do the words find their objects?")
