"""``DualEncoder``: a model with its towers, its processors and its defaults."""

import copy
import os
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar, overload

import numpy as np
import torch
from torch import Tensor, nn

from ..checks import as_count, quoted
from ..errors import InputError, ModelChanged
from ._cores import one_thread
from ._embedding import Embedder, embed_in_memory, embed_into, embed_readable
from ._embeddings import Embeddings, fingerprint_of
from ._family import Family, Logits
from ._head import Head, cosines, has_read_out, read_out_of
from ._image import ImageLike, ImageTower
from ._image_size import processor_of_size
from ._inputs import Inputs, Panel, Prepared
from ._memory_budget import MemoryBudget
from ._part import Part, require_finite
from ._read_out import ReadOut
from ._sources import Many
from ._text import CaptionLike
from ._tower import Tower
from ._version import Version

T = TypeVar("T")
#: Block numbers of both towers, of each ``(text, image)``, or by the tower's name.
Layer = int | tuple[int, int] | Mapping[str, int] | None

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
        if self.head is not None:
            return float(self.similarities(image, [caption])[0])
        return float(self._vector(image, "image") @ self._vector(caption, "text"))

    def similarities(self, image: ImageLike, captions: Sequence[CaptionLike]) -> np.ndarray:
        """Return the cosine similarities of an image and several captions, ``(n,)`` float64."""
        if self.head is None:
            products: np.ndarray = self._vector(image, "image") @ self.embed_text(captions).T
            return products.astype(np.float64)
        one = self._embedded(Many([image], "image", "images"))
        outputs = torch.stack(one), self.outputs(captions, "text")
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

    @overload
    def embed_image(
        self,
        images: Iterable[ImageLike] | str | os.PathLike[str],
        *,
        store: None = None,
        workers: int | None = None,
        batch_size: int | None = None,
    ) -> np.ndarray: ...
    @overload
    def embed_image(
        self,
        images: Iterable[ImageLike] | str | os.PathLike[str],
        *,
        store: str | os.PathLike[str],
        workers: int | None = None,
        batch_size: int | None = None,
    ) -> Embeddings: ...
    def embed_image(
        self,
        images: Iterable[ImageLike] | str | os.PathLike[str],
        *,
        store: str | os.PathLike[str] | None = None,
        workers: int | None = None,
        batch_size: int | None = None,
    ) -> np.ndarray | Embeddings:
        """Return the embeddings of many images, in batches.

        Only a few images are in memory at once. With ``store`` an interrupted or killed call
        loses nothing: the same call goes on, and of a list that has changed it embeds what is
        new. A file is known again by its path, its size and when it was changed, a picture in
        memory by its pixels.

        Parameters
        ----------
        images
            A list of whatever an image may be, a folder (all pictures in it and below it,
            sorted by their paths), a column of a data set, another sequence, or a generator,
            which is gone through once.
        store
            An ``.npz`` file that is made or extended. What cannot be used is left out then, and
            listed in its ``problems``.
        workers
            Processes that decode and preprocess images beside this one; 0 for none. By default
            the first few hundred images are read here, and then there are as many as cores but
            one, at most 8.
        batch_size
            Images that are embedded at once; by default as many as make it faster and the
            encoder's ``memory_limit`` allows. Fewer are, where memory does not suffice.

        Returns
        -------
        numpy.ndarray or Embeddings
            ``(n, K)`` float32, of unit length; with ``store`` the :class:`Embeddings` that it
            holds now, mapped into memory.

        Raises
        ------
        InputError
            When an image cannot be used (without ``store``), when none can, when a caption
            decides what the model reads of an image, or when the store is damaged, another
            model's, or written to by another call.
        """
        if self.head is not None:
            raise InputError(
                "model",
                f"{self.name!r} reads an image by a caption, and embeds none by itself",
                "pass both to `similarity`",
            )
        return self._embed(images, "image", store, workers, batch_size)

    @overload
    def embed_text(
        self,
        captions: Iterable[CaptionLike],
        *,
        store: None = None,
        batch_size: int | None = None,
    ) -> np.ndarray: ...
    @overload
    def embed_text(
        self,
        captions: Iterable[CaptionLike],
        *,
        store: str | os.PathLike[str],
        batch_size: int | None = None,
    ) -> Embeddings: ...
    def embed_text(
        self,
        captions: Iterable[CaptionLike],
        *,
        store: str | os.PathLike[str] | None = None,
        batch_size: int | None = None,
    ) -> np.ndarray | Embeddings:
        """Return the embeddings of many captions, in batches; see :meth:`embed_image`.

        Parameters
        ----------
        captions
            Strings or token ids: a list, a column of a data set, another sequence, or a
            generator.
        store, batch_size
            As for images.

        Returns
        -------
        numpy.ndarray or Embeddings
            ``(n, K)`` float32, of unit length.
        """
        return self._embed(captions, "text", store, 0, batch_size)

    def embed_readable(self, values: Any, tower_name: str, argument: str) -> Embeddings:
        """Return the embeddings of many inputs in memory; what cannot be used is left out.

        Parameters
        ----------
        values, argument
            Many images or captions, as for :meth:`embed_image`, and what messages call them.
        tower_name
            ``"image"`` or ``"text"``.

        Raises
        ------
        InputError
            When none can be used.
        """
        many = Many(values, tower_name, argument)
        embedder = self._embedder(tower_name, normalised=True, workers=None)
        return embed_readable(embedder, many, self.name, fingerprint_of(self, tower_name))

    def outputs(self, values: Any, tower_name: str) -> Tensor:
        """Return what a tower gives for several inputs, ``(n, K)`` float32.

        For a head that is more than an embedding; what holds a vector for each token is padded
        by zeros, which ask for nothing.
        """
        many = Many(values, tower_name, f"{self.towers[tower_name].argument}s")
        return nn.utils.rnn.pad_sequence(self._embedded(many), batch_first=True)

    def _embedded(self, many: Many, *, normalised: bool = False) -> list[Tensor]:
        return embed_in_memory(self._embedder(many.tower_name, normalised=normalised), many)

    def _vector(self, value: Any, tower_name: str) -> np.ndarray:
        """Return the embedding of one input at unit length, ``(K,)`` float32."""
        many = Many([value], tower_name, f"{self.towers[tower_name].argument}s")
        vector: np.ndarray = self._embedded(many, normalised=True)[0].cpu().numpy()
        return vector

    def _embed(
        self,
        values: Any,
        tower_name: str,
        store: str | os.PathLike[str] | None,
        workers: int | None,
        batch_size: int | None,
    ) -> np.ndarray | Embeddings:
        many = Many(values, tower_name, f"{self.towers[tower_name].argument}s")
        embedder = self._embedder(
            tower_name,
            normalised=True,
            workers=None if workers is None else as_count(workers, "workers", 0),
            batch_size=None if batch_size is None else as_count(batch_size, "batch_size"),
        )
        if store is not None:
            fingerprint = fingerprint_of(self, tower_name)
            return embed_into(store, embedder, many, self.name, fingerprint)
        vectors = nn.utils.rnn.pad_sequence(embed_in_memory(embedder, many), batch_first=True)
        in_memory: np.ndarray = vectors.cpu().numpy()
        return in_memory

    def _embedder(
        self,
        tower_name: str,
        *,
        normalised: bool,
        workers: int | None = 0,
        batch_size: int | None = None,
    ) -> Embedder:
        """Return what embeds many inputs by the model as it is now."""
        version = self._current_version(reading=False) if self._fixed is None else self._fixed
        tower, head = version.towers[tower_name], version.head

        def inputs_of(value: Any) -> Inputs:
            if isinstance(value, Prepared):
                return self.prepare(value, tower_name).inputs
            processor = self.processors.get(tower_name)
            return tower.inputs_of(value, processor, self.device, self.dtype)

        def finish(outputs: Tensor) -> Tensor:
            require_finite(outputs, self.name, tower_name)
            if not normalised:
                return outputs
            embeddings = outputs if head is None else head.embed(outputs)
            return nn.functional.normalize(embeddings, dim=-1).float()

        def require_unchanged() -> None:
            with self._origin._guard(version, version.looks_the_same):
                pass

        return Embedder(
            tower,
            inputs_of,
            finish,
            lambda: one_thread() if version.is_small else nullcontext(),
            require_unchanged,
            self.processors.get(tower_name) if isinstance(tower, ImageTower) else None,
            self.device,
            self.memory_limit,
            batch_size,
            workers,
        )

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
