"""``Ranking``: pictures or captions in the order of their scores, each to be explained."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Unpack, overload

import numpy as np

from ..checks import as_count, quoted
from ..choices import RANKING_ENDINGS
from ..encoders import DualEncoder, Layer, Picture, Sum, Text
from ..errors import InputError, Problem
from ..files import Table, checked_ending, writable, write_atomically
from ..pages import gallery_page
from ..pairs import FeaturePairs, MethodLike, attribute
from ..view import ViewOptions
from ..widget import Gallery, GalleryView
from ._ranked_item import RankedItem
from ._ranking_view import MOST_ON_PAGE, MOST_SHOWN, ranking_gallery

if TYPE_CHECKING:
    import pandas

_PRINTED = 10  # items of the table in a terminal
_NAMED = 3  # inputs of a query that a title names
_NOUNS = {"image": "picture", "text": "caption"}


@dataclass(frozen=True, eq=False, repr=False)
class Ranking:
    """Pictures or captions in the order of their scores by a query, the best first.

    Made by :func:`fpattr_widget.rank`. A notebook cell that ends with one shows a gallery: a
    click on an item explains its score in a linked view beneath, and with Shift, or the button
    “compare with another”, a second one is chosen, and the view shows why the first rather than
    the second. As a list it counts from 0, and ``ranking[:10]`` is a shorter ranking; places
    count from 1.

    Attributes
    ----------
    items
        Each a :class:`RankedItem`, with its place, name, score and source.
    query
        What they were ranked by.
    encoder
        The model.
    tower_name
        ``"image"`` where pictures were ranked, ``"text"`` where captions were.
    problems
        What could not be read and was left out.
    method, layer
        What scores are explained with; see :func:`fpattr_widget.attribute`.
    """

    items: tuple[RankedItem, ...]
    query: Sum
    encoder: DualEncoder
    tower_name: str
    problems: tuple[Problem, ...] = ()
    method: MethodLike = "integrated_jacobians"
    layer: Layer = None
    _prepared: Sum | None = None  # the query, which need not be read again

    @cached_property
    def scores(self) -> np.ndarray:
        """Scores in the order of the ranking, ``(n,)`` float64."""
        return np.array([item.score for item in self.items])

    @property
    def names(self) -> tuple[str, ...]:
        """Names in the order of the ranking."""
        return tuple(item.name for item in self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[RankedItem]:
        return iter(self.items)

    @overload
    def __getitem__(self, number: int) -> RankedItem: ...
    @overload
    def __getitem__(self, number: slice) -> "Ranking": ...
    def __getitem__(self, number: int | slice) -> "RankedItem | Ranking":
        if isinstance(number, slice):
            return replace(self, items=self.items[number])
        return self.items[number]

    def __repr__(self) -> str:
        return str(_table(self.items[:_PRINTED], self._caption(min(_PRINTED, len(self)))))

    # Explanations

    def pairs(self, item: RankedItem | int | str) -> FeaturePairs:
        """Return pairs that explain the score of an item; nothing is computed yet.

        Parameters
        ----------
        item
            An item of ``items``, its place (counted from 1) or its name.

        Raises
        ------
        InputError
            When there is no such item, or its source is gone.
        """
        return self._explained(self._side(self.find(item)))

    def why(
        self, first: RankedItem | int | str = 1, second: RankedItem | int | str = 2
    ) -> FeaturePairs:
        """Return pairs that explain the score of one item less that of another.

        Their ``similarity`` is ``first.score − second.score``; red speaks for the first.

        Parameters
        ----------
        first, second
            As for :meth:`pairs`; by default the best and the one after it.

        Raises
        ------
        InputError
            When there is no such item, both are the same, or a source is gone.
        """
        found = self.find(first, "first"), self.find(second, "second")
        if found[0].place == found[1].place:
            raise InputError("second", "is the first too", "pass another item")
        return self._explained(self._side(found[0]) - self._side(found[1]))

    def find(self, item: RankedItem | int | str, argument: str = "item") -> RankedItem:
        """Return an item by its place (counted from 1) or its name.

        Parameters
        ----------
        item
            A place or a name; an item is returned as it is.
        argument
            What the caller calls it, for the message.

        Raises
        ------
        InputError
            When there is none, or several have that name.
        """
        if isinstance(item, RankedItem):
            return item
        if isinstance(item, str):
            found = [one for one in self.items if one.name == item]
            remedy = "pass a place, or one of `names`"
        else:
            place = as_count(item, argument)
            found = [one for one in self.items if one.place == place]
            remedy = f"pass a place from {self.items[0].place} to {self.items[-1].place}, or a name"
        if not found:
            raise InputError(argument, f"is {quoted(item)}, which is not in the ranking", remedy)
        if len(found) > 1:
            raise InputError(
                argument, f"is {quoted(item)}, which {len(found)} items are called", "pass a place"
            )
        return found[0]

    def _side(self, item: RankedItem) -> Sum:
        source = item.source
        if source is None:
            raise InputError(
                "item",
                f"{quoted(item.name)} has no source any more, so that its score stands alone",
                "rank the files or captions themselves to explain it",
            )
        return Picture(source) if self.tower_name == "image" else Text(source)

    def _explained(self, side: Sum) -> FeaturePairs:
        query = self._prepared or self.query
        return attribute(self.encoder, query, side, self.method, self.layer)

    # Tables, files and the gallery

    def to_dataframe(self) -> "pandas.DataFrame":
        """Return a pandas DataFrame with the columns ``place``, ``name`` and ``score``."""
        return _table(self.items, "").to_dataframe()

    def save(self, path: str | os.PathLike[str], *, explained: int = 5) -> None:
        """Write the ranking to a file.

        Parameters
        ----------
        path
            Its ending chooses the format: ``.html``, a page with the gallery that needs no
            network, in which the first items open as linked views, and why the first rather
            than the second; ``.csv``, places, names and scores.
        explained
            How many items can be opened on the page.

        Raises
        ------
        InputError
            When the ending is another one or the file cannot be written.
        """
        as_count(explained, "explained", least=0)
        ending = checked_ending(path, RANKING_ENDINGS)
        writable(path)  # raises before anything is computed
        content = _table(self.items, "").to_csv() if ending == ".csv" else self._page(explained)
        write_atomically(path, content.encode("utf-8", "replace"))

    def widget(self, **options: Unpack[ViewOptions]) -> GalleryView:
        """Return a new gallery with a linked view beneath, in which the first item is explained.

        Parameters
        ----------
        **options
            See :class:`~fpattr_widget.PairsWidget`.
        """
        gallery = self._gallery(MOST_SHOWN, options.get("theme", "auto"))
        if self.items:
            gallery.chosen = [[0, 0]]
        return GalleryView(gallery, self._explain_chosen, problems=self.problems, **options)

    def _repr_mimebundle_(self, *arguments: Any, **options: Any) -> Any:
        """Return the bundle of a gallery, which is made when the ranking is first shown."""
        view: GalleryView | None = self.__dict__.get("_shown")
        if view is None or view.comm is None:  # closing one does not close the ranking
            view = self.__dict__["_shown"] = self.widget()
        bundle = view._repr_mimebundle_(*arguments, **options)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        return {**data, "text/plain": repr(self)}, metadata

    def _gallery(self, most: int, theme: str = "auto") -> Gallery:
        """Return a gallery of the first items, with nothing chosen."""
        title = self.query_in_words
        if len(self) > most:
            title += f": the first {most:,} of {len(self):,}"
        return ranking_gallery(title, self.encoder, self.items[:most], self.tower_name, theme)

    def _explain_chosen(self, chosen: Sequence[Sequence[int]]) -> FeaturePairs:
        items = [self.items[number] for _, number in chosen]
        return self.pairs(items[0]) if len(items) == 1 else self.why(*items)

    def _page(self, explained: int) -> str:
        """Return a page on which the first items are explained, those without a source left out."""
        first = [
            number for number, item in enumerate(self.items[:explained]) if item.source is not None
        ]
        pairs: dict[tuple[tuple[int, int], ...], FeaturePairs] = {
            ((0, number),): self.pairs(self.items[number]) for number in first
        }
        if len(first) > 1:
            best, next_one = first[:2]
            pairs[(0, best), (0, next_one)] = self.why(self.items[best], self.items[next_one])
        gallery = self._gallery(MOST_ON_PAGE)
        try:
            gallery.chosen = [[0, number] for number in first[:1]]
            return gallery_page(
                self.query_in_words,
                gallery,
                pairs,
                otherwise=_otherwise(len(first)),
                notes=[f"Left out: {problem}." for problem in self.problems],
            )
        finally:
            gallery.close()

    @property
    def query_in_words(self) -> str:
        """The query as a title names it, such as ``“a dog” − “a cat”``."""
        return sum_in_words(self.query)

    def _caption(self, shown: int) -> str:
        count = f"{shown} of {len(self)}" if shown < len(self) else f"{len(self)}"
        noun = _NOUNS[self.tower_name] + ("" if len(self) == 1 else "s")
        left_out = f", {len(self.problems)} left out" if self.problems else ""
        return f"{self.query_in_words}: {count} {noun}, by {self.encoder.name}{left_out}"


def _otherwise(explained: int) -> str:
    """Return what a page says of items that it does not explain."""
    if not explained:
        return "Nothing is explained on this page."
    first = "the first item" if explained == 1 else f"the first {explained} items"
    contrast = ", and why the first rather than the second" if explained > 1 else ""
    return f"This page explains {first}{contrast}. In a notebook, any can be chosen."


def sum_in_words(query: Sum) -> str:
    """Return a sum of inputs in words, such as ``“a dog” − 0.5 · “a cat”``."""
    words: list[str] = []
    for term in query.terms[:_NAMED]:
        size = abs(term.weight)
        factor = "" if size == 1 else f"{size:.3g} · "
        sign = "−" if term.weight < 0 else "+"
        words.append(f"{sign} {factor}{_named(term.tower_name, term.value)}")
    if len(query.terms) > _NAMED:
        words.append(f"… ({len(query.terms)} inputs)")
    return " ".join(words).removeprefix("+ ")


def _named(tower_name: str, value: Any) -> str:
    if isinstance(value, str | os.PathLike) and tower_name == "image":
        return PurePath(value).name
    if isinstance(value, str):
        return f"“{value}”"
    return "the picture" if tower_name == "image" else "the caption"


def _table(items: Sequence[RankedItem], caption: str) -> Table:
    rows = tuple((item.place, item.name, item.score) for item in items)
    return Table(("place", "name", "score"), rows, caption)
