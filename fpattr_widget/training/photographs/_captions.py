"""Captions that train the text tower, and the vectors that it is to embed them as."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ._lexicon import EVERYDAY, Lexicon, Phrase, plain

PAD, UNKNOWN, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIAL_TOKENS = (PAD, UNKNOWN, CLS, SEP, MASK)
_PAD, _UNKNOWN, _CLS, _SEP, _ = range(len(SPECIAL_TOKENS))

LONGEST_CAPTION = 40
MOST_THINGS = 4

# Words between things that name nothing that is seen.
_FILLERS = """
a an the this that these those some several two three four many his her its their my our your
there here it is are be of and or with without on in at by to for from into over under above
below behind beside between near next front top bottom left right side middle background
foreground photo photograph picture image view scene close up
"""
FILLERS = tuple(_FILLERS.split())

_OPENINGS = tuple(
    opening.split()
    for opening in (
        "",
        "",
        "a photo of",
        "a picture of",
        "an image of",
        "a photograph of",
        "this is",
        "there is",
        "there are",
        "a close up of",
        "a view of",
    )
)
_LINKS = tuple(
    link.split()
    for link in (
        "",
        "and",
        "and",
        "with",
        "on",
        "on top of",
        "in",
        "in front of",
        "next to",
        "near",
        "by",
        "beside",
        "behind",
        "under",
        "above",
        "to the left of",
        "to the right of",
        "between",
    )
)
# Shares of fillers, unknown words, loose words and padding.
_NOTHING = (0.5, 0.25, 0.15, 0.1)
_DETERMINERS = ("a", "a", "an", "the", "the", "two", "three", "some", "his", "this", "", "")


@dataclass(frozen=True)
class CaptionBatch:
    """Captions and their targets.

    Attributes
    ----------
    ids, mask
        Token ids, and 1 where there is a token, ``(captions, positions)``.
    strength
        How much of each token there is, from padding (0) to the token (1), ``(captions,
        positions)``.
    meanings
        The sum of the vectors of what is named, each times its strength, ``(captions,
        dimensions)``.
    """

    ids: Tensor
    mask: Tensor
    strength: Tensor
    meanings: Tensor


class CaptionWriter:
    """Writes captions of up to four things in free order and wording.

    Parameters
    ----------
    lexicon
        The names of things.
    vectors
        The vector of each phrase of the lexicon, ``(phrases, dimensions)``.
    """

    def __init__(self, lexicon: Lexicon, vectors: Tensor):
        self.phrases = lexicon.phrases
        self.vectors = vectors
        words = {word for phrase in self.phrases for word in phrase.words}
        self.vocabulary = [*SPECIAL_TOKENS, *sorted(words | set(FILLERS))]
        self._ids = {word: index for index, word in enumerate(self.vocabulary)}
        self.phrase_ids = [self._encode(phrase.words) for phrase in self.phrases]
        self.weights = _weights(lexicon)
        self._fillers = self._encode(FILLERS)
        # Words that name something only together with others: "golden", of the retriever.
        alone = {phrase.words[0] for phrase in self.phrases if len(phrase.words) == 1}
        self._loose = self._encode(sorted(words - alone - set(FILLERS)))
        self._openings = [self._encode(words) for words in _OPENINGS]
        self._links = [self._encode(words) for words in _LINKS]
        self._determiners = [self._encode([word] if word else []) for word in _DETERMINERS]

    def _encode(self, words: Sequence[str]) -> list[int]:
        return [self._ids[word] for word in words]

    def batches(self, generator: np.random.Generator, size: int) -> Iterator[CaptionBatch]:
        """Yield batches of captions of about the same length, without end."""
        together = 8
        while True:
            batch = self.batch(generator, together * size)
            lengths = batch.mask.sum(1)
            parts = lengths.argsort(stable=True).split(size)
            for index in generator.permutation(together):
                chosen, longest = parts[index], int(lengths[parts[index]].max())
                yield CaptionBatch(
                    batch.ids[chosen, :longest],
                    batch.mask[chosen, :longest],
                    batch.strength[chosen, :longest],
                    batch.meanings[chosen],
                )

    def batch(self, generator: np.random.Generator, size: int) -> CaptionBatch:
        """Return captions in their order of writing."""
        things = generator.choice(len(self.phrases), (size, MOST_THINGS), p=self.weights)
        counts = generator.choice(MOST_THINGS + 1, size, p=[0.06, 0.34, 0.3, 0.18, 0.12])
        ids = np.full((size, LONGEST_CAPTION), _PAD)
        # Which thing each token names; -1 is none, and -2 are special tokens.
        owners = np.full((size, LONGEST_CAPTION), -2)
        mask = np.zeros((size, LONGEST_CAPTION), int)
        for row in range(size):
            tokens, owned = self._write(generator, things[row, : counts[row]])
            length = len(tokens)
            ids[row, :length], owners[row, :length], mask[row, :length] = tokens, owned, 1
        of_things, of_fillers = _strengths(generator, size)
        strength = np.where(owners == -1, of_fillers, 1.0)
        meanings = torch.zeros(size, self.vectors.shape[1])
        for place in range(MOST_THINGS):
            owned = owners == place
            share = np.where(owned.any(1), of_things[:, place], 0.0)
            strength = np.where(owned, of_things[:, place, None], strength)
            vectors = self.vectors[torch.from_numpy(things[:, place])]
            meanings += torch.from_numpy(share).float()[:, None] * vectors
        longest = int(mask.sum(1).max())
        return CaptionBatch(
            torch.from_numpy(ids[:, :longest]),
            torch.from_numpy(mask[:, :longest]),
            torch.from_numpy(strength[:, :longest]).float(),
            meanings,
        )

    def _write(
        self, generator: np.random.Generator, things: np.ndarray
    ) -> tuple[list[int], list[int]]:
        """Return a caption's tokens, and which thing each names."""
        tokens, owners = [_CLS], [-2]

        def say(ids: Sequence[int], owner: int = -1) -> None:
            tokens.extend(ids)
            owners.extend([owner] * len(ids))

        if len(things):
            say(_one_of(generator, self._openings))
        else:
            say(self._nothing(generator, 10))
        for place, thing in enumerate(things):
            if place:
                say(_one_of(generator, self._links))
            say(_one_of(generator, self._determiners))
            if generator.random() < 0.2:  # a colour, a size, a kind
                say(self._nothing(generator, 1))
            say(self.phrase_ids[thing], place)
            if generator.random() < 0.1:
                say(self._nothing(generator, 1))
        if generator.random() < 0.2:
            say(self._nothing(generator, 5))
        end = LONGEST_CAPTION - 1
        return [*tokens[:end], _SEP], [*owners[:end], -2]

    def _nothing(self, generator: np.random.Generator, most: int) -> list[int]:
        """Return words that name nothing: fillers, unknown and loose words, and padding."""
        kinds = (self._fillers, [_UNKNOWN], self._loose, [_PAD])
        chosen = generator.choice(len(kinds), generator.integers(1, most + 1), p=_NOTHING)
        return [int(generator.choice(kinds[kind])) for kind in chosen]


