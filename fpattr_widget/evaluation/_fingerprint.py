"""Hashes of what decides about an encoder's numbers, to notice that it is another one."""

import hashlib
import json
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from PIL import Image

from ..encoders import DualEncoder, run_processor

# Letters of several scripts, cases and accents, so that most settings of a tokenizer show.
_PROBE = "A small dog's photo, 2 café cups — 一只狗!"
_SIZES = ((150, 100), (90, 140))


def weights_of(encoder: DualEncoder) -> str:
    """Return a hash of an encoder's weights: a model trained further is another one."""
    found = hashlib.sha256()
    for name, weight in encoder.model.state_dict().items():
        found.update(name.encode())
        if isinstance(weight, torch.Tensor):
            plain = weight.detach().reshape(-1).cpu().contiguous()
            found.update(plain.view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def read_by(encoder: DualEncoder) -> dict[str, str]:
    """Return hashes of how an encoder reads images and captions, and of its defaults.

    Of processors it counts what they do, not what they are called: one that is
    any function at all has no settings that could be read.
    """
    return {
        "image_processors": _pixels(encoder.processors.get("image")),
        "tokenizers": _tokens(encoder.processors.get("text")),
        "defaults": repr(encoder.defaults),
    }


def _pixels(processor: Any) -> str:
    """Return a hash of what a processor makes of fixed pictures, to three decimals."""
    found = hashlib.sha256()
    for size in _SIZES if processor is not None else ():
        for name, values in sorted(run_processor(processor, _picture(*size)).items()):
            found.update(f"{name} {values.shape} ".encode())
            found.update((np.round(values.astype(np.float64), 3) + 0.0).tobytes())
    return found.hexdigest()


def _picture(width: int, height: int) -> Image.Image:
    across, down = np.meshgrid(np.arange(width), np.arange(height))
    colours = [across * 7 + down, down * 5 + across, across * down]
    return Image.fromarray((np.stack(colours, -1) % 256).astype(np.uint8))


def _tokens(tokenizer: Any) -> str:
    """Return a hash of a tokenizer's vocabulary and of what it makes of a fixed text."""
    words = tokenizer.get_vocab() if hasattr(tokenizer, "get_vocab") else {}
    ids: list[int] = []
    # Some know no word for what is unknown, and raise.
    with suppress(Exception):
        ids = [int(token) for token in tokenizer(_PROBE, verbose=False)["input_ids"]]
    return hashlib.sha256(json.dumps([sorted(words.items()), ids]).encode()).hexdigest()
