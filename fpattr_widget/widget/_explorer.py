"""The explorer: controls around a view, to try images, captions, models and methods."""

import atexit
import threading
from collections.abc import Callable, Container, Sequence
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import ipywidgets
import traitlets

from ..encoders import CaptionLike, ImageLike, Layer, ModelLike, ProcessorLike
from ..errors import InputError
from ..methods import METHODS
from ..pairs import FeaturePairs, MethodLike
from ..scenes import example as scene_of
from ..scenes import example_names
from ..view import EditKind, ViewOptions
from ._failures import sentence
from ._menus import Field, Menu, ModelField, Option, both_layers, readable
from ._newest import Newest, Turn, stop_all
from ._pairs_widget import PairsWidget
from ._still import with_still
from ._trial import CHOICES, Models, Trial, Wish, blame, reading_place, try_out

_FIRST = "dog-and-ball"
_CAPTION = "a picture"
_OWN = "your own"
_WIDEST = "1180px"  # as wide as the view grows
# The view itself takes these, and says what is wrong with them.
_IN_VIEW: tuple[EditKind, ...] = ("image", "caption")

# Registered after the row servers' own, and so run before it: a change that is
# under way may still start one.
atexit.register(stop_all)


class Explorer(ipywidgets.VBox):  # type: ignore[misc]
    """An instrument for trying models: a view that can be edited, and menus around it.

    The caption is edited where it stands, and the picture changed by choosing,
    dropping or pasting a file. All state is in the attributes, which are
    traits: set one to do what its control does, observe one to follow. A
    change is worked on beside the kernel, and gives way to the next one. What
    cannot be used is told beside its control, and the last good view stays;
    the next change that can be used takes it back.

    Parameters
    ----------
    image, caption, model, processor, models, method, layer
        See :func:`fpattr_widget.explore`.
    **options
        See :class:`~fpattr_widget.PairsWidget`.

    Attributes
    ----------
    example
        Name of the bundled scene on show, or ``None``. Setting it sets
        ``image`` and ``caption``.
    image, caption
        What is explained, as :func:`fpattr_widget.attribute` takes it.
    model
        A Hugging Face id, a folder, or the name of a model that was given. An
        encoder or a loaded module may be assigned, and becomes its name.
    method
        A method or its name.
    layer
        As :func:`fpattr_widget.attribute` takes it; not used while the method
        reads features at a place of its own.
    problems
        What cannot be used and why, a sentence for each attribute's name.
        Where it is empty, the attributes above describe what is on show.
    busy
        Whether a change is being worked on.
    pairs
        The :class:`~fpattr_widget.FeaturePairs` on show. It, ``busy`` and
        ``problems`` change on a thread of the explorer.
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
        self._guard = threading.Lock()  # never held while a trait is set
        self._quiet = threading.local()  # a thread that sets traits without asking for work
        self._changes: dict[str, int] = {}  # which were made and not yet worked on, and when
        self._count = 0  # of changes; each has a turn of its own
        # The choices as they were asked for: a trait changes a moment before that is noted.
        self._asked: dict[str, Any] = dict.fromkeys(CHOICES)
        self._models = Models(processor)
        self._methods: list[Option] = [(kind().label, name) for name, kind in METHODS.items()]
        self._refused: set[str] = set()  # of what the view takes itself
        self._newest = Newest(self._try, self._show_busy)
        wish = _first_wish(image, caption, model, method, layer)
        for known in (model, *_listed(models), "bundled"):
            self._models.add(known)
        self._shown = first = try_out(wish, None, self._models)
        options.setdefault("editable", True)
        view = PairsWidget(self._shown.pairs, **options)
        bar = self._make_bar()
        super().__init__([bar, view], layout=ipywidgets.Layout(overflow="visible"))
        self.set_trait("view", view)
        self._accept(first, dict.fromkeys(CHOICES), {})
        view.on_edit(self._edited)

    def __repr__(self) -> str:
        return f"Explorer({self.pairs!r})"

    def _repr_mimebundle_(
        self,
        include: Container[str] | None = None,
        exclude: Container[str] | None = None,
        **options: Any,
    ) -> Any:
        bundle = partial(super()._repr_mimebundle_, **options)
        return with_still(bundle, include, exclude, self.view.draw_so_far, self.view.left_out)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the last change has been worked on.

        Parameters
        ----------
        timeout
            In seconds; ``None`` waits as long as it takes.

        Returns
        -------
        bool
            Whether it has; then ``pairs``, or else ``problems``, tell the outcome.
        """
        done = self._newest.wait(timeout)
        self._show_busy()
        return done

    def close(self) -> None:
        """Stop all work and take the explorer from the page."""
        newest = getattr(self, "_newest", None)
        if newest is not None:
            newest.stop()
        for child in getattr(self, "children", ()):
            _close_all(child)
        super().close()

    # The controls

    def _make_bar(self) -> ipywidgets.Box:
        self._examples = Menu("Example", self._choose_example, "A scene to begin with")
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
        bar.layout.max_width = _WIDEST
        return bar

    def _choose_example(self, name: str) -> None:
        self.example = name or None

    def _setter(self, name: str) -> Callable[[Any], None]:
        return lambda value: setattr(self, name, value)

    def _choose_model(self, model: Any) -> None:
        self._put(model=model)
        self._ask("model")  # also for the same name once more: it may be there now

    def _choose_layer(self, _layer: Any) -> None:
        text, image = (menu.value for menu in self._layer_menus)
        default = self._shown.encoder.resolve_layers(None)
        self.layer = None if (text, image) == default else (text, image)

    def _edited(self, kind: str, value: str | bytes) -> None:
        self._put(**{kind: value})
        self._ask(kind)  # also for the same once more: the view waits for an answer

    def _show_choices(self) -> None:
        """Let every control show what is wanted, as far as it can be chosen."""
        examples: list[Option] = [(name.replace("-", " "), name) for name in example_names()]
        # A dropdown takes None for nothing chosen.
        self._examples.offer([(_OWN, ""), *examples], self.example or "")
        self._model_field.offer(_labelled(self._models.names), self.model)
        self._method_menu.offer(self._methods, self.method)
        place = reading_place(self.method)
        layers = self._layers()
        towers = both_layers(self._shown.encoder)
        for menu, options, layer in zip(self._layer_menus, towers, layers, strict=True):
            if place is None:
                menu.offer(options, layer)
            else:
                menu.offer([(place, -1)], -1, disabled=True)

    def _layers(self) -> tuple[int, int]:
        encoder = self._shown.encoder
        try:
            return encoder.resolve_layers(self.layer)
        except InputError:  # of another model, or wrong: those on show
            return encoder.resolve_layers(self._shown.wish.layer)

    def _show_problems(self) -> None:
        for name, field in self._fields.items():
            field.tell(self.problems.get(name, ""))
        for kind in _IN_VIEW:
            problem = self.problems.get(kind, "")
            if problem or kind in self._refused:
                self.view.refuse(kind, readable(problem))
        self._refused = set(self.problems).intersection(_IN_VIEW)

    def _show_loading(self, model: str) -> None:
        self._model_field.tell("", news=f"Loading {_short(model)} …")

    def _show_busy(self) -> None:
        # Threads may overtake one another here: the last one finds it right.
        while self.busy != self._newest.busy:
            self.set_trait("busy", self._newest.busy)

    # What is wanted, and what comes of it

    @traitlets.observe(*CHOICES)
    def _wanted(self, change: Any) -> None:
        if not getattr(self._quiet, "now", False):
            self._ask(change["name"])

    def _put(self, **values: Any) -> None:
        """Set traits without asking for work."""
        self._quiet.now = True
        try:
            for name, value in values.items():
                if getattr(self, name) is not value:
                    setattr(self, name, value)
        finally:
            self._quiet.now = False

    def _ask(self, name: str) -> None:
        """Note that a choice was changed, with those that go with it; have it worked on."""
        changed = {name}
        if name == "example" and self.example in example_names():
            scene = scene_of(self.example)
            self._put(image=scene.image, caption=scene.caption)
            changed |= {"image", "caption"}
        elif name in _IN_VIEW:
            self._put(example=None)
            changed.add("example")
        self._show_choices()
        try:
            with self._guard:
                self._count += 1
                self._changes.update(dict.fromkeys(changed, self._count))
                self._asked.update((choice, getattr(self, choice)) for choice in changed)
        finally:  # also if the cell is interrupted: turns wait for the last one
            self._newest.ask(self.model)
        self._show_busy()

    def _try(self, turn: Turn) -> None:
        """Work on what is wanted; on a thread of its own."""
        with self._guard:
            if turn.number < self._count:  # a change is noted whose own turn is about to come
                return
            changes, wanted = dict(self._changes), dict(self._asked)
        try:
            wish = self._wish(wanted, changes)
            trial = try_out(wish, self._shown, self._models, turn, self._show_loading)
            if turn.stale:
                return
            self.view.show(trial.pairs)
        except Exception as error:
            if not turn.stale:
                self._refuse(error, changes)
        else:
            self._accept(trial, wanted, changes)

    def _wish(self, wanted: dict[str, Any], changes: dict[str, int]) -> Wish:
        """Return what is wanted, with what is on show for what cannot be used."""
        shown = self._shown.wish
        for name in self.problems:
            if name not in changes:
                wanted = {**wanted, name: getattr(shown, name)}
        if wanted["image"] is shown.image and wanted["caption"] is shown.caption:
            wanted = {**wanted, "example": wanted["example"] or shown.example}
        return Wish(**wanted)

    def _accept(self, trial: Trial, wanted: dict[str, Any], changes: dict[str, int]) -> None:
        self._shown = trial
        self._models.add(trial.wish.model)
        if not any(value == trial.wish.method for _, value in self._methods):
            self._methods.append((_described(trial.wish.method), trial.wish.method))
        self._forget(changes)
        for name in CHOICES:
            value = getattr(trial.wish, name)
            with self._guard:
                # What was set meanwhile is left alone: its turn comes.
                if value is wanted[name] or name in self._changes:
                    continue
                self._asked[name] = value
            if getattr(self, name) is wanted[name]:
                self._put(**{name: value})
        self.set_trait("problems", {})
        self._show_problems()
        self._show_choices()
        self.set_trait("pairs", trial.pairs)

    def _refuse(self, error: Exception, changes: dict[str, int]) -> None:
        refused = blame(error, changes)
        self._forget({name: changes[name] for name in refused})
        standing = {name: said for name, said in self.problems.items() if name not in changes}
        self.set_trait("problems", {**standing, **dict.fromkeys(refused, sentence(error))})
        self._show_problems()

    def _forget(self, changes: dict[str, int]) -> None:
        with self._guard:
            for name, count in changes.items():
                if self._changes.get(name) == count:
                    del self._changes[name]


