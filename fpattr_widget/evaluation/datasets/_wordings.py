"""Pairs of wordings that are read from files: words in common, each pair once."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from .._paraphrases import Paraphrase, Paraphrases, Span
from ._reading import ProblemLog, UnusableError, tell

_WORD = re.compile(r"\w+(?:['’-]\w+)*")


def words_in_common(
    query: str, paraphrase: str, alike: Mapping[str, str] | None = None
) -> tuple[tuple[Span, Span], ...]:
    """Return words that stand once in each of two wordings, and are the same up to their case.

    Parameters
    ----------
    query, paraphrase
        The wordings.
    alike
        Words or expressions of the query that mean the same as others of the paraphrase.

    Returns
    -------
    tuple
        Characters of the query, and characters of the paraphrase, in the query's order.
    """
    aligned: list[tuple[Span, Span]] = []
    for words, other in (alike or {}).items():
        found, again = _first(words, query), _first(other, paraphrase)
        if found and again:
            aligned.append((found, again))
    own, others = _places(query), _places(paraphrase)
    for word, places in own.items():
        if len(places) == len(others.get(word, ())) == 1:
            pair = places[0], others[word][0]
            if not any(
                _overlap(one, known[side]) for known in aligned for side, one in enumerate(pair)
            ):
                aligned.append(pair)
    return tuple(sorted(aligned))


def _first(words: str, text: str) -> Span | None:
    found = re.search(rf"\b{re.escape(words)}\b", text, re.IGNORECASE)
    return found and found.span()


def _overlap(one: Span, other: Span) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _places(text: str) -> dict[str, list[Span]]:
    places: dict[str, list[Span]] = {}
    for word in _WORD.finditer(text):
        places.setdefault(word.group().lower(), []).append(word.span())
    return places


def as_pair(query: str, paraphrase: str, group: str = "", source: Any = None) -> Paraphrase:
    """Return a pair of wordings.

    Raises
    ------
    UnusableError
        When both are the same.
    """
    query, paraphrase = query.strip(), paraphrase.strip()
    if query.lower().split() == paraphrase.lower().split():
        raise UnusableError("the paraphrase is the query itself")
    aligned = words_in_common(query, paraphrase)
    return Paraphrase(query, paraphrase, group, source, aligned)


def finished_pairs(
    name: str,
    pairs: Iterable[tuple[str, Paraphrase]],
    images: Mapping[str, Any],
    log: ProblemLog,
    argument: str,
    file: str,
) -> Paraphrases:
    """Return the data set, and warn when parts of its files could not be read.

    Parameters
    ----------
    name, images
        See :class:`~fpattr_widget.evaluation.Paraphrases`.
    pairs
        Each with its place in the file; of those that are the same the first is kept.
    log
        Problems so far.
    argument, file
        The argument and the file that the pairs were read from.

    Raises
    ------
    InputError
        When there are no pairs.
    """
    kept: dict[tuple[str, str, str], Paraphrase] = {}
    for place, pair in pairs:
        key = (pair.query, pair.paraphrase, pair.group)
        if key in kept:
            log.add(file, place, "the pair is there twice")
        else:
            kept[key] = pair
    tell(name, kept, log, argument, "pairs")
    return Paraphrases(name, kept.values(), images, log.problems)
