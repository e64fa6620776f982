"""What is to be tried, and what comes of it."""

import os
import re
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from ..encoders import DualEncoder, ModelLike, Prepared, ProcessorLike, encoder_of
from ..errors import InputError
from ..methods import METHODS
from ..pairs import FeaturePairs, attribute
from ..scenes import example_names
from ._newest import Turn

#: What can be chosen.
CHOICES = ("example", "image", "caption", "model", "method", "layer")

# Arguments that are not among the choices, and what they belong to.
_PART_OF = {
    "blocks": "model",
    "encode": "model",
    "memory_limit": "model",
    "patch": "model",
    "processor": "model",
    "special": "model",
    "steps": "method",
    "tokens": "method",
}


@dataclass(frozen=True, eq=False)
class Wish:
    """A choice of everything; the values are those that :func:`fpattr_widget.explore` takes."""

    example: Any
    image: Any
    caption: Any
    model: Any
    method: Any
    layer: Any


@dataclass(frozen=True, eq=False)
class Trial:
    """A wish that came true."""

    wish: Wish
    encoder: DualEncoder
    image: Prepared
    pairs: FeaturePairs


class Models:
    """Encoders by name: those that were given, and those that are loaded.

    Parameters
    ----------
    processor
        For loaded modules.
    """

    def __init__(self, processor: ProcessorLike = None):
        self._processor = processor
        self._given: dict[str, DualEncoder] = {}
        self._modules: dict[int, str] = {}
        self._names: list[str] = []
        self._loading: dict[str, threading.Lock] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Those that can be chosen, in the order in which they became known."""
        return tuple(self._names)

    def add(self, model: ModelLike) -> str:
        """Make a model known without loading it by name; return its name.

        Parameters
        ----------
        model
            See :func:`fpattr_widget.explore`.

        Raises
        ------
        InputError
            When it is no model.
        """
        name = self.name_of(model)
        if name not in self._names:
            self._names.append(name)
        return name

    def encoder(self, name: str) -> DualEncoder:
        """Return the encoder of a name, loading it if it was not given."""
        if name in self._given:
            return self._given[name]
        # Loaded once, however many wait for it.
        with self._loading.setdefault(name, threading.Lock()):
            return encoder_of(name)

    def name_of(self, model: ModelLike) -> str:
        """Return the name under which ``encoder`` finds a model; raises as ``add`` does."""
        if isinstance(model, str | os.PathLike):
            name = str(model).strip()
            if not name:
                raise InputError("`model` is empty: write a Hugging Face id or a folder.")
            return name
        if not isinstance(model, nn.Module):
            return self._keep(encoder_of(model))
        if id(model) not in self._modules:
            name = self._keep(encoder_of(model, self._processor))
            self._modules[id(model)] = name  # kept alive by its encoder
        return self._modules[id(model)]

    def _keep(self, encoder: DualEncoder) -> str:
        for name, given in self._given.items():
            if given is encoder:
                return name
        name, count = encoder.name, 1
        while name in self._given or (name in self._names and name != "bundled"):
            count += 1
            name = f"{encoder.name} ({count})"
        self._given[name] = encoder
        return name


def try_out(
    wish: Wish,
    last: Trial | None,
    models: Models,
    turn: Turn | None = None,
    loading: Callable[[str], None] = lambda name: None,
) -> Trial:
    """Make a wish come true, with as much as possible of the last trial.

    Parameters
    ----------
    wish
        What is wanted.
    last
        Its encoder is kept for the same model, its image's states for the
        same image, and a layer that was not changed gives way if another
        model does not have it.
    models
        Where names are looked up.
    turn
        Told that a model is waited for.
    loading
        Called with a model's name before it is looked up.

    Returns
    -------
    Trial
        Its wish names the model and says which layer was used.

    Raises
    ------
    InputError
        When something cannot be used; the message names it.
    """
    if wish.example is not None and wish.example not in example_names():
        raise InputError(
            f"`example` is {wish.example!r}: pass one of {', '.join(example_names())}, or None."
        )
    name = models.name_of(wish.model)
    if last is not None and name == last.wish.model:
        encoder = last.encoder
    else:
        loading(name)
        if turn is None:
            encoder = models.encoder(name)
        else:
            with turn.waiting_for(name):
                encoder = models.encoder(name)
    image = _prepared(wish, last, encoder)
    layer = _layer(wish, last, encoder)
    encoder.resolve_layers(layer)  # also where the method does not use it
    read_at_layer = reading_place(wish.method) is None
    pairs = attribute(encoder, image, wish.caption, wish.method, layer if read_at_layer else None)
    if last is not None and encoder is not last.encoder:
        # A model that cannot be used is told before the last good view is gone.
        encoder.similarity(image, wish.caption)
    return Trial(replace(wish, model=name, layer=layer), encoder, image, pairs)


def reading_place(method: Any) -> str | None:
    """Return where a method reads features, ``None`` if the user chooses the layer."""
    if isinstance(method, str):
        method = METHODS[method]() if method in METHODS else None
    return getattr(method, "reads_at", None)


def _prepared(wish: Wish, last: Trial | None, encoder: DualEncoder) -> Prepared:
    if last is not None and last.encoder is encoder and last.wish.image is wish.image:
        pixels = last.image.inputs["pixel_values"]
        if (pixels.device, pixels.dtype) == (encoder.device, encoder.dtype):
            return last.image
    return encoder.prepare(wish.image, "image")


def _layer(wish: Wish, last: Trial | None, encoder: DualEncoder) -> Any:
    if last is None or wish.layer is not last.wish.layer or encoder is last.encoder:
        return wish.layer
    try:
        encoder.resolve_layers(wish.layer)
    except InputError:
        return None
    return wish.layer


def blame(error: Exception, changed: Collection[str]) -> list[str]:
    """Return beside which choices an error is to be told, all of them among the changed ones.

    Parameters
    ----------
    error
        An ``InputError`` names the argument in backticks.
    changed
        What is not as it was when all was well.
    """
    named = re.findall(r"`(\w+)`", str(error)) if isinstance(error, InputError) else []
    named = [_PART_OF.get(name, name) for name in named]
    for name in named:
        if name in changed:
            return [name]
    # An old image that does not suit the new model is the new model's problem.
    if "model" in changed and any(name in CHOICES for name in named):
        return ["model"]
    return list(changed)