def _first_wish(image: Any, caption: Any, model: Any, method: Any, layer: Any) -> Wish:
    """Fill in what was not given: an example scene, or a few words that suit any picture."""
    if image is not None:
        return Wish(None, image, _CAPTION if caption is None else caption, model, method, layer)
    scene = scene_of(_FIRST)
    if caption is not None:
        return Wish(None, scene.image, caption, model, method, layer)
    return Wish(_FIRST, scene.image, scene.caption, model, method, layer)


def _listed(models: Any) -> Sequence[Any]:
    return models if isinstance(models, list | tuple) else (models,)


def _labelled(models: Sequence[str]) -> list[Option]:
    """Return models to choose from; of folders their name, for notebooks are shared."""
    short = [_short(model) for model in models]
    return [
        (label if short.count(label) == 1 else model, model)
        for label, model in zip(short, models, strict=True)
    ]


def _short(model: str) -> str:
    return Path(model).name if Path(model).is_dir() else model


def _described(method: Any) -> str:
    """Return a method's label with the settings in which it is not as usual."""
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
        out, a bundled scene.
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
        When something cannot be used to begin with; the message names it.

    Examples
    --------
    >>> explorer = explore()
    >>> explorer.caption = "a ball"
    >>> explorer.wait()
    True
    >>> explorer.pairs.caption
    'a ball'
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
