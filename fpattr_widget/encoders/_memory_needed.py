"""What models and their passes need of memory, and what to do where it does not suffice."""

import os
import re
from pathlib import Path
from typing import Any

import torch

from ..errors import InputError
from ._differentiable import HALF

_MEMINFO = Path("/proc/meminfo")
# What a weight's bytes are multiplied by at most: of one byte in a file, eight in float64.
_WIDEST = 8
# Limits of containers, of both versions, with what counts towards them.
_LIMITS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        "/sys/fs/cgroup/memory/memory.stat",
    ),
)


def available_memory(device: torch.device) -> int | None:
    """Return how many bytes can still be taken on a device; ``None`` where that is not known."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free)
    if device.type != "cpu":
        return None
    known = [
        free for free in (_free_of_machine(), *map(_free_of_limit, _LIMITS)) if free is not None
    ]
    return min(known, default=None)


def block_numbers(positions: int, width: int) -> int:
    """Return about how many numbers a pass through one transformer block holds at once.

    They are some arrays of the size of the states, and the attention maps.
    """
    return positions * (20 * width + 6 * positions * max(1, width // 64))


def halved(portion: int, error: Exception, what: str, remedy: str) -> int:
    """Return half of ``portion`` if ``error`` means a lack of memory; else raise it again.

    Parameters
    ----------
    portion
        How many items were computed together.
    error
        What was raised.
    what, remedy
        What one item is a step of, and what to do where even that is too large.

    Raises
    ------
    InputError
        When a portion of one is too large.
    """
    words = str(error).lower()
    out_of_memory = isinstance(error, MemoryError | torch.OutOfMemoryError)
    if not out_of_memory and "out of memory" not in words and "can't allocate memory" not in words:
        raise error
    if portion == 1:
        raise InputError("model", f"leaves not enough memory for {what}", remedy) from error
    return portion // 2


def require_memory(
    model_class: Any,
    config: Any,
    source: str,
    name: str,
    dtype: torch.dtype | None,
    device: torch.device,
) -> None:
    """Raise ``InputError`` if a model's weights are more than the memory that is left.

    Parameters
    ----------
    model_class, config
        A ``transformers`` class and its configuration, from which the weights are counted
        without taking memory.
    source, name
        The folder, or the name of a model elsewhere; and what it is called in the message.
    dtype
        That the weights will have; ``None`` for the checkpoint's own, widened on a CPU.
    device
        Where they will be.
    """
    held, target = _types(config, dtype, device)
    places = {torch.device("cpu"): held, device: target}
    for place, kind in places.items():
        free = available_memory(place)
        if free is None or _is_small(source, free):
            continue
        weights = _number_of_weights(model_class, config)
        if weights is None:
            return
        needed = weights * kind.itemsize
        if needed > free:
            smaller = "" if kind in HALF else "dtype=torch.bfloat16 or "
            where = "" if place.type == "cpu" else f" on {place}"
            raise InputError(
                "model",
                f"{name!r} needs {_gigabytes(needed)} of memory for its {weights / 1e9:.1f} "
                f"billion weights, and {_gigabytes(free)} are free{where}",
                f"load it by load_encoder with {smaller}another device, or pass a smaller model",
            )


def _is_small(source: str, free: int) -> bool:
    """Return whether a folder's weights fit in any type, so that they need not be counted."""
    files = list(Path(source).glob("*.safetensors")) if os.path.isdir(source) else []
    return bool(files) and _WIDEST * sum(file.stat().st_size for file in files) <= free


def _types(
    config: Any, dtype: torch.dtype | None, device: torch.device
) -> tuple[torch.dtype, torch.dtype]:
    """Return the types of the weights as they are read, and on their device."""
    own = getattr(config, "dtype", None)
    held = dtype or (own if isinstance(own, torch.dtype) else torch.float32)
    widened = dtype is None and held in HALF and device.type == "cpu"
    target = torch.float32 if widened else held
    return (target if device.type == "cpu" else held), target


def _number_of_weights(model_class: Any, config: Any) -> int | None:
    """Return how many weights a model has; ``None`` where it cannot be built without memory."""
    try:
        with torch.device("meta"):
            model = model_class(config)
    except Exception:  # any module may raise anything; loading it will say what
        return None
    return sum(weight.numel() for weight in model.parameters())


def _free_of_machine() -> int | None:
    try:
        found = re.search(r"^MemAvailable:\s+(\d+) kB", _MEMINFO.read_text("ascii"), re.MULTILINE)
    except OSError:
        found = None
    if found is not None:
        return 1024 * int(found[1])
    try:  # elsewhere what is free is not known, but there is no more than there is
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def _free_of_limit(files: tuple[str, str, str]) -> int | None:
    """Return what a container's limit leaves; ``None`` where there is none."""
    try:
        limit, used, statistics = (Path(file).read_text("ascii") for file in files)
    except OSError:
        return None
    if not limit.strip().isdigit():
        return None
    # Files that were read count, and give way.
    cached = re.search(r"^(?:total_)?inactive_file (\d+)", statistics, re.MULTILINE)
    return max(0, int(limit) - int(used) + (int(cached[1]) if cached else 0))


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
