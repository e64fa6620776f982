"""Measure one sample: a pure function, which any runner may call anywhere."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ..errors import InputError, ModelChanged
from ._dataset import Sample
from ._explained import ExplainedSample, PreparedSample
from ._score import Record, Score
from ._setup import Setup
from .metrics import Metric


def measure(sample: Sample, setups: Sequence[Setup], metrics: Sequence[Metric]) -> Record:
    """Explain a sample by each setup and judge it by each metric.

    Parameters
    ----------
    sample
        What is explained. Each encoder opens its image once; setups of the
        same encoder stand next to each other.
    setups
        Their positions are the scores' ``run``.
    metrics
        In the order of the scores.

    Returns
    -------
    Record
        The scores, or the reason where the sample cannot be explained.

    Raises
    ------
    ModelChanged
        When a model is changed meanwhile, which is not the sample's fault.
    """
    scores: list[Score] = []
    try:
        for _, group in itertools.groupby(enumerate(setups), lambda item: id(item[1].encoder)):
            runs, own_setups = zip(*group, strict=True)
            prepared = PreparedSample(own_setups[0].encoder, sample)
            for run, score in _scores(runs, own_setups, prepared, metrics):
                scores.append(replace(score, run=run, sample=sample.name))
    except ModelChanged:
        raise
    except InputError as error:
        return Record(sample.name, (), str(error))
    return Record(sample.name, tuple(scores))


def _scores(
    runs: Sequence[int],
    setups: Sequence[Setup],
    prepared: PreparedSample,
    metrics: Sequence[Metric],
) -> Iterator[tuple[int, Score]]:
    """Yield the scores of one encoder's setups, each with its run."""
    if not any(metric.compares for metric in metrics):
        for run, setup in zip(runs, setups, strict=True):
            explained = setup.explain(prepared)
            try:
                yield from ((run, score) for score in _judge(explained, metrics))
            finally:
                # The graphs of one setup would stay in memory beside those of the next.
                explained.release()
        return
    every = [setup.explain(prepared) for setup in setups]
    try:
        for run, explained in zip(runs, every, strict=True):
            others = tuple(other for other in every if other is not explained)
            compared = replace(explained, beside=others)
            try:
                yield from ((run, score) for score in _judge(compared, metrics))
            finally:
                compared.release_foils()
    finally:
        for explained in every:
            explained.release()


def _judge(explained: ExplainedSample, metrics: Sequence[Metric]) -> Iterator[Score]:
    for metric in metrics:
        yield from metric.measure(explained)
