"""Processors of late interaction: what their models put around a query and around a page.

They write a prompt before a query and tokens after it, whose vectors ask as the words' do, and a
prompt beside an image. These adapters have the interface of a tokenizer and of an image processor.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from PIL import Image

from ...errors import InputError

_ARGUMENT = "processor"


def processors(kind: str, before: Callable[[Any], str]) -> Callable[[Any], dict[str, Any]]:
    """Return what makes the processors of both towers of a model's own processor.

    Parameters
    ----------
    kind
        Name of the processor's class, for messages.
    before
        Returns what such a processor writes before a query.
    """

    def of(processor: Any) -> dict[str, Any]:
        makes_both = all(hasattr(processor, f"process_{what}") for what in ("queries", "images"))
        tokenizer = getattr(processor, "tokenizer", None)
        if isinstance(tokenizer, QueryTokenizer):  # an encoder, whose processors are adapted
            return {"text": tokenizer, "image": processor.image_processor}
        if not makes_both or not getattr(tokenizer, "is_fast", False):
            raise InputError(
                _ARGUMENT,
                f"is a {type(processor).__name__}, which does not write the model's prompts",
                f"pass the model's own, a {kind} with a fast tokenizer",
            )
        return {
            "text": QueryTokenizer(processor, before(processor)),
            "image": PageProcessor(processor),
        }

    return of


class QueryTokenizer:
    """Adapts a processor's queries; what it writes around a caption is marked as special.

    Parameters
    ----------
    processor
        Has ``process_queries`` and a fast ``tokenizer``.
    before
        What it writes before a caption.
    """

    is_fast = True

    def __init__(self, processor: Any, before: str):
        self._processor, self._before = processor, before

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._processor.tokenizer, name)

    def __call__(self, caption: str, **_options: Any) -> Mapping[str, Sequence[Any]]:
        encoded = self._processor.process_queries(text=[caption], return_offsets_mapping=True)
        first, last = len(self._before), len(self._before) + len(caption)
        offsets: list[tuple[int, int]] = []
        for start, stop in encoded["offset_mapping"][0].tolist():
            inside = stop > first and start < last and start < stop
            offsets.append((max(start - first, 0), min(stop, last) - first) if inside else (0, 0))
        return {
            "input_ids": encoded["input_ids"][0].tolist(),
            "offset_mapping": offsets,
            "special_tokens_mask": [int(start == stop) for start, stop in offsets],
        }

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of tokens, without what is written before a query."""
        text: str = self._processor.tokenizer.decode(ids)
        return text.lstrip().removeprefix(self._before.strip())


class PageProcessor:
    """Adapts a processor's images.

    Parameters
    ----------
    processor
        Has ``process_images``, a ``tokenizer`` and an ``image_processor``.
    """

    def __init__(self, processor: Any):
        self._processor = processor

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._processor.image_processor, name)

    def __call__(self, images: Image.Image, **_options: Any) -> Mapping[str, Any]:
        output: Mapping[str, Any] = self._processor.process_images(images=[images])
        return output

    def names(self, ids: Sequence[int]) -> list[str]:
        """Return the names of a prompt's tokens."""
        tokenizer = self._processor.tokenizer
        return [
            tokenizer.decode([token]).strip() or str(tokenizer.convert_ids_to_tokens(token))
            for token in ids
        ]
