"""Other packages' tokenizers and image transforms, adapted to Hugging Face's interface.

OpenAI's and OpenCLIP's packages provide a tokenizer that returns token ids alone, and a
transform from a PIL image to a tensor.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from PIL import Image

from ..errors import InputError

# More tokens than any caption has, so that one that is too long is reported and not truncated.
_MOST_TOKENS = 1024


class HuggingFaceProcessor(Protocol):
    """Has both a tokenizer and an image processor, as Hugging Face's processors and encoders do."""

    @property
    def tokenizer(self) -> Any: ...
    @property
    def image_processor(self) -> Any: ...


#: Everything that users may pass as ``processor``.
ProcessorLike = HuggingFaceProcessor | Mapping[str, Any] | tuple[Any, Any] | None

_REMEDY = (
    'pass a Hugging Face processor, (tokenizer, preprocess), or {"tokenizer": …, '
    '"image_processor": …}'
)


def processors_of(processor: ProcessorLike) -> dict[str, Any]:
    """Return the processors of the towers' inputs, by the tower's name.

    Parameters
    ----------
    processor
        An object with a ``tokenizer`` and an ``image_processor``, a mapping of
        these names, a tuple or list of the two in either order, or ``None``.

    Returns
    -------
    dict
        The tokenizer for ``"text"`` and the image processor for ``"image"``, both with
        Hugging Face's interface, or ``None``.

    Raises
    ------
    InputError
        When it holds neither, or something that cannot be used.
    """
    if processor is None:
        return {}
    if isinstance(processor, tuple | list):
        tokenizer, image_processor = _in_order(processor)
    else:
        if _is_tokenizer(processor):  # OpenCLIP's has an attribute ``tokenizer``, too
            raise InputError("processor", "is a tokenizer alone", _REMEDY)
        both = processor if isinstance(processor, Mapping) else _attributes(processor)
        tokenizer, image_processor = both.get("tokenizer"), both.get("image_processor")
    if tokenizer is None and image_processor is None:
        raise InputError(
            "processor",
            f"is a {type(processor).__name__} that holds neither a tokenizer nor an "
            "image_processor",
            _REMEDY,
        )
    return {"text": as_tokenizer(tokenizer), "image": as_image_processor(image_processor)}


def _attributes(processor: Any) -> dict[str, Any]:
    return {name: getattr(processor, name, None) for name in ("tokenizer", "image_processor")}


def _in_order(pair: Sequence[Any]) -> tuple[Any, Any]:
    """Return the tokenizer and the image processor of a pair in either order."""
    tokenizers = [item for item in pair if _is_tokenizer(item)]
    others = [item for item in pair if not _is_tokenizer(item)]
    if len(tokenizers) != 1 or len(others) != 1:
        kinds = ", ".join(type(item).__name__ for item in pair) or "nothing"
        raise InputError(
            "processor",
            f"holds {kinds} in place of one tokenizer and one image transform",
            _REMEDY,
        )
    return tokenizers[0], others[0]


def _is_tokenizer(candidate: Any) -> bool:
    return (
        _has_hugging_faces_interface(candidate)
        or _is_byte_pair_tokenizer(candidate)
        or _is_cleaning_tokenizer(candidate)
    )


def _has_hugging_faces_interface(candidate: Any) -> bool:
    return hasattr(candidate, "convert_ids_to_tokens")


def _is_byte_pair_tokenizer(candidate: Any) -> bool:
    return hasattr(candidate, "bpe") and hasattr(candidate, "encoder")


def _is_cleaning_tokenizer(candidate: Any) -> bool:
    """Return whether this is OpenCLIP's ``HFTokenizer``, and not a processor of Hugging Face."""
    return (
        callable(candidate)
        and not hasattr(candidate, "image_processor")
        and _has_hugging_faces_interface(getattr(candidate, "tokenizer", None))
    )


