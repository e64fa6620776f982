"""The linked comparison of two wordings: both rankings, and what makes them differ."""

from collections.abc import Sequence
from functools import partial
from html import escape
from typing import Any, Unpack

import ipywidgets
from PIL import Image

from ..encoders import DualEncoder
from ..evaluation import GalleryImage
from ..pairs import FeaturePairs
from ..view import ViewOptions
from ..widget import Gallery, GalleryItem, GalleryView, PairsWidget, Shelf
from ._ranking_view import whole_picture
from ._two_rankings import RankedTwice, TwoRankings, ordinal

_HEAD = (
    '<div style="font: 15px/1.5 system-ui, sans-serif; max-width: 60em; padding: 4px 12px 0">'
    "{finding}</div>"
    '<div style="font: 12px/1.5 system-ui, sans-serif; opacity: 0.75; padding: 0 12px 4px">'
    "{measures}</div>"
)
_HINT = "Choose a picture to see what makes its two scores differ."


class DisagreementView(GalleryView):
    """Both rankings as shelves of pictures, and the view of why a chosen one has two places.

    A sentence says what was found; the words that add most to the difference are pinned.
    Choosing another picture, in the page or by ``gallery.chosen``, explains that one.

    Parameters
    ----------
    disagreement
        What is shown.
    **options
        See :class:`~fpattr_widget.PairsWidget`.

    Attributes
    ----------
    disagreement
        What is shown.
    gallery
        Shelf 0 has the query's first pictures, shelf 1 the paraphrase's. Those that the other
        has not are marked.
    view
        The view of the picture that is chosen; ``view.pairs`` are what it shows.
    finding
        What is said above, in words.
    """

    def __init__(self, disagreement: TwoRankings, **options: Unpack[ViewOptions]):
        self.disagreement = disagreement
        self.finding = ""
        self._head = ipywidgets.HTML()
        self._explained: tuple[RankedTwice, FeaturePairs] | None = None
        self._followed: PairsWidget | None = None
        gallery = comparison_gallery(disagreement, theme=options.get("theme", "auto"))
        super().__init__(gallery, self._explain_chosen, **options)
        self._above = (self._head, *self._above)
        self.children = (self._head, *self.children)
        gallery.observe(self._say, "chosen")
        self._say()

    def __repr__(self) -> str:
        return f"DisagreementView({self.disagreement!r})"

    @property
    def picture(self) -> RankedTwice:
        """The picture that is explained."""
        shelf, item = self.gallery.chosen[0] if self.gallery.chosen else (0, 0)
        return self.disagreement.tops[shelf][item]

    def bake(self) -> "DisagreementView":
        """Make all thumbnails, compute what is explained, and keep all in the state."""
        super().bake()
        self._say()
        return self

    def _explain_chosen(self, chosen: Sequence[Sequence[int]]) -> FeaturePairs:
        shelf, item = chosen[0]
        picture = self.disagreement.tops[shelf][item]
        pairs = self.disagreement.pairs(picture)
        self._explained = picture, pairs
        return pairs

    def _say(self, _change: Any = None) -> None:
        """Say where the chosen picture stands, and once that is computed, why."""
        view, picture = self.view, self.picture
        if view is not None and view is not self._followed:
            # Set when all is computed, by the page or at the end of a cell that no page shows.
            view.observe(self._say, "ledger")
            self._followed = view
        self.finding = self.disagreement.standing(picture)
        if view is not None and self._explained is not None:
            explained, pairs = self._explained
            # A picture that cannot be read any more leaves the view as it was.
            if explained.number == picture.number and view.pairs is pairs and pairs.complete:
                self.finding = self.disagreement.finding(picture)
                view.selected_rows = sorted(self.disagreement.words(picture)[0].features)
        self._head.value = _HEAD.format(
            finding=escape(self.finding), measures=escape(measures_in_words(self.disagreement))
        )


def measures_in_words(disagreement: TwoRankings) -> str:
    """Say how alike the rankings are, and which colour stands for what."""
    names = {"average_overlap": "AO", "jaccard": "JS", "rank_biased_overlap": "RBO"}
    measures = ", ".join(
        f"{short}@{disagreement.k} {getattr(disagreement, name):.2f} "
        f"({disagreement.chance[name]:.2f} by chance)"
        for name, short in names.items()
    )
    return (
        f"{measures}. In the explanation, red speaks for the query's score and blue for the "
        "paraphrase's."
    )


def comparison_gallery(disagreement: TwoRankings, theme: str = "auto") -> Gallery:
    """Return both rankings as shelves, with the picture chosen that moves most."""
    sources = {
        each.number: partial(picture_of, disagreement.encoder, disagreement.images[each.number])
        for each in disagreement.pictures
    }
    shelves = [
        Shelf(
            f"{name}: “{wording}”",
            [
                GalleryItem(
                    each.name,
                    each.scores[number],
                    sources[each.number],
                    note=_note(each, number, disagreement),
                    marked=each.places[1 - number] > disagreement.k,
                    place=each.places[number],
                )
                for each in disagreement.tops[number]
            ],
        )
        for number, (name, wording) in enumerate(
            (("Query", disagreement.query), ("Paraphrase", disagreement.paraphrase))
        )
    ]
    gallery = Gallery(shelves, most_chosen=1, hint=_HINT, theme=theme)
    first = disagreement.picture()
    shelf = 0 if first.places[0] <= disagreement.k else 1
    gallery.chosen = [[shelf, first.places[shelf] - 1]]
    return gallery


def picture_of(encoder: DualEncoder, image: GalleryImage) -> Image.Image:
    """Return a picture of the gallery; see :func:`whole_picture`."""
    return whole_picture(encoder, image.image)


def _note(each: RankedTwice, wording: int, disagreement: TwoRankings) -> str:
    """Say where a picture stands for the other wording."""
    place = each.places[1 - wording]
    note = f"{ordinal(place)} for the other"
    if place > disagreement.k:
        note = f"only here: {note}"
    return f"{note} · the right one" if each.number == disagreement.own else note
