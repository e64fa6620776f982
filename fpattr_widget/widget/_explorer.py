"""The explorer: controls around a view, to try images, captions, models and methods."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import ipywidgets
import traitlets

from ..assets import MODEL_FOLDERS
from ..encoders import CaptionLike, ImageLike, Layer, ModelLike, ProcessorLike
from ..errors import InputError
from ..methods import METHODS
from ..pairs import FeaturePairs, MethodLike
from ..view import EditKind, ViewOptions
from ._around_view import AroundView
from ._choice_queue import ChoiceQueue, Request
from ._choices import CHOICES, Choice, Models, Outcome, culprits, explain_choice, fixed_place
from ._examples import all_names, example, first, label, offered
from ._failures import failure_for_readers, failure_sentence
from ._menus import Field, Menu, ModelField, Option, both_layers
from ._pairs_widget import PairsWidget
from ._worker import StopOrder, Worker

_CAPTION = "a picture"
_NO_EXAMPLE = "your own"
_MAX_WIDTH = "1180px"  # as wide as the view grows
# Edited in the view itself, which shows what is wrong with them.
_IN_VIEW: tuple[EditKind, ...] = ("image", "caption")


class Explorer(AroundView):
    """An instrument for trying models: a view that can be edited, and menus around it.

    The caption is edited where it stands, and the picture changed by choosing,
    dropping or pasting a file. All state is in the attributes, which are
    traits: set one to do what its control does, observe one to follow it. A
    change is explained beside the kernel, and dropped when the next one comes.
    What cannot be used is reported beside its control, and the last good view
    stays; the report goes with the next change that can be used.

    Parameters
    ----------
    image, caption, model, processor, models, method, layer
        See :func:`fpattr_widget.explore`.
    **options
        See :class:`~fpattr_widget.PairsWidget`.

    Attributes
    ----------
    example
        Name of the bundled example that is shown, or ``None``. Setting it sets
        ``image`` and ``caption``.
    image, caption
        What is explained, as :func:`fpattr_widget.attribute` takes it.
    model
        A Hugging Face id, a folder, or the name of a model that was passed. An
        encoder or a loaded module may be assigned; its name takes its place.
    method
        A method or its name.
    layer
        As :func:`fpattr_widget.attribute` takes it; not used while the method
        reads features at a place of its own.
    problems
        What cannot be used and why, a sentence for each attribute's name.
        Where it is empty, the attributes above describe what is shown.
    busy
        Whether a change is being explained.
    pairs
        The :class:`~fpattr_widget.FeaturePairs` that are shown. They, ``busy``
        and ``problems`` change on a thread of the explorer.
    view
        The :class:`~fpattr_widget.PairsWidget` that shows them.

    Raises
    ------
    InputError
        When something cannot be used to begin with.
    """

    example = traitlets.Any()
    image = traitlets.Any()
    caption = traitlets.Any()
    model = traitlets.Any()
    method = traitlets.Any()
    layer = traitlets.Any()
    problems = traitlets.Dict(read_only=True)
    busy = traitlets.Bool(False, read_only=True)
    pairs = traitlets.Instance(FeaturePairs, read_only=True)
    view = traitlets.Instance(PairsWidget, read_only=True)

    def __init__(
        self,
        image: ImageLike | None = None,
        caption: CaptionLike | None = None,
        *,
        model: ModelLike = "bundled",
        processor: ProcessorLike = None,
        models: Sequence[ModelLike] = (),
        method: MethodLike = "integrated_jacobians",
        layer: Layer = None,
        **options: Unpack[ViewOptions],
    ):
        self._queue = ChoiceQueue()
        self._worker: Worker[Request] = Worker(
            self._queue.take,
            self._work,
            name="fpattr-choices",
            stop_order=StopOrder.EXPLORER,
            rested=self._show_busy,
        )
        self._models = Models(processor)
        self._methods: list[Option] = [(kind().label, name) for name, kind in METHODS.items()]
        self._refusals: dict[str, _Refusal] = {}  # by the name of the choice
        first = _first_choice(image, caption, model, method, layer)
        for known in (model, *_as_sequence(models), *MODEL_FOLDERS):
            self._models.add(known)
        self._shown = explain_choice(first, None, self._models)
        options.setdefault("editable", True)
        view = PairsWidget(self._shown.pairs, **options)
        bar = self._make_bar()
        super().__init__([bar, view], layout=ipywidgets.Layout(overflow="visible"))
        self.set_trait("view", view)
        self._accept(self._shown, Request(0, dict(self._queue.values), {}))
        view.on_edit(self._edited)

    def __repr__(self) -> str:
        return f"Explorer({self.pairs!r})"

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the last change has been explained or refused.

        Parameters
        ----------
        timeout
            In seconds; ``None`` waits as long as it takes.

        Returns
        -------
        bool
            Whether it has been; then the outcome is in ``pairs``, or else in ``problems``.
        """
        done = self._worker.wait_until(lambda: not self._is_busy, timeout)
        self._show_busy()
        return done

    def close(self) -> None:
        """Stop all work and take the explorer from the page."""
        worker = getattr(self, "_worker", None)
        if worker is not None:
            worker.stop()
        for child in getattr(self, "children", ()):
            _close_all(child)
        super().close()

    # The controls

    def _make_bar(self) -> ipywidgets.Box:
        self._examples = Menu(
            "Example", self._choose_example, "A picture and a caption to begin with"
        )
        self._model_field = ModelField(self._choose_model)
        self._method_menu = Menu("Method", self._setter("method"), "How contributions are measured")
        where = "The block at whose input the {} is split into features"
        self._layer_menus = (
            Menu("Text layer", self._choose_layer, where.format("caption")),
            Menu("Image layer", self._choose_layer, where.format("picture")),
        )
        self._fields: dict[str, Field] = {
            "example": Field(self._examples),
            "model": self._model_field,
            "method": Field(self._method_menu, flex="1 1 11em"),
            "layer": Field(_row(*self._layer_menus), flex="2 1 18em"),
        }
        for menu in self._layer_menus:
            menu.layout.flex = "1 1 7em"
        bar = _row(*self._fields.values())
        bar.layout.margin = "0 0 8px"
        bar.layout.max_width = _MAX_WIDTH
        return bar

    def _choose_example(self, name: str) -> None:
        self.example = name or None

    def _setter(self, name: str) -> Callable[[Any], None]:
        return lambda value: setattr(self, name, value)

    def _choose_model(self, model: Any) -> None:
        self._put(model=model)
        self._ask("model")  # also for the same name again: it may be found now

    def _choose_layer(self, _layer: Any) -> None:
        text, image = (menu.value for menu in self._layer_menus)
        default = self._shown.encoder.resolve_layers(None)
        self.layer = None if (text, image) == default else (text, image)

    def _edited(self, kind: str, value: str | bytes) -> None:
        self._put(**{kind: value})
        self._ask(kind)  # also for the same value again: the view waits for an answer

    def _show_choices(self) -> None:
        """Let every control show the choice that was set, as far as it is among its options."""
        names = offered(self.model)
        if self.example is not None and self.example not in names:  # set by a program
            names = [self.example, *names]
        examples: list[Option] = [(label(name), name) for name in names]
        # For a dropdown, None means that nothing is chosen.
        self._examples.offer([(_NO_EXAMPLE, ""), *examples], self.example or "")
        self._model_field.offer(_model_options(self._models.names), self.model)
        self._method_menu.offer(self._methods, self.method)
        place = fixed_place(self.method)
        layers = self._resolved_layers()
        options_of_towers = both_layers(self._shown.encoder)
        for menu, options, layer in zip(self._layer_menus, options_of_towers, layers, strict=True):
            if place is None:
                menu.offer(options, layer)
            else:
                menu.offer([(place, -1)], -1, disabled=True)

    @property
    def _note(self) -> str:
        """What to look at with the example that is shown."""
        shown = self._shown.choice.example
        return example(shown).note if shown is not None else ""

    def _resolved_layers(self) -> tuple[int, int]:
        encoder = self._shown.encoder
        try:
            return encoder.resolve_layers(self.layer)
        except InputError:  # wrong, or of a model that is not shown yet
            return encoder.resolve_layers(self._shown.choice.layer)

    def _show_refusals(self, refusals: "dict[str, _Refusal]") -> None:
        """Report what cannot be used, beside its control or in the view."""
        resolved = self._refusals.keys() - refusals.keys()
        self._refusals = refusals
        self.set_trait("problems", {name: why.sentence for name, why in refusals.items()})
        for name, field in self._fields.items():
            problem = refusals[name].for_readers if name in refusals else ""
            field.show(problem=problem, news=self._note if name == "example" else "")
        for kind in _IN_VIEW:
            if kind in refusals:
                self.view.refuse(kind, refusals[kind].for_readers)
            elif kind in resolved:
                self.view.refuse(kind, "")

    @contextmanager
    def _loading(self, request: Request, model: str) -> Iterator[None]:
        """Show that a request waits for a model to be loaded."""
        request.waits_for = model
        self._model_field.show(news=f"Loading {_short(model)} …")
        try:
            yield
        finally:
            request.waits_for = None

    @property
    def _is_busy(self) -> bool:
        return not self._queue.finished and not self._worker.stopped

    def _show_busy(self) -> None:
        # Threads may overtake one another here; the last one leaves the right value.
        while self.busy != self._is_busy:
            self.set_trait("busy", self._is_busy)

    # Requests and their outcomes

    @traitlets.observe(*CHOICES)
    def _choice_set(self, change: Any) -> None:
        if change["new"] is not self._queue.values[change["name"]]:  # set by others than `_put`
            self._ask(change["name"])

    def _put(self, **values: Any) -> None:
        """Set choices without requesting that they be explained."""
        with self._worker.lock:
            self._queue.values.update(values)
        for name, value in values.items():
            if getattr(self, name) is not value:
                setattr(self, name, value)

    def _ask(self, name: str) -> None:
        """Request that a changed choice be explained, with those that change with it."""
        changed = [name]
        if name == "example" and self.example in all_names():
            chosen = example(self.example)
            self._put(image=chosen.image, caption=chosen.caption)
            changed += ["image", "caption"]
        elif name in _IN_VIEW:
            self._put(example=None)
            changed.append("example")
        self._show_choices()
        with self._worker.requesting():
            self._queue.add({choice: getattr(self, choice) for choice in changed})
            under_way = self._worker.job
            if under_way is not None and under_way.waits_for not in (None, self.model):
                self._worker.abandon()
        self._show_busy()

    def _work(self, request: Request) -> None:
        """Explain the requested choices, on the worker's thread."""
        try:
            self._explain(request)
        finally:
            with self._worker.lock:
                self._queue.finish(request)

    def _explain(self, request: Request) -> None:
        try:
            outcome = explain_choice(
                self._usable_choice(request),
                self._shown,
                self._models,
                partial(self._loading, request),
            )
            if self._is_stale(request):
                return
            self.view.show(outcome.pairs)
        except Exception as error:
            if not self._is_stale(request):
                self._refuse(error, request)
        else:
            self._accept(outcome, request)

    def _is_stale(self, request: Request) -> bool:
        return self._worker.stopped or not self._queue.is_newest(request)

    def _usable_choice(self, request: Request) -> Choice:
        """Return the requested choices; refused ones are replaced by those shown."""
        shown, values = self._shown.choice, dict(request.values)
        for name in self.problems:
            if name not in request.changed:
                values[name] = getattr(shown, name)
        if values["image"] is shown.image and values["caption"] is shown.caption:
            values["example"] = values["example"] or shown.example
        return Choice(**values)

    def _accept(self, outcome: Outcome, request: Request) -> None:
        choice = outcome.choice
        self._shown = outcome
        self._models.add(choice.model)
        if not any(method == choice.method for _, method in self._methods):
            self._methods.append((_method_label(choice.method), choice.method))
        with self._worker.lock:
            self._queue.settle(request, request.changed)
        for name in CHOICES:
            value, requested = getattr(choice, name), request.values[name]
            # What was set meanwhile is left alone: it is requested next.
            untouched = getattr(self, name) is requested and not self._queue.is_changed(name)
            if value is not requested and untouched:
                self._put(**{name: value})
        self._show_refusals({})
        self._show_choices()
        self.set_trait("pairs", outcome.pairs)

    def _refuse(self, error: Exception, request: Request) -> None:
        refused = culprits(error, request.changed)
        with self._worker.lock:
            self._queue.settle(request, refused)
        standing = {
            name: why for name, why in self._refusals.items() if name not in request.changed
        }
        why = _Refusal(failure_sentence(error), failure_for_readers(error))
        self._show_refusals({**standing, **dict.fromkeys(refused, why)})


