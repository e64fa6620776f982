"""What can be chosen in an explorer, and the explanation that comes of a choice."""

import os
import threading
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from ..assets import MODEL_FOLDERS
from ..encoders import DualEncoder, ModelLike, Prepared, ProcessorLike, encoder_of
from ..errors import InputError
from ..methods import method_of
from ..pairs import FeaturePairs, attribute
from ._examples import example

#: What can be chosen.
CHOICES = ("example", "image", "caption", "model", "method", "layer")

# The choices that decide about arguments that cannot be chosen by themselves.
_CHOICE_OF = {
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
class Choice:
    """A value for everything that can be chosen, as :func:`fpattr_widget.explore` takes it."""

    example: Any
    image: Any
    caption: Any
    model: Any
    method: Any
    layer: Any


@dataclass(frozen=True, eq=False)
class Outcome:
    """The explanation of a choice; the choice names the model, and the layer that was used."""

    choice: Choice
    encoder: DualEncoder
    image: Prepared
    pairs: FeaturePairs


class Models:
    """Encoders by name: those that were passed, and those that are loaded by name.

    Parameters
    ----------
    processor
        For loaded modules.
    """

    def __init__(self, processor: ProcessorLike = None):
        self._processor = processor
        self._passed: dict[str, DualEncoder] = {}
        self._modules: dict[int, str] = {}  # names of loaded modules by their identity
        self._names: list[str] = []
        self._loading: dict[str, threading.Lock] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Those that can be chosen, in the order in which they were added."""
        return tuple(self._names)

    def add(self, model: ModelLike) -> str:
        """Add a model, without loading it if it is a name; return its name.

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
        """Return the encoder of a name, loading it if it was not passed."""
        if name in self._passed:
            return self._passed[name]
        # Loaded once, however many threads wait for it.
        with self._loading.setdefault(name, threading.Lock()):
            return encoder_of(name)

    def name_of(self, model: ModelLike) -> str:
        """Return the name under which ``encoder`` finds a model; raises as ``add`` does."""
        if isinstance(model, str | os.PathLike):
            name = str(model).strip()
            if not name:
                raise InputError("model", "is empty", "write a Hugging Face id or a folder")
            return name
        if not isinstance(model, nn.Module):
            return self._name_passed(encoder_of(model))
        if id(model) not in self._modules:
            name = self._name_passed(encoder_of(model, self._processor))
            self._modules[id(model)] = name  # its encoder keeps the module, and so its identity
        return self._modules[id(model)]

    def _name_passed(self, encoder: DualEncoder) -> str:
        """Return the name of an encoder that was passed; one that is new gets a name of its own."""
        for name, passed in self._passed.items():
            if passed is encoder:
                return name
        name, count = encoder.name, 1
        while name in self._passed or (name in self._names and name not in MODEL_FOLDERS):
            count += 1
            name = f"{encoder.name} ({count})"
        self._passed[name] = encoder
        return name


def explain_choice(
    choice: Choice,
    last: Outcome | None,
    models: Models,
    loading: Callable[[str], AbstractContextManager[object]] = nullcontext,
) -> Outcome:
    """Explain a choice, with as much as possible of the last outcome.

    Parameters
    ----------
    choice
        What to explain.
    last
        Its encoder is used again for the same model, and its prepared image
        for the same image. A layer that was not changed is left out if
        another model does not have it.
    models
        Where names are looked up.
    loading
        Makes, of a model's name, the context in which its encoder is looked
        up, which may take long.

    Returns
    -------
    Outcome
        Its pairs are checked, but not computed.

    Raises
    ------
    InputError
        When something cannot be used.
    """
    if choice.example is not None:
        example(choice.example)
    name = models.name_of(choice.model)
    if last is not None and name == last.choice.model:
        encoder = last.encoder
    else:
        with loading(name):
            encoder = models.encoder(name)
    image = _prepared_image(choice, last, encoder)
    layer = _usable_layer(choice, last, encoder)
    encoder.resolve_layers(layer)  # raises also where the method does not use it
    used_layer = layer if fixed_place(choice.method) is None else None
    pairs = attribute(encoder, image, choice.caption, choice.method, used_layer)
    if last is not None and encoder is not last.encoder:
        # A model that cannot be used is refused before the last good view is replaced.
        encoder.similarity(image, choice.caption)
    return Outcome(replace(choice, model=name, layer=layer), encoder, image, pairs)


def fixed_place(method: Any) -> str | None:
    """Return where a method reads features, ``None`` if the user chooses the layer."""
    try:
        return method_of(method).reads_at
    except InputError:
        return None


def _prepared_image(choice: Choice, last: Outcome | None, encoder: DualEncoder) -> Prepared:
    if last is not None and last.encoder is encoder and last.choice.image is choice.image:
        pixels = last.image.inputs["pixel_values"]
        if (pixels.device, pixels.dtype) == (encoder.device, encoder.dtype):
            return last.image
    return encoder.prepare(choice.image, "image")


def _usable_layer(choice: Choice, last: Outcome | None, encoder: DualEncoder) -> Any:
    if last is None or choice.layer is not last.choice.layer or encoder is last.encoder:
        return choice.layer
    try:
        encoder.resolve_layers(choice.layer)
    except InputError:
        return None
    return choice.layer


def culprits(error: Exception, changed: Collection[str]) -> list[str]:
    """Return the changed choices that caused an error; all of them where that is not known.

    Parameters
    ----------
    error
        What was raised. An ``InputError`` knows its argument.
    changed
        Choices changed since the last success.
    """
    argument = error.argument if isinstance(error, InputError) else ""
    choice = _CHOICE_OF.get(argument, argument)
    if choice in changed:
        return [choice]
    # An old image that does not suit the new model is the new model's problem.
    if "model" in changed and choice in CHOICES:
        return ["model"]
    return list(changed)