def as_tokenizer(tokenizer: Any) -> Any:
    """Return a tokenizer with Hugging Face's interface, adapted if necessary.

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
    if tokenizer is None or _has_hugging_faces_interface(tokenizer):
        return tokenizer
    if _is_byte_pair_tokenizer(tokenizer):
        return BytePairTokenizer(tokenizer)
    if _is_cleaning_tokenizer(tokenizer):
        return CleaningTokenizer(tokenizer)
    raise InputError(
        "processor",
        f"has a tokenizer of type {type(tokenizer).__name__}",
        "pass a Hugging Face tokenizer, OpenCLIP's get_tokenizer(name), OpenAI's "
        "SimpleTokenizer(), or None to pass captions as token ids",
    )


def as_image_processor(processor: Any) -> Any:
    """Return an image processor with Hugging Face's interface, adapted if necessary.

    Parameters
    ----------
    processor
        Hugging Face's, or a callable from a PIL image to a normalised tensor
        (3, h, w) such as a torchvision transform, or ``None``.

    Raises
    ------
    InputError
        When it is not callable, fails, or returns something else.
    """
    if processor is None or hasattr(processor, "preprocess") or hasattr(processor, "image_mean"):
        return processor
    if not callable(processor):
        raise InputError(
            "processor",
            f"has an image_processor of type {type(processor).__name__}",
            "pass a Hugging Face image processor, or a transform from a PIL image to a tensor "
            "(3, h, w)",
        )
    return TransformProcessor(processor)


class BytePairTokenizer:
    """Adapts the ``SimpleTokenizer`` of OpenAI or OpenCLIP."""

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


class CleaningTokenizer:
    """Adapts OpenCLIP's ``HFTokenizer``, which cleans a text before it is tokenized."""

    is_fast = False  # its offsets would be those of the cleaned text

    def __init__(self, cleaning: Any):
        self._cleaning = cleaning

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._cleaning.tokenizer, name)

    def __call__(
        self, caption: str, max_length: int = 0, **_options: Any
    ) -> dict[str, Sequence[int]]:
        ids = self._cleaning(caption, context_length=max_length or _MOST_TOKENS)[0].tolist()
        if not max_length:
            padding = self.pad_token_id
            ends = [padding] if padding == self.eos_token_id else []
            ids = [token for token in ids if token != padding] + ends
        return _encoded(self, ids)


def _encoded(tokenizer: Any, ids: list[int]) -> dict[str, Sequence[int]]:
    special = set(tokenizer.all_special_ids)
    return {"input_ids": ids, "special_tokens_mask": [int(token in special) for token in ids]}


class TransformProcessor:
    """Adapts a callable from a PIL image to a tensor (3, h, w).

    Mean and standard deviation of its normalisation are measured on black and white pictures.
    """

    def __init__(self, transform: Any):
        self._transform = transform
        pictures = (Image.new("RGB", (64, 64), name) for name in ("black", "white"))
        try:
            low, high = (self._pixels(picture).mean((1, 2)) for picture in pictures)
        except InputError:
            raise
        except Exception as error:  # any callable may raise anything
            raise InputError(
                "processor",
                f"has an image_processor that fails on a PIL image ({type(error).__name__})",
                "pass a transform from a PIL image to a tensor (3, h, w)",
            ) from error
        if not (high > low).all():
            raise InputError(
                "processor",
                "has an image_processor that does not tell white from black",
                "pass a transform from a PIL image to a tensor (3, h, w)",
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

    def of_size(self, side: int) -> "TransformProcessor | None":
        """Return the same for pictures of another side; ``None`` where that cannot be set.

        Parameters
        ----------
        side
            In pixels. It takes the place of the last ``size`` among the ``transforms`` of a
            torchvision ``Compose``; those before it keep their proportion to it.
        """
        steps = [copy.copy(step) for step in getattr(self._transform, "transforms", ())]
        sized: list[Any] = [step for step in steps if hasattr(step, "size")]
        if not sized:
            return None
        scale = side / np.min(sized[-1].size)
        for step in sized:
            step.size = (
                round(scale * step.size)
                if isinstance(step.size, int)
                else tuple(round(scale * length) for length in step.size)
            )
        transform = copy.copy(self._transform)
        transform.transforms = steps
        return TransformProcessor(transform)

    def _pixels(self, picture: Image.Image) -> np.ndarray:
        pixels = np.asarray(self._transform(picture))
        if pixels.ndim != 3 or len(pixels) != 3 or pixels.dtype.kind != "f":
            raise InputError(
                "processor",
                f"has an image_processor that returned {pixels.dtype} of shape {pixels.shape}",
                "pass a transform from a PIL image to a float tensor (3, h, w)",
            )
        return pixels
