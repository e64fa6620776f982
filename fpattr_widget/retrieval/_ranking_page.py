"""A ranking as one HTML file: its gallery, and the first items' explanations in it."""

from ..pages import gallery_page
from ..pairs import FeaturePairs
from ._ranking import Ranking
from ._ranking_view import ranking_gallery

#: Each picture on a page takes about 10 kB.
MOST_ON_PAGE = 500


def ranking_page(ranking: Ranking, explained: int) -> str:
    """Return the page; see :meth:`Ranking.save`.

    Parameters
    ----------
    ranking
        What is shown, at most 500 items of it.
    explained
        How many items are explained, those that have no source left out; and if there are two,
        why the first rather than the second.
    """
    shown = ranking[:MOST_ON_PAGE]
    numbers = [
        number for number, item in enumerate(shown.items[:explained]) if item.source is not None
    ]
    pairs: dict[tuple[tuple[int, int], ...], FeaturePairs] = {
        ((0, number),): ranking.pairs(shown[number]) for number in numbers
    }
    if len(numbers) > 1:
        first, second = numbers[:2]
        pairs[(0, first), (0, second)] = ranking.why(shown[first], shown[second])
    gallery = ranking_gallery(shown)
    if numbers:
        gallery.chosen = [[0, numbers[0]]]
    notes = []
    if len(ranking) > MOST_ON_PAGE:
        notes.append(f"These are the first {MOST_ON_PAGE} of {len(ranking):,}.")
    notes += [f"Left out: {problem}." for problem in ranking.problems]
    try:
        return gallery_page(
            ranking.query_in_words,
            gallery,
            pairs,
            otherwise=_otherwise(ranking, len(numbers)),
            notes=notes,
        )
    finally:
        gallery.close()


def _otherwise(ranking: Ranking, explained: int) -> str:
    if not explained:
        return "Nothing is explained on this page."
    first = "the first item" if explained == 1 else f"the first {explained} items"
    contrast = ", and why the first rather than the second" if explained > 1 else ""
    return f"This page explains {first}{contrast}. In a notebook, any can be chosen."
