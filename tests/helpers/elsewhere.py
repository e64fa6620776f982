"""A second runner, which measures in a process that is started anew."""

import multiprocessing
import pickle
from collections.abc import Generator, Sequence
from concurrent.futures import ProcessPoolExecutor

from fpattr_widget.evaluation import Sample
from fpattr_widget.evaluation._measure import measure
from fpattr_widget.evaluation._score import Record
from fpattr_widget.evaluation._task import Task


class Elsewhere:
    """Measures in another process, the last sample first."""

    def run(self, task: Task, samples: Sequence[Sample]) -> Generator[Record, None, None]:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, context, _receive, (pickle.dumps(task),)) as pool:
            yield from pool.map(_measure, reversed(samples))


_RECEIVED: list[Task] = []


def _receive(pickled: bytes) -> None:
    _RECEIVED.append(pickle.loads(pickled))


def _measure(sample: Sample) -> Record:
    (task,) = _RECEIVED
    return measure(sample, task.setups, task.metrics)
