"""One call from a model and a data set to a report."""

import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Literal

from ..choices import MetricName
from ..encoders import Layer, ModelLike, ProcessorLike
from ..errors import InputError
from ..pairs import MethodLike
from ._dataset import Dataset
from ._plan import Evaluation, plan
from ._report import Report
from ._run import run
from .metrics import Metric

#: A metric or its name.
MetricLike = MetricName | str | Metric


def evaluate(
    model: ModelLike | Sequence[ModelLike] | Mapping[str, ModelLike],
    dataset: Dataset,
    *,
    methods: MethodLike | Sequence[MethodLike] = "integrated_jacobians",
    metrics: MetricLike | Sequence[MetricLike] | None = None,
    layers: Layer | list[Layer] | Literal["all"] = None,
    processor: ProcessorLike = None,
    scores: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> Report:
    """Judge how well a model's words find their objects, over a data set.

    Each image is opened when its sample is measured. An interrupt loses no
    more than the sample under way: the report is on what was measured until
    then, and ``report.resume()`` measures the rest; with ``scores``, so does
    the same call in another process.

    Parameters
    ----------
    model
        ``"bundled"`` or ``"scenes"``, a Hugging Face model id, a local folder, a
        loaded module (with ``processor``), or an encoder from
        :func:`fpattr_widget.load_encoder`; a list of several, or a dict that
        names them, to compare them.
    dataset
        From :mod:`fpattr_widget.datasets`, or one of your own.
    methods
        A method or its name, or a list of several; see
        :func:`fpattr_widget.attribute`.
    metrics
        A metric or its name, or a list of several, such as
        ``["pointing_game", "faithfulness"]``; all are in
        :mod:`fpattr_widget.evaluation.metrics`. ``None`` plays the pointing games, by accuracy
        and energy, and measures completeness; where samples are differences of two pictures, it
        takes difference sign, order and difference pointing instead of the games; and where
        they have foils, margins and swapped words, beside the games if there are phrases.
    layers
        A layer as in :func:`fpattr_widget.attribute`, a list of several, or
        ``"all"``: every pair of blocks of the two towers, to choose by.
    processor
        For loaded modules; see :func:`fpattr_widget.load_encoder`.
    scores
        A file of JSON lines, to which each sample's scores are written as soon
        as they are measured. An existing file is resumed.
    progress
        Whether to show a progress bar with the time left.

    Returns
    -------
    Report
        On all samples, or, after an interrupt, on those measured until then.

    Raises
    ------
    InputError
        When an argument cannot be used, or no sample can be explained. Single
        samples that cannot be explained are listed in ``report.skipped``.
    """
    evaluation = plan(
        model,
        dataset,
        processor=processor,
        methods=methods,
        metrics=metrics,
        layers=layers,
        scores=scores,
    )
    return _report(evaluation, progress)


def _report(evaluation: Evaluation, progress: bool) -> Report:
    """Run an evaluation as far as it goes, and report on it."""
    run(evaluation, progress)
    report = Report(evaluation, partial(_report, evaluation))
    if not report.metrics and report.skipped and report.complete:
        raise InputError(
            "dataset",
            f"has no sample that could be explained (the first: {report.skipped[0].reason})",
            "mend the samples or the arguments",
        )
    return report
