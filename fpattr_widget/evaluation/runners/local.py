"""Measure samples one after the other in this process."""

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial

from .._dataset import Sample
from .._measure import measure
from .._score import Record
from .._task import Task


class Local:
    """Measures in this process, with the encoders as they are in memory."""

    def run(self, task: Task, samples: Sequence[Sample]) -> Generator[Record, None, None]:
        """Yield records in the order of the samples."""
        guards = _guards(task)
        for sample in samples:
            with ExitStack() as unchanged:
                for guard in guards:
                    unchanged.enter_context(guard())
                record = measure(sample, task.setups, task.metrics)
            yield record


def _guards(task: Task) -> list[Callable[[], AbstractContextManager[None]]]:
    """Return for each encoder what makes a context that raises if the model is not as it is now."""
    guards: list[Callable[[], AbstractContextManager[None]]] = []
    for encoder in task.encoders:
        with encoder.steady() as fixed:
            guards.append(partial(fixed.require_unchanged, None))
    return guards
