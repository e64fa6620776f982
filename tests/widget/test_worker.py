"""The worker that the row server and the explorer share, with queues of its own."""

import threading
import time
from collections import deque

import pytest

from fpattr_widget.widget import _worker
from fpattr_widget.widget._worker import StopOrder, Worker

PATIENCE = 20


class Jobs:
    """A worker that takes numbers in order, and blocks in those that are held."""

    def __init__(self, *held: int):
        self.queue: deque[int] = deque()
        self.done: list[int] = []
        self.threads: list[str] = []
        self.rested = 0
        self.begun = {number: threading.Event() for number in held}
        self.go = {number: threading.Event() for number in held}
        self.worker: Worker[int] = Worker(
            lambda: self.queue.popleft() if self.queue else None,
            self.work,
            name="numbers",
            stop_order=StopOrder.ROWS,
            rested=self.rest,
        )

    def work(self, number: int) -> None:
        self.threads.append(threading.current_thread().name)
        if number in self.go:
            self.begun[number].set()
            assert self.go[number].wait(PATIENCE)
        if number < 0:
            raise ValueError(number)
        self.done.append(number)

    def rest(self) -> None:
        self.rested += 1

    def ask(self, *numbers: int) -> None:
        with self.worker.requesting():
            self.queue.extend(numbers)


def refuse_threads(monkeypatch) -> None:
    def start(_thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)


def test_a_thread_starts_on_demand_and_ends_when_nothing_is_left():
    jobs = Jobs()
    for times in (1, 2):
        jobs.ask(1, 2)
        assert jobs.worker.join(PATIENCE)
        assert jobs.done == [1, 2] * times
        assert not jobs.worker.busy
        assert jobs.worker.job is None
        assert jobs.rested == times
    assert set(jobs.threads) == {"numbers"}


def test_what_is_requested_meanwhile_is_done_by_the_same_thread():
    jobs = Jobs(1)
    jobs.ask(1)
    assert jobs.begun[1].wait(PATIENCE)
    assert jobs.worker.job == 1
    jobs.ask(2)
    jobs.go[1].set()
    assert jobs.worker.join(PATIENCE)
    assert (jobs.done, jobs.rested) == ([1, 2], 1)


def test_an_abandoned_thread_finishes_its_job_and_takes_no_other():
    jobs = Jobs(1, 3)
    jobs.ask(1)
    assert jobs.begun[1].wait(PATIENCE)
    with jobs.worker.requesting():
        jobs.queue.extend([2, 3, 4])
        jobs.worker.abandon()
    assert jobs.begun[3].wait(PATIENCE)
    jobs.go[1].set()
    assert jobs.worker.wait_until(lambda: 1 in jobs.done, PATIENCE)
    assert jobs.worker.job == 3  # not undone by the end of the abandoned one
    jobs.go[3].set()
    assert jobs.worker.join(PATIENCE)
    assert jobs.done == [2, 1, 3, 4]


def test_stopping_leaves_what_is_queued():
    jobs = Jobs(1)
    jobs.ask(1, 2)
    assert jobs.begun[1].wait(PATIENCE)
    jobs.worker.stop()
    assert not jobs.worker.join(0.01)
    jobs.go[1].set()
    assert jobs.worker.join(PATIENCE)
    jobs.ask(3)
    assert (jobs.done, jobs.worker.busy) == ([1], False)


def test_waiting_ends_with_the_condition_and_at_once_on_the_workers_own_thread():
    jobs, waited = Jobs(2), []
    work = jobs.work
    jobs.worker._work = lambda number: (
        waited.append(jobs.worker.wait_until(lambda: False)),
        work(number),
    )
    jobs.ask(1, 2)
    assert jobs.worker.wait_until(lambda: 1 in jobs.done, PATIENCE)
    assert not jobs.worker.wait_until(lambda: 2 in jobs.done, 0.01)
    jobs.go[2].set()
    assert jobs.worker.wait_until(lambda: 2 in jobs.done, PATIENCE)
    assert waited == [False, False]


def test_an_error_is_reported_as_that_of_a_thread_and_the_next_job_is_done(monkeypatch):
    reported = []
    monkeypatch.setattr(threading, "excepthook", lambda error: reported.append(error.exc_value))
    jobs = Jobs()
    jobs.ask(-1, 2)
    assert jobs.worker.join(PATIENCE)
    assert jobs.done == [2]
    assert [str(error) for error in reported] == ["-1"]


def test_without_threads_the_caller_works_and_may_wait_and_request_meanwhile(monkeypatch):
    refuse_threads(monkeypatch)
    jobs = Jobs()
    work, waited = jobs.work, []

    def work_and_ask(number: int) -> None:
        work(number)
        waited.append(jobs.worker.wait_until(lambda: False))
        if number == 1:
            jobs.ask(3)

    jobs.worker._work = work_and_ask
    jobs.ask(1, 2)
    assert jobs.done == [1, 2, 3]
    assert waited == [False] * 3
    assert set(jobs.threads) == {threading.current_thread().name}
    assert (jobs.worker.busy, jobs.worker.join(0), jobs.rested) == (False, True, 1)


def test_an_interrupt_on_the_callers_thread_is_raised_and_leaves_the_worker_usable(monkeypatch):
    refuse_threads(monkeypatch)
    jobs = Jobs()
    work = jobs.work
    jobs.worker._work = lambda number: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        jobs.ask(1)
    assert not jobs.worker.busy
    jobs.worker._work = work
    jobs.ask(2)
    assert jobs.done == [2]


def test_an_interrupted_request_is_worked_on():
    jobs = Jobs()

    def ask_and_be_interrupted() -> None:
        with jobs.worker.requesting():
            jobs.queue.append(1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask_and_be_interrupted()
    assert jobs.worker.join(PATIENCE)
    assert jobs.done == [1]


def test_explorers_are_stopped_before_row_servers(monkeypatch):
    """As when the interpreter ends; each is gone before those of the next stage are stopped."""
    workers: dict[StopOrder, Worker[int]] = {}
    stopped_with: dict[StopOrder, list[StopOrder]] = {}

    def start(stage: StopOrder) -> None:
        begun = threading.Event()

        def work(_number: int) -> None:
            begun.set()
            while not workers[stage].stopped:
                time.sleep(0.001)
            time.sleep(0.05)
            stopped_with[stage] = [other for other in StopOrder if workers[other].stopped]

        take = iter([1, None]).__next__
        workers[stage] = Worker(take, work, name="stage", stop_order=stage)
        with workers[stage].requesting():
            pass
        assert begun.wait(PATIENCE)

    for stage in reversed(StopOrder):
        start(stage)
    monkeypatch.setattr(_worker, "_LIVE", set(workers.values()))
    _worker.stop_all()
    assert stopped_with == {
        StopOrder.EXPLORER: [StopOrder.EXPLORER],
        StopOrder.ROWS: [StopOrder.EXPLORER, StopOrder.ROWS],
    }
    assert not any(worker.busy for worker in workers.values())
