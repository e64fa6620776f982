"""What is to be measured, checked before it begins, and the measuring itself."""

import itertools
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import torch
from tqdm.auto import tqdm

from ..encoders import DualEncoder, Layer, ModelLike, ProcessorLike, encoder_of
from ..errors import InputError, ModelChanged
from ..methods import METHODS, Method
from ..progress import about, cheaper
from ._dataset import Dataset, Sample
from ._explained import Explained, Read
from ._fingerprint import read_by, weights_of
from ._records import SAID, Record, Records, Score
from .metrics import METRICS, Agreement, Metric

T = TypeVar("T")
# An evaluation that takes longer, in seconds, is worth a word beforehand.
_WORTH_A_WORD = 60.0


@dataclass(frozen=True)
class Run:
    """One way of explaining: an encoder, a method and a pair of layers.

    Attributes
    ----------
    model
        What a reader calls the encoder.
    method
        What a reader calls the method.
    layers
        ``(text, image)``, or ``None`` where the method reads at a place of its own.
    """

    model: str
    method: str
    layers: tuple[int, int] | None

    def __str__(self) -> str:
        places = "" if self.layers is None else " · text block {} · image block {}"
        return f"{self.model} · {self.method}{places.format(*self.layers or ())}"


@dataclass(frozen=True)
class Way:
    """A run with what it takes to explain a sample so."""

    run: Run
    encoder: DualEncoder
    method: Method

    def explain(self, read: Read) -> Explained:
        return Explained(read, self.method, self.run.layers, str(self.run))


