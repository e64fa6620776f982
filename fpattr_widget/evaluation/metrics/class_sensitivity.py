"""Do two captions of one picture have different maps?"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...errors import InputError
from .._explained import ExplainedSample, tokens_in
from .._score import Score
from ._metric import MetricTraits
from .agreement import rank_correlation


@dataclass(frozen=True)
class ClassSensitivity(MetricTraits):
    """How alike the maps of a caption and of its foil are on one picture; lower is better.

    Many saliency maps hardly change with the class that they are asked for, and then show what
    is salient and not what is meant. Williamson, Dwyer and Ji (*CASE: Contrastive Activation
    for Saliency Estimation*, arXiv 2506.07327) measure that by the maps of a classifier's first
    and second class: the share of the strongest places that both have in common, which they
    test against one half. Here the two classes are a caption and its foil:

    - ``class_overlap``: the share of the ``strongest`` patches that both maps have in common;
      chance is that share of the patches.
    - ``class_correlation``: Spearman's rank correlation of the two maps, one where they are the
      same up to their scale; chance is zero.

    A caption's map is the sum of its words'. With the ending ``_of_words``, the maps are those
    of the words that were changed, and of the words that they replace. Foils that are
    pictures have none of these.

    Parameters
    ----------
    strongest
        The share of the patches that count as the strongest, at least one.

    Raises
    ------
    InputError
        When ``strongest`` does not lie between zero and one.
    """

    strongest: float = 0.1

    less_is_better = frozenset(
        f"{name}{ending}"
        for name in ("class_overlap", "class_correlation")
        for ending in ("", "_of_words")
    )
    shares = frozenset({"class_overlap", "class_overlap_of_words"})

    def __post_init__(self) -> None:
        if not 0 < self.strongest < 1:
            raise InputError("strongest", f"is {self.strongest}", "pass a number between 0 and 1")

    def measure(self, explained: ExplainedSample) -> tuple[Score, ...]:
        prepared = explained.prepared
        scores: list[Score] = []
        for number, foil in enumerate(prepared.sample.foils):
            if foil.caption is None:
                continue
            text, _ = prepared.foil(number)
            spans = {"": [np.flatnonzero(explained.content), np.flatnonzero(text.content)]}
            changes = foil.changes(prepared.sample.caption)
            changed = [
                [token for spans_of in changes for token in tokens_in(each, spans_of[side])]
                for side, each in enumerate((prepared.text, text))
            ]
            if all(changed):
                spans["_of_words"] = [np.array(tokens) for tokens in changed]
            for ending, (own, other) in spans.items():
                (first,) = explained.pairs.of_spans([own.tolist()])
                (second,) = explained.foil_pairs[number].of_spans([other.tolist()])
                scores += self._scores(first, second, ending, number)
        return tuple(scores)

    def _scores(
        self, first: np.ndarray, second: np.ndarray, ending: str, number: int
    ) -> Iterator[Score]:
        count = max(1, round(self.strongest * first.size))
        overlap = shared_share(first, second, count)
        yield Score(f"class_overlap{ending}", overlap, count / first.size, foil=number)
        correlation = rank_correlation(first, second)
        yield Score(f"class_correlation{ending}", correlation, 0.0, foil=number)


def shared_share(first: np.ndarray, second: np.ndarray, count: int) -> float:
    """Return the share of the strongest places of two maps that both have in common.

    Of equally strong places at the end, each counts for its share of those that are left.

    Parameters
    ----------
    first, second
        Of one shape.
    count
        The number of strongest places of each.
    """
    return float(np.minimum(_strongest(first, count), _strongest(second, count)).sum() / count)


def _strongest(heat: np.ndarray, count: int) -> np.ndarray:
    """Return how much of each place is among the strongest: one, none, or a share of a tie."""
    least = np.sort(heat, axis=None)[-count]
    above, tied = heat > least, heat == least
    share: np.ndarray = above + tied * ((count - above.sum()) / tied.sum())
    return share
