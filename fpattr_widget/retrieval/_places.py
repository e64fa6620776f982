"""The places of pictures for two wordings, and where the top of one stands for the other."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

# Scores that differ by less are equal: products of matrices give equal vectors equal scores only
# up to rounding.
_DIGITS = 12
# Working memory for scores, in bytes.
_MEMORY = 2**26


@dataclass(frozen=True, eq=False)
class Places:
    """The top of two rankings for each of several pairs of wordings.

    In all arrays the wording comes after the pair, first the query, then the paraphrase. Places
    count from 1; of equal scores the picture that comes first in the gallery wins.

    Attributes
    ----------
    tops
        Numbers of the pictures, the best first, ``(pairs, 2, k)`` int64.
    scores
        Their scores, ``(pairs, 2, k)`` float64.
    other_places, other_scores
        What the same pictures have for the other wording, ``(pairs, 2, k)``.
    own
        The place of the pair's own picture, ``(pairs, 2)`` int64; 0 where it is not known.
    """

    tops: np.ndarray
    scores: np.ndarray
    other_places: np.ndarray
    other_scores: np.ndarray
    own: np.ndarray


def places_of(
    scores_of: Callable[[Sequence[int]], np.ndarray],
    wordings: np.ndarray,
    pictures: int,
    k: int,
    own: Sequence[int],
) -> Places:
    """Rank all pictures for each wording of each pair.

    Parameters
    ----------
    scores_of
        Returns the scores of all pictures for some captions by their numbers,
        ``(pictures, captions)``.
    wordings
        Numbers of the captions of each pair, ``(pairs, 2)``.
    pictures
        How many there are.
    k
        How many are the top.
    own
        Number of each pair's own picture; −1 where it is not known.
    """
    count = len(wordings)
    shape = count, 2, k
    found = Places(
        np.empty(shape, np.int64),
        np.empty(shape),
        np.empty(shape, np.int64),
        np.empty(shape),
        np.zeros((count, 2), np.int64),
    )
    for start, stop in _blocks(count, pictures):
        captions, columns = np.unique(wordings[start:stop], return_inverse=True)
        scores = np.round(scores_of(captions.tolist()), _DIGITS).T
        order = np.argsort(-scores, axis=1, kind="stable")
        places = np.empty_like(order)
        np.put_along_axis(places, order, np.arange(1, pictures + 1)[None], axis=1)
        for pair, both in enumerate(columns.reshape(-1, 2), start):
            tops = order[both, :k]
            others = both[::-1, None]
            found.tops[pair] = tops
            found.scores[pair] = scores[both[:, None], tops]
            found.other_places[pair] = places[others, tops]
            found.other_scores[pair] = scores[others, tops]
            if own[pair] >= 0:
                found.own[pair] = places[both, own[pair]]
    return found


def products_of(vectors: np.ndarray, captions: np.ndarray) -> np.ndarray:
    """Return the inner products of many vectors with a few, ``(vectors, captions)`` float64.

    ``vectors`` may be mapped into memory; they are read in pieces.
    """
    few = captions.astype(np.float64).T
    rows = max(1, _MEMORY // (8 * vectors.shape[1]))
    return np.concatenate(
        [
            vectors[start : start + rows].astype(np.float64) @ few
            for start in range(0, len(vectors), rows)
        ]
    )


def _blocks(pairs: int, pictures: int) -> Iterator[tuple[int, int]]:
    """Return pairs whose scores and places fit into the working memory, as first and end."""
    # Two wordings, each with its scores, their order and their places.
    together = max(1, _MEMORY // (2 * 3 * 8 * pictures))
    for start in range(0, pairs, together):
        yield start, min(start + together, pairs)
