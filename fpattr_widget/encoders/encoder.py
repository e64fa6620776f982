"""``DualEncoder``: a model with its towers, its way of reading inputs and its defaults."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from ..errors import InputError
from .images import read_image, run_processor, seen_crop
from .tokens import Token, align_tokens
from .tower import Inputs, Split, Tower

Layer = int | tuple[int, int] | None

TEXT_REFERENCES = ("pad", "exclip")
IMAGE_REFERENCES = ("zeros",)


@dataclass(frozen=True)
class PreparedText:
    """A caption as the text tower takes it."""

    caption: str
    inputs: Inputs
    tokens: tuple[Token, ...]


@dataclass(frozen=True)
class PreparedImage:
    """An image as the image tower takes it.

    ``picture`` is the crop that the model sees; ``grid`` is ``(rows, columns)``
    of patches; ``special`` names the positions before them.
    """

    picture: Image.Image
    inputs: Inputs
    grid: tuple[int, int]
    special: tuple[str, ...]


@dataclass(frozen=True)
class Defaults:
    """What the encoder explains with when the user does not say.

    ``layer`` is ``(text, image)``, by the paper the last block of each tower.
    """

    layer: tuple[int, int] = (-1, -1)
    text_reference: str = "pad"


class DualEncoder:
    """An image tower and a text tower that meet in one space.

    Made by :func:`fpattr_widget.load_encoder`.

    Parameters
    ----------
    name
        Shown to the user.
    model
        The module that holds both towers. It is never changed for longer than
        a forward pass, and always put back as it was found.
    text_tower, image_tower
        Its towers.
    image_special
        Names of the image positions that stand before the patches.
    tokenizer
        A Hugging Face tokenizer, or ``None`` if captions come as token ids.
    image_processor
        A Hugging Face image processor, or ``None`` if images come as tensors.
    defaults
        Layer and reference to use when the user does not say.
    """

    def __init__(
        self,
        name: str,
        model: Any,
        text_tower: Tower,
        image_tower: Tower,
        *,
        image_special: tuple[str, ...],
        tokenizer: Any = None,
        image_processor: Any = None,
        defaults: Defaults | None = None,
    ):
        self.name = name
        self.model = model
        self.text_tower = text_tower
        self.image_tower = image_tower
        self.image_special = image_special
        self.tokenizer = tokenizer
        self.image_processor = image_processor
        self.defaults = defaults or Defaults()

    def __repr__(self) -> str:
        return (
            f"DualEncoder({self.name!r}, {len(self.text_tower.blocks)} text blocks, "
            f"{len(self.image_tower.blocks)} image blocks, {self.device}, {self.dtype})"
        )

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        return next(self.model.parameters()).dtype

    def similarity(self, image: Any, caption: Any) -> float:
        """Return the cosine between the two embeddings."""
        return float(self.embed_image([image])[0] @ self.embed_text([caption])[0])

    def embed_image(self, images: Sequence[Any]) -> np.ndarray:
        """Return the unit-length embeddings of a list of images, ``(n, K)`` float32."""
        return self._embed(self.image_tower, [self.prepare_image(i).inputs for i in images])

    def embed_text(self, captions: Sequence[Any]) -> np.ndarray:
        """Return the unit-length embeddings of a list of captions, ``(n, K)`` float32."""
        if isinstance(captions, str):
            raise InputError("`captions` is one string: pass a list of strings.")
        return self._embed(self.text_tower, [self.prepare_text(c).inputs for c in captions])

    def _embed(self, tower: Tower, inputs: list[Inputs]) -> np.ndarray:
        if not inputs:
            raise InputError(f"nothing to embed: pass at least one {tower.name}.")
        embeddings = torch.cat([tower.embed(one).float() for one in inputs])
        self.require_finite(embeddings, tower.name)
        return nn.functional.normalize(embeddings, dim=-1).cpu().numpy()

    def require_finite(self, embedding: Tensor, tower: str) -> None:
        """Raise ``InputError`` if an embedding holds NaN or infinity or is zero."""
        if not bool(torch.isfinite(embedding).all()) or not bool((embedding != 0).any()):
            raise InputError(
                f"`model` {self.name!r} gives no usable {tower} embedding (NaN, infinite or "
                "all zero): check its weights, or load it with dtype=torch.float32."
            )

    def resolve_layers(self, layer: Layer) -> tuple[int, int]:
        """Return (text, image) block numbers for what the user passed as ``layer``."""
        if layer is None:
            layer = self.defaults.layer
        pair = layer if isinstance(layer, tuple | list) else (layer, layer)
        if len(pair) != 2:
            raise InputError(
                f"`layer` is {layer!r}: pass an integer, a pair (text, image) or None."
            )
        return self.text_tower.resolve_layer(pair[0]), self.image_tower.resolve_layer(pair[1])

    # Captions

    def prepare_text(self, caption: Any) -> PreparedText:
        """Turn a caption, or token ids ``(1, S)``, into the text tower's inputs.

        Raises
        ------
        InputError
            When it is empty, longer than the model reads, or not text.
        """
        if not isinstance(caption, str):
            return self._prepare_token_ids(caption)
        if self.tokenizer is None:
            raise InputError(
                "`caption` is text, but the encoder has no tokenizer: pass `processor=` to "
                "load_encoder, or pass token ids."
            )
        if not caption.strip():
            raise InputError("`caption` is empty: write what the image may show.")
        encoded = self.tokenizer(
            caption, return_offsets_mapping=True, return_special_tokens_mask=True
        )
        ids = encoded["input_ids"]
        special = encoded["special_tokens_mask"]
        self._check_length(len(ids))
        if all(special):
            raise InputError("`caption` has no word that the tokenizer keeps: rewrite it.")
        # A word that is unknown to the model is marked special by some
        # tokenizers; it stands in the caption all the same.
        roles = [
            self._role(token) if mark and start == stop else None
            for token, mark, (start, stop) in zip(
                ids, special, encoded["offset_mapping"], strict=True
            )
        ]
        tokens = align_tokens(caption, encoded["offset_mapping"], roles)
        return PreparedText(caption, self._text_inputs(ids), tokens)

    def _prepare_token_ids(self, caption: Any) -> PreparedText:
        try:
            ids = np.asarray(caption)
        except (TypeError, ValueError):
            ids = np.empty(0)
        ids = ids[0] if ids.ndim == 2 and len(ids) == 1 else ids
        if ids.ndim != 1 or not len(ids) or ids.dtype.kind not in "iu":
            raise InputError(
                f"`caption` is a {type(caption).__name__}: pass a string or token ids (1, S)."
            )
        rows = int(self.model.config.text_config.vocab_size)
        if ids.min() < 0 or ids.max() >= rows:
            raise InputError(f"`caption` holds token ids outside 0 to {rows - 1}.")
        self._check_length(len(ids))
        values = [int(token) for token in ids]
        special = set(self.tokenizer.all_special_ids) if self.tokenizer else set()
        text, tokens, words = "", list[Token](), 0
        for token in values:
            if token in special:
                tokens.append(Token(self._role(token), None, None, None, True))
                continue
            word = self.tokenizer.decode([token]).strip() if self.tokenizer else ""
            word = word or str(token)
            tokens.append(Token(word, words, len(text), len(text) + len(word), False))
            text, words = text + word + " ", words + 1
        return PreparedText(text.strip(), self._text_inputs(values), tuple(tokens))

    def _text_inputs(self, ids: Sequence[int]) -> Inputs:
        return {"input_ids": torch.tensor([ids], device=self.device)}

    def _check_length(self, count: int) -> None:
        longest = int(self.model.config.text_config.max_position_embeddings)
        if count > longest:
            raise InputError(
                f"`caption` has {count} tokens and the model reads at most {longest}: shorten it."
            )

    def _role(self, token: int) -> str:
        roles = (("bos", "BOS"), ("eos", "EOS"), ("cls", "CLS"), ("sep", "SEP"), ("pad", "PAD"))
        for attribute, role in roles:
            if token == getattr(self.tokenizer, f"{attribute}_token_id", None):
                return role
        return self.tokenizer.convert_ids_to_tokens(token)

    # Images

    def prepare_image(self, image: Any) -> PreparedImage:
        """Turn an image into the image tower's inputs.

        Parameters
        ----------
        image
            A path, bytes, a PIL image, an array (H, W, 3) uint8, a tensor
            (1, 3, h, w) that is already preprocessed, or the mapping that a
            processor returned.

        Raises
        ------
        InputError
            When it cannot be read or does not fit the model.
        """
        if isinstance(image, Mapping):
            if "pixel_values" not in image:
                raise InputError("`image` is a mapping without 'pixel_values'.")
            image = torch.as_tensor(image["pixel_values"])
        if isinstance(image, Tensor):
            pixels = self._check_pixels(image)
            return self._prepared(self._picture_of(pixels[0]), pixels)
        if self.image_processor is None:
            raise InputError(
                "`image` needs preprocessing, but the encoder has no image processor: pass "
                "`processor=` to load_encoder, or pass a preprocessed tensor (1, 3, h, w)."
            )
        source = read_image(image)
        pixels = self._check_pixels(torch.from_numpy(run_processor(self.image_processor, source)))
        return self._prepared(seen_crop(self.image_processor, source), pixels)

    def _check_pixels(self, image: Tensor) -> Tensor:
        image = image[None] if image.ndim == 3 else image
        config = self.model.config.vision_config
        shape = (1, config.num_channels, config.image_size, config.image_size)
        if tuple(image.shape) != shape or not image.is_floating_point():
            raise InputError(
                f"`image` is a tensor of shape {tuple(image.shape)} and {image.dtype}: the model "
                f"takes preprocessed floats of shape {shape}; check the image processor."
            )
        if not bool(torch.isfinite(image).all()):
            raise InputError("`image` is a tensor with NaN or infinite values.")
        return image

    def _picture_of(self, pixels: Tensor) -> Image.Image:
        values = pixels.detach().float().cpu().numpy().transpose(1, 2, 0)
        mean = getattr(self.image_processor, "image_mean", None)
        if mean is None:
            low, high = values.min(), values.max()
            values = (values - low) / ((high - low) or 1.0)
        else:
            values = values * np.asarray(self.image_processor.image_std) + np.asarray(mean)
        return Image.fromarray((255 * np.clip(values, 0, 1)).round().astype(np.uint8))

    def _prepared(self, picture: Image.Image, pixels: Tensor) -> PreparedImage:
        patch = self.model.config.vision_config.patch_size
        grid = (pixels.shape[-2] // patch, pixels.shape[-1] // patch)
        inputs = {"pixel_values": pixels.to(self.device, self.dtype)}
        return PreparedImage(picture, inputs, grid, self.image_special)

    # Cutting the towers

    def split_text(self, text: PreparedText, layer: int, reference: str) -> Split:
        """Cut the text tower; ``reference`` is ``"pad"`` or ``"exclip"``."""
        return self.text_tower.split(text.inputs, self._text_reference(text, reference), layer)

    def split_image(self, image: PreparedImage, layer: int, reference: str) -> Split:
        """Cut the image tower; ``reference`` is ``"zeros"``, the mean colour."""
        if reference not in IMAGE_REFERENCES:
            raise InputError(f"`image_reference` is {reference!r}: pass 'zeros'.")
        zeros = {key: torch.zeros_like(value) for key, value in image.inputs.items()}
        return self.image_tower.split(image.inputs, zeros, layer)

    def _text_reference(self, text: PreparedText, reference: str) -> Inputs:
        if reference not in TEXT_REFERENCES:
            raise InputError(f"`text_reference` is {reference!r}: pass 'pad' or 'exclip'.")
        ids = text.inputs["input_ids"].clone()
        first, last = 0, self._end_of_text(ids)
        if reference == "exclip":
            # The published code: BOS, one token of id 0, EOS, then id 0.
            ends = ids[0, first].clone(), ids[0, last].clone()
            ids[:] = 0
            ids[0, 0] = ends[0]
            ids[0, min(2, ids.shape[1] - 1)] = ends[1]
        else:
            special = [token.special for token in text.tokens]
            if not any(special):  # bare token ids: the ends are not content
                special[first] = special[last] = True
            content = torch.tensor([not mark for mark in special], device=ids.device)
            ids[0, content] = self._filler()
        return {**text.inputs, "input_ids": ids}

    def _end_of_text(self, ids: Tensor) -> int:
        """Position that CLIP pools: the first EOS, or in old configurations the highest id."""
        eos = self.model.config.text_config.eos_token_id
        wanted = int(ids[0].max()) if eos == 2 else eos
        found = ids[0].eq(wanted).nonzero()
        return int(found[0]) if len(found) else ids.shape[1] - 1

    def _filler(self) -> int:
        """Return an id that says nothing: padding, unless padding also ends the text."""
        if self.tokenizer is None:
            return 0
        ends = {self.tokenizer.eos_token_id, self.tokenizer.bos_token_id, None}
        candidates = ("pad_token_id", "unk_token_id", "mask_token_id")
        ids = (getattr(self.tokenizer, name, None) for name in candidates)
        return next((token for token in ids if token is not None and token not in ends), 0)
