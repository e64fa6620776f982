"""``DualEncoder``: a model with its towers, its processors and its defaults."""

import copy
import threading
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from ..checks import quoted
from ..errors import InputError, ModelChanged
from ..progress import report
from ._cores import one_thread
from ._family import Family, Logits
from ._head import Head, cosines, has_read_out, read_out_of
from ._image import ImageLike, ImageTower
from ._image_size import processor_of_size
from ._inputs import Inputs, Panel, Prepared
from ._memory_budget import MemoryBudget
from ._part import Part, require_finite
from ._read_out import ReadOut
from ._text import CaptionLike
from ._tower import Tower
from ._version import Version

T = TypeVar("T")
#: Block numbers of both towers, of each ``(text, image)``, or by the tower's name.
Layer = int | tuple[int, int] | Mapping[str, int] | None

# Inputs of equal shapes that are embedded at once.
_BATCH = 32

#: The default of the working memory that attributions may use, in bytes.
MEMORY_LIMIT = 2**30


@dataclass(frozen=True)
class Defaults:
    """Settings of an encoder that hold unless the user chooses others.

    Attributes
    ----------
    layer
        ``(text, image)``; as in the paper, the last block of each tower.
    references
        The kind of reference by the tower's name, where it is not the tower's first; see
        :class:`~fpattr_widget.IntegratedJacobians`.
    nodes
        ``(text, image)``: number of quadrature nodes that usually suffice at these
        layers, which is tried first; ``None`` where it is not known.
    """

    layer: tuple[int, int] = (-1, -1)
    references: Mapping[str, str] = field(default_factory=dict)
    nodes: tuple[int, int] | None = None


class Recipe(Protocol):
    """A picklable description of how to load an encoder, in another process for example."""

    def load(self) -> "DualEncoder":
        """Load the encoder."""
        ...


