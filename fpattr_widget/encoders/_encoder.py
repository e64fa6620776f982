"""``DualEncoder``: a model with its towers, its way of reading inputs and its defaults."""

import copy
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import nn

from ..errors import InputError, ModelChanged
from ._cores import one_thread
from ._family import Family
from ._graphs import Kept
from ._image import ImageLike
from ._inputs import Panel, Prepared
from ._part import Part, require_finite
from ._text import CaptionLike
from ._tower import Tower
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
    references
        The kind of reference by the tower's name, where it is not the tower's first; see
        :class:`~fpattr_widget.IntegratedJacobians`.
    nodes
        ``(text, image)``: how many quadrature nodes mostly suffice at these
        layers, so that they are tried first; ``None`` where nobody knows.
    """

    layer: tuple[int, int] = (-1, -1)
    references: Mapping[str, str] = field(default_factory=dict)
    nodes: tuple[int, int] | None = None


class Recipe(Protocol):
    """What loads the same encoder again; can be pickled."""

    def load(self) -> "DualEncoder":
        """Load it."""
        ...


class DualEncoder:
    """Two towers, such as of captions and of images, that meet in one space.

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
    processors
        What prepares inputs, by the tower's name: ``"text"`` a Hugging Face tokenizer,
        ``"image"`` an image processor; none where inputs come as token ids or as tensors.
    defaults
        Layer and references to use when the user does not say.
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
        processors: Mapping[str, Any] | None = None,
        defaults: Defaults | None = None,
        memory_limit: int = MEMORY_LIMIT,
    ):
        self.name = name
        self.model = model
        self._family = family
        self.processors = dict(processors or {})
        self.defaults = defaults or Defaults()
        self.memory_limit = memory_limit
        #: What loads it again in another process; ``None`` for a module that came loaded.
        self.recipe: Recipe | None = None
        # Held while the model is looked at; no other lock is taken meanwhile. All locks
        # on the way of a computation, in the order in which they are taken: that of pairs
        # (of pairs made of others before that of the others), an entry of the inputs
        # measured, an entry of a tower's readings, the twin's.
        self._lock = threading.Lock()
        self._version: Version | None = Version(model, family)
        self.graphs = Kept()
        self._fixed: Version | None = None
        self._origin = self  # of a copy that is fixed to a version

    def __repr__(self) -> str:
        def described(tower: Tower) -> str:
            way = "in closed form" if tower.last_block else "by automatic differentiation"
            return f"{len(tower.blocks)} {tower.name} blocks (the last {way})"

        return (
            f"DualEncoder({self.name!r}, {', '.join(map(described, self.towers.values()))}, "
            f"{self.device}, {self.dtype})"
        )

    @property
    def towers(self) -> Mapping[str, Tower]:
        """The towers of the model's twin by name, first that of the rows."""
        return self._now.towers

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
                "model",
                f"{self.name!r} has other weights or settings than when this explanation was "
                "begun, so that further numbers would not belong to those that are there",
                "call explain or attribute again",
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
                "model",
                f"{self.name!r} has no weights any more, as torch's device 'meta' holds no numbers",
                "load it again",
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
    def tokenizer(self) -> Any:
        """What prepares captions, so that an encoder can be another one's ``processor``."""
        return self.processors.get("text")

    @property
    def image_processor(self) -> Any:
        """What prepares images."""
        return self.processors.get("image")

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
        return self._embed(images, "image")

    def embed_text(self, captions: Sequence[CaptionLike]) -> np.ndarray:
        """Return the unit-length embeddings of a list of captions, ``(n, K)`` float32."""
        return self._embed(captions, "text")

    def _embed(self, values: Sequence[Any], name: str) -> np.ndarray:
        argument = f"{self.towers[name].argument}s"
        if isinstance(values, str):
            raise InputError(argument, "is one string", "pass a list of strings")
        inputs = [self.prepare(value, name).inputs for value in values]
        if not inputs:
            raise InputError(argument, "is an empty list", f"pass at least one {name}")
        with self.steady(reading=False) as fixed:
            tower = fixed.towers[name]
            embeddings = torch.cat([tower.embed(each).float() for each in inputs])
        require_finite(embeddings, self.name, name)
        return nn.functional.normalize(embeddings, dim=-1).cpu().numpy()

    def resolve_layers(self, layer: Layer) -> tuple[int, int]:
        """Return (text, image) block numbers for what the user passed as ``layer``."""
        if layer is None:
            layer = self.defaults.layer
        pair = layer if isinstance(layer, tuple | list) else (layer, layer)
        if len(pair) != 2:
            raise InputError(
                "layer", f"is {layer!r}", "pass an integer, a pair (text, image) or None"
            )
        rows, columns = self.towers.values()
        return rows.resolve_layer(pair[0]), columns.resolve_layer(pair[1])

    def prepare(self, value: Any, tower: str) -> Prepared:
        """Turn what a user passes into a tower's inputs.

        Parameters
        ----------
        value
            Anything that the tower takes, such as a caption or a path; what is prepared
            already is returned as it is.
        tower
            ``"text"`` or ``"image"``, or another tower's name.

        Raises
        ------
        InputError
            When the tower cannot read it.
        """
        if isinstance(value, Prepared):
            return value
        processor = self.processors.get(tower)
        return self.towers[tower].prepare(value, processor, self.device, self.dtype)

    def part(self, prepared: Prepared, layer: int = -1, side: int | None = None) -> Part:
        """Return an input in its tower, ready to be measured.

        Parameters
        ----------
        prepared
            See :meth:`prepare`.
        layer
            Number of the block at whose input features are read.
        side
            0 for rows, 1 for columns; the tower's usual one unless told.
        """
        with self.steady() as fixed:
            tower = fixed.towers[prepared.tower]
            usual = list(fixed.towers).index(tower.name)
            layer = tower.resolve_layer(layer)
            nodes = self.defaults.nodes
            at_home = layer == tower.resolve_layer(self.defaults.layer[usual])
            return Part(
                tower,
                prepared,
                layer,
                usual if side is None else side,
                self.name,
                self.defaults.references.get(tower.name, tower.references[0]),
                nodes[usual] if nodes and at_home else None,
                self.memory_limit,
                self.graphs,
            )

    def panel(self, prepared: Prepared, layer: int) -> Panel:
        """Return what a reader sees of an input, with the features that enter block ``layer``."""
        tower = self.towers[prepared.tower]
        if not tower.panel_needs_a_pass():
            return tower.panel(prepared, layer)
        with self.steady() as fixed:
            return fixed.towers[prepared.tower].panel(prepared, layer)

    def cached(self, part: Part, what: object, compute: Callable[[], T]) -> T:
        """Return what was computed of an input lately, unless the model has changed."""
        key = (what, part.layer, part.side, part.memory_limit, part.tower.identify(part.inputs))
        return self._now.measured[part.tower.name].get(key, compute)
