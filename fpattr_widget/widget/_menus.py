"""The explorer's controls: menus, a field to write in, and a place for what is wrong."""

import html
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import ipywidgets

from ..drawing import POSITIVE, css
from ..encoders import DualEncoder, Tower

#: What a reader sees, and what it stands for.
Option = tuple[str, Any]
Chosen = Callable[[Any], object]

_HEIGHT = "calc(2 * var(--jp-widgets-inline-height, 28px))"
# As the view says what it refuses.
_PROBLEM = f"border-left: 3px solid var(--jp-error-color1, {css(POSITIVE)}); padding: 0 8px"
_NEWS = "opacity: 0.7"
_WIDE = "3 1 24em"
_OTHER = "another …"


class _Shared(ipywidgets.ValueWidget):  # type: ignore[misc]
    """A control that the page, cells and a worker may change at the same time.

    Changes by the page call back only after the lock is let go, for whoever is
    called may wait for the worker.
    """

    _state = "value"  # what the page changes

    def __init__(self, chosen: Chosen, **settings: Any):
        self._lock = threading.RLock()
        self._muted_in: int | None = None
        self._chosen = chosen
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
        self.observe(self._tell, "value")

    def open(self) -> None:
        super().open()
        # As for the view: a busy cell must not hold up what the page says.
        comm = self.comm
        if hasattr(comm, "_reply_subshell_for"):
            comm._reply_subshell_for = None

    def set_state(self, sync_data: dict[str, Any]) -> None:
        with self._muted():
            before = getattr(self, self._state)
            super().set_state(sync_data)
            after = getattr(self, self._state)
        if before != after:
            self._chosen(self.value)

    @contextmanager
    def _muted(self) -> Iterator[None]:
        with self._lock:
            before, self._muted_in = self._muted_in, threading.get_ident()
            try:
                yield
            finally:
                self._muted_in = before

    def _tell(self, change: Any) -> None:
        if self._muted_in != threading.get_ident():
            self._chosen(change["new"])


class Menu(_Shared, ipywidgets.Dropdown):  # type: ignore[misc]
    """A dropdown under its name.

    Parameters
    ----------
    name
        What is chosen.
    chosen
        Called with the value that the user chose.
    """

    _state = "index"

    def __init__(self, name: str, chosen: Chosen, tooltip: str = ""):
        self._offered: tuple[list[Option], bool] = ([], False)
        super().__init__(chosen, description=name, tooltip=tooltip)

    def offer(self, options: Sequence[Option], value: Any, *, disabled: bool = False) -> None:
        """Show these options, and this choice if it is one, without calling back."""
        offered = (list(options), disabled)
        with self._muted(), self.hold_sync():
            if offered != self._offered:
                self._offered = offered
                self.options = offered[0]
                self.disabled = disabled
            if self.value != value and any(value == known for _, known in options):
                self.set_trait("value", value)


class Field(ipywidgets.VBox):  # type: ignore[misc]
    """Some controls and, under them, what is wrong with them.

    Parameters
    ----------
    *controls
        One under the other.
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

    def tell(self, problem: str, *, news: str = "") -> None:
        """Show a problem, or else some news; nothing where both are empty."""
        said = html.escape(readable(problem or news))
        role, style = ("alert", _PROBLEM) if problem else ("status", _NEWS)
        style += "; margin: 6px 0; line-height: 1.35; overflow-wrap: anywhere"
        self._note.value = said and f'<div role="{role}" style="{style}">{said}</div>'
        self._note.layout.display = None if said else "none"
        self._widen()

    def _widen(self) -> None:
        """Take more of the row while there is something to read."""
        self.layout.flex = _WIDE if self._note.value else self._flex


class ModelField(Field):
    """A menu of models, and a field for one that it does not hold.

    Parameters
    ----------
    chosen
        Called with the value of an option, or with what was written.
    """

    def __init__(self, chosen: Chosen):
        self._listed: list[Option] = []
        self._choose = chosen
        self._menu = Menu("Model", self._pick, "Which model to explain")
        self._text = _Text(self._write)
        self._text.layout.display = "none"
        super().__init__(self._menu, self._text)

    def offer(self, models: Sequence[Option], model: Any) -> None:
        """Show these models and this choice, without calling back."""
        known = any(value == model for _, value in models)
        self._listed = list(models)
        self._show(model if known else _OTHER)
        self._text.put("" if known else str(model))

    def _pick(self, model: Any) -> None:
        self._show(model)
        if model != _OTHER:
            self._choose(model)

    def _write(self, text: str) -> None:
        if text.strip():
            self._choose(text.strip())

    def _show(self, model: Any) -> None:
        self._menu.offer([*self._listed, (_OTHER, _OTHER)], model)
        self._text.layout.display = None if model == _OTHER else "none"
        self._widen()

    def _widen(self) -> None:
        super()._widen()
        if self._text.layout.display is None:
            self.layout.flex = _WIDE


class _Text(_Shared, ipywidgets.Text):  # type: ignore[misc]
    """One line, handed on when Enter is pressed, also when it has not changed."""

    def __init__(self, chosen: Chosen):
        super().__init__(
            chosen,
            description="Hugging Face id or folder",
            placeholder="openai/clip-vit-base-patch32",
            continuous_update=False,
        )
        self.on_msg(self._submitted)

    def put(self, text: str) -> None:
        with self._muted():
            self.value = text

    def _submitted(self, _widget: object, content: Any, _buffers: object) -> None:
        if isinstance(content, dict) and content.get("event") == "submit":
            self._chosen(self.value)


def readable(sentence: str) -> str:
    """Return a message for programmers as a reader of the page wants it."""
    plain = sentence.replace("`", "")
    return plain[:1].upper() + plain[1:]


def _hidden() -> ipywidgets.Layout:
    return ipywidgets.Layout(display="none", width="auto", margin="0")


def layer_options(tower: Tower, default: int) -> list[Option]:
    """Return a tower's blocks to choose from, at whose input features are read."""
    last = len(tower.blocks) - 1
    options: list[Option] = []
    for block in range(last + 1):
        roles = [role for role, there in (("default", default), ("last", last)) if block == there]
        options.append((f"block {block}" + (f" ({', '.join(roles)})" if roles else ""), block))
    return options


def both_layers(encoder: DualEncoder) -> tuple[list[Option], list[Option]]:
    """Return the layers of the text and of the image tower to choose from."""
    text, image = encoder.resolve_layers(None)
    rows, columns = encoder.towers.values()
    return layer_options(rows, text), layer_options(columns, image)
