"""``Readers``: several processes that decode and preprocess pictures ahead of a model.

They are started as programs of their own and not by ``multiprocessing``, which would run the
user's script again in each, and would make what a script without
``if __name__ == "__main__"`` does endless. They inherit no thread and no lock, and end with this
process, even where it is killed.
"""

import os
import pickle
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from ._reading_worker import READY, read_picture

# Pictures that are sent to a process at once.
_PORTION = 8
# Pictures after which processes are started unless the user chooses: reading as many takes about
# as long as a process takes until it is ready.
_SOON = 500
# The most processes that are started unless the user chooses.
_MOST = 8
# One thread each: their number is what there are cores for.
_ENVIRONMENT = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_PROGRAM = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    f"from {__package__}._reading_worker import serve; serve()"
)

T = TypeVar("T")


def default_workers() -> int:
    """Return how many processes read pictures beside this one: none where there is one core."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min((cores or 1) - 1, _MOST)


def is_read(value: Any) -> bool:
    """Return whether a picture has to be decoded or preprocessed, which another process can do."""
    kinds = str | os.PathLike | bytes | bytearray | memoryview | Image.Image | np.ndarray
    return isinstance(value, kinds)


def readings(
    processor: Any, items: Iterable[T], value_of: Callable[[T], Any], workers: int | None
) -> Generator[tuple[T, Any], None, None]:
    """Yield each item with what a processor makes of its value, in the order of the items.

    Parameters
    ----------
    processor
        An image processor.
    items
        They are asked for a few portions ahead of what is yielded.
    value_of
        Returns the value of an item.
    workers
        Number of processes; 0 reads here, and ``None`` begins here and starts processes for what
        is left of many.

    Yields
    ------
    (item, result)
        The processor's arrays by name, or an ``InputError``; the value itself if it need not be
        read.
    """
    arriving = iter(items)

    def here(item: T) -> tuple[T, Any]:
        value = value_of(item)
        return item, read_picture(processor, value) if is_read(value) else value

    if workers is None:
        workers = default_workers()
        yield from map(here, islice(arriving, _SOON))
    if not workers:
        yield from map(here, arriving)
        return
    first = list(islice(arriving, _PORTION))  # none is started for nothing
    if not first:
        return
    with Readers(processor, workers) as readers:
        waiting: deque[tuple[list[T], Future[list[Any]]]] = deque()
        portion = first
        while portion or waiting:
            if portion:
                waiting.append((portion, readers.read([value_of(item) for item in portion])))
                portion = list(islice(arriving, _PORTION))
            if len(waiting) > 2 * workers or not portion:
                done, future = waiting.popleft()
                yield from zip(done, future.result(), strict=True)


class Readers:
    """Processes that read pictures, each asked by a thread of its own.

    What a process cannot do, because it is not ready yet, the processor cannot be sent to it, or
    it was ended, its thread does in this one.

    Parameters
    ----------
    processor
        An image processor.
    count
        Number of processes.
    """

    def __init__(self, processor: Any, count: int):
        self._processor = processor
        self._is_closed = False
        self._here = threading.Lock()  # not every processor may be called by two threads
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="reading pictures")
        self._idle: queue.SimpleQueue[subprocess.Popen[bytes] | None] = queue.SimpleQueue()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._ready: set[int] = set()  # ids of processes
        self._greeting: list[threading.Thread] = []
        try:
            for _ in range(count):
                self._idle.put(self._start())
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Readers":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, values: Sequence[Any]) -> Future[list[Any]]:
        """Return what will hold the readings of some pictures; others are returned as they are."""
        return self._threads.submit(self._read, values)

    def close(self) -> None:
        """End all processes and threads."""
        self._is_closed = True
        for process in self._processes:
            process.kill()
        self._threads.shutdown(cancel_futures=True)
        for thread in self._greeting:
            thread.join()
        for process in self._processes:
            for pipe in process.stdin, process.stdout:
                with suppress(OSError):  # a request that was cut off
                    assert pipe is not None
                    pipe.close()
            process.wait()

    def _start(self) -> "subprocess.Popen[bytes] | None":
        try:
            beginning = pickle.dumps(sys.path, 5) + pickle.dumps(self._processor, 5)
            process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **dict.fromkeys(_ENVIRONMENT, "1")},
            )
        except Exception:  # a processor may raise anything as it is pickled
            return None
        self._processes.append(process)
        thread = threading.Thread(target=self._greet, args=(process, beginning), daemon=True)
        self._greeting.append(thread)
        thread.start()
        return process

    def _greet(self, process: "subprocess.Popen[bytes]", beginning: bytes) -> None:
        """Send a process what it needs, and note when it is ready."""
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(OSError, EOFError, pickle.PickleError):  # it was ended
            process.stdin.write(beginning)
            process.stdin.flush()
            if pickle.load(process.stdout) == READY:
                self._ready.add(process.pid)

    def wait(self) -> None:
        """Wait until all processes are ready, or have ended."""
        for thread in self._greeting:
            thread.join()

    def _read(self, values: Sequence[Any]) -> list[Any]:
        process = self._idle.get()
        try:
            answers = self._ask(process, [value for value in values if is_read(value)])
        except (OSError, EOFError, pickle.PickleError, AttributeError, TypeError):
            if self._is_closed:
                raise
            process = None  # it was ended, or cannot be sent such pictures
            answers = self._ask(None, [value for value in values if is_read(value)])
        finally:
            self._idle.put(process)
        return [next(answers) if is_read(value) else value for value in values]

    def _ask(self, process: "subprocess.Popen[bytes] | None", values: list[Any]) -> Iterator[Any]:
        if process is None or process.pid not in self._ready:
            with self._here:
                return iter([read_picture(self._processor, value) for value in values])
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(pickle.dumps(values, 5))
        process.stdin.flush()
        answers = pickle.load(process.stdout)
        return iter(answers)