class DualEncoder:
    """Two towers, such as a text and an image encoder, that embed their inputs in one space.

    :func:`fpattr_widget.load_encoder` returns one.

    Parameters
    ----------
    name
        Shown to the user.
    model
        The module that holds both towers. It is never changed: everything runs
        on a twin, which shares its weights.
    family
        Makes its towers.
    processors
        By the tower's name: a Hugging Face tokenizer for ``"text"``, an image processor for
        ``"image"``; none where inputs are passed as token ids or as tensors.
    defaults
        Layer, references and number of nodes unless the user chooses.
    memory_limit
        Bytes of working memory that attributions may use beside the model;
        less makes them slower, and changes no number.
    image_size
        Side in pixels of the pictures that the image tower takes; ``None`` for the model's
        own. The encoder's name includes it.
    head_settings
        For the head that makes the model's score of the towers' outputs, by name, such as
        ``weight_scale``. The encoder's name includes them.

    Raises
    ------
    InputError
        When the model or its image processor cannot be used at ``image_size``, or a setting of
        its head is missing.
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
        image_size: int | None = None,
        head_settings: Mapping[str, Any] | None = None,
    ):
        self.head_settings = dict(head_settings or {})
        given = "".join(f" with {key}={value}" for key, value in self.head_settings.items())
        self.name = name + given + ("" if image_size is None else f" at {image_size} pixels")
        self.model = model
        self._family = family
        self.processors = dict(processors or {})
        self.defaults = defaults or Defaults()
        self.memory_limit = memory_limit
        self.image_size = image_size
        #: Loads the encoder again in another process; ``None`` for a loaded module.
        self.recipe: Recipe | None = None
        # Held while the model is compared with its version; no other lock is taken meanwhile.
        # A computation takes its locks in this order: that of the pairs (of derived pairs
        # before that of the pairs they derive from), a cached measurement's, a
        # cached reading's, the twin's.
        self._lock = threading.Lock()
        self._version: Version | None = self._new_version()
        self.memory_budget = MemoryBudget()
        self._fixed: Version | None = None
        self._origin = self  # kept by a copy that is fixed to a version
        if image_size is not None:
            self._take_image_size(image_size)

    def __repr__(self) -> str:
        def summary(tower: Tower) -> str:
            last = "in closed form" if tower.last_block else "by automatic differentiation"
            return f"{len(tower.blocks)} {tower.name} blocks (the last {last})"

        return (
            f"DualEncoder({self.name!r}, {', '.join(map(summary, self.towers.values()))}, "
            f"{self.device}, {self.dtype})"
        )

    def _take_image_size(self, image_size: int) -> None:
        """Let the image processor make what the tower takes, and have the tower try it."""
        with self.steady(reading=False) as fixed:
            tower = fixed.towers.get("image")
            if not isinstance(tower, ImageTower):
                raise InputError(
                    "image_size", "is given, but the model has no image tower", "leave it out"
                )
            tower.require_equal_cells(self.device, self.dtype)
        if "image" in self.processors:
            self.processors["image"] = processor_of_size(self.processors["image"], image_size)

    @property
    def towers(self) -> Mapping[str, Tower]:
        """The towers by name, first the one whose features are rows."""
        return self._current.towers

    def refresh(self) -> None:
        """Drop everything that was computed, and read the model again.

        Changes of the model are noticed without this. Earlier explanations
        keep the numbers they have, and compute no others.
        """
        with self._lock:
            self._version = None

    @contextmanager
    def steady(self, *, reading: bool = True) -> Iterator["DualEncoder"]:
        """Return a context in which the model has to stay as it is.

        Parameters
        ----------
        reading
            Whether to compare all weights first, which is needed if cached
            results may be used.

        Yields
        ------
        DualEncoder
            This encoder, fixed to the model's current version.

        Raises
        ------
        ModelChanged
            At the end, if the model was changed meanwhile.
        """
        if self._fixed is not None:
            yield self
            return
        fixed = copy.copy(self)
        version = fixed._fixed = self._current_version(reading=reading)
        with self._guard(version, version.looks_the_same):
            yield fixed

    def require_unchanged(self, layers: tuple[int, int] | None) -> AbstractContextManager[None]:
        """Return a context at whose end the model has to be what it was when this was fixed.

        Parameters
        ----------
        layers
            ``(text, image)``, where passes begin; ``None`` for whole towers.

        Returns
        -------
        context manager
            Raises ``ModelChanged`` at its end if the model has changed.
        """
        version = self._fixed
        assert version is not None, "not fixed"
        return self._origin._guard(version, lambda: version.is_the_same(layers))

    @contextmanager
    def _guard(self, version: "Version", is_same: Callable[[], bool]) -> Iterator[None]:
        def require_same(cause: Exception | None = None) -> None:
            if version is self._version and is_same():
                return
            with self._lock:
                if self._version is version:
                    self._version = None  # it may have cached results of the changed model
            raise ModelChanged(
                "model",
                f"{self.name!r} has changed since this explanation began, so that further numbers "
                "would not fit those computed before",
                "call explain or attribute again",
            ) from cause

        try:
            with one_thread() if version.is_small else nullcontext():
                yield
        except Exception as error:
            require_same(error)
            raise
        require_same()

    def _current_version(self, *, reading: bool) -> "Version":
        """Return the version of the model as it is now, a new one if it has changed."""
        if self.device.type == "meta":
            raise InputError(
                "model",
                f"{self.name!r} has no weights any more, as torch's device 'meta' holds no numbers",
                "load it again",
            )
        with self._lock:
            version = self._version
            if version is None or not (
                version.is_the_same() if reading else version.looks_the_same()
            ):
                version = self._version = self._new_version()
            version.read()
            return version

    def _new_version(self) -> "Version":
        return Version(self.model, self._family, self.image_size, self.head_settings)

    @property
    def _current(self) -> "Version":
        return self._fixed or self._version or self._current_version(reading=False)

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
        """The device of the weights."""
        return next(self.model.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The type of the weights."""
        return next(self.model.parameters()).dtype

    def similarity(self, image: ImageLike, caption: CaptionLike) -> float:
        """Return the cosine similarity of an image and a caption."""
        if self.head is None:
            return float(self.embed_image([image])[0] @ self.embed_text([caption])[0])
        return float(self.similarities(image, [caption])[0])

    def similarities(self, image: ImageLike, captions: Sequence[CaptionLike]) -> np.ndarray:
        """Return the cosine similarities of an image and several captions, ``(n,)`` float64."""
        if self.head is None:
            products: np.ndarray = self.embed_image([image])[0] @ self.embed_text(captions).T
            return products.astype(np.float64)
        outputs = self.outputs([image], "image"), self.outputs(captions, "text")
        with self.steady(reading=False) as fixed, torch.no_grad():
            assert fixed.head is not None
            scores = cosines(fixed.head, *outputs)
        return scores.cpu().numpy().astype(np.float64)

    def read_out(self, image: ImageLike, caption: CaptionLike) -> ReadOut:
        """Return what the model's head read of an image for a caption.

        Raises
        ------
        InputError
            When the model has no head, or one without read-outs.
        """
        with self.steady(reading=False) as fixed, torch.no_grad():
            if fixed.head is None or not has_read_out(fixed.head):
                raise InputError(
                    "model",
                    f"{self.name!r} has no head that says what it reads of an image by a caption",
                    "pass a model that has one, such as a Llip",
                )
            values = {"text": caption, "image": image}
            parts = [fixed.part(self.prepare(value, name)) for name, value in values.items()]
            for part in parts:
                part.require_finite(part.output())
            text, picture = parts
            return read_out_of(
                fixed.head, picture.output(), text.output(), (text.last_panel, picture.last_panel)
            )

    def embed_image(self, images: Sequence[ImageLike]) -> np.ndarray:
        """Return the embeddings of images at unit length, ``(n, K)`` float32.

        Raises
        ------
        InputError
            When an image cannot be used, or a caption decides what the model reads of it.
        """
        if self.head is not None:
            raise InputError(
                "model",
                f"{self.name!r} reads an image by a caption, and embeds none by itself",
                "pass both to `similarity`",
            )
        return self._embed(images, "image")

    def embed_text(self, captions: Sequence[CaptionLike]) -> np.ndarray:
        """Return the embeddings of captions at unit length, ``(n, K)`` float32."""
        return self._embed(captions, "text")

    def _embed(self, values: Sequence[Any], tower_name: str) -> np.ndarray:
        embeddings = self.outputs(values, tower_name)
        with self.steady(reading=False) as fixed, torch.no_grad():
            if fixed.head is not None:
                embeddings = fixed.head.embed(embeddings)
        return nn.functional.normalize(embeddings, dim=-1).float().cpu().numpy()

    def outputs(self, values: Sequence[Any], tower_name: str) -> Tensor:
        """Return what a tower gives for several inputs, ``(n, K)`` float32.

        For a head that is more than an embedding; what holds a vector for each token is padded
        by zeros.
        """
        argument = f"{self.towers[tower_name].argument}s"
        if isinstance(values, str):
            raise InputError(argument, "is one string", "pass a list of strings")
        inputs = [self.prepare(value, tower_name).inputs for value in values]
        if not inputs:
            raise InputError(argument, "is an empty list", f"pass at least one {tower_name}")
        with self.steady(reading=False) as fixed:
            outputs = _in_batches(fixed.towers[tower_name].embed, inputs)
        require_finite(outputs, self.name, tower_name)
        return outputs

    def resolve_layers(self, layer: Layer) -> tuple[int, int]:
        """Return the block numbers ``(text, image)`` of an argument ``layer``."""
        if layer is None:
            layer = self.defaults.layer
        if isinstance(layer, Mapping):
            layer = self._layers_by_name(layer)
        pair = layer if isinstance(layer, tuple | list) else (layer, layer)
        if len(pair) != 2:
            raise InputError(
                "layer", f"is {layer!r}", "pass an integer, a pair (text, image) or None"
            )
        rows, columns = self.towers.values()
        return rows.resolve_layer(pair[0]), columns.resolve_layer(pair[1])

    def _layers_by_name(self, layers: Mapping[str, int]) -> tuple[int, int]:
        """Return block numbers ``(text, image)``; the default's for a tower that is not named."""
        names = list(self.towers)
        for name in layers:
            if name not in names:
                raise InputError(
                    "layer", f"names the tower {quoted(name)}", f"pass {' and '.join(names)}"
                )
        first, second = (
            layers.get(name, default)
            for name, default in zip(names, self.defaults.layer, strict=True)
        )
        return first, second

    def prepare(self, value: Any, tower_name: str) -> Prepared:
        """Return what a user passes as inputs of a tower.

        Parameters
        ----------
        value
            Anything that the tower takes, such as a caption or a path; a prepared
            input is returned as it is.
        tower_name
            Such as ``"text"`` or ``"image"``.

        Raises
        ------
        InputError
            When the tower cannot take it.
        """
        tower = self.towers[tower_name]
        # Not the encoder itself: inputs may outlive it, and several share a model.
        origin = id(self.model), self.image_size
        if isinstance(value, Prepared):
            if value.tower_name != tower_name or value.origin not in (None, origin):
                other = "model" if value.tower_name == tower_name else "tower"
                raise InputError(
                    tower.argument,
                    f"was prepared for another {other}",
                    f"pass {tower.argument}s as they are, or as {self.name!r} prepares them",
                )
            return value
        prepared = tower.prepare(value, self.processors.get(tower_name), self.device, self.dtype)
        return replace(prepared, origin=origin)

    def identify(self, prepared: Prepared) -> Hashable:
        """Return a key that equal inputs of a tower share, and different ones do not."""
        return prepared.settings, self.towers[prepared.tower_name].identify(prepared.inputs)

    @property
    def logits(self) -> Logits | None:
        """How the model makes logits of its cosines; ``None`` where it makes none."""
        with self.steady(reading=False) as fixed:
            return fixed._current.logits

    @property
    def head(self) -> Head | None:
        """What makes the score of the towers' outputs; ``None`` where that is their cosine."""
        return self._current.head

    def require_logits(self, argument: str) -> Logits:
        """Return how the model makes logits, or raise an ``InputError`` for an argument."""
        logits = self.logits
        if logits is None:
            raise InputError(
                argument,
                f"needs logits, but {self.name!r} has no scale that makes logits of cosines",
                "use cosines (unit='difference')",
            )
        return logits

    def part(
        self, prepared: Prepared, layer: int = -1, stream: tuple[int, int] | None = None
    ) -> Part:
        """Return an input with its tower, ready to be measured.

        Parameters
        ----------
        prepared
            See :meth:`prepare`.
        layer
            Number of the block at whose input features are read.
        stream
            See :class:`Part`; by default that of the tower's place in ``towers``.
        """
        with self.steady() as fixed:
            tower = fixed.towers[prepared.tower_name]
            place = list(fixed.towers).index(tower.name)
            layer = tower.resolve_layer(layer)
            nodes = self.defaults.nodes
            at_default = layer == tower.resolve_layer(self.defaults.layer[place])
            return Part(
                tower,
                prepared,
                layer,
                (place, 0) if stream is None else stream,
                self.name,
                self.defaults.references.get(tower.name, tower.references[0]),
                nodes[place] if nodes and at_default else None,
                self.memory_limit,
                self.memory_budget,
                read_by_head=fixed.head is not None,
            )

    def panel(self, prepared: Prepared, layer: int) -> Panel:
        """Return how an input is shown, with the features that enter block ``layer``."""
        tower = self.towers[prepared.tower_name]
        if not tower.panel_needs_a_pass():
            return tower.panel(prepared, layer)
        with self.steady() as fixed:
            return fixed.towers[prepared.tower_name].panel(prepared, layer)

    def cached(self, part: Part, name: object, compute: Callable[[], T]) -> T:
        """Return a result for one input, from the cache if the model has not changed."""
        key = (
            name, part.layer, part.stream, part.memory_limit, part.default_reference,
            part.prepared.settings, part.tower.identify(part.inputs),
        )  # fmt: skip
        return self._current.measured[part.tower.name].get(key, compute)


def _in_batches(embed: Callable[[Inputs], Tensor], inputs: Sequence[Inputs]) -> Tensor:
    """Return the embeddings of inputs, those of equal shapes in batches, ``(n, K)`` float32."""
    numbers_of: dict[Hashable, list[int]] = {}
    for number, each in enumerate(inputs):
        shape = tuple((name, tensor.shape, tensor.dtype) for name, tensor in sorted(each.items()))
        numbers_of.setdefault(shape, []).append(number)
    batches = [
        numbers[start : start + _BATCH]
        for numbers in numbers_of.values()
        for start in range(0, len(numbers), _BATCH)
    ]
    embedded: dict[int, Tensor] = {}
    for batch in batches:
        if len(batches) > 1:
            report(f"embedding: {len(embedded)} of {len(inputs)}")
        names = inputs[batch[0]]
        together = {name: torch.cat([inputs[number][name] for number in batch]) for name in names}
        embedded.update(zip(batch, embed(together).float(), strict=True))
    # Outputs that hold a vector for each token are of different lengths; zeros ask for nothing.
    return nn.utils.rnn.pad_sequence(
        [embedded[number] for number in range(len(inputs))], batch_first=True
    )
