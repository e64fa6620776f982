"""How many threads torch takes for a model's operations."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

# Weights of a model whose operations are so short that threads wait for one
# another most of the time, as soon as anything else runs.
_SMALL = 20_000_000


def is_small(model: nn.Module) -> bool:
    """Tell whether a model runs as fast, or nearly so, on one thread alone."""
    weights = list(model.parameters())
    on_cpu = all(weight.device.type == "cpu" for weight in weights)
    return on_cpu and sum(weight.numel() for weight in weights) <= _SMALL


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch's operations run on the thread that calls them, and no other.

    Other threads of the process keep what they have.
    """
    torch.get_num_threads()  # a thread takes torch's own number when it first asks
    # OpenMP's number is each thread's own, unlike torch.set_num_threads.
    with _libraries().limit(limits=1, user_api="openmp"):
        yield


@functools.cache
def _libraries() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
