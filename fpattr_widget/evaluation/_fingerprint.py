"""Hashes of all that decides about an encoder's numbers, to notice when it has changed."""

import hashlib

import torch

from ..encoders import DualEncoder, hash_of_image_processor, hash_of_tokenizer


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
    """Return hashes of how an encoder reads images and captions, and of its defaults, by part."""
    return {
        "image_processors": hash_of_image_processor(encoder.processors.get("image")),
        "tokenizers": hash_of_tokenizer(encoder.processors.get("text")),
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
