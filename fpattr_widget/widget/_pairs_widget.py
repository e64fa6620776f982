"""The anywidget: its state, and the messages between Python and the page."""

import os
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from typing import Any, Literal

import ipywidgets
import numpy as np
import traitlets
from ipywidgets.widgets.widget import _instances

from ..pairs import FeaturePairs
from ..view import (
    CHOICES,
    PROTOCOL,
    Encoded,
    FailureMessage,
    Hello,
    Outgoing,
    RefusedMessage,
    check_settings,
    computed_state,
    encode,
    parse,
    state_so_far,
    subject_state,
)
from . import _kernel as kernel
from ._locked import LockedState
from ._patience import Patience
from ._server import RowServer
from ._still import draw_so_far, with_still

#: Takes ``"caption"`` and a string, or ``"image"`` and a file's bytes.
EditCallback = Callable[[str, Any], object]

_SUBJECT = (
    "caption", "tokens", "grid", "image_special", "picture", "picture_type", "epoch", "about",
)  # fmt: skip
_RESULTS = ("similarity", "ledger", "rows")
_PINS = ("selected_tokens", "selected_patches")
_OTHER_VERSION = "This view was made by another version of fpattr_widget: run its cell again."


def _built(name: str) -> str:
    """Return a file of the built front end as text: a path would be watched for ever."""
    file = files("fpattr_widget.widget") / "static" / name
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ImportError(
            "the front end of fpattr_widget is not built: run `npm install && npm run build` in "
            "the repository, or install the wheel"
        ) from None


def _as_bytes(value: Any, _widget: object) -> bytes:
    """Take a buffer from the page; it comes as a memoryview, which Bytes would refuse."""
    return bytes(value)


@dataclass
class _Stay:
    """A view's time on the page.

    Attributes
    ----------
    cell
        The cell that made it.
    runs
        How many times that has run again.
    displayed
        Whether Python gave it to be displayed.
    greeted
        Whether a page has said hello.
    viewed
        Whether a page has ever counted a view.
    parked
        Whether it is over, but can be displayed again.
    """

    cell: str | None = None
    runs: int = 0
    displayed: bool = False
    greeted: bool = False
    viewed: bool = False
    parked: bool = False

    @property
    def over(self) -> bool:
        """Whether a view that is not seen now will not be seen again.

        The first view may still be on its way when the cell runs again, for
        older kernels hear of it between cells. And pages that do not count may
        still show what they were given.
        """
        if self.viewed:
            return self.runs >= 1
        return self.runs >= 2 and not (self.displayed and self.greeted)


