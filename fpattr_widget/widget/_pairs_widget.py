"""The anywidget: its state, and the messages between Python and the page."""

import os
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, Unpack

import ipywidgets
import traitlets
from ipywidgets.widgets.widget import _instances

from ..drawing import save_figure
from ..pairs import FeaturePairs
from ..view import (
    EDIT_KINDS,
    PROTOCOL,
    STANDALONE_SETTINGS,
    EditKind,
    Encoded,
    FailureMessage,
    Hello,
    Outgoing,
    RefusedMessage,
    ViewOptions,
    ViewSettings,
    carried_pins,
    check_switch,
    computed_state,
    encode,
    parse,
    pictures_of,
    state_so_far,
    subject_state,
)
from . import _kernel as kernel
from ._fallback_png import draw_so_far, with_fallback_png
from ._lifetime import Lifetime, Stage
from ._locked_state import LockedState
from ._patience import Patience
from ._server import RowServer
from ._setting_traits import SettingTraits, lists_settings
from ._static import built

#: Takes ``"caption"`` and a string, or ``"image"`` and a file's bytes.
EditCallback = Callable[[str, Any], object]

_SUBJECT = ("sides", "parts", "epoch", "about")
_NO_RESULTS: dict[str, Any] = {
    "similarity": None,
    "ledger": {},
    "read_outs": [],
    "rows": b"",
    "match_rows": b"",
}
_PINS = ("selected_rows", "selected_columns")
_KEPT = (*_PINS, *STANDALONE_SETTINGS)  # by a page without a kernel
_CAPTIONED = ["sentence", "picture"]  # the panels of a caption and a picture
_OTHER_VERSION = "This view was made by another version of fpattr_widget: run its cell again."


def _as_bytes(value: Any, _widget: object) -> bytes:
    """Return a buffer from the page as bytes; it is a memoryview, which Bytes would refuse."""
    return bytes(value)


