"""Scores of many pictures with many captions, whatever makes a model's score."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ..encoders import DualEncoder, Embeddings, cosines
from ..errors import InputError


def scores_of(
    encoder: DualEncoder,
    images: Embeddings | Sequence[Any],
    captions: Embeddings | Sequence[Any],
) -> np.ndarray:
    """Return the model's score of each picture with each caption.

    Without a head the score is the cosine of two embeddings, and all of them are one product of
    matrices. A head reads each picture by each caption: what the towers give is computed once
    for each, and the head runs for each pair.

    Parameters
    ----------
    encoder
        The model.
    images, captions
        What the model takes, or what it has embedded before.

    Returns
    -------
    numpy.ndarray
        ``(images, captions)`` float64.

    Raises
    ------
    InputError
        When one of them cannot be used, or was embedded by another model.
    """
    if encoder.head is None:
        pictures = _vectors(encoder, images, "images")
        texts = _vectors(encoder, captions, "captions")
        return pictures.astype(np.float64) @ texts.astype(np.float64).T
    if isinstance(images, Embeddings):
        raise InputError(
            "images",
            f"holds embeddings, but {encoder.name!r} reads an image by a caption",
            "pass the pictures themselves",
        )
    asked = captions.sources if isinstance(captions, Embeddings) else captions
    by_text = encoder.outputs(asked, "text")
    with encoder.steady(reading=False) as fixed, torch.no_grad():
        assert fixed.head is not None
        # One picture at a time: a head may make as many vectors of it as there are captions.
        scores = [
            cosines(fixed.head, by_image[None], by_text)
            for by_image in encoder.outputs(images, "image")
        ]
    return torch.stack(scores).cpu().numpy().astype(np.float64)


def _vectors(encoder: DualEncoder, values: Any, argument: str) -> np.ndarray:
    if isinstance(values, Embeddings):
        values.require_of(encoder, argument)
        return values.vectors
    return encoder.embed_image(values) if argument == "images" else encoder.embed_text(values)
