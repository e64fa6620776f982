"""Two things at once: work on threads of its own, and looks at a module meanwhile."""

import copy
import faulthandler
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn.modules import module as every_module

import fpattr_widget as fp
from tests.helpers.models import CAPTIONS, encoder_of

FEW_NODES = fp.IntegratedJacobians(steps=3)
#: How long a thread may need to end, on a machine with other work to do.
PATIENCE = 30.0


class Worker:
    """Does something again and again on a thread of its own, while a ``with`` block runs.

    Parameters
    ----------
    work
        Gets the number of the round.
    allowed
        Errors that are an answer, and end a round but not the work.
    """

    def __init__(
        self, work: Callable[[int], object], allowed: tuple[type[BaseException], ...] = ()
    ):
        self._work = work
        self._allowed = allowed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.rounds = 0
        self.seconds: list[float] = []  # of each round
        self.refusals: list[str] = []
        self.error: BaseException | None = None

    def __enter__(self) -> "Worker":
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._stop.set()
        self._thread.join(PATIENCE)
        if self._thread.is_alive():
            pytest.fail(f"a thread waits for ever:\n{stacks()}")
        if kind is None and self.error is not None:
            raise self.error

    def busy(self, rounds: int) -> Iterator[int]:
        """Count up, until this thread has done so many rounds more."""
        end, number = self.rounds + rounds, 0
        last = time.monotonic() + PATIENCE
        while self.rounds < end and self.error is None:
            if time.monotonic() > last:
                pytest.fail(f"{self.rounds} rounds in {PATIENCE} seconds:\n{stacks()}")
            yield number
            number += 1

    def _run(self) -> None:
        while not self._stop.is_set() and self.error is None:
            started = time.monotonic()
            try:
                self._work(self.rounds)
            except self._allowed as error:
                self.refusals.append(str(error))
            except BaseException as error:
                self.error = error
            self.seconds.append(time.monotonic() - started)
            self.rounds += 1


def alone(work: Callable[[], Any]) -> Any:
    """Return what ``work`` gives on a thread of its own, or raise what it raises."""
    found: list[Any] = []
    with Worker(lambda _: found or found.append(work())) as worker:
        for _ in worker.busy(1):
            time.sleep(0.001)
    return found[0]


def stacks() -> str:
    """Return where all threads are, as far as that is in code of ours."""
    with tempfile.TemporaryFile("w+") as file:
        faulthandler.dump_traceback(file)
        file.seek(0)
        return "".join(line for line in file if "File" not in line or "fpattr" in line)


@contextmanager
def restless() -> Iterator[None]:
    """Let threads take turns as often as Python can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def noise(seed: int, side: int = 30) -> Image.Image:
    """Return a picture of coarse noise."""
    values = np.random.default_rng(seed).integers(0, 255, (6, 6, 3), np.uint8)
    return Image.fromarray(values).resize((side, side), Image.Resampling.BICUBIC)


class Explaining:
    """Explains a few inputs in turn, and compares each map with what it is in peace.

    There are more of them than an encoder keeps.
    """

    def __init__(
        self,
        encoder: fp.DualEncoder,
        layer: Any = 1,
        method: Any = FEW_NODES,
        tolerance: float = 1e-5,
    ):
        self._encoder, self._layer, self._method = encoder, layer, method
        self._tolerance = tolerance
        self._inputs = [(noise(seed), caption) for seed, caption in enumerate(CAPTIONS)]
        peaceful = encoder_of(copy.deepcopy(encoder.model))
        self._truth = [self._map(peaceful, *one) for one in self._inputs]

    def __call__(self, number: int = 0) -> None:
        place = number % len(self._inputs)
        found = self._map(self._encoder, *self._inputs[place])
        assert_same_map(found, self._truth[place], self._tolerance)

    def _map(self, encoder: fp.DualEncoder, image: Image.Image, caption: str) -> np.ndarray:
        method, layer = self._method, self._layer
        layer = None if getattr(method, "reads_at", None) else layer
        return fp.attribute(encoder, image, caption, method, layer).matrix


def assert_same_map(found: np.ndarray, expected: np.ndarray, tolerance: float = 1e-6) -> None:
    """Compare relative to the largest value."""
    assert found.shape == expected.shape
    assert np.isfinite(found).all()
    gap = float(np.abs(found - expected).max() / np.abs(expected).max())
    assert gap <= tolerance, f"off by {gap:.1e} of the largest value"


def state_of(model: nn.Module) -> dict[str, object]:
    """Return all of a module that another thread could see changed, by name; no values."""
    state: dict[str, object] = {}
    for name, module in model.named_modules():
        state[f"{name} is"] = id(module), type(module)
        state[f"{name} holds"] = frozenset(module.__dict__)
        state[f"{name} trains"] = module.training
        state[f"{name} runs"] = module.__dict__.get("forward"), type(module).forward
        for attribute in vars(module):
            if attribute.endswith("_hooks") and isinstance(vars(module)[attribute], dict):
                state[f"{name} {attribute}"] = tuple(vars(module)[attribute])
        for key, tensor in chain(module._parameters.items(), module._buffers.items()):
            if tensor is not None:
                state[f"{name}.{key}"] = (
                    id(tensor), tensor.data_ptr(), tensor.requires_grad, tensor.dtype,
                    frozenset(tensor.__dict__), tensor._backward_hooks is None,
                )  # fmt: skip
    state["weights"] = tuple(model.state_dict(keep_vars=True))
    return state


def switches() -> dict[str, object]:
    """Return torch's switches that are one for the whole process."""
    return {
        "flash": torch.backends.cuda.flash_sdp_enabled(),
        "memory efficient": torch.backends.cuda.mem_efficient_sdp_enabled(),
        "cudnn": torch.backends.cuda.cudnn_sdp_enabled(),
        "math": torch.backends.cuda.math_sdp_enabled(),
        "fast path": torch.backends.mha.get_fastpath_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "default type": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
        "anomalies": torch.is_anomaly_enabled(),
        "hooks of all modules": tuple(
            tuple(value)
            for name, value in vars(every_module).items()
            if name.startswith("_global_") and name.endswith("_hooks")
        ),
    }


def differences(before: dict[str, object], after: dict[str, object]) -> dict[str, object]:
    """Return what is not as it was."""
    keys = before.keys() | after.keys()
    return {
        key: (before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)
    }
