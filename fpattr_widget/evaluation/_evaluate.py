"""One call from a model and a data set to a report."""

import os
from collections.abc import Mapping, Sequence
from typing import Literal

from ..choices import MetricName
from ..encoders import Layer, ModelLike, ProcessorLike
from ..pairs import MethodLike
from ._dataset import Dataset
from ._plan import plan
from ._report import Report, finish
from .metrics import Metric

#: A metric or its name.
MetricLike = MetricName | str | Metric

DEFAULT_METRICS = ("pointing_game", "pointing_energy", "completeness")


def evaluate(
    model: ModelLike | Sequence[ModelLike] | Mapping[str, ModelLike],
    dataset: Dataset,
    *,
    methods: MethodLike | Sequence[MethodLike] = "integrated_jacobians",
    metrics: MetricLike | Sequence[MetricLike] = DEFAULT_METRICS,
    layers: Layer | list[Layer] | Literal["all"] = None,
    processor: ProcessorLike = None,
    scores: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> Report:
    """Judge how well a model's words find their objects, over a data set.

    Images are read when it is their turn. An interrupt loses no more than the
    sample under way: the report tells of what was done, and
    ``report.resume()`` goes on; with ``scores``, so does the same call in
    another process.

    Parameters
    ----------
    model
        ``"bundled"``, a Hugging Face model id, a local folder, a loaded module
        (with ``processor``), or an encoder from
        :func:`fpattr_widget.load_encoder`; a list of several, or a dict that
        names them, to compare them.
    dataset
        From :mod:`fpattr_widget.datasets`, or one of your own.
    methods
        A method or its name, or a list of several; see
        :func:`fpattr_widget.attribute`.
    metrics
        Metrics or their names: ``"pointing_game"``, ``"pointing_energy"``,
        ``"grid_pointing_game"``, ``"insertion_deletion"``, ``"faithfulness"``,
        ``"completeness"``, ``"agreement"``; see
        :mod:`fpattr_widget.evaluation.metrics`.
    layers
        A layer as in :func:`fpattr_widget.attribute`, a list of several, or
        ``"all"``: every pair of blocks of the two towers, to choose by.
    processor
        For loaded modules; see :func:`fpattr_widget.load_encoder`.
    scores
        A file of JSON lines in which every sample's scores are kept as soon as
        they are there. One that is there already is gone on from.
    progress
        Whether to show a progress bar with the time left.

    Returns
    -------
    Report
        On everything, or, after an interrupt, on what was done until then.

    Raises
    ------
    InputError
        When an argument cannot be used, or no sample can. Single samples that
        cannot be used are left out and told in ``report.skipped``.
    """
    asked = plan(
        model,
        dataset,
        processor=processor,
        methods=methods,
        metrics=metrics,
        layers=layers,
        scores=scores,
    )
    return finish(asked, progress)
