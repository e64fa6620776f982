"""An indexed snapshot of an evaluation's scores."""

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np

from ..errors import InputError
from ._dataset import Sample
from ._estimate import Estimate, estimate
from ._plan import Evaluation
from ._score import Score
from ._setup import SetupName

#: The place of a sample, and the index of one of its phrases or of one of its foils.
PartKey = tuple[int, int | None, int | None]


class Measurements:
    """The scores of an evaluation as they are now; the evaluation may go on.

    Their order is that of the data set, whatever order the records arrived in.

    Attributes
    ----------
    samples
        Those of the data set.
    runs
        Names of the setups that are compared.
    records
        One for each sample that was tried.
    scores
        Those of all records.
    less_is_better, shares
        Names of the numbers that are good when they are small, and of those
        that lie between zero and one by definition.
    """

    def __init__(self, evaluation: Evaluation):
        self.samples = evaluation.dataset.samples
        self.runs: tuple[SetupName, ...] = tuple(setup.name for setup in evaluation.task.setups)
        self._places = {sample.name: place for place, sample in enumerate(self.samples)}
        self.records = sorted(
            (record for record in evaluation.records if record.sample in self._places),
            key=lambda record: self._places[record.sample],
        )
        self.scores = [score for record in self.records for score in record.scores]
        metrics = evaluation.task.metrics
        self.less_is_better: frozenset[str] = frozenset().union(
            *(metric.less_is_better for metric in metrics)
        )
        self.shares: frozenset[str] = frozenset().union(*(metric.shares for metric in metrics))

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """Names of all numbers, in the order of the metrics."""
        named = [tuple(dict.fromkeys(s.metric for s in record.scores)) for record in self.records]
        # A sample may lack some names, so those with the most names come first.
        named.sort(key=len, reverse=True)
        return tuple(dict.fromkeys(name for names in named for name in names))

    @cached_property
    def class_metrics(self) -> tuple[str, ...]:
        """Names of those that are of phrases or of foils, which have classes."""
        names = {score.metric for score in self.scores if has_class(score)}
        return tuple(name for name in self.metrics if name in names)

    @cached_property
    def metrics_with_chance(self) -> frozenset[str]:
        """Names of those that have a chance level."""
        return frozenset(score.metric for score in self.scores if score.chance is not None)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The classes of all phrases and foils that were measured, sorted."""
        return tuple(sorted({self.label(s) for s in self.scores if has_class(s)}))

    @cached_property
    def _by_metric_and_run(self) -> dict[tuple[str, int], list[Score]]:
        scores: dict[tuple[str, int], list[Score]] = {}
        for score in self.scores:
            scores.setdefault((score.metric, score.run), []).append(score)
        return scores

    def of(self, metric: str, run: int) -> list[Score]:
        """Return all scores of one name and run."""
        return self._by_metric_and_run.get((metric, run), [])

    def by_label(self, metric: str, run: int) -> dict[str, list[Score]]:
        """Return the scores of phrases or foils by their classes."""
        scores: dict[str, list[Score]] = {}
        for score in self.of(metric, run):
            scores.setdefault(self.label(score), []).append(score)
        return scores

    def by_part(self, metric: str, run: int) -> dict[PartKey, float]:
        """Return values by the sample's place and the index of its phrase or of its foil."""
        return {self.key(s): s.value for s in self.of(metric, run)}

    def key(self, score: Score) -> PartKey:
        """Return the place of a score's sample, and the index of the phrase or of the foil."""
        return self.place(score), score.phrase, score.foil

    def estimate(self, scores: Sequence[Score]) -> Estimate:
        """Return the mean of scores of one name, with its interval."""
        values, places = zip(*((s.value, self.place(s)) for s in scores), strict=True)
        return estimate(values, places, shares=scores[0].metric in self.shares)

    def place(self, score: Score) -> int:
        """Return the place of a score's sample in the data set."""
        return self._places[score.sample]

    def sample(self, score: Score) -> Sample:
        """Return the sample of a score."""
        return self.samples[self.place(score)]

    def label(self, score: Score) -> str:
        """Return the class of the phrase, or the kind of the foil, of a score."""
        return label_of(self.sample(score), score.phrase, score.foil)

    # Checks of arguments

    def check_metric(self, metric: str | None) -> str:
        """Return the name of a number, by default the first; raise ``InputError`` if unknown."""
        return _known_name(metric, self.metrics)

    def check_class_metric(self, metric: str | None) -> str:
        """Return the name of a number that is of phrases or foils, likewise."""
        return _known_name(metric, self.class_metrics)

    def check_run(self, run: int | SetupName) -> int:
        """Return the index of a run; raise ``InputError`` if there is no such run."""
        if isinstance(run, SetupName) and run in self.runs:
            return self.runs.index(run)
        if isinstance(run, int) and -len(self.runs) <= run < len(self.runs):
            return run % len(self.runs)
        raise InputError("run", f"is {run!r}", "pass one of `runs`, or its number")


def has_class(score: Score) -> bool:
    """Return whether a score is of a phrase or of a foil."""
    return score.phrase is not None or score.foil is not None


def label_of(sample: Sample, phrase: int | None, foil: int | None) -> str:
    """Return the class of a phrase, or the kind of a foil, given the index of one of them."""
    if foil is not None:
        return sample.foils[foil].kind or "foil"
    assert phrase is not None, "a score of a whole sample"
    return sample.phrases[phrase].label


def mean_chance(scores: Iterable[Score]) -> float | None:
    """Return the mean of the chance levels, ``None`` where there are none."""
    chances = [score.chance for score in scores if score.chance is not None]
    return float(np.mean(chances)) if chances else None


def _known_name(name: str | None, known: tuple[str, ...]) -> str:
    if not known:
        raise InputError(
            "metric", "names nothing, for no such number was measured", "see `report.metrics`"
        )
    if name is None:
        return known[0]
    if name not in known:
        raise InputError(
            "metric", f"is {name!r}, which was not measured", f"pass one of {', '.join(known)}"
        )
    return name
