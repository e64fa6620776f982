"""Is the word that makes a caption wrong against the match, or less for it than the true one?"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...pairs import FeaturePairs
from .._explained import ExplainedSample, tokens_in
from .._foil import Change
from .._score import Score
from ._metric import MetricTraits

_NUMBERS = ("swapped_word_negative", "swapped_word_lower", "swapped_word_gap")
# Sums that differ by no more than rounding are equal.
_ROUNDING = 1e-5


@dataclass(frozen=True)
class SwappedWord(MetricTraits):
    """What a foil's changed words attribute to the picture, beside the words that they replace.

    A foil's words are judged in its own explanation, the words that they replace in the
    caption's, each by the sum of its map over all patches. For each foil with a caption:

    - ``swapped_word_negative``: one if the changed words speak against the match. Chance is the
      share of the foil's other words that do.
    - ``swapped_word_lower``: one if they are below the true words, one half if they are equal;
      chance is one half. ``swapped_word_gap``: how far they are below, in units of the
      score; chance is zero. Not where words were only added.

    The same sums over the boxes of the phrases that overlap the true words have the endings
    ``_on_box``; they are there where there are such boxes. Where several places were
    changed, as in swaps, numbers are means over them. A foil that only leaves words out, and
    one that is a picture, has none of them.

    A model that reads a caption as a bag of words gives swapped words equal maps: one half.
    """

    shares = frozenset(f"{name}{ending}" for name in _NUMBERS[:2] for ending in ("", "_on_box"))

    def measure(self, explained: ExplainedSample) -> tuple[Score, ...]:
        return tuple(
            score
            for number in range(len(explained.prepared.sample.foils))
            for score in _of_foil(explained, number)
        )


def _of_foil(explained: ExplainedSample, number: int) -> Iterator[Score]:
    prepared = explained.prepared
    changes = prepared.sample.foils[number].changes(prepared.sample.caption)
    text, _ = prepared.foil(number)
    found: dict[str, list[tuple[float, float | None]]] = {}
    changed = {token for _, span in changes for token in tokens_in(text, span)}
    for change in changes:
        tokens = tokens_in(text, change[1])
        if not tokens:
            continue
        true_tokens = tokens_in(prepared.text, change[0])
        foil_pairs = explained.foil_pairs[number]
        others = [token for token in np.flatnonzero(text.content).tolist() if token not in changed]
        for ending, mask in _regions(explained, change):
            swapped, *rest = _sums(foil_pairs, [tokens, *((other,) for other in others)], mask)
            against = float(np.mean(np.array(rest) < 0)) if rest else None
            judged = [(_NUMBERS[0], float(swapped < 0), against)]
            if true_tokens:
                (true,) = _sums(explained.pairs, [true_tokens], mask)
                equal = math.isclose(swapped, true, rel_tol=_ROUNDING)
                lower = 0.5 if equal else float(swapped < true)
                judged += [(_NUMBERS[1], lower, 0.5), (_NUMBERS[2], true - swapped, 0.0)]
            for name, value, chance in judged:
                found.setdefault(f"{name}{ending}", []).append((value, chance))
    for name, both in found.items():
        value = float(np.mean([value for value, _ in both]))
        chances = [chance for _, chance in both if chance is not None]
        yield Score(name, value, float(np.mean(chances)) if chances else None, foil=number)


def _regions(explained: ExplainedSample, change: Change) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the whole picture, and the boxes of what was changed if there are any."""
    yield "", np.ones(explained.pairs.grid, bool)
    if explained.prepared.image.crop is None:
        return
    (start, stop), _ = change
    inside = [
        target.inside
        for target in explained.targets
        if target.phrase.start < stop and start < target.phrase.stop
    ]
    if inside:
        yield "_on_box", np.any(inside, 0)


def _sums(pairs: FeaturePairs, spans: list[tuple[int, ...]], mask: np.ndarray) -> list[float]:
    """Return the sums of the maps of tokens over a region."""
    return [float(heat[mask].sum(dtype=np.float64)) for heat in pairs.of_spans(spans)]
