"""A second runner, which measures in another process, to which the task is sent."""

import pickle
import subprocess
import sys
from collections.abc import Generator, Sequence

from fpattr_widget.evaluation import Sample
from fpattr_widget.evaluation._measure import measure
from fpattr_widget.evaluation._score import Record
from fpattr_widget.evaluation._task import Task
from tests.helpers import forking


class Elsewhere:
    """Measures in another process, the last sample first."""

    def run(self, task: Task, samples: Sequence[Sample]) -> Generator[Record, None, None]:
        command = forking.command("tests.helpers.elsewhere")
        sent = pickle.dumps((task, samples[::-1]))
        done = subprocess.run(command, input=sent, stdout=subprocess.PIPE, check=True)
        yield from pickle.loads(done.stdout)


def main() -> None:
    task, samples = pickle.load(sys.stdin.buffer)
    measured = [measure(sample, task.setups, task.metrics) for sample in samples]
    sys.stdout.buffer.write(pickle.dumps(measured))


if __name__ == "__main__":
    main()
