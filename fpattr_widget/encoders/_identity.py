"""Hashes of a model and of what prepares its inputs, which are the same in another process."""

import hashlib
import json
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from ._fingerprint import digest
from ._image_files import run_processor

# Letters of several scripts, cases and accents, so that most settings of a tokenizer show.
_PROBE = "A small dog's photo, 2 café cups — 一只狗!"
_SIZES = ((150, 100), (90, 140))


def hash_of_weights(model: nn.Module) -> str:
    """Return a hash of a module's weights, at about the speed of memory.

    It notices every accident; it is no proof against somebody who wants two models to agree.
    """
    total = hashlib.blake2b(digest_size=16)
    for name, weight in model.state_dict().items():
        if isinstance(weight, torch.Tensor):
            total.update(f"{name}{weight.dtype}{tuple(weight.shape)}{digest(weight)}\n".encode())
    return total.hexdigest()


def hash_of_image_processor(processor: Any) -> str:
    """Return a hash of an image processor's outputs for fixed pictures, to three decimals.

    One that is a plain function has no settings to read.
    """
    total = hashlib.sha256()
    for size in _SIZES if processor is not None else ():
        for name, values in sorted(run_processor(processor, _picture(*size)).items()):
            total.update(f"{name} {values.shape} ".encode())
            total.update((np.round(values.astype(np.float64), 3) + 0.0).tobytes())
    return total.hexdigest()


def hash_of_tokenizer(tokenizer: Any) -> str:
    """Return a hash of a tokenizer's vocabulary and of its ids for a fixed text."""
    words = tokenizer.get_vocab() if hasattr(tokenizer, "get_vocab") else {}
    ids: list[int] = []
    # Tokenizers without an unknown token raise.
    with suppress(Exception):
        ids = [int(token) for token in tokenizer(_PROBE, verbose=False)["input_ids"]]
    return hashlib.sha256(json.dumps([sorted(words.items()), ids]).encode()).hexdigest()


def _picture(width: int, height: int) -> Image.Image:
    across, down = np.meshgrid(np.arange(width), np.arange(height))
    colours = [across * 7 + down, down * 5 + across, across * down]
    return Image.fromarray((np.stack(colours, -1) % 256).astype(np.uint8))
