"""A model's own forward with features removed, written out."""

from collections.abc import Iterable
from functools import cache

import numpy as np
import torch
from PIL import Image
from torch import Tensor

import fpattr_widget as fp

#: Six tokens between BOS and EOS, numbers 1 to 6.
CAPTION = "a dog and a red ball"
CONTENT = range(1, 7)
PATCHES = range(9)
SIDE = 8


class ByHand:
    """Embeddings of a CLIP with 3 × 3 patches when some features are removed."""

    def __init__(self, encoder: fp.DualEncoder, picture: Image.Image, tokens: str = "mask"):
        self._model = encoder.model
        self._ids = encoder.prepare(CAPTION, "text").inputs["input_ids"]
        self._pixels = encoder.prepare(picture, "image").inputs["pixel_values"]
        self._filler = encoder.processors["text"].pad_token_id
        self._tokens = tokens
        self.text = cache(self._text)
        self.image = cache(self._image)

    def cosine(
        self, hidden_tokens: Iterable[int] = (), hidden_patches: Iterable[int] = ()
    ) -> float:
        return float(self.text(tuple(hidden_tokens)) @ self.image(tuple(hidden_patches)))

    def all_texts(self) -> np.ndarray:
        """Return embeddings ``(64, K)``; bit ``i`` of the number keeps content token ``i``."""
        return np.array([self.text(removed(number, CONTENT)) for number in range(2**6)])

    def all_images(self) -> np.ndarray:
        return np.array([self.image(removed(number, PATCHES)) for number in range(2**9)])

    def _text(self, hidden: tuple[int, ...]) -> np.ndarray:
        ids, mask = self._ids.clone(), torch.ones_like(self._ids)
        for token in hidden:
            if self._tokens == "mask":
                mask[0, token] = 0
            else:
                ids[0, token] = self._filler
        return self._forward(ids, mask, self._pixels).text_embeds[0].numpy()

    def _image(self, hidden: tuple[int, ...]) -> np.ndarray:
        pixels = self._pixels.clone()
        for patch in hidden:
            top, left = SIDE * (patch // 3), SIDE * (patch % 3)
            pixels[:, :, top : top + SIDE, left : left + SIDE] = 0
        return self._forward(self._ids, None, pixels).image_embeds[0].numpy()

    def _forward(self, ids: Tensor, mask: Tensor | None, pixels: Tensor):
        with torch.no_grad():
            return self._model(input_ids=ids, attention_mask=mask, pixel_values=pixels)


def removed(number: int, features: range) -> tuple[int, ...]:
    """Return the features whose bit is not set."""
    return tuple(feature for bit, feature in enumerate(features) if not number >> bit & 1)