class PairsWidget(LockedState):
    """A caption and a picture, linked: hover a token, see its patches, and back.

    The caption and the picture are there at once. A worker computes the rows,
    the hovered one first; those that have arrived are part of the widget's
    state, so a saved notebook keeps them.

    Parameters
    ----------
    pairs
        What to show.
    theme
        ``"auto"`` follows the notebook; or ``"light"``, ``"dark"``.
    scale
        ``"shared"``: one colour scale for the maps of all words; or ``"own"``.
    signs
        Which values are painted: ``"both"``, ``"for"`` the match, ``"against"`` it.
    opacity
        Of the heat map, from 0 to 1.
    smooth
        Whether values run from patch to patch instead of being one tile each.
    keep_colour
        Whether the picture keeps its colour under a map.
    level
        What a chip of the caption is: ``"words"``, or the tokenizer's ``"tokens"``.
    report_hover
        Whether ``hovered`` is kept up to date.
    editable
        Whether the caption and the picture can be changed in the view; see
        :meth:`on_edit`.
    precompute
        Compute everything before the widget is displayed: for hosts without
        threads, and for notebooks that are executed with no page open, where a
        view is waited for ten seconds at most.

    Attributes
    ----------
    pairs
        The :class:`~fpattr_widget.FeaturePairs` behind the view.
    selected_tokens, selected_patches
        What is pinned: token numbers, and patch numbers row by row. Set them
        to pin from Python.
    hovered
        ``{"tokens": [...], "patches": [...]}`` under the pointer or the
        keyboard's cursor, while ``report_hover`` is on.

    Raises
    ------
    InputError
        When a setting cannot be used.
    """

    # Traits of their own: anywidget would add them to each instance.
    _esm = traitlets.Unicode(_built("widget.js")).tag(sync=True)
    _css = traitlets.Unicode(_built("widget.css")).tag(sync=True)
    _anywidget_id = traitlets.Unicode("fpattr_widget.PairsWidget").tag(sync=True)

    caption = traitlets.Unicode().tag(sync=True)
    tokens = traitlets.List(traitlets.Dict()).tag(sync=True)
    grid = traitlets.List(traitlets.Int()).tag(sync=True)
    image_special = traitlets.List(traitlets.Unicode()).tag(sync=True)
    picture = traitlets.Bytes().tag(sync=True)
    picture_type = traitlets.Unicode().tag(sync=True)
    epoch = traitlets.Int().tag(sync=True)
    _view_count = traitlets.Int(0, allow_none=True).tag(sync=True)  # a number: views are counted
    # The page fills these from messages and saves them: Python's worker must
    # not set traits from its thread. Where no page is open, the end of a cell does.
    about = traitlets.Dict().tag(sync=True, echo_update=False)
    similarity = traitlets.Float(None, allow_none=True).tag(sync=True, echo_update=False)
    ledger = traitlets.Dict().tag(sync=True, echo_update=False)
    rows = traitlets.Bytes().tag(sync=True, echo_update=False, from_json=_as_bytes)
    # The page owns these; Python may set them.
    selected_tokens = traitlets.List(traitlets.Int()).tag(sync=True, echo_update=False)
    selected_patches = traitlets.List(traitlets.Int()).tag(sync=True, echo_update=False)
    hovered: traitlets.Dict = traitlets.Dict().tag(sync=True, echo_update=False)
    theme = traitlets.Enum(CHOICES["theme"], "auto").tag(sync=True, echo_update=False)
    scale = traitlets.Enum(CHOICES["scale"], "shared").tag(sync=True, echo_update=False)
    signs = traitlets.Enum(CHOICES["signs"], "both").tag(sync=True, echo_update=False)
    opacity = traitlets.Float(1.0, min=0, max=1).tag(sync=True, echo_update=False)
    smooth = traitlets.Bool(False).tag(sync=True, echo_update=False)
    keep_colour = traitlets.Bool(False).tag(sync=True, echo_update=False)
    level = traitlets.Enum(CHOICES["level"], "words").tag(sync=True, echo_update=False)
    report_hover = traitlets.Bool(False).tag(sync=True, echo_update=False)
    editable = traitlets.Bool(False).tag(sync=True, echo_update=False)

    def __init__(
        self,
        pairs: FeaturePairs,
        *,
        theme: str = "auto",
        scale: str = "shared",
        signs: str = "both",
        opacity: float = 1.0,
        smooth: bool = False,
        keep_colour: bool = False,
        level: str = "words",
        report_hover: bool = False,
        editable: bool = False,
        precompute: bool = False,
    ):
        settings = {
            "theme": theme, "scale": scale, "signs": signs, "opacity": opacity, "smooth": smooth,
            "keep_colour": keep_colour, "level": level, "report_hover": report_hover,
            "editable": editable,
        }  # fmt: skip
        check_settings({**settings, "precompute": precompute})
        self.pairs = pairs
        self._precompute = precompute
        self._edit_callbacks: list[EditCallback] = []
        self._server: RowServer | None = None
        self._encoded: Encoded | None = None
        self._stay = _Stay()
        self._patience = Patience()
        self._page_follows = True  # it knows which pairs are shown now
        super().__init__(
            **settings, **self._shown(pairs), epoch=1, hovered={"tokens": [], "patches": []}
        )
        self.on_msg(self._receive)

    def __repr__(self) -> str:
        return f"PairsWidget({self.pairs!r})"

    def open(self) -> None:
        """Show the view again after it was closed; otherwise do nothing."""
        with self._state_lock:
            if self._server is not None:  # not the comm: some hosts make that before they open
                return
            if self._stay.parked:
                for name, value in self._shown(self.pairs).items():
                    self.set_trait(name, value)
            self._stay = _Stay()
            self._view_count = 0
            self.__dict__.pop("_repr_mimebundle_", None)  # closing hid the method
            if self.layout.comm is None:
                self.layout.open()
            super().open()
            self._follow_current_shell()
            self._stay.cell = kernel.settle(self)
            self._serve()
        kernel.watch()

    def close(self) -> None:
        """Stop the worker and take the view from the page."""
        self._close(release=False)

    @property
    def model_id(self) -> str:
        if self._stay.parked:
            self.open()
        return super().model_id

    def get_view_spec(self) -> dict[str, Any]:
        if self._stay.parked:
            self.open()
        return super().get_view_spec()

    def _repr_mimebundle_(
        self,
        include: Container[str] | None = None,
        exclude: Container[str] | None = None,
        **options: Any,
    ) -> Any:
        bundle = partial(super()._repr_mimebundle_, **options)
        _ = self.model_id  # which opens the view again if it was let go of
        self._stay.displayed = True
        return with_still(bundle, include, exclude, self.draw_so_far, self.left_out)

    def draw_so_far(self) -> bytes | None:
        """Return a PNG of what is known by now.

        The worker is waited for: half a second, or ten seconds where no page
        is there to show what comes later.

        Returns
        -------
        bytes or None
            ``None`` where nothing can be drawn.
        """
        pins = self.selected_tokens, self.selected_patches
        return draw_so_far(self.pairs, self._wait, *pins, lambda: self._failure)

    def left_out(self) -> str:
        """Return in a sentence what is not computed by now and why; ``""`` where nothing is."""
        ready = self.pairs.ready
        if ready.all():
            return ""
        why = self._failure or "pass `precompute=True` to compute all before the view is shown."
        return f"{(~ready).sum()} of {len(ready)} tokens were not computed: {why}"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Draw the explanation into a file for a paper; computes what is missing.

        Pinned words are those of which the maps are shown, and a pinned region
        is outlined.

        Parameters
        ----------
        path
            Of a ``.png``, ``.svg`` or ``.pdf`` file; one that is there is
            replaced once the new one is whole.

        Raises
        ------
        InputError
            When the file cannot be written.
        """
        from ..drawing import save_figure

        tokens = self.selected_tokens or None
        save_figure(self.pairs, path, tokens, region=self.selected_patches)

    def set_state(self, sync_data: dict[str, Any]) -> None:
        with self._state_lock:
            if not self._page_follows:  # it speaks of the pairs that were shown before
                stale = {*_RESULTS, *_PINS, "about", "hovered"}
                sync_data = {k: v for k, v in sync_data.items() if k not in stale}
            super().set_state(sync_data)
            if "_view_count" in sync_data:
                self._stay.viewed = self._stay.viewed or bool(self._view_count)
                self._park_if_left()

    def superseded(self) -> None:
        """Take note that the cell that made the view runs again."""
        with self._state_lock:
            self._stay.runs += 1
            self._park_if_left()

    def cell_ended(self) -> None:
        """Keep what is known: the cell ends, and there is no page that keeps it."""
        server, pairs = self._server, self.pairs
        if server is None:
            return
        if self._stay.displayed or _is_held(self):
            self._patience.wait(server.wait)
        self._keep(pairs, state_so_far(pairs))

    def show(self, pairs: FeaturePairs) -> None:
        """Show other pairs in the same view, with nothing pinned; from any thread.

        Parameters
        ----------
        pairs
            What to show from now on.
        """
        shown = self._shown(pairs)
        empty: dict[str, Any] = {"similarity": None, "ledger": {}, "rows": b""}
        empty.update({name: [] for name in _PINS})
        keys = (*_SUBJECT, *_RESULTS, *_PINS)
        with self._state_lock:
            if self._server is not None:
                self._server.stop()
            self.pairs = pairs
            self._patience = Patience()
            self._page_follows = False
            with self.hold_sync():
                with self.hold_trait_notifications():
                    for name, value in {**empty, **shown, "epoch": self.epoch + 1}.items():
                        self.set_trait(name, value)
                # All of it: the page may hold more than Python knows of.
                self._states_to_send.difference_update(keys)
                self.send_state(keys)
            if self.comm is not None:
                self._serve()

    def on_edit(self, callback: EditCallback) -> None:
        """Call back when the user edits the caption or the image in the view.

        Parameters
        ----------
        callback
            Called with ``"caption"`` and the caption, or with ``"image"`` and
            the bytes of a file, on the thread that got the message, and only
            while ``editable`` is on.
        """
        self._edit_callbacks.append(callback)

    def refuse(self, kind: Literal["caption", "image"], message: str) -> None:
        """Say beside the view why an edit of a kind cannot be used; ``""`` takes it back."""
        self._post(RefusedMessage(type="refused", kind=kind, message=message))

    def bake(self) -> "PairsWidget":
        """Compute everything now and keep it in the widget's state; return the widget.

        For notebooks that are executed with no page open, whose saved state
        otherwise holds what was computed within ten seconds.
        """
        pairs = self.pairs
        self._keep(pairs, computed_state(pairs))
        return self

    def _keep(self, pairs: FeaturePairs, computed: dict[str, Any]) -> None:
        """Set the traits that hold what was computed, if these pairs are still shown."""
        with self._state_lock, self.hold_sync():
            if pairs is self.pairs:
                for name, value in computed.items():
                    self.set_trait(name, value)

    def _wait(self, seconds: float) -> None:
        """Wait for the worker; with no page, for longer than these seconds."""
        server = self._server
        if server is not None and kernel.attended():
            server.wait(seconds)
        elif server is not None:
            self._patience.wait(server.wait, at_least=seconds)

    @property
    def _failure(self) -> str:
        server = self._server
        return "" if server is None else server.failure

    def _shown(self, pairs: FeaturePairs) -> dict[str, Any]:
        """Return the traits that say what is shown."""
        picture = encode(pairs.picture)
        self._encoded = picture  # for as long as it is shown, other widgets find it
        computed = computed_state(pairs) if self._precompute or pairs.complete else {}
        return {**subject_state(pairs, picture), **computed}

    def _serve(self) -> None:
        self._server = RowServer(self.pairs, self._post, self.epoch)
        if not self._precompute:
            self._server.fill()

    def _close(self, *, release: bool) -> None:
        with self._state_lock:
            server, self._server = getattr(self, "_server", None), None
            if server is not None:
                server.stop(release=release)
            if self.comm is None:
                return
            kernel.leave(self, self._stay.cell)
            super().close()
            self.layout.close()

    def _park_if_left(self) -> None:
        """Let go of a view that nobody sees and whose cell has made another."""
        left = not self._view_count and self._stay.over
        if left and self.comm is not None and not _is_held(self):
            self._close(release=True)
            self._stay.parked = True
            self.__dict__.pop("_repr_mimebundle_", None)  # it can be displayed again
            self._model_id = None
            self._encoded = None
            for name in ("picture", "rows"):
                self.set_trait(name, b"")
            self.set_trait("tokens", [])

    def _post(self, message: Outgoing, buffers: Iterable[bytes] = ()) -> None:
        self.send(message, list(buffers))

    def _receive(self, _widget: object, message: Any, buffers: Any) -> None:
        server = self._server
        if server is None:
            return
        if isinstance(message, dict) and message.get("type") == "hello":
            self._greet(message, server)
            return
        request = parse(message)
        if request is None:
            return
        if request["type"] == "caption":
            self._edited("caption", request["caption"])
        elif request["type"] == "image":
            if buffers:
                self._edited("image", bytes(buffers[0]))
        elif request["type"] != "hello" and request["epoch"] == server.epoch:
            self._page_follows = True
            if request["type"] == "rows":
                server.ask_rows(request["tokens"])
            else:
                server.ask_region(request["id"], request["patches"])

    def _greet(self, message: dict[str, Any], server: RowServer) -> None:
        if message.get("protocol") != PROTOCOL:
            epoch = message.get("epoch")
            said = epoch if isinstance(epoch, int) else server.epoch
            self._post(FailureMessage(type="failure", epoch=said, message=_OTHER_VERSION))
            return
        if message.get("epoch") != server.epoch:  # it started while other pairs came
            self.send_state((*_SUBJECT, *_RESULTS, *_PINS))
        self._stay.greeted = self._page_follows = True
        kernel.heard_page()
        # At once, so that the page knows that a kernel is there.
        self._post(Hello(type="hello", epoch=server.epoch, protocol=PROTOCOL))
        server.fill()

    def _edited(self, kind: str, value: str | bytes) -> None:
        if self.editable:
            for callback in list(self._edit_callbacks):
                callback(kind, value)

    @traitlets.validate("selected_tokens")
    def _check_tokens(self, proposal: dict[str, Any]) -> list[int]:
        return _existing(proposal["value"], "selected_tokens", "token", len(self.tokens))

    @traitlets.validate("selected_patches")
    def _check_patches(self, proposal: dict[str, Any]) -> list[int]:
        return _existing(proposal["value"], "selected_patches", "patch", int(np.prod(self.grid)))

    def _follow_current_shell(self) -> None:
        # ipykernel 7.4 pins a comm to the shell that last sent on it, and a
        # busy cell would then hold up every hover.
        if hasattr(self.comm, "_reply_subshell_for"):
            self.comm._reply_subshell_for = None


def _is_held(widget: ipywidgets.Widget) -> bool:
    """Whether a box holds the widget: displayed again, that would ask for this very model."""
    return any(widget in getattr(other, "children", ()) for other in list(_instances.values()))


def _existing(numbers: list[int], trait: str, what: str, count: int) -> list[int]:
    """Return pins in order and once each, or tell that one is not there."""
    wrong = [number for number in numbers if not 0 <= number < count]
    if wrong:
        raise traitlets.TraitError(
            f"`{trait}` holds {wrong[0]}: pass {what} numbers from 0 to {count - 1}."
        )
    return sorted(set(numbers))
