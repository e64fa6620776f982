"""``DualEncoder``: a model with its towers, its way of reading inputs and its defaults."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import InputError
from .captions import CaptionLike, PreparedText, prepare_text, reference_text
from .family import ImageTower, TextTower
from .last_block import Inputs
from .pictures import ImageLike, PreparedImage, prepare_image, reference_image
from .recent import Recent
from .tower import Split, Tower

T = TypeVar("T")
Layer = int | tuple[int, int] | None

#: Working memory that attributions may use unless told otherwise, in bytes.
MEMORY_LIMIT = 2**30

# Images whose measurements are kept while captions change.
_MOST_IMAGES = 2


@dataclass(frozen=True)
class Defaults:
    """What the encoder explains with when the user does not say.

    Attributes
    ----------
    layer
        ``(text, image)``, by the paper the last block of each tower.
    text_reference
        See :class:`~fpattr_widget.IntegratedJacobians`.
    nodes
        ``(text, image)``: how many quadrature nodes mostly suffice at these
        layers, so that they are tried first; ``None`` where nobody knows.
    """

    layer: tuple[int, int] = (-1, -1)
    text_reference: str = "pad"
    nodes: tuple[int, int] | None = None


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
    tokenizer
        A Hugging Face tokenizer, or ``None`` if captions come as token ids.
    image_processor
        A Hugging Face image processor, or ``None`` if images come as tensors.
    defaults
        Layer and reference to use when the user does not say.
    memory_limit
        Bytes of working memory that attributions may take beside the model;
        less makes them slower, never wrong.
    """

    def __init__(
        self,
        name: str,
        model: Any,
        text_tower: TextTower,
        image_tower: ImageTower,
        *,
        tokenizer: Any = None,
        image_processor: Any = None,
        defaults: Defaults | None = None,
        memory_limit: int = MEMORY_LIMIT,
    ):
        self.name = name
        self.model = model
        self.text_tower = text_tower
        self.image_tower = image_tower
        self.tokenizer = tokenizer
        self.image_processor = image_processor
        self.defaults = defaults or Defaults()
        self.memory_limit = memory_limit
        self._for_images: Recent[Any] = Recent(_MOST_IMAGES)

    def __repr__(self) -> str:
        def described(tower: Tower) -> str:
            way = "in closed form" if tower.last_block else "by automatic differentiation"
            return f"{len(tower.blocks)} {tower.name} blocks (the last {way})"

        return (
            f"DualEncoder({self.name!r}, {described(self.text_tower)}, "
            f"{described(self.image_tower)}, {self.device}, {self.dtype})"
        )

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        return next(self.model.parameters()).dtype

    def similarity(self, image: ImageLike, caption: CaptionLike) -> float:
        """Return the cosine between the two embeddings."""
        return float(self.embed_image([image])[0] @ self.embed_text([caption])[0])

    def embed_image(self, images: Sequence[ImageLike]) -> np.ndarray:
        """Return the unit-length embeddings of a list of images, ``(n, K)`` float32."""
        return self._embed(self.image_tower, [self.prepare_image(i).inputs for i in images])

    def embed_text(self, captions: Sequence[CaptionLike]) -> np.ndarray:
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

    def prepare_text(self, caption: CaptionLike) -> PreparedText:
        """Turn a caption into the text tower's inputs; see :func:`.prepare_text`."""
        if isinstance(caption, PreparedText):
            return caption
        return prepare_text(self.text_tower, self.tokenizer, caption, self.device)

    def prepare_image(self, image: ImageLike) -> PreparedImage:
        """Turn an image into the image tower's inputs; see :func:`.prepare_image`."""
        if isinstance(image, PreparedImage):
            return image
        tower, processor = self.image_tower, self.image_processor
        return prepare_image(tower, processor, image, self.device, self.dtype)

    def reference_text(self, text: PreparedText, reference: str | None) -> Inputs:
        """Return a caption's reference; ``None`` means the encoder's own."""
        reference = reference or self.defaults.text_reference
        return reference_text(self.text_tower, self.tokenizer, text, reference)

    def split_text(self, text: PreparedText, layer: int, reference: str | None) -> Split:
        """Cut the text tower; ``reference`` is ``"pad"``, ``"exclip"`` or ``None``."""
        return self.text_tower.split(text.inputs, self.reference_text(text, reference), layer)

    def split_image(self, image: PreparedImage, layer: int, reference: str) -> Split:
        """Cut the image tower; ``reference`` is ``"zeros"``, the mean colour."""
        return self.image_tower.split(image.inputs, reference_image(image, reference), layer)

    def image_layout(
        self, image: PreparedImage, layer: int
    ) -> tuple[tuple[int, int], tuple[str, ...]]:
        """Return the grid of patches, and the names of the positions that stand before them."""
        return self.image_tower.layout(reference_image(image, "zeros"), layer)

    def for_image(self, image: PreparedImage, what: Hashable, compute: Callable[[], T]) -> T:
        """Return what was computed for an image last time, unless the model has changed."""
        key = (what, self.image_tower.identify(image.inputs))
        return self._for_images.get(key, compute)
