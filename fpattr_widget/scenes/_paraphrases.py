"""Captions of scenes in other words that mean the same."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..checks import quoted
from ..errors import InputError
from ._captions import NUMBERS, OPENINGS, PLACES
from ._kinds import KINDS, Kind
from ._layout import GROUNDS

#: Characters ``start`` to ``stop`` of a text.
Span = tuple[int, int]

_HOLDERS = ("a picture with", "a photo with", "the picture has")
_SAME_SIZE = {"big": "large", "large": "big", "small": "little", "little": "small"}
_SAME_RELATION = {
    "beside": {"next to": "beside", "beside": "next to"},
    "height": {"above": "over", "over": "above", "below": "under", "under": "below"},
    "side": {
        "left of": "to the left of", "to the left of": "left of",
        "right of": "to the right of", "to the right of": "right of",
    },
}  # fmt: skip
_TURNED = {
    "left of": "right of", "right of": "left of",
    "to the left of": "to the right of", "to the right of": "to the left of",
    "above": "below", "below": "above", "over": "under", "under": "over",
    "next to": "next to", "beside": "beside",
}  # fmt: skip
_MOST_REWRITES = 3

_RELATION = re.compile(f" ({'|'.join(sorted(_TURNED, key=len, reverse=True))}) ")
_SEPARATOR = re.compile(", | (and|with) ")


@dataclass(frozen=True)
class Rewording:
    """A caption in other words.

    Attributes
    ----------
    text
        The other words.
    aligned
        Words that mean the same: characters of the caption, and characters of ``text``.
    rewrites
        Names of what was done to the caption, see :data:`REWRITES`.
    """

    text: str
    aligned: tuple[tuple[Span, Span], ...]
    rewrites: tuple[str, ...]


@dataclass(frozen=True)
class _Thing:
    """A noun with what stands before it; ``place`` tells it from others of its caption."""

    place: int
    kind: Kind
    count: int
    size: str

    def pieces(self) -> "Iterator[_Piece]":
        if self.count > 1:
            yield _Piece(NUMBERS[self.count], ("number", self.place))
        elif article := ("a" if self.size and self.kind.article else self.kind.article):
            yield _Piece(article, ("number", self.place))
        if self.size:
            yield _Piece(self.size, ("size", self.place))
        name = self.kind.plural if self.count > 1 else self.kind.name
        yield _Piece(name, ("noun", self.place))

    @property
    def verb(self) -> str:
        return "is" if self.count == 1 and self.kind.article else "are"


@dataclass(frozen=True)
class _Piece:
    """Words that stand together, and what they say; ``None`` where that is nothing of its own."""

    words: str
    says: tuple[str, int] | None = None


@dataclass(frozen=True)
class _Sentence:
    """A caption, taken apart.

    Attributes
    ----------
    opening
        What stands before the things, such as "there is".
    things
        In their order.
    link
        A relation of the first thing to the second, or what joins the last to those before.
    position, ground
        Where in the picture a lone thing is, and on what ground; may be empty.
    form
        The rewrite that has changed what the caption begins with, of which there can be one.
    """

    opening: str
    things: tuple[_Thing, ...]
    link: str
    position: str
    ground: str
    form: str = ""

    @property
    def related(self) -> bool:
        return self.link in _TURNED

    def pieces(self) -> Iterator[_Piece]:
        first, *others = self.things
        link, position, ground = (
            _Piece(words, (name, 0))
            for name, words in (
                ("link", self.link),
                ("position", self.position),
                ("ground", self.ground),
            )
        )
        if self.form == "relation first":
            yield link
            yield from others[0].pieces()
            yield _Piece(self.opening or first.verb)
            yield from first.pieces()
            yield ground
            return
        if front := {"position first": position, "ground first": ground}.get(self.form):
            yield front
            if not self.opening:
                yield _Piece(",")
        yield _Piece(self.opening)
        yield from first.pieces()
        if self.form == "verb":
            yield _Piece(first.verb)
        for other in others[:-1]:
            yield _Piece(",")
            yield from other.pieces()
        if others:
            yield link
            yield from others[-1].pieces()
        yield from (piece for piece in (position, ground) if piece is not front)

    def written(self) -> tuple[str, list[tuple[tuple[str, int], Span]]]:
        """Return the text, and what is said where."""
        text, said = "", []
        for piece in self.pieces():
            if not piece.words:
                continue
            if text and piece.words != ",":
                text += " "
            start, text = len(text), text + piece.words
            if piece.says:
                said.append((piece.says, (start, len(text))))
        return text, said


def _read(caption: str) -> _Sentence:
    """Take a caption apart.

    Raises
    ------
    InputError
        When it is none of those that scenes are described with.
    """
    opening = next((one for one in _BY_LENGTH if one and caption.startswith(one)), "")
    rest = caption.removeprefix(opening)
    grounds = [phrase for phrase in GROUNDS.values() if phrase and rest.endswith(" " + phrase)]
    ground = grounds[0] if grounds else ""
    rest = rest.removesuffix(" " + ground) if ground else rest
    positions = [phrase for phrase in PLACES if rest.endswith(" " + phrase)]
    position = positions[0] if positions else ""
    rest = rest.removesuffix(" " + position) if position else rest
    if relation := _RELATION.search(rest):
        link, phrases = relation[1], [rest[: relation.start()], rest[relation.end() :]]
    else:
        joints = [joint[1] for joint in _SEPARATOR.finditer(rest) if joint[1]]
        link = joints[-1] if joints else ""
        phrases = re.split(r", | and | with ", rest)
    things = [_read_thing(place, phrase) for place, phrase in enumerate(phrases)]
    known = tuple(thing for thing in things if thing)
    sentence = _Sentence(opening.strip(), known, link, position, ground)
    if not known or sentence.written()[0] != caption:
        raise InputError(
            "caption",
            f"is {quoted(caption)}, which `describe` does not write",
            "pass a caption of a drawn scene",
        )
    return sentence


def _read_thing(place: int, phrase: str) -> _Thing | None:
    words = phrase.split()
    kind = _KIND_OF.get(words[-1]) if words else None
    if kind is None:
        return None
    counts = [count for count, word in NUMBERS.items() if word in words]
    sizes = [word for word in words if word in _SAME_SIZE]
    return _Thing(place, kind, counts[0] if counts else 1, sizes[0] if sizes else "")


_BY_LENGTH = sorted(set(OPENINGS), key=len, reverse=True)
_KIND_OF = {noun: kind for kind in KINDS.values() for noun in (kind.plural, kind.name)}

_Generator = np.random.Generator
_Rewrite = Callable[[_Sentence, _Generator], _Sentence | None]


def _opening(sentence: _Sentence, generator: _Generator) -> _Sentence | None:
    if sentence.form:
        return None
    others = sorted({one.strip() for one in OPENINGS} - {sentence.opening})
    return replace(sentence, opening=str(generator.choice(others)), form="opening")


def _holder(sentence: _Sentence, generator: _Generator) -> _Sentence | None:
    if sentence.form:
        return None
    return replace(sentence, opening=str(generator.choice(_HOLDERS)), form="holder")


def _size(sentence: _Sentence, _: _Generator) -> _Sentence | None:
    if not any(thing.size for thing in sentence.things):
        return None
    things = (replace(thing, size=_SAME_SIZE.get(thing.size, "")) for thing in sentence.things)
    return replace(sentence, things=tuple(things))


def _relation(name: str) -> _Rewrite:
    def rewrite(sentence: _Sentence, _: _Generator) -> _Sentence | None:
        link = _SAME_RELATION[name].get(sentence.link)
        return replace(sentence, link=link) if link else None

    return rewrite


def _turned(sentence: _Sentence, _: _Generator) -> _Sentence | None:
    if not sentence.related:
        return None
    return replace(sentence, things=sentence.things[::-1], link=_TURNED[sentence.link])


def _order(sentence: _Sentence, generator: _Generator) -> _Sentence | None:
    count = len(sentence.things)
    if sentence.related or count < 2:
        return None
    shift = int(generator.integers(1, count))
    return replace(sentence, things=sentence.things[shift:] + sentence.things[:shift])


def _joint(sentence: _Sentence, _: _Generator) -> _Sentence | None:
    other = {"and": "with", "with": "and"}.get(sentence.link)
    return replace(sentence, link=other) if other else None


def _number(sentence: _Sentence, _: _Generator) -> _Sentence | None:
    several = [thing for thing in sentence.things if thing.count > 1 and thing.kind.article]
    if not several or sentence.form == "verb":
        return None
    things = [
        one
        for thing in sentence.things
        for one in ([replace(thing, count=1)] * thing.count if thing is several[0] else [thing])
    ]
    return replace(sentence, things=tuple(things), link=sentence.link or "and")


def _verb(sentence: _Sentence, _: _Generator) -> _Sentence | None:
    told = sentence.related or sentence.position or (sentence.ground and not sentence.link)
    if sentence.form or not told:
        return None
    return replace(sentence, opening="", form="verb")


def _first(front: str) -> _Rewrite:
    def rewrite(sentence: _Sentence, _: _Generator) -> _Sentence | None:
        there = {
            "relation first": sentence.related,
            "position first": sentence.position,
            "ground first": sentence.ground,
        }[front]
        if sentence.form or not there:
            return None
        # "On the grass, a picture of a dog" would say where the picture is.
        kept = sentence.opening if sentence.opening == "there is" else ""
        return replace(sentence, opening=kept, form=front)

    return rewrite


_REWRITES: Mapping[str, _Rewrite] = {
    "opening": _opening,
    "size": _size,
    "beside": _relation("beside"),
    "height": _relation("height"),
    "side": _relation("side"),
    "turned": _turned,
    "order": _order,
    "joint": _joint,
    "number": _number,
    "holder": _holder,
    "verb": _verb,
    "relation first": _first("relation first"),
    "position first": _first("position first"),
    "ground first": _first("ground first"),
}

#: What can be done to a caption without changing what it means, each with an example.
REWRITES: Mapping[str, tuple[str, str]] = {
    "opening": ("a picture of a dog", "there is a dog"),
    "size": ("a big dog", "a large dog"),
    "beside": ("a dog beside a cat", "a dog next to a cat"),
    "height": ("a bird above a tree", "a bird over a tree"),
    "side": ("a dog left of a cat", "a dog to the left of a cat"),
    "turned": ("a dog left of a cat", "a cat right of a dog"),
    "order": ("a dog, a cat and a ball", "a ball, a dog and a cat"),
    "joint": ("a dog and a cat", "a dog with a cat"),
    "number": ("two dogs", "a dog and a dog"),
    "holder": ("a picture of a dog", "a picture with a dog"),
    "verb": ("a dog left of a cat", "a dog is left of a cat"),
    "relation first": ("a dog left of a cat", "left of a cat is a dog"),
    "position first": ("a dog on the left", "on the left, a dog"),
    "ground first": ("a dog on the grass", "on the grass, a dog"),
}


def reword(
    caption: str, generator: np.random.Generator, rewrites: Sequence[str] | None = None
) -> Rewording | None:
    """Return a caption in other words that mean the same.

    Parameters
    ----------
    caption
        One that :func:`describe`, :func:`locate` or :func:`single_out` has written.
    generator
        Draws up to three of the rewrites that can be done.
    rewrites
        Names of those that may be done; all of :data:`REWRITES` when ``None``.

    Returns
    -------
    Rewording or None
        ``None`` where none of them can be done.

    Raises
    ------
    InputError
        When the caption is no such one, or there is no rewrite of a name.
    """
    allowed = list(REWRITES) if rewrites is None else list(rewrites)
    for name in allowed:
        if name not in REWRITES:
            raise InputError(
                "rewrites", f"has {quoted(name)}", f"pass names out of {', '.join(REWRITES)}"
            )
    sentence = _read(caption)
    said = sentence.written()[1]
    wanted = int(generator.integers(1, _MOST_REWRITES + 1))
    done: list[str] = []
    for index in generator.permutation(len(allowed)):
        if len(done) < wanted and (changed := _REWRITES[allowed[index]](sentence, generator)):
            sentence = changed
            done.append(allowed[index])
    if not done:
        return None
    text, said_again = sentence.written()
    aligned = [(span, other) for what, span in said for again, other in said_again if what == again]
    return Rewording(text, tuple(aligned), tuple(done))
