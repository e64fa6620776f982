"""``Score``: the one kind of number that metrics return, records keep and reports read."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Score:
    """One number of one sample, or of one of its phrases or foils.

    Attributes
    ----------
    metric
        The number's name.
    value
        The number.
    chance
        What a map without any knowledge reaches on average; ``None`` where
        there is no such level.
    phrase
        Index of the sample's phrase; ``None`` for a number of the whole sample or of a foil.
    run
        Index of the setup that explained the sample, as in ``Report.runs``.
        Metrics leave it out.
    sample
        The sample's name. Metrics leave it out.
    foil
        Index of the sample's foil; ``None`` for a number of the whole sample or of a phrase.
    """

    metric: str
    value: float
    chance: float | None = None
    phrase: int | None = None
    run: int = 0
    sample: str = ""
    foil: int | None = None


class _Numbered(Protocol):
    @property
    def number(self) -> int: ...


def phrase_scores(
    metric: str,
    targets: Iterable[_Numbered],
    values: Sequence[float],
    chances: Sequence[float] | None = None,
) -> tuple[Score, ...]:
    """Return a score for each phrase.

    Parameters
    ----------
    metric
        The number's name.
    targets
        ``ExplainedSample.targets``, the phrases that were judged.
    values
        One for each target.
    chances
        Chance levels, likewise; ``None`` where there are none.
    """
    levels = [None] * len(values) if chances is None else chances
    return tuple(
        Score(metric, value, chance, target.number)
        for target, value, chance in zip(targets, values, levels, strict=True)
    )


@dataclass(frozen=True)
class Record:
    """All scores of one sample, or why it could not be explained.

    Attributes
    ----------
    sample
        The sample's name.
    scores
        Empty where it could not be explained.
    refusal
        The reason then, in a sentence.
    """

    sample: str
    scores: tuple[Score, ...]
    refusal: str | None = None
