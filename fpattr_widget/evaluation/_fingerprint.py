"""Hashes of all that decides about an encoder's numbers, to notice when it has changed."""

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


def fingerprint(encoder: DualEncoder) -> dict[str, str]:
    """Return hashes of an encoder's weights and of how it reads its inputs, by part."""
    return {"weights": weights_of(encoder), **reading_of(encoder)}


def weights_of(encoder: DualEncoder) -> str:
    """Return a hash of an encoder's weights."""
    digest = hashlib.sha256()
    for name, weight in encoder.model.state_dict().items():
        digest.update(name.encode())
        if isinstance(weight, torch.Tensor):
            plain = weight.detach().reshape(-1).cpu().contiguous()
            digest.update(plain.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def reading_of(encoder: DualEncoder) -> dict[str, str]:
    """Return hashes of how an encoder reads images and captions, and of its defaults, by part.

    Processors are hashed by their outputs, because one that is a plain
    function has no settings to read.
    """
    return {
        "image_processors": _pixels(encoder.processors.get("image")),
        "tokenizers": _tokens(encoder.processors.get("text")),
        "defaults": _defaults(encoder),
    }


def _defaults(encoder: DualEncoder) -> str:
    """Return an encoder's settings as text; files of scores keep this form across versions."""
    defaults = encoder.defaults
    others = {tower: kind for tower, kind in defaults.references.items() if tower != "text"}
    return (
        f"Defaults(layer={defaults.layer}, "
        f"text_reference={defaults.references.get('text', 'pad')!r}, nodes={defaults.nodes}"
        f"{f', references={others}' if others else ''}"
        f"{f', image_size={encoder.image_size}' if encoder.image_size else ''}"
        f"{f', head={encoder.head_settings}' if encoder.head_settings else ''})"
    )


def _pixels(processor: Any) -> str:
    """Return a hash of a processor's outputs for fixed pictures, to three decimals."""
    digest = hashlib.sha256()
    for size in _SIZES if processor is not None else ():
        for name, values in sorted(run_processor(processor, _picture(*size)).items()):
            digest.update(f"{name} {values.shape} ".encode())
            digest.update((np.round(values.astype(np.float64), 3) + 0.0).tobytes())
    return digest.hexdigest()


def _picture(width: int, height: int) -> Image.Image:
    across, down = np.meshgrid(np.arange(width), np.arange(height))
    colours = [across * 7 + down, down * 5 + across, across * down]
    return Image.fromarray((np.stack(colours, -1) % 256).astype(np.uint8))


def _tokens(tokenizer: Any) -> str:
    """Return a hash of a tokenizer's vocabulary and of its ids for a fixed text."""
    words = tokenizer.get_vocab() if hasattr(tokenizer, "get_vocab") else {}
    ids: list[int] = []
    # Tokenizers without an unknown token raise.
    with suppress(Exception):
        ids = [int(token) for token in tokenizer(_PROBE, verbose=False)["input_ids"]]
    return hashlib.sha256(json.dumps([sorted(words.items()), ids]).encode()).hexdigest()
