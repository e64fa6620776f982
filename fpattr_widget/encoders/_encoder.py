"""``DualEncoder``: a model with its towers, its way of reading inputs and its defaults."""

import copy
import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import InputError, ModelChanged
from ._cores import one_thread
from ._family import Family, ImageTower, TextTower
from ._graphs import Kept
from ._image_inputs import ImageLike, PreparedImage, prepare_image, reference_image
from ._last_block import Inputs
from ._text_inputs import CaptionLike, PreparedText, prepare_text, reference_text
from ._tower import Split, Tower
from ._version import Version

T = TypeVar("T")
Layer = int | tuple[int, int] | None

#: Working memory that attributions may use unless told otherwise, in bytes.
MEMORY_LIMIT = 2**30


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


class Recipe(Protocol):
    """What loads the same encoder again; can be pickled."""

    def load(self) -> "DualEncoder":
        """Load it."""
        ...


class DualEncoder:
    """An image tower and a text tower that meet in one space.

    Made by :func:`fpattr_widget.load_encoder`.

    Parameters
    ----------
    name
        Shown to the user.
    model
        The module that holds both towers. It is never changed: everything runs
        on a twin, which shares its weights.
    family
        What its towers are.
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
        family: Family,
        *,
        tokenizer: Any = None,
        image_processor: Any = None,
        defaults: Defaults | None = None,
        memory_limit: int = MEMORY_LIMIT,
    ):
        self.name = name
        self.model = model
        self._family = family
        self.tokenizer = tokenizer
        self.image_processor = image_processor
        self.defaults = defaults or Defaults()
        self.memory_limit = memory_limit
        #: What loads it again in another process; ``None`` for a module that came loaded.
        self.recipe: Recipe | None = None
        # Held while the model is looked at; no other lock is taken meanwhile. All locks
        # on the way of a computation, in the order in which they are taken: that of pairs
        # (of pairs made of others before that of the others), an entry of the images
        # measured, an entry of a tower's readings, the twin's.
        self._lock = threading.Lock()
        self._version: Version | None = Version(model, family)
        self.kept = Kept()
        self._fixed: Version | None = None
        self._origin = self  # of a copy that is fixed to a version

    def __repr__(self) -> str:
        def described(tower: Tower) -> str:
            way = "in closed form" if tower.last_block else "by automatic differentiation"
            return f"{len(tower.blocks)} {tower.name} blocks (the last {way})"

        return (
            f"DualEncoder({self.name!r}, {described(self.text_tower)}, "
            f"{described(self.image_tower)}, {self.device}, {self.dtype})"
        )

    @property
    def text_tower(self) -> TextTower:
        """The text tower of the model's twin."""
        return self._now.text_tower

    @property
    def image_tower(self) -> ImageTower:
        """The image tower of the model's twin."""
        return self._now.image_tower

    def refresh(self) -> None:
        """Forget all that was computed, and look at the model anew.

        Changes of the model are noticed without it. Explanations that were
        begun before keep the numbers that they have, and compute no others.
        """
        with self._lock:
            self._version = None

    @contextmanager
    def steady(self, *, reading: bool = True) -> Iterator["DualEncoder"]:
        """Compute with the model as it is now.

        Parameters
        ----------
        reading
            Whether to read all weights first, because something that was
            computed earlier may be used.

        Yields
        ------
        DualEncoder
            This encoder, fixed to the model as it is.

        Raises
        ------
        ModelChanged
            When the model is changed in the meantime.
        """
        if self._fixed is not None:
            yield self
            return
        fixed = copy.copy(self)
        version = fixed._fixed = self._follow(reading=reading)
        with self._require(version, version.looks_the_same):
            yield fixed

    def unchanged(self, layers: tuple[int, int] | None) -> AbstractContextManager[None]:
        """Return a context in which the model has to be what it was when this encoder was fixed.

        Parameters
        ----------
        layers
            ``(text, image)``, where passes begin; ``None`` for whole towers.

        Returns
        -------
        context manager
            Raises ``ModelChanged`` if the model has changed by its end.
        """
        version = self._fixed
        assert version is not None, "not fixed"
        return self._origin._require(version, lambda: version.is_the_same(layers))

    @contextmanager
    def _require(self, version: "Version", same: Callable[[], bool]) -> Iterator[None]:
        def require(reason: Exception | None = None) -> None:
            if version is self._version and same():
                return
            with self._lock:
                if self._version is version:
                    self._version = None  # what it keeps may be of another model
            raise ModelChanged(
                f"the weights or settings of `model` {self.name!r} have changed since this "
                "explanation was begun, so that further numbers would not belong to those that are "
                "there: call explain or attribute again."
            ) from reason

        try:
            with one_thread() if version.is_small else nullcontext():
                yield
        except Exception as error:
            require(error)
            raise
        require()

    def _follow(self, *, reading: bool) -> "Version":
        """Return the version of the model as it is now."""
        if self.device.type == "meta":
            raise InputError(
                f"the weights of `model` {self.name!r} are gone, for torch's device 'meta' holds "
                "no numbers: load it again."
            )
        with self._lock:
            now = self._version
            if now is None or not (now.is_the_same() if reading else now.looks_the_same()):
                now = self._version = Version(self.model, self._family)
            now.read()
            return now

    @property
    def _now(self) -> "Version":
        return self._fixed or self._version or self._follow(reading=False)

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
        return self._embed([self.prepare_image(i).inputs for i in images], image=True)

    def embed_text(self, captions: Sequence[CaptionLike]) -> np.ndarray:
        """Return the unit-length embeddings of a list of captions, ``(n, K)`` float32."""
        if isinstance(captions, str):
            raise InputError("`captions` is one string: pass a list of strings.")
        return self._embed([self.prepare_text(c).inputs for c in captions], image=False)

    def _embed(self, inputs: list[Inputs], *, image: bool) -> np.ndarray:
        if not inputs:
            raise InputError(f"nothing to embed: pass at least one {'image' if image else 'text'}.")
        with self.steady(reading=False) as fixed:
            tower = fixed.image_tower if image else fixed.text_tower
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
                "layer", f"is {layer!r}", "pass an integer, a pair (text, image) or None"
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
        start = self.reference_text(text, reference)
        with self.steady() as fixed:
            return fixed.text_tower.split(text.inputs, start, layer)

    def split_image(self, image: PreparedImage, layer: int, reference: str) -> Split:
        """Cut the image tower; ``reference`` is ``"zeros"``, the mean colour."""
        start = reference_image(image, reference)
        with self.steady() as fixed:
            return fixed.image_tower.split(image.inputs, start, layer)

    def image_layout(
        self, image: PreparedImage, layer: int
    ) -> tuple[tuple[int, int], tuple[str, ...]]:
        """Return the grid of patches, and the names of the positions that stand before them."""
        start = reference_image(image, "zeros")
        if self.image_tower.tells_layout:
            return self.image_tower.layout(start, layer)
        with self.steady() as fixed:
            return fixed.image_tower.layout(start, layer)

    def for_image(self, image: PreparedImage, what: Hashable, compute: Callable[[], T]) -> T:
        """Return what was computed for an image last time, unless the model has changed."""
        key = (what, self.image_tower.identify(image.inputs))
        return self._now.for_images.get(key, compute)
