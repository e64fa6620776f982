"""Run small models on one thread."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

# The operations of a model with so few weights are so short that threads mostly wait for
# one another as soon as anything else runs.
_SMALL = 20_000_000


def is_small(model: nn.Module) -> bool:
    """Return whether a model runs about as fast on one thread alone."""
    weights = list(model.parameters())
    on_cpu = all(weight.device.type == "cpu" for weight in weights)
    return on_cpu and sum(weight.numel() for weight in weights) <= _SMALL


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch's operations on the calling thread alone; other threads are not affected."""
    torch.get_num_threads()  # a thread adopts torch's number when it first asks for it
    # OpenMP's limit holds for one thread, unlike torch.set_num_threads.
    with _libraries().limit(limits=1, user_api="openmp"):
        yield


@functools.cache
def _libraries() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
