"""Run an evaluation: measure what is missing, keep each record, survive interrupts."""

import time
from contextlib import closing

from tqdm.auto import tqdm

from ..errors import InputError
from ..progress import about, cheaper_hint
from ._plan import Evaluation
from ._records import PART_NAMES

# An evaluation that takes longer, in seconds, is announced with its expected time.
_ANNOUNCED_FROM = 60.0


def run(evaluation: Evaluation, progress: bool) -> None:
    """Measure the samples that have no scores yet, and record each as soon as it is measured.

    Samples that could not be explained before are tried again: a file may be
    there now. An interrupt ends the run and loses no more than the samples
    under way; it is raised only if nothing was recorded.

    Parameters
    ----------
    evaluation
        What is measured; its records grow.
    progress
        Whether to show a progress bar.

    Raises
    ------
    InputError
        When an encoder is not what it was when the evaluation began, or the
        records cannot be written.
    """
    _require_same_encoders(evaluation)
    try:
        with evaluation.records.writing():
            _measure_missing(evaluation, progress)
    except KeyboardInterrupt:
        if not len(evaluation.records):
            raise


def _require_same_encoders(evaluation: Evaluation) -> None:
    if not len(evaluation.records):  # nothing that could be mixed
        return
    for part, hashes in evaluation.reading_now().items():
        if hashes != evaluation.reading[part]:
            raise InputError(
                "model",
                f"has another {PART_NAMES[part]} than when the evaluation began, and its scores "
                "would be mixed",
                "call evaluate() anew",
            )


def _measure_missing(evaluation: Evaluation, progress: bool) -> None:
    dataset, records, task = evaluation.dataset, evaluation.records, evaluation.task
    missing = [sample for sample in dataset if not records.holds(sample.name)]
    with (
        tqdm(
            total=len(dataset),
            initial=len(dataset) - len(missing),
            desc="evaluating",
            unit="sample",
            disable=not progress,
        ) as bar,
        closing(evaluation.runner.run(task, missing)) as arriving,
    ):
        started = time.monotonic()
        for count, record in enumerate(arriving):
            records.add(record)
            bar.update()
            if progress and count == 0:
                seconds = (time.monotonic() - started) * (len(missing) - 1)
                if seconds >= _ANNOUNCED_FROM:
                    # Of the first setup for which something costs less.
                    remedies = (setup.cheaper() for setup in task.setups)
                    remedy = next((remedy for remedy in remedies if remedy), "")
                    bar.write(f"this takes {about(seconds)}{cheaper_hint(remedy)}")
