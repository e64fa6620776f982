"""All numbers of an evaluation as they are at a moment, to be looked up."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..errors import InputError
from ._dataset import Sample
from ._estimate import Estimate, estimate
from ._plan import Evaluation, Run
from ._records import Score


@dataclass(frozen=True)
class Measurement:
    """A score and the number of the sample that it is of."""

    sample: int
    score: Score

    @property
    def phrase(self) -> int:
        """Number of the sample's phrase, of a score that is of a phrase."""
        assert self.score.phrase is not None, "a number of a whole sample"
        return self.score.phrase


class Measurements:
    """What an evaluation has measured until now; it may go on.

    Attributes
    ----------
    samples
        Those of the data set.
    runs
        The ways of explaining that were compared.
    records
        What was looked at.
    every
        All numbers, in the order of the samples.
    less_is_better, shares
        Names of the numbers that are good when they are small, and of those
        that lie between zero and one by definition.
    """

    def __init__(self, evaluation: Evaluation):
        self.samples = evaluation.dataset.samples
        self.runs: tuple[Run, ...] = tuple(way.run for way in evaluation.ways)
        places = {one.name: number for number, one in enumerate(self.samples)}
        self.records = [one for one in evaluation.records if one.sample in places]
        every = [
            Measurement(places[record.sample], score)
            for record in self.records
            for score in record.scores
        ]
        self.every = sorted(every, key=lambda one: one.sample)
        self.less_is_better: frozenset[str] = frozenset().union(
            *(metric.less_is_better for metric in evaluation.metrics)
        )
        self.shares: frozenset[str] = frozenset().union(
            *(metric.shares for metric in evaluation.metrics)
        )

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """Names of all numbers, in the order of the metrics."""
        named = [tuple(dict.fromkeys(s.metric for s in record.scores)) for record in self.records]
        # A sample may lack some: those that have most say the order.
        named.sort(key=len, reverse=True)
        return tuple(dict.fromkeys(name for names in named for name in names))

    @cached_property
    def phrase_metrics(self) -> tuple[str, ...]:
        """Names of those that are of phrases."""
        found = {one.score.metric for one in self.every if one.score.phrase is not None}
        return tuple(name for name in self.metrics if name in found)

    @cached_property
    def metrics_with_chance(self) -> frozenset[str]:
        """Names of those that have a chance level."""
        return frozenset(one.score.metric for one in self.every if one.score.chance is not None)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The classes of all phrases that were measured, sorted."""
        return tuple(sorted({self.label(m) for m in self.every if m.score.phrase is not None}))

    @cached_property
    def _sorted(self) -> dict[tuple[str, int], list[Measurement]]:
        found: dict[tuple[str, int], list[Measurement]] = {}
        for one in self.every:
            found.setdefault((one.score.metric, one.score.run), []).append(one)
        return found

    def of(self, metric: str, run: int) -> list[Measurement]:
        """Return all numbers of a name in one run."""
        return self._sorted.get((metric, run), [])

    def by_label(self, metric: str, run: int) -> dict[str, list[Measurement]]:
        """Return numbers of phrases by the phrases' classes."""
        found: dict[str, list[Measurement]] = {}
        for one in self.of(metric, run):
            found.setdefault(self.label(one), []).append(one)
        return found

    def by_phrase(self, metric: str, run: int) -> dict[tuple[int, int], float]:
        """Return numbers by sample and phrase."""
        return {(one.sample, one.phrase): one.score.value for one in self.of(metric, run)}

    def estimated(self, found: Sequence[Measurement]) -> Estimate:
        """Return the mean of numbers of one name with its interval."""
        values, samples = zip(*((one.score.value, one.sample) for one in found), strict=True)
        return estimate(values, samples, shares=found[0].score.metric in self.shares)

    def sample(self, one: Measurement) -> Sample:
        """Return the sample that a number is of."""
        return self.samples[one.sample]

    def label(self, one: Measurement) -> str:
        """Return the class of the phrase that a number is of."""
        return self.sample(one).phrases[one.phrase].label

    # What users ask for

    def metric_named(self, metric: str | None) -> str:
        """Return a number's name, the first unless told; else raise ``InputError``."""
        return _one_of(metric, self.metrics)

    def phrase_metric_named(self, metric: str | None) -> str:
        """Return the name of a number that is of phrases, likewise."""
        return _one_of(metric, self.phrase_metrics)

    def run_number(self, run: int | Run) -> int:
        """Return the number of a run; else raise ``InputError``."""
        if isinstance(run, Run) and run in self.runs:
            return self.runs.index(run)
        if isinstance(run, int) and -len(self.runs) <= run < len(self.runs):
            return run % len(self.runs)
        raise InputError(f"`run` is {run!r}: pass one of `runs`, or its number.")


def mean_chance(found: Iterable[Measurement]) -> float | None:
    """Return the mean of their chance levels, where there are any."""
    chances = [one.score.chance for one in found if one.score.chance is not None]
    return float(np.mean(chances)) if chances else None


def _one_of(name: str | None, there: tuple[str, ...]) -> str:
    if name is None and there:
        return there[0]
    if name is None or name not in there:
        raise InputError(f"`metric` is {name!r}: measured is {', '.join(there) or 'nothing'}.")
    return name
