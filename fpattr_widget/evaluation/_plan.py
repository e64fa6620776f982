"""Check what is asked for and plan an evaluation, before anything is measured."""

import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

from ..encoders import DualEncoder, Layer, ModelLike, ProcessorLike, encoder_of
from ..errors import InputError
from ..methods import METHODS, Method, for_encoder
from ._dataset import Dataset
from ._fingerprint import reading_of, weights_of
from ._records import Records
from ._setup import Setup, SetupName
from ._task import Task
from .metrics import METRICS
from .runners import RUNNERS, Runner

T = TypeVar("T")

# What is measured unless the user chooses: of phrases, of differences of two pictures, of foils.
_OF_PHRASES = ("pointing_game", "pointing_energy", "completeness")
_OF_DIFFERENCES = ("difference_sign", "order", "difference_pointing", "completeness")
_OF_FOILS = ("margin", "swapped_word", "completeness")

_LAYERS_REMEDY = "pass 'all', a layer or a list of layers"


@dataclass(frozen=True)
class Evaluation:
    """What is measured of which samples, how, and what has been measured so far.

    Attributes
    ----------
    task
        What is measured of each sample.
    dataset
        The samples.
    records
        The scores so far; they grow while the evaluation runs.
    reading
        Hashes of how each setup's encoder read its inputs at the beginning, by
        part; see :func:`.reading_of`.
    runner
        Measures the samples.
    """

    task: Task
    dataset: Dataset
    records: Records
    reading: dict[str, list[str]]
    runner: Runner

    def reading_now(self) -> dict[str, list[str]]:
        """Return ``reading`` of the encoders as they are now."""
        return _reading(self.task)


def _reading(task: Task) -> dict[str, list[str]]:
    hashes = {id(encoder): reading_of(encoder) for encoder in task.encoders}
    by_setup = [hashes[id(setup.encoder)] for setup in task.setups]
    return {part: [own[part] for own in by_setup] for part in by_setup[0]}


def plan(
    model: ModelLike | Sequence[ModelLike] | Mapping[str, ModelLike],
    dataset: Dataset,
    *,
    processor: ProcessorLike = None,
    methods: Any,
    metrics: Any,
    layers: Any,
    scores: str | os.PathLike[str] | None,
    runner: str = "local",
) -> Evaluation:
    """Check the arguments of ``evaluate`` and return the evaluation, ready to run.

    Parameters
    ----------
    model, dataset, processor, methods, metrics, layers, scores
        See :func:`.evaluate`.
    runner
        A name of ``RUNNERS``.

    Raises
    ------
    InputError
        When an argument cannot be used, or ``scores`` belongs to another evaluation.
    """
    if not isinstance(dataset, Dataset):
        raise InputError(
            "dataset",
            f"is a {type(dataset).__name__}",
            "pass one of fpattr_widget.datasets, or a fpattr_widget.Dataset",
        )
    if not len(dataset):
        raise InputError("dataset", "is empty", "pass one with at least one sample")
    chosen_methods = _chosen(methods, "methods", METHODS, "Occlusion()")
    asked = _default_metrics(dataset) if metrics is None else metrics
    chosen_metrics = _chosen(asked, "metrics", METRICS, "Agreement()")
    kinds = [type(metric).__name__ for metric in chosen_metrics]
    if repeated := [kind for kind in kinds if kinds.count(kind) > 1]:
        raise InputError(
            "metrics", f"holds {repeated[0]} twice, whose numbers would be mixed", "pass one"
        )
    setups = _setups(_encoders(model, processor), chosen_methods, layers)
    task = Task(tuple(setups), tuple(chosen_metrics))
    alone = len(task.encoders) == len(setups)
    if alone and any(metric.compares for metric in chosen_metrics):
        raise InputError(
            "metrics",
            "names agreement, which compares several setups of one model",
            "pass more `methods` or `layers`",
        )
    reading = _reading(task)
    records = Records(_described(task, dataset, reading, with_weights=scores is not None), scores)
    return Evaluation(task, dataset, records, reading, RUNNERS[runner]())


def _default_metrics(dataset: Dataset) -> tuple[str, ...]:
    """Return what is measured of a data set unless the user chooses."""
    if any(sample.second is not None for sample in dataset):
        return _OF_DIFFERENCES
    if not any(sample.foils for sample in dataset):
        return _OF_PHRASES
    has_phrases = any(sample.phrases for sample in dataset)
    return tuple(dict.fromkeys([*_OF_FOILS, *(_OF_PHRASES if has_phrases else ())]))