@dataclass(frozen=True)
class _Refusal:
    """Why a choice cannot be used, for programs and for readers."""

    sentence: str
    for_readers: str


def _first_choice(image: Any, caption: Any, model: Any, method: Any, layer: Any) -> Choice:
    """Fill in what was not passed: an example, or a few words that suit any picture."""
    if image is not None:
        return Choice(None, image, _CAPTION if caption is None else caption, model, method, layer)
    name = first(model)
    begun = example(name)
    if caption is not None:
        return Choice(None, begun.image, caption, model, method, layer)
    return Choice(name, begun.image, begun.caption, model, method, layer)


def _as_sequence(models: Any) -> Sequence[Any]:
    return models if isinstance(models, list | tuple) else (models,)


def _model_options(models: Sequence[str]) -> list[Option]:
    """Return models to choose from, folders by their names alone: notebooks are shared."""
    names = [_short(model) for model in models]
    return [
        (name if names.count(name) == 1 else model, model)
        for name, model in zip(names, models, strict=True)
    ]


def _short(model: str) -> str:
    return Path(model).name if Path(model).is_dir() else model


def _method_label(method: Any) -> str:
    """Return a method's label with the settings that are not its defaults."""
    settings = [
        f"{field.name} {getattr(method, field.name)}"
        for field in (fields(method) if is_dataclass(method) else ())
        if getattr(method, field.name) != field.default
    ]
    return f"{method.label} ({', '.join(settings)})" if settings else str(method.label)


