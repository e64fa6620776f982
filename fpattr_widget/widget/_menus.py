"""The explorer's controls: menus, a text field, and a note below them about what is wrong."""

import html
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import ipywidgets

from ..drawing import POSITIVE, css
from ..encoders import DualEncoder, Tower
from ._kernel import follow_current_shell

#: A label and its value.
Option = tuple[str, Any]
OnChoice = Callable[[Any], object]

_HEIGHT = "calc(2 * var(--jp-widgets-inline-height, 28px))"
# As in the view, beside an edit that was refused.
_PROBLEM = f"border-left: 3px solid var(--jp-error-color1, {css(POSITIVE)}); padding: 0 8px"
_NEWS = "opacity: 0.7"
_WIDE = "3 1 24em"
_OTHER = "another …"


class _SharedControl(ipywidgets.ValueWidget):  # type: ignore[misc]
    """A control that the page, cells and a worker may change at the same time.

    The callback for a change by the page runs after the lock is released, for
    it may wait for the worker.
    """

    _state = "value"  # the trait that the page changes

    def __init__(self, on_choice: OnChoice, **settings: Any):
        self._lock = threading.RLock()
        self._muted_in: int | None = None  # the thread that changes the value without a callback
        self._on_choice = on_choice
        super().__init__(
            layout=ipywidgets.Layout(
                flex_flow="column",
                align_items="stretch",
                width="auto",
                height=_HEIGHT,
                margin="0",
                min_width="0",
            ),
            style={"description_width": "fit-content"},
            **settings,
        )
        self.observe(self._call_back, "value")

    def open(self) -> None:
        super().open()
        follow_current_shell(self.comm)

    def set_state(self, sync_data: dict[str, Any]) -> None:
        with self._muted():
            before = getattr(self, self._state)
            super().set_state(sync_data)
            after = getattr(self, self._state)
        if before != after:
            self._on_choice(self.value)

    @contextmanager
    def _muted(self) -> Iterator[None]:
        with self._lock:
            before, self._muted_in = self._muted_in, threading.get_ident()
            try:
                yield
            finally:
                self._muted_in = before

    def _call_back(self, change: Any) -> None:
        if self._muted_in != threading.get_ident():
            self._on_choice(change["new"])


class Menu(_SharedControl, ipywidgets.Dropdown):  # type: ignore[misc]
    """A dropdown under its name.

    Parameters
    ----------
    name
        What is chosen.
    on_choice
        Called with the value that the user chose.
    tooltip
        Shown while the pointer is over it.
    """

    _state = "index"

    def __init__(self, name: str, on_choice: OnChoice, tooltip: str = ""):
        self._offered: tuple[list[Option], bool] = ([], False)
        super().__init__(on_choice, description=name, tooltip=tooltip)

    def offer(self, options: Sequence[Option], value: Any, *, disabled: bool = False) -> None:
        """Show these options, and this value if it is one of them, without calling back."""
        offered = (list(options), disabled)
        with self._muted(), self.hold_sync():
            if offered != self._offered:
                self._offered = offered
                self.options = offered[0]
                self.disabled = disabled
            if self.value != value and any(value == option for _, option in options):
                self.set_trait("value", value)


class Field(ipywidgets.VBox):  # type: ignore[misc]
    """Some controls and, below them, a note about what is wrong with them.

    Parameters
    ----------
    *controls
        One below the other.
    flex
        Its share of a row, as in CSS.
    """

    def __init__(self, *controls: ipywidgets.Widget, flex: str = "1 1 9em"):
        self._flex = flex
        self._note = ipywidgets.HTML(layout=_hidden())
        super().__init__(
            [*controls, self._note],
            layout=ipywidgets.Layout(flex=flex, min_width="0", max_width="100%"),
        )

    def show(self, *, problem: str = "", news: str = "") -> None:
        """Show a problem, or else some news; nothing where both are empty."""
        text = html.escape(problem or news)
        role, style = ("alert", _PROBLEM) if problem else ("status", _NEWS)
        style += "; margin: 6px 0; line-height: 1.35; overflow-wrap: anywhere"
        self._note.value = text and f'<div role="{role}" style="{style}">{text}</div>'
        self._note.layout.display = None if text else "none"
        self._widen()

    def _widen(self) -> None:
        """Take more of the row while there is something to read."""
        self.layout.flex = _WIDE if self._note.value else self._flex


class ModelField(Field):
    """A menu of models, and a text field for one that is not in the menu.

    Parameters
    ----------
    on_choice
        Called with the value of an option, or with the text.
    """

    def __init__(self, on_choice: OnChoice):
        self._models: list[Option] = []
        self._on_choice = on_choice
        self._menu = Menu("Model", self._pick, "Which model to explain")
        self._text = _Text(self._write)
        self._text.layout.display = "none"
        super().__init__(self._menu, self._text)

    def offer(self, models: Sequence[Option], model: Any) -> None:
        """Show these models and this one as chosen, without calling back."""
        offered = any(value == model for _, value in models)
        self._models = list(models)
        self._show_choice(model if offered else _OTHER)
        self._text.put("" if offered else str(model))

    def _pick(self, model: Any) -> None:
        self._show_choice(model)
        if model != _OTHER:
            self._on_choice(model)

    def _write(self, text: str) -> None:
        if text.strip():
            self._on_choice(text.strip())

    def _show_choice(self, model: Any) -> None:
        self._menu.offer([*self._models, (_OTHER, _OTHER)], model)
        self._text.layout.display = None if model == _OTHER else "none"
        self._widen()

    def _widen(self) -> None:
        super()._widen()
        if self._text.layout.display is None:
            self.layout.flex = _WIDE


class _Text(_SharedControl, ipywidgets.Text):  # type: ignore[misc]
    """One line of text; Enter calls back, also when it has not changed."""

    def __init__(self, on_choice: OnChoice):
        super().__init__(
            on_choice,
            description="Hugging Face id or folder",
            placeholder="openai/clip-vit-base-patch32",
            continuous_update=False,
        )
        self.on_msg(self._submitted)

    def put(self, text: str) -> None:
        """Show a text without calling back."""
        with self._muted():
            self.value = text

    def _submitted(self, _widget: object, content: Any, _buffers: object) -> None:
        if isinstance(content, dict) and content.get("event") == "submit":
            self._on_choice(self.value)


def _hidden() -> ipywidgets.Layout:
    return ipywidgets.Layout(display="none", width="auto", margin="0")


def layer_options(tower: Tower, default: int) -> list[Option]:
    """Return the blocks of a tower at whose input features can be read."""
    last = len(tower.blocks) - 1
    options: list[Option] = []
    for block in range(last + 1):
        roles = [role for role, place in (("default", default), ("last", last)) if block == place]
        options.append((f"block {block}" + (f" ({', '.join(roles)})" if roles else ""), block))
    return options


def both_layers(encoder: DualEncoder) -> tuple[list[Option], list[Option]]:
    """Return the layers of the text tower, and those of the image tower, to choose from."""
    text, image = encoder.resolve_layers(None)
    rows, columns = encoder.towers.values()
    return layer_options(rows, text), layer_options(columns, image)
