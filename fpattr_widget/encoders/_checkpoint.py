"""Read a checkpoint's tensors, from torch's own format or from a folder, and nothing else."""

import json
import os
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import torch
from safetensors import SafetensorError
from torch import Tensor

from ..errors import InputError

_ENDINGS = (".pt", ".pth", ".ckpt")
#: What wrappers of a module put before the names of its weights.
_PREFIXES = ("module.", "_orig_mod.")
_NESTED = "state_dict"


@dataclass(frozen=True)
class Layout:
    """What a folder with weights of a published layout tells of them, and no weights do.

    Attributes
    ----------
    weight_scale
        What products of keys and queries are divided by.
    head_size
        Numbers in an attention head of both towers.
    """

    weight_scale: float
    head_size: int


def read_layout(folder: str) -> Layout | None:
    """Return what a Llip's folder tells of its weights; ``None`` for everything else."""
    try:
        config = json.loads((Path(folder) / "config.json").read_text("utf-8"))
        if config["model_type"] != "llip":
            return None
        return Layout(float(config["weight_scale"]), int(config["head_size"]))
    except (OSError, ValueError, LookupError, TypeError):
        return None


def read_folder(folder: str, name: str) -> dict[str, Tensor]:
    """Return the weights of a folder by their names.

    Parameters
    ----------
    folder
        Holds ``model.safetensors``.
    name
        The model's, for messages.

    Raises
    ------
    InputError
        When they are missing or damaged.
    """
    from safetensors.torch import load_file

    try:
        return load_file(Path(folder) / "model.safetensors")
    except (OSError, SafetensorError) as error:
        raise InputError(
            "model", f"{name!r} holds no weights, or damaged ones", "pass a complete folder"
        ) from error


def is_checkpoint(model: str | os.PathLike[str]) -> bool:
    """Return whether a name is that of a file in torch's own format, by its ending."""
    return str(model).lower().endswith(_ENDINGS) and os.path.isfile(model)


def read_weights(path: str, name: str) -> dict[str, Tensor]:
    """Return a checkpoint's weights by their names, without the prefixes of wrappers.

    Parameters
    ----------
    path
        Of the file. No code in it is run.
    name
        The checkpoint's, for messages.

    Raises
    ------
    InputError
        When it cannot be read as tensors alone.
    """
    try:
        held: Any = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            "model",
            f"{name!r} cannot be read without running code that it may hold",
            "pass one that holds tensors alone, or a loaded module",
        ) from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, BadZipFile) as error:
        raise InputError(
            "model", f"{name!r} is no checkpoint, or a damaged one", "download it again"
        ) from error
    if isinstance(held, Mapping) and isinstance(held.get(_NESTED), Mapping):
        held = held[_NESTED]
    tensors = isinstance(held, Mapping) and all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in held.items()
    )
    if not tensors or not held:
        raise InputError(
            "model", f"{name!r} holds no weights by name", "pass a module's state dict"
        )
    return _without_prefixes(held)


def _without_prefixes(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    found = dict(weights)
    while prefix := next((one for one in _PREFIXES if all(n.startswith(one) for n in found)), None):
        found = {key.removeprefix(prefix): weight for key, weight in found.items()}
    return found