class Evaluation:
    """Ways of explaining, metrics and a data set, and what has been measured of them so far.

    Parameters
    ----------
    ways
        Those that are compared.
    dataset
        What they are judged on.
    metrics
        By which.
    scores
        A file to keep what is measured in, or ``None``.
    """

    def __init__(
        self,
        ways: Sequence[Way],
        dataset: Dataset,
        metrics: Sequence[Metric],
        scores: str | os.PathLike[str] | None,
    ):
        self.ways = tuple(ways)
        self.dataset = dataset
        self.metrics = tuple(metrics)
        encoders = {id(way.encoder): way.encoder for way in ways}
        weights = {key: weights_of(one) for key, one in encoders.items()} if scores else {}
        self._reading = self._how_it_is_read()
        plan = {
            "dataset": dataset.fingerprint(),
            "models": [weights.get(id(way.encoder)) for way in ways],
            **self._reading,
            "methods": [[str(way.run), repr(way.method)] for way in ways],
            "metrics": [repr(metric) for metric in metrics],
        }
        self.records = Records(plan, scores)

    def _how_it_is_read(self) -> dict[str, list[str]]:
        """Return what beside weights and methods decides about the numbers, by what it is."""
        parts = {id(way.encoder): read_by(way.encoder) for way in self.ways}
        each = [parts[id(way.encoder)] for way in self.ways]
        return {name: [one[name] for one in each] for name in each[0]}

    def proceed(self, progress: bool = True) -> None:
        """Measure what is missing; an interrupt loses no more than the sample under way.

        What could not be used is tried again: a file may be there now.
        """
        # What cannot have changed yet is not looked at.
        now = self._how_it_is_read() if len(self.records) else self._reading
        for name, parts in now.items():
            if parts != self._reading[name]:
                raise InputError(
                    f"the {SAID[name]} of `model` has changed since the evaluation began, and its "
                    "scores would be mixed: call evaluate() anew."
                )
        with self.records.writing():
            self._measure_missing(progress)

    def _measure_missing(self, progress: bool) -> None:
        missing = [sample for sample in self.dataset if not self.records.holds(sample.name)]
        done = len(self.dataset) - len(missing)
        with tqdm(
            total=len(self.dataset),
            initial=done,
            desc="evaluating",
            unit="sample",
            disable=not progress,
        ) as bar:
            as_begun = self._unchanged()
            started = time.monotonic()
            for number, sample in enumerate(missing):
                with ExitStack() as unchanged:
                    for make in as_begun:
                        unchanged.enter_context(make())
                    record = self._measure(sample)
                self.records.add(record)
                bar.update()
                if progress and number == 0:
                    seconds = (time.monotonic() - started) * (len(missing) - 1)
                    if seconds >= _WORTH_A_WORD:
                        bar.write(f"this takes {about(seconds)}{cheaper(self._remedy())}")

    def _unchanged(self) -> list[Callable[[], AbstractContextManager[None]]]:
        """Return, for each model, what makes a context in which it has to be as it is now."""
        makers: list[Callable[[], AbstractContextManager[None]]] = []
        for encoder in {id(way.encoder): way.encoder for way in self.ways}.values():
            with encoder.steady() as fixed:
                makers.append(partial(fixed.unchanged, None))
        return makers

    def _remedy(self) -> str:
        """Return what would be cheaper, for the first way for which something is."""
        remedies = (way.method.cheaper(way.encoder, way.run.layers) for way in self.ways)
        return next((remedy for remedy in remedies if remedy), "")

    def _measure(self, sample: Sample) -> Record:
        scores: list[Score] = []
        try:
            for _, group in itertools.groupby(enumerate(self.ways), lambda one: id(one[1].encoder)):
                ways = list(group)
                encoder = ways[0][1].encoder
                read = Read(encoder, sample)
                scores += self._scores(ways, read)
        except ModelChanged:  # no fault of the sample's
            raise
        except InputError as error:
            return Record(sample.name, (), str(error))
        return Record(sample.name, tuple(scores))

    def _scores(self, ways: Sequence[tuple[int, Way]], read: Read) -> Iterable[Score]:
        # Kept side by side only for who compares them: each holds graphs.
        if any(isinstance(metric, Agreement) for metric in self.metrics):
            explained = [way.explain(read) for _, way in ways]
            for one in explained:
                one.beside = [other for other in explained if other is not one]
            try:
                for (number, _), one in zip(ways, explained, strict=True):
                    yield from self._judge(number, one)
            finally:
                for one in explained:
                    one.pairs.release()
        else:
            for number, way in ways:
                alone = way.explain(read)
                try:
                    yield from self._judge(number, alone)
                finally:
                    # The encoder keeps what it measured of the image; its graphs would
                    # stay beside those of the next way.
                    alone.pairs.release()

    def _judge(self, run: int, explained: Explained) -> Iterable[Score]:
        if any(metric.reads_first_order for metric in self.metrics):
            _ = explained.first_order  # let go of once all pairs are there
        for metric in self.metrics:
            for measured in metric.measure(explained):
                numbers: Sequence[int | None] = [None] * len(measured.values)
                if metric.of_phrases and not measured.of_sample:
                    numbers = [target.number for target in explained.targets]
                chances = measured.chance or (None,) * len(numbers)
                for number, value, chance in zip(numbers, measured.values, chances, strict=True):
                    yield Score(run, measured.name, number, value, chance)


def plan(
    model: ModelLike | Sequence[ModelLike] | Mapping[str, ModelLike],
    dataset: Dataset,
    *,
    processor: ProcessorLike = None,
    methods: Any,
    metrics: Any,
    layers: Any,
    scores: str | os.PathLike[str] | None,
) -> Evaluation:
    """Check everything that was asked for, and return it ready to begin; see ``evaluate``."""
    if not isinstance(dataset, Dataset):
        raise InputError(
            f"`dataset` is a {type(dataset).__name__}: pass one of fpattr_widget.datasets, or a "
            "fpattr_widget.Dataset."
        )
    if not len(dataset):
        raise InputError("`dataset` is empty: pass one with at least one sample.")
    chosen_methods = _chosen(methods, "methods", METHODS, "measure", "Occlusion()")
    chosen_metrics = _chosen(metrics, "metrics", METRICS, "measure", "Agreement()")
    kinds = [type(metric).__name__ for metric in chosen_metrics]
    if twice := [name for name in kinds if kinds.count(name) > 1]:
        raise InputError(
            f"`metrics` holds {twice[0]} twice, whose numbers would be mixed: pass one."
        )
    ways: dict[Run, Way] = {}
    for name, encoder in _encoders(model, processor).items():
        for method in chosen_methods:
            method.check(encoder)
            for layer in _layers(encoder, method, layers):
                run = Run(name, _said(method, chosen_methods), layer)
                way = ways.setdefault(run, Way(run, encoder, method))
                if repr(way.method) != repr(method):
                    raise InputError(
                        f"`methods` holds two that are both called {run.method!r}: give each a "
                        "`label` of its own."
                    )
    alone = len({id(way.encoder) for way in ways.values()}) == len(ways)
    if alone and any(isinstance(metric, Agreement) for metric in chosen_metrics):
        raise InputError(
            "`metrics` names agreement, which compares several ways of explaining one model: pass "
            "more `methods` or `layers`."
        )
    return Evaluation(list(ways.values()), dataset, chosen_metrics, scores)


