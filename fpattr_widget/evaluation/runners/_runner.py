"""The protocol that runners follow."""

from collections.abc import Generator, Sequence
from typing import Protocol

from .._dataset import Sample
from .._score import Record
from .._task import Task


class Runner(Protocol):
    """Measures samples."""

    def run(self, task: Task, samples: Sequence[Sample]) -> Generator[Record, None, None]:
        """Yield a record of each sample, as soon as it is measured and in any order.

        Parameters
        ----------
        task
            What is measured of each sample.
        samples
            What is left to measure.

        Yields
        ------
        Record
            Of ``measure(sample, task.setups, task.metrics)``. The generator is
            closed when the user interrupts: end what it has started then.

        Raises
        ------
        ModelChanged
            When a model is changed while it is measured.
        """
        ...
