"""The agreement of rankings as one HTML file, with linked comparisons in it."""

import html
from collections.abc import Sequence

from ..errors import Problem
from ..files import Table
from ..pages import Opened, galleries_page, gallery_section
from ._agreement_view import comparison_gallery, measures_in_words
from ._two_rankings import RankedTwice, TwoRankings

_TITLE = "Do two wordings of one query find the same pictures?"
# Pictures of each pair that are explained; each takes about 150 kB.
_EXPLAINED = 4


def agreement_page(
    heading: str,
    tables: Sequence[Table],
    disagreements: Sequence[TwoRankings],
    problems: Sequence[Problem],
) -> str:
    """Return the page; its explanations are computed now.

    Parameters
    ----------
    heading
        A sentence on what was compared.
    tables
        Stand above the comparisons.
    disagreements
        The pairs that are shown, with the pictures of each explained that move most.
    problems
        What was left out.
    """
    body = [f"<h1>{_TITLE}</h1>", f"<p>{html.escape(heading)}</p>"]
    # A single line with many numbers would be wider than the page.
    body += [(table.turned() if len(table.rows) == 1 else table)._repr_html_() for table in tables]
    for each in disagreements:
        wordings = html.escape(f"“{each.query}” / “{each.paraphrase}”")
        body += [f"<h2>{wordings}</h2>", f"<p>{html.escape(measures_in_words(each))}</p>"]
        body.append(_comparison(each))
    body += [f"<p>Left out: {html.escape(str(problem))}.</p>" for problem in problems]
    return galleries_page(_TITLE, body)


def _comparison(disagreement: TwoRankings) -> str:
    """Return both rankings with the explanations of those pictures that move most."""
    gallery = comparison_gallery(disagreement)
    count = len(disagreement.pictures)
    otherwise = (
        f"This page explains {_EXPLAINED} of these {count} pictures, those that move most. In a "
        "notebook, any can be chosen."
    )
    try:
        opened = [_opened(disagreement, one) for one in disagreement.pictures[:_EXPLAINED]]
        return gallery_section(gallery, opened, otherwise)
    finally:
        gallery.close()


def _opened(disagreement: TwoRankings, picture: RankedTwice) -> Opened:
    view = disagreement.pairs(picture).widget()
    view.selected_rows = sorted(disagreement.words(picture)[0].features)
    view.close()  # its settings and pins stay
    places = [
        ((wording, place - 1),)
        for wording, place in enumerate(picture.places)
        if place <= disagreement.k
    ]
    return Opened(tuple(places), view, disagreement.finding(picture))