def _encoders(model: Any, processor: ProcessorLike) -> dict[str, DualEncoder]:
    found: dict[str, DualEncoder] = {}
    if isinstance(model, Mapping):
        found = {str(name): _encoder(one, processor) for name, one in model.items()}
        model = []
    for one in _several(model):
        encoder = _encoder(one, processor)
        if encoder.name in found:
            raise InputError(
                f"`model` names {encoder.name!r} twice: pass a dict that gives each a name."
            )
        found[encoder.name] = encoder
    if not found:
        raise InputError("`model` is empty: pass at least one.")
    return found


def _encoder(model: Any, processor: ProcessorLike) -> DualEncoder:
    """Return the encoder of one of several models; only modules among them need a processor."""
    return encoder_of(model, processor if isinstance(model, torch.nn.Module) else None)


def _several(one_or_more: Any) -> list[Any]:
    return list(one_or_more) if isinstance(one_or_more, list | tuple) else [one_or_more]


def _chosen(
    asked: Any, argument: str, known: Mapping[str, Callable[[], T]], does: str, such_as: str
) -> list[T]:
    """Return what is asked for by name, or passed as an object that does what it must."""
    chosen: list[T] = []
    for one in _several(asked):
        if isinstance(one, str) and one in known:
            chosen.append(known[one]())
        elif isinstance(one, str):
            raise InputError(f"`{argument}` names {one!r}: pass {', '.join(known)}.")
        elif isinstance(one, type) or not hasattr(one, does):
            raise InputError(
                f"`{argument}` holds {one!r}: pass names, or {argument} such as {such_as}."
            )
        else:
            chosen.append(one)
    if not chosen:
        raise InputError(f"`{argument}` is empty: pass at least one.")
    return chosen


def _said(method: Method, methods: Sequence[Method]) -> str:
    """Name a method; by the settings in which it differs from others of the same name."""
    alike = [other for other in methods if other.label == method.label]
    if len(alike) == 1:
        return method.label
    settings = [
        name
        for name in getattr(method, "__dataclass_fields__", {})
        if any(getattr(other, name, None) != getattr(method, name) for other in alike)
    ]
    told = ", ".join(f"{name}={getattr(method, name)!r}" for name in settings)
    return f"{method.label} ({told})" if told else method.label


def _layers(encoder: DualEncoder, method: Method, layers: Any) -> Sequence[tuple[int, int] | None]:
    if method.reads_at is not None:
        return [None]
    if isinstance(layers, str):
        if layers != "all":
            raise InputError(f"`layers` is {layers!r}: pass 'all', a layer or a list of layers.")
        rows, columns = (range(len(tower.blocks)) for tower in encoder.towers.values())
        return list(itertools.product(rows, columns))
    chosen: list[Layer] = layers if isinstance(layers, list) else [layers]
    if not chosen:
        raise InputError("`layers` is empty: pass 'all', a layer or a list of layers.")
    try:
        return [encoder.resolve_layers(layer) for layer in chosen]
    except InputError as error:
        raise error.renamed("layers") from error
