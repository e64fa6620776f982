"""The order in which what a page asks for is done."""

import numpy as np

from fpattr_widget.widget._row_queue import (
    Finish,
    RowQueue,
    SendInterrupted,
    SendLedger,
    SendRegion,
    SendRows,
)


def all_jobs(
    queue: RowQueue, *, ready: tuple[int, ...] = (), step: int = 1, ready_part: str = ""
) -> list[object]:
    flags = {ready_part: np.isin(np.arange(6), ready)}
    jobs = []
    while (job := queue.take(lambda part: flags.get(part, np.zeros(6, bool)), step)) is not None:
        jobs.append(job)
    return jobs


def test_what_is_pointed_at_comes_first_and_once():
    queue = RowQueue()
    queue.add_all(range(4))
    queue.add_region(7, [5, 6])
    queue.add_urgent([2, 3])
    assert all_jobs(queue) == [
        *(SendRows([2], urgent=True), SendRows([3], urgent=True)),
        *(SendRegion(7, [5, 6]), SendLedger()),
        *(SendRows([0], urgent=False), SendRows([1], urgent=False)),
        Finish(),
    ]


def test_rows_that_are_there_go_together_and_others_by_steps():
    queue = RowQueue()
    queue.add_all(range(6))
    rows = [job.rows for job in all_jobs(queue, ready=(0, 1, 2), step=2)[1:-1]]
    assert rows == [[0, 1, 2], [3, 4], [5]]


def test_the_part_that_is_looked_at_comes_before_the_rest_of_the_pairs():
    queue = RowQueue()
    queue.add_all(range(2))
    queue.add_part("mixture 1", range(6))
    queue.add_urgent([5], "mixture 1")
    queue.add_part("match", range(3))  # the place is not looked at any more
    queue.add_urgent([1, 0], "match")
    queue.add_urgent([1])
    assert all_jobs(queue, ready=(0, 1, 2), ready_part="match", step=2) == [
        SendRows([1], urgent=True),
        *(SendRows([1], urgent=True, part="match"), SendRows([0], urgent=True, part="match")),
        *(SendRows([5], urgent=True, part="mixture 1"), SendLedger()),
        *(SendRows([2], urgent=False, part="match"), SendRows([0], urgent=False), Finish()),
    ]
    queue.add_part("match", range(3))
    queue.add_urgent([0], "match")
    queue.clear()
    assert all_jobs(queue) == []


def test_an_interrupt_is_all_that_is_left():
    queue = RowQueue()
    queue.add_all(range(4))
    queue.add_urgent([2])
    queue.interrupt()
    assert all_jobs(queue) == [SendInterrupted()]
    assert queue.quiet