def _described(
    task: Task, dataset: Dataset, reading: dict[str, list[str]], with_weights: bool
) -> dict[str, Any]:
    """Return all that decides about the numbers, as plain JSON that files of scores begin with.

    Weights take long to hash, and only a file is compared.
    """
    weights = {id(one): weights_of(one) for one in task.encoders} if with_weights else {}
    return {
        "dataset": dataset.fingerprint(),
        "models": [weights.get(id(setup.encoder)) for setup in task.setups],
        **reading,
        "methods": [[str(setup.name), repr(setup.method)] for setup in task.setups],
        "metrics": [repr(metric) for metric in task.metrics],
    }


def _setups(
    encoders: Mapping[str, DualEncoder], methods: Sequence[Method], layers: Any
) -> list[Setup]:
    """Return a setup for each encoder, method and layer; a repeated one once."""
    setups: dict[SetupName, Setup] = {}
    for model, encoder in encoders.items():
        own_methods = [for_encoder(method, encoder) for method in methods]
        for method in own_methods:
            method.check(encoder)
            for pair in _layers(encoder, method, layers):
                name = SetupName(model, _method_name(method, own_methods), pair)
                setup = setups.setdefault(name, Setup(name, encoder, method))
                if repr(setup.method) != repr(method):
                    raise InputError(
                        "methods",
                        f"holds two that are both called {name.method!r}",
                        "give each a `label` of its own",
                    )
    return list(setups.values())


def _encoders(model: Any, processor: ProcessorLike) -> dict[str, DualEncoder]:
    """Return the encoders by name."""
    if isinstance(model, Mapping):
        encoders = {str(name): _encoder(value, processor) for name, value in model.items()}
    else:
        encoders = {}
        for value in _several(model):
            encoder = _encoder(value, processor)
            if encoder.name in encoders:
                raise InputError(
                    "model", f"names {encoder.name!r} twice", "pass a dict that gives each a name"
                )
            encoders[encoder.name] = encoder
    if not encoders:
        raise InputError("model", "is empty", "pass at least one")
    return encoders


def _encoder(model: Any, processor: ProcessorLike) -> DualEncoder:
    """Return the encoder of one of several models; only modules among them need a processor."""
    return encoder_of(model, processor if isinstance(model, torch.nn.Module) else None)


def _several(one_or_more: Any) -> list[Any]:
    return list(one_or_more) if isinstance(one_or_more, list | tuple) else [one_or_more]


def _chosen(
    asked: Any, argument: str, known: Mapping[str, Callable[[], T]], such_as: str
) -> list[T]:
    """Return the methods or metrics that are named, or passed as objects.

    Parameters
    ----------
    asked
        Names and objects.
    argument
        What the caller calls it.
    known
        What can be named.
    such_as
        An example of an object, for messages.
    """
    chosen: list[T] = []
    for value in _several(asked):
        if isinstance(value, str) and value in known:
            chosen.append(known[value]())
        elif isinstance(value, str):
            raise InputError(argument, f"names {value!r}", f"pass {', '.join(known)}")
        elif isinstance(value, type) or not hasattr(value, "measure"):
            raise InputError(
                argument, f"holds {value!r}", f"pass names, or {argument} such as {such_as}"
            )
        else:
            chosen.append(value)
    if not chosen:
        raise InputError(argument, "is empty", "pass at least one")
    return chosen


def _method_name(method: Method, methods: Sequence[Method]) -> str:
    """Return a method's label, with the settings in which it differs from others of that label."""
    alike = [other for other in methods if other.label == method.label]
    if len(alike) == 1:
        return method.label
    settings = [
        name
        for name in getattr(method, "__dataclass_fields__", {})
        if any(getattr(other, name, None) != getattr(method, name) for other in alike)
    ]
    shown = ", ".join(f"{name}={getattr(method, name)!r}" for name in settings)
    return f"{method.label} ({shown})" if shown else method.label


def _layers(encoder: DualEncoder, method: Method, layers: Any) -> Sequence[tuple[int, int] | None]:
    """Return the pairs of blocks to explain at; ``None`` alone where the method reads no layers."""
    if method.reads_at is not None:
        return [None]
    if isinstance(layers, str):
        if layers != "all":
            raise InputError("layers", f"is {layers!r}", _LAYERS_REMEDY)
        rows, columns = (range(len(tower.blocks)) for tower in encoder.towers.values())
        return list(itertools.product(rows, columns))
    chosen: list[Layer] = layers if isinstance(layers, list) else [layers]
    if not chosen:
        raise InputError("layers", "is empty", _LAYERS_REMEDY)
    try:
        return [encoder.resolve_layers(layer) for layer in chosen]
    except InputError as error:
        raise error.renamed("layers") from error
