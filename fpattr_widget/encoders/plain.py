"""Plain tokenizers and image transforms, given the face of Hugging Face's.

OpenAI's and OpenCLIP's packages hand out a tokenizer whose ids are all that it
tells, and a transform from a picture to a tensor.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from ..errors import InputError

# Room for any caption, so that one that is too long is told and not cut.
_ROOM = 1024


def as_tokenizer(tokenizer: Any) -> Any:
    """Return ``tokenizer`` if it is like Hugging Face's, or dressed as one.

    Parameters
    ----------
    tokenizer
        Hugging Face's, OpenAI's or OpenCLIP's ``SimpleTokenizer``, OpenCLIP's
        ``HFTokenizer``, or ``None``.

    Raises
    ------
    InputError
        When it is something else.
    """
    if tokenizer is None or hasattr(tokenizer, "convert_ids_to_tokens"):
        return tokenizer
    if hasattr(tokenizer, "bpe") and hasattr(tokenizer, "encoder"):
        return BytePairs(tokenizer)
    if hasattr(getattr(tokenizer, "tokenizer", None), "convert_ids_to_tokens"):
        return Cleaning(tokenizer)
    raise InputError(
        f"`processor` has a tokenizer of type {type(tokenizer).__name__}: pass a Hugging Face "
        "tokenizer, OpenCLIP's get_tokenizer(name), OpenAI's SimpleTokenizer(), or None to pass "
        "captions as token ids."
    )


def as_image_processor(processor: Any) -> Any:
    """Return ``processor`` if it is like Hugging Face's, or dressed as one.

    Parameters
    ----------
    processor
        Hugging Face's, or a callable from a PIL image to a normalised tensor
        (3, h, w) such as a torchvision transform, or ``None``.

    Raises
    ------
    InputError
        When it returns something else.
    """
    if processor is None or hasattr(processor, "preprocess") or hasattr(processor, "image_mean"):
        return processor
    return Transform(processor)


class BytePairs:
    """``SimpleTokenizer`` of OpenAI or OpenCLIP."""

    is_fast = False
    unk_token = unk_token_id = pad_token_id = None

    def __init__(self, simple: Any):
        self._simple = simple
        ends = ("<|startoftext|>", "<|endoftext|>", "<start_of_text>", "<end_of_text>")
        self.all_special_ids = [simple.encoder[name] for name in ends if name in simple.encoder]
        self.bos_token_id, self.eos_token_id = self.all_special_ids

    def __call__(
        self, caption: str, max_length: int = 0, **_options: Any
    ) -> dict[str, Sequence[int]]:
        ids = [self.bos_token_id, *self._simple.encode(caption), self.eos_token_id]
        return _encoded(self, ids + [0] * (max_length - len(ids)))

    def tokenize(self, caption: str) -> list[str]:
        return self.convert_ids_to_tokens(self._simple.encode(caption))

    def convert_ids_to_tokens(self, ids: Sequence[int]) -> list[str]:
        return [self.decode([token]) for token in ids]

    def decode(self, ids: Sequence[int]) -> str:
        return self._simple.decode(ids)


class Cleaning:
    """OpenCLIP's ``HFTokenizer``, which cleans a text before Hugging Face's tokenizer gets it."""

    is_fast = False  # offsets would be those of the cleaned text

    def __init__(self, cleaning: Any):
        self._cleaning = cleaning

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._cleaning.tokenizer, name)

    def __call__(
        self, caption: str, max_length: int = 0, **_options: Any
    ) -> dict[str, Sequence[int]]:
        ids = self._cleaning(caption, context_length=max_length or _ROOM)[0].tolist()
        if not max_length:
            padding = self.pad_token_id
            ends = [padding] if padding == self.eos_token_id else []
            ids = [token for token in ids if token != padding] + ends
        return _encoded(self, ids)


def _encoded(tokenizer: Any, ids: list[int]) -> dict[str, Sequence[int]]:
    special = set(tokenizer.all_special_ids)
    return {"input_ids": ids, "special_tokens_mask": [int(token in special) for token in ids]}


class Transform:
    """A callable from a PIL image to a tensor (3, h, w).

    Mean and deviation of its normalisation are measured on black and white.
    """

    def __init__(self, transform: Any):
        self._transform = transform
        ends = (self._pixels(Image.new("RGB", (64, 64), name)) for name in ("black", "white"))
        low, high = (pixels.mean((1, 2)) for pixels in ends)
        if not (high > low).all():
            raise InputError(
                "`processor` has an image_processor that does not tell white from black: pass a "
                "transform from a PIL image to a tensor (3, h, w)."
            )
        self.image_std = 1 / (high - low)
        self.image_mean = -low * self.image_std

    def __call__(
        self, images: Image.Image, do_normalize: bool = True, **_options: Any
    ) -> dict[str, np.ndarray]:
        pixels = self._pixels(images)
        if not do_normalize:
            mean, std = self.image_mean[:, None, None], self.image_std[:, None, None]
            pixels = 255 * (pixels * std + mean)
        return {"pixel_values": pixels[None]}

    def _pixels(self, picture: Image.Image) -> np.ndarray:
        pixels = np.asarray(self._transform(picture))
        if pixels.ndim != 3 or len(pixels) != 3 or pixels.dtype.kind != "f":
            raise InputError(
                f"`processor` has an image_processor that returned {pixels.dtype} of shape "
                f"{pixels.shape}: pass a transform from a PIL image to a float tensor (3, h, w)."
            )
        return pixels