class PairsWidget(LockedState, SettingTraits):  # type: ignore[misc]
    """A caption and a picture, linked: hover a token, see its patches, and back.

    The caption and the picture are shown at once. A worker computes the rows,
    the hovered one first; those that have arrived are part of the widget's
    state, so that a saved notebook keeps them.

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
    fold
        Whether words of several captions that stand in the same place are shown
        as one: what the captions of a difference share then nearly cancels.
    part
        Which part of the pairs is shown where a head makes the score: ``"all"``,
        ``"match"`` (what the words meet in what is read of the picture), ``"routing"`` (what
        the words choose to read), or a place that is read, such as ``"mixture 3"``.
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
    selected_rows, selected_columns
        What is pinned: numbers of the features of each side, special ones such
        as CLS among them. Set them to pin from Python.
    selected_tokens, selected_patches
        The same for a caption and a picture: token numbers, and patch numbers
        row by row, which leave special positions out. Empty for other sides.
    hovered
        ``{"rows": [...], "columns": [...]}``: features of each side under the
        pointer or the keyboard's cursor, while ``report_hover`` is on.

    Raises
    ------
    InputError
        When a setting cannot be used.
    """

    # Traits of their own: anywidget would add them to each instance.
    _esm = traitlets.Unicode(built("widget.js")).tag(sync=True)
    _css = traitlets.Unicode(built("widget.css")).tag(sync=True)
    _anywidget_id = traitlets.Unicode("fpattr_widget.PairsWidget").tag(sync=True)

    sides = traitlets.List(traitlets.Dict()).tag(sync=True)
    parts = traitlets.List(traitlets.Unicode()).tag(sync=True)
    epoch = traitlets.Int().tag(sync=True)
    # A number, not None, so that pages count their views.
    _view_count = traitlets.Int(0, allow_none=True).tag(sync=True)
    # The page sets these from messages and saves them: Python's worker must not
    # set traits from its thread. Where no page is open, the end of a cell sets them.
    about = traitlets.Dict().tag(sync=True, echo_update=False)
    similarity = traitlets.Float(None, allow_none=True).tag(sync=True, echo_update=False)
    ledger = traitlets.Dict().tag(sync=True, echo_update=False)
    read_outs = traitlets.List(traitlets.Dict()).tag(sync=True, echo_update=False)
    rows = traitlets.Bytes().tag(sync=True, echo_update=False, from_json=_as_bytes)
    match_rows = traitlets.Bytes().tag(sync=True, echo_update=False, from_json=_as_bytes)
    # The page owns these; Python may set them.
    selected_rows = traitlets.List(traitlets.Int()).tag(sync=True, echo_update=False)
    selected_columns = traitlets.List(traitlets.Int()).tag(sync=True, echo_update=False)
    hovered: traitlets.Dict = traitlets.Dict().tag(sync=True, echo_update=False)
    # These follow the pins, and set them; pages know nothing of them.
    selected_tokens = traitlets.List(traitlets.Int())
    selected_patches = traitlets.List(traitlets.Int())

    @lists_settings
    def __init__(self, pairs: FeaturePairs, **options: Unpack[ViewOptions]):
        chosen: dict[str, Any] = {**options}
        precompute = chosen.pop("precompute", False)
        settings = ViewSettings(**chosen)
        check_switch("precompute", precompute)
        self.pairs = pairs
        self._precompute = precompute
        self._edit_callbacks: list[EditCallback] = []
        self._server: RowServer | None = None
        self._encoded: list[Encoded] = []
        self._lifetime = Lifetime()
        self._patience = Patience()
        self._page_follows = True  # the page knows which pairs are shown now
        super().__init__(
            **asdict(settings),
            **self._shown(pairs),
            epoch=1,
            hovered={"rows": [], "columns": []},
        )
        self.on_msg(self._receive)

    @property
    def tokens(self) -> list[dict[str, Any]]:
        """The caption's tokens as the page has them: ``text``, ``word``, ``start``, …"""
        return [asdict(token) for token in self.pairs.tokens]

    def __repr__(self) -> str:
        return f"PairsWidget({self.pairs!r})"

    def open(self) -> None:
        """Show the view again after it was closed; otherwise do nothing."""
        with self._state_lock:
            if self._server is not None:  # not the comm: some hosts make that before they open
                return
            if self._lifetime.stage is Stage.PARKED:
                for name, value in self._shown(self.pairs).items():
                    self.set_trait(name, value)
            self._lifetime.open()
            self._view_count = 0
            self.__dict__.pop("_repr_mimebundle_", None)  # closing hid the method
            if self.layout.comm is None:
                self.layout.open()
            super().open()
            kernel.follow_current_shell(self.comm)
            self._lifetime.cell = kernel.register(self)
            self._serve()
        kernel.watch()

    def close(self) -> None:
        """Stop the worker and take the view from the page."""
        self._take_down(park=False)

    @property
    def model_id(self) -> str:
        self._open_if_parked()
        return super().model_id

    def get_view_spec(self) -> dict[str, Any]:
        self._open_if_parked()
        return super().get_view_spec()

    def _repr_mimebundle_(
        self,
        include: Container[str] | None = None,
        exclude: Container[str] | None = None,
        **options: Any,
    ) -> Any:
        bundle = partial(super()._repr_mimebundle_, **options)
        self._open_if_parked()
        self._lifetime.display()
        return with_fallback_png(bundle, include, exclude, self.draw_so_far, self.left_out)

    def draw_so_far(self) -> bytes | None:
        """Return a PNG of what has been computed by now.

        Waits for the worker: half a second, or ten seconds where no page will
        show later results.

        Returns
        -------
        bytes or None
            ``None`` where nothing can be drawn.
        """
        pins = self.selected_rows, self.selected_columns
        return draw_so_far(self.pairs, self._wait, *pins, lambda: self._failure)

    def left_out(self) -> str:
        """Return in a sentence what has not been computed and why; ``""`` if all has."""
        ready = self.pairs.ready
        if ready.all():
            return ""
        why = self._failure or "pass `precompute=True` to compute all before the view is shown."
        sentences = all(panel.kind == "sentence" for panel in self.pairs.rows.panels)
        rows = "tokens" if sentences else "rows"
        return f"{(~ready).sum()} of {len(ready)} {rows} were not computed: {why}"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Draw the explanation into a file for a paper; computes what is missing.

        The maps of pinned words are shown, and a pinned region is outlined.

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
        rows, columns = self.selected_rows or None, self.selected_columns or None
        save_figure(self.pairs, path, rows, columns=columns)

    def explanations(self) -> tuple[FeaturePairs, ...]:
        """Return the pairs that are shown."""
        return (self.pairs,)

    def kept_state(self) -> dict[str, Any]:
        """Return the settings and pins, which a page of the view keeps."""
        return {name: getattr(self, name) for name in _KEPT}

    def set_state(self, sync_data: dict[str, Any]) -> None:
        with self._state_lock:
            if not self._page_follows:  # this is about the pairs that were shown before
                stale = {*_NO_RESULTS, *_PINS, "about", "hovered"}
                sync_data = {k: v for k, v in sync_data.items() if k not in stale}
            super().set_state(sync_data)
            if "_view_count" in sync_data:
                self._lifetime.count_views(self._view_count or 0)
                self._park_if_left()

    def cell_runs_again(self) -> None:
        """Release the view if the cell that made it has replaced it."""
        with self._state_lock:
            self._lifetime.cell_runs_again()
            self._park_if_left()

    def cell_ended(self) -> None:
        """Keep what was computed in the widget's state, for no page does."""
        server, pairs = self._server, self.pairs
        if server is None:
            return
        if self._lifetime.displayed or _is_held(self):
            self._patience.wait(server.wait)
        self._keep(pairs, state_so_far(pairs))

    def show(self, pairs: FeaturePairs) -> None:
        """Show other pairs in the same view; from any thread.

        What is pinned stays pinned where it is still there: words by their text, patches if
        the grid is the same.

        Parameters
        ----------
        pairs
            What to show from now on.
        """
        shown = self._shown(pairs)
        keys = (*_SUBJECT, *_NO_RESULTS, *_PINS)
        with self._state_lock:
            if self._server is not None:
                self._server.stop()
            before, self.pairs = self.pairs, pairs
            pins = {
                "selected_rows": carried_pins(self.selected_rows, before.rows, pairs.rows),
                "selected_columns": carried_pins(
                    self.selected_columns, before.columns, pairs.columns
                ),
            }
            self._patience = Patience()
            self._page_follows = False
            with self.hold_sync():
                with self.hold_trait_notifications():
                    changed = {**_NO_RESULTS, **shown, **pins, "epoch": self.epoch + 1}
                    for name, value in changed.items():
                        self.set_trait(name, value)
                # All of it: the page may hold values that Python has not received.
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
            the bytes of a file, on the thread that received the message, and
            only while ``editable`` is on.
        """
        self._edit_callbacks.append(callback)

    def refuse(self, kind: EditKind, message: str) -> None:
        """Show beside the view why an edit of a kind cannot be used; ``""`` removes that."""
        self._post(RefusedMessage(type="refused", side=EDIT_KINDS.index(kind), message=message))

    def bake(self) -> "PairsWidget":
        """Compute everything now and keep it in the widget's state; return the widget.

        For notebooks that are executed with no page open; otherwise their
        saved state holds what was computed within ten seconds.
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
        """Wait for the worker, a number of seconds, or longer if no page is open."""
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
        # Cached for other widgets for as long as they are shown.
        self._encoded = [encode(picture) for picture in pictures_of(pairs)]
        computed: dict[str, Any] = {}
        if self._precompute:
            computed = computed_state(pairs)
        elif pairs.complete:
            computed = state_so_far(pairs)
        return {**subject_state(pairs, encode), **computed}

    def _serve(self) -> None:
        self._server = RowServer(self.pairs, self._post, self.epoch)
        if not self._precompute:
            self._server.fill()

    def _take_down(self, *, park: bool) -> None:
        """Stop the worker and close the comm; if parked, release what only speeds the pairs up."""
        with self._state_lock:
            server, self._server = getattr(self, "_server", None), None
            if server is not None:
                server.stop(release=park)
            if self.comm is None:
                return
            kernel.unregister(self, self._lifetime.cell)
            super().close()
            self.layout.close()
            if park:
                self._lifetime.park()
            else:
                self._lifetime.close()

    def _open_if_parked(self) -> None:
        if self._lifetime.stage is Stage.PARKED:
            self.open()

    def _park_if_left(self) -> None:
        """Release a view that is not visible and whose cell has made another."""
        if self._lifetime.can_park and self.comm is not None and not _is_held(self):
            self._take_down(park=True)
            self.__dict__.pop("_repr_mimebundle_", None)  # it can be displayed again
            self._model_id = None
            self._encoded = []
            self.set_trait("rows", b"")
            self.set_trait("match_rows", b"")
            self.set_trait("sides", [])

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
        if request["type"] == "text":
            self._edited("caption", request["side"], request["text"])
        elif request["type"] == "file":
            if buffers:
                self._edited("image", request["side"], bytes(buffers[0]))
        elif request["type"] != "hello" and request["epoch"] == server.epoch:
            self._page_follows = True
            if request["side"] == 0:
                server.ask_rows(request["features"], request["part"])
            elif request["side"] == 1:
                server.ask_region(request["id"], request["features"], request["part"])

    def _greet(self, message: dict[str, Any], server: RowServer) -> None:
        if message.get("protocol") != PROTOCOL:
            epoch = message.get("epoch")
            if not isinstance(epoch, int):
                epoch = server.epoch
            self._post(FailureMessage(type="failure", epoch=epoch, message=_OTHER_VERSION))
            return
        if message.get("epoch") != server.epoch:  # the page started while the pairs changed
            self.send_state((*_SUBJECT, *_NO_RESULTS, *_PINS))
        self._page_follows = True
        self._lifetime.greet()
        kernel.note_page()
        # At once, so that the page knows that a kernel is there.
        self._post(Hello(type="hello", epoch=server.epoch, protocol=PROTOCOL))
        server.fill()

    def _edited(self, kind: EditKind, side: int, value: str | bytes) -> None:
        if self.editable and side == EDIT_KINDS.index(kind):
            for callback in list(self._edit_callbacks):
                callback(kind, value)

    @traitlets.validate("selected_rows", "selected_columns")
    def _check_features(self, proposal: dict[str, Any]) -> list[int]:
        trait: str = proposal["trait"].name
        side = self.pairs.rows if trait == "selected_rows" else self.pairs.columns
        return _existing(proposal["value"], trait, "feature", len(side.features))

    @traitlets.validate("selected_tokens", "selected_patches")
    def _check_numbers(self, proposal: dict[str, Any]) -> list[int]:
        trait: str = proposal["trait"].name
        if not proposal["value"]:
            return []
        numbered = _numbered(self.pairs)
        if numbered is None:
            other = "selected_rows" if trait == "selected_tokens" else "selected_columns"
            raise traitlets.TraitError(
                f"`{trait}` is for a caption and a picture: pass feature numbers to `{other}`."
            )
        tokens, patches = numbered
        if trait == "selected_tokens":
            return _existing(proposal["value"], trait, "token", len(tokens))
        return _existing(proposal["value"], trait, "patch", len(patches))

    @traitlets.observe(*_PINS, "sides")
    def _follow_pins(self, _change: object) -> None:
        self.selected_tokens, self.selected_patches = self._numbers_of_pins()

    @traitlets.observe("selected_tokens", "selected_patches")
    def _pin_by_numbers(self, change: dict[str, Any]) -> None:
        numbered = _numbered(self.pairs)
        if numbered is None:
            return
        is_rows = change["name"] == "selected_tokens"
        features = numbered[0] if is_rows else numbered[1]
        if change["new"] != self._numbers_of_pins()[0 if is_rows else 1]:
            pins = [features[number] for number in change["new"]]
            self.set_trait("selected_rows" if is_rows else "selected_columns", pins)

    def _numbers_of_pins(self) -> tuple[list[int], list[int]]:
        """Return what is pinned as token and patch numbers; nothing unless there are such."""
        numbered = _numbered(self.pairs)
        if numbered is None:
            return [], []
        tokens, patches = ({n: i for i, n in enumerate(features)} for features in numbered)
        return (
            [tokens[feature] for feature in self.selected_rows if feature in tokens],
            [patches[feature] for feature in self.selected_columns if feature in patches],
        )


def _numbered(pairs: FeaturePairs) -> tuple[Sequence[int], Sequence[int]] | None:
    """Return the features that tokens and patches are, ``None`` without a caption and a picture."""
    if [panel.kind for side in (pairs.rows, pairs.columns) for panel in side.panels] != _CAPTIONED:
        return None
    return range(len(pairs.rows.features)), pairs.columns.visible


def _is_held(widget: ipywidgets.Widget) -> bool:
    """Return whether a box holds the widget, and would request its model when displayed again."""
    return any(widget in getattr(other, "children", ()) for other in list(_instances.values()))


def _existing(numbers: list[int], trait: str, what: str, count: int) -> list[int]:
    """Return pins in order and once each; raise if one does not exist."""
    wrong = [number for number in numbers if not 0 <= number < count]
    if wrong:
        raise traitlets.TraitError(
            f"`{trait}` holds {wrong[0]}: pass {what} numbers from 0 to {count - 1}."
        )
    return sorted(set(numbers))
