"""Paraphrases: two wordings of one query, and the pictures that both are to find."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

import numpy as np

from ..checks import quoted
from ..errors import InputError, Problem

#: Characters ``start`` to ``stop`` of a text.
Span = tuple[int, int]


@dataclass(frozen=True)
class Paraphrase:
    """Two wordings that mean the same.

    Attributes
    ----------
    query, paraphrase
        The wordings.
    group
        Pairs with the same group are no independent observations, such as those of
        one picture: intervals are clustered by it. The query itself when empty.
    source
        The picture that both describe, in any form that
        :func:`fpattr_widget.attribute` takes, or a function without arguments that
        returns it; ``None`` where it is not known.
    aligned
        Words that mean the same, where that is known: characters of the query,
        and characters of the paraphrase.

    Raises
    ------
    InputError
        When a wording is blank, or aligned words do not lie in it.
    """

    query: str
    paraphrase: str
    group: str = ""
    source: Any = field(default=None, repr=False)
    aligned: tuple[tuple[Span, Span], ...] = ()

    def __post_init__(self) -> None:
        for argument, wording in (("query", self.query), ("paraphrase", self.paraphrase)):
            if not isinstance(wording, str) or not wording.strip():
                raise InputError(argument, f"is {quoted(wording)}", "pass a text with words")
        for spans in self.aligned:
            for (start, stop), wording in zip(spans, (self.query, self.paraphrase), strict=True):
                if not 0 <= start < stop <= len(wording):
                    raise InputError(
                        "aligned",
                        f"holds characters {start} to {stop} of {quoted(wording)}",
                        "pass places inside the query, then inside the paraphrase",
                    )

    @property
    def image(self) -> Any:
        """The picture; a function as ``source`` is called each time."""
        return self.source() if callable(self.source) else self.source

    @property
    def cluster(self) -> str:
        """The group, or the query where there is none."""
        return self.group or self.query


@dataclass(frozen=True)
class GalleryImage:
    """A picture that queries are to find.

    Attributes
    ----------
    name
        Its name, unique in the gallery.
    source
        See :attr:`Paraphrase.source`.
    """

    name: str
    source: Any = field(repr=False)

    @property
    def image(self) -> Any:
        """The picture; a function as ``source`` is called each time."""
        return self.source() if callable(self.source) else self.source


class Paraphrases(Sequence[Paraphrase]):
    """Pairs of wordings, and the pictures that they are to find.

    Parameters
    ----------
    name
        The name in reports.
    items
        The pairs.
    images
        The gallery: sources of pictures (see :attr:`Paraphrase.source`) by their
        names; may be empty.
    problems
        Parts of files that could not be read and were left out.

    Attributes
    ----------
    items
        As a tuple of :class:`Paraphrase`.
    images
        As a tuple of :class:`GalleryImage`.
    """

    def __init__(
        self,
        name: str,
        items: Iterable[Paraphrase],
        images: Mapping[str, Any] | None = None,
        problems: Iterable[Problem] = (),
    ):
        self.name = name
        self.items = tuple(items)
        self.images = tuple(GalleryImage(*entry) for entry in (images or {}).items())
        self.problems = tuple(problems)

    def __repr__(self) -> str:
        contents = f"{self.name!r}, {len(self)} pairs, {len(self.images)} images"
        return (
            f"Paraphrases({contents}{f', {len(self.problems)} problems' if self.problems else ''})"
        )

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, index: int) -> Paraphrase: ...
    @overload
    def __getitem__(self, index: slice) -> "Paraphrases": ...
    def __getitem__(self, index: int | slice) -> "Paraphrase | Paraphrases":
        if isinstance(index, slice):
            return self._with(self.items[index])
        return self.items[index]

    def __iter__(self) -> Iterator[Paraphrase]:
        return iter(self.items)

    @property
    def queries(self) -> tuple[str, ...]:
        """The first wording of each pair."""
        return tuple(item.query for item in self.items)

    @property
    def paraphrases(self) -> tuple[str, ...]:
        """The second wording of each pair."""
        return tuple(item.paraphrase for item in self.items)

    @property
    def clusters(self) -> tuple[str, ...]:
        """By what intervals are clustered, see :attr:`Paraphrase.group`."""
        return tuple(item.cluster for item in self.items)

    def shuffled(self, seed: int = 0) -> "Paraphrases":
        """Return the pairs in a random order; the gallery stays as it is."""
        order = np.random.default_rng(seed).permutation(len(self))
        return self._with(self.items[i] for i in order)

    def _with(self, items: Iterable[Paraphrase]) -> "Paraphrases":
        gallery = {image.name: image.source for image in self.images}
        return Paraphrases(self.name, items, gallery, self.problems)
