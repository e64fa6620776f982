"""What a process does that reads pictures for another; see :mod:`._readers`."""

import os
import pickle
import signal
import sys
from typing import Any

from ..errors import InputError
from ._image_files import read_image, run_processor

#: What a process says first.
READY = "ready"


def read_picture(processor: Any, value: Any) -> Any:
    """Return an image processor's arrays for a picture, or the ``InputError`` that it raised."""
    try:
        return run_processor(processor, read_image(value))
    except InputError as error:
        return error


def serve() -> None:
    """Answer requests, lists of pictures, until there are no more.

    Both ends are pickles between this process and the one that started it. It ends with that
    one, however that happens, because its input ends then.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal, meant for the other process
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a processor prints is no answer
    processor = pickle.load(sys.stdin.buffer)
    pickle.dump(READY, answers)
    answers.flush()
    while True:
        try:
            values = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        pickle.dump([read_picture(processor, value) for value in values], answers, protocol=5)
        answers.flush()
