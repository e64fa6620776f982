"""Which words of two wordings belong together."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from ..encoders import Sentence, spelling, word_groups

#: Characters ``start`` to ``stop`` of the query, and of the paraphrase.
Spans = tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True)
class AlignedWords:
    """A word of a query, and the word of its paraphrase in its place; or several of them.

    Attributes
    ----------
    query, paraphrase
        The words; one of them is empty where the other wording has nothing in their place.
    query_tokens, paraphrase_tokens
        Numbers of their tokens, each in its own caption.
    same
        Whether they are the same word, or are known to mean the same. Others stand in the same
        place, as far as can be told.
    """

    query: str
    paraphrase: str
    query_tokens: tuple[int, ...]
    paraphrase_tokens: tuple[int, ...]
    same: bool

    def __str__(self) -> str:
        if not self.query or not self.paraphrase:
            return f"“{self.query or self.paraphrase}”"
        if self.query.casefold() == self.paraphrase.casefold():
            return f"“{self.query}”"
        return f"“{self.query}” / “{self.paraphrase}”"

    @property
    def has_letters(self) -> bool:
        """Whether it is more than punctuation."""
        return any(character.isalnum() for character in self.query + self.paraphrase)


@dataclass(frozen=True)
class _Word:
    text: str
    start: int
    stop: int
    tokens: tuple[int, ...]

    @property
    def key(self) -> str:
        return self.text.casefold()


def align_words(
    query: Sentence, paraphrase: Sentence, aligned: Iterable[Spans] = ()
) -> tuple[AlignedWords, ...]:
    """Align the words of two wordings; every word is in one of the groups that are returned.

    Words that are known to mean the same come first. Of the others, the longest runs of equal
    words are aligned (Ratcliff and Obershelp's method, as in :mod:`difflib`), then equal words
    that have moved if each wording has one of them left. Where as many words of both are left in
    the same place, they are paired in order, though nothing tells that they mean the same; all
    others have no partner.

    Parameters
    ----------
    query, paraphrase
        The captions as the model reads them.
    aligned
        Characters of words that are known to mean the same.

    Returns
    -------
    tuple of AlignedWords
        In the order of the query; words of the paraphrase alone where they stand in it.
    """
    first, second = _words(query), _words(paraphrase)
    groups: list[AlignedWords] = []
    for in_query, in_paraphrase in aligned:
        ours, theirs = _inside(first, in_query), _inside(second, in_paraphrase)
        if ours and theirs:
            groups.append(_group(ours, theirs, same=True))
            first = [word for word in first if word not in ours]
            second = [word for word in second if word not in theirs]
    matcher = SequenceMatcher(
        None, [word.key for word in first], [word.key for word in second], autojunk=False
    )
    blocks: list[tuple[list[_Word], list[_Word]]] = []
    for tag, start, stop, other_start, other_stop in matcher.get_opcodes():
        ours, theirs = first[start:stop], second[other_start:other_stop]
        if tag == "equal":
            pairs = zip(ours, theirs, strict=True)
            groups += [_group([one], [other], same=True) for one, other in pairs]
        else:
            blocks.append((ours, theirs))
    moved = _moved(blocks)
    groups += [_group([one], [other], same=True) for one, other in moved]
    gone = {id(word) for pair in moved for word in pair}
    for block in blocks:
        ours, theirs = ([word for word in words if id(word) not in gone] for words in block)
        if len(ours) == len(theirs):
            groups += [
                _group([one], [other], same=False) for one, other in zip(ours, theirs, strict=True)
            ]
        else:
            groups += [_group([word], [], same=False) for word in ours]
            groups += [_group([], [word], same=False) for word in theirs]
    return tuple(sorted(groups, key=_place))


def _words(sentence: Sentence) -> list[_Word]:
    words = []
    for group in word_groups(sentence.tokens):
        tokens = [sentence.tokens[number] for number in group]
        start, stop = tokens[0].start, tokens[-1].stop
        if not tokens[0].special and start is not None and stop is not None:
            words.append(_Word(spelling(tokens, sentence.caption), start, stop, group))
    return words


def _inside(words: Sequence[_Word], span: tuple[int, int]) -> list[_Word]:
    start, stop = span
    return [word for word in words if word.start < stop and start < word.stop]


def _moved(blocks: Sequence[tuple[list[_Word], list[_Word]]]) -> list[tuple[_Word, _Word]]:
    """Return equal words in different places, where each wording has one that is not aligned."""
    left = [[word for block in blocks for word in block[side]] for side in (0, 1)]
    ours, theirs = (Counter(word.key for word in words) for words in left)
    other = {word.key: word for word in left[1]}
    return [(word, other[word.key]) for word in left[0] if ours[word.key] == theirs[word.key] == 1]


def _group(ours: Sequence[_Word], theirs: Sequence[_Word], *, same: bool) -> AlignedWords:
    return AlignedWords(
        " ".join(word.text for word in ours),
        " ".join(word.text for word in theirs),
        tuple(number for word in ours for number in word.tokens),
        tuple(number for word in theirs for number in word.tokens),
        same,
    )


def _place(group: AlignedWords) -> tuple[int, int]:
    """Return what orders groups: the first token, of the query if it has one."""
    if group.query_tokens:
        return group.query_tokens[0], 0
    return group.paraphrase_tokens[0], 1