def _row(*widgets: ipywidgets.Widget) -> ipywidgets.Box:
    return ipywidgets.Box(
        widgets,
        layout=ipywidgets.Layout(
            flex_flow="row wrap", grid_gap="0 12px", align_items="flex-start", overflow="visible"
        ),
    )


def _close_all(widget: ipywidgets.Widget) -> None:
    for child in getattr(widget, "children", ()):
        _close_all(child)
    widget.close()


def explore(
    image: ImageLike | None = None,
    caption: CaptionLike | None = None,
    *,
    model: ModelLike = "bundled",
    processor: ProcessorLike = None,
    models: Sequence[ModelLike] = (),
    method: MethodLike = "integrated_jacobians",
    layer: Layer = None,
    **options: Unpack[ViewOptions],
) -> Explorer:
    """Try images, captions, models, methods and layers in one view.

    Parameters
    ----------
    image, caption
        To begin with; see :func:`fpattr_widget.attribute`. Where both are left
        out, a bundled example.
    model, processor
        To begin with; see :func:`fpattr_widget.explain`.
    models
        More of them to choose from.
    method, layer
        To begin with; see :func:`fpattr_widget.attribute`.
    **options
        Of the view; see :class:`~fpattr_widget.PairsWidget`.

    Returns
    -------
    Explorer
        Shown by a notebook cell that ends with it.

    Raises
    ------
    InputError
        When something cannot be used to begin with.

    Examples
    --------
    >>> explorer = explore()
    >>> explorer.caption = "a bicycle"
    >>> explorer.wait()
    True
    >>> explorer.pairs.caption
    'a bicycle'
    """
    return Explorer(
        image,
        caption,
        model=model,
        processor=processor,
        models=models,
        method=method,
        layer=layer,
        **options,
    )