def _one_of(generator: np.random.Generator, several: Sequence[list[int]]) -> list[int]:
    return several[int(generator.integers(len(several)))]


def _strengths(generator: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return how much of each thing and of each filler of a caption is there.

    Half of the captions are whole. In a quarter some things and words are padding; in a
    quarter everything is in part padding, as on an attribution's straight path: attributions
    add up, and few nodes are enough, if meanings follow strengths.

    Returns
    -------
    tuple of numpy.ndarray
        ``(captions, things)`` and ``(captions, positions)``.
    """
    kind = generator.random((size, 1))
    common = generator.random((size, 1))

    def drawn(count: int) -> np.ndarray:
        present = (generator.random((size, count)) < 0.5).astype(float)
        return np.where(kind < 0.25, present, np.where(kind < 0.5, common, 1.0))

    return drawn(MOST_THINGS), drawn(LONGEST_CAPTION)


def _weights(lexicon: Lexicon) -> np.ndarray:
    """Return how often each phrase is written: everyday names most often."""
    everyday = {plain(word) for word in EVERYDAY}
    named = {plain(name) for names in lexicon.class_names for name in names}
    usual = {plain(names[0]) for names in lexicon.class_names}

    def weight(phrase: Phrase) -> float:
        name = " ".join(phrase.words)
        if name in everyday:
            return 4.0
        if name in usual:
            return 3.0
        if len(phrase.classes) > 4:
            return 2.0
        return 1.5 if name in named else 0.7

    weights = np.array([weight(phrase) for phrase in lexicon.phrases])
    return weights / weights.sum()
