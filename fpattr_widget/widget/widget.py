"""The anywidget: its state, and the messages between Python and the page."""

import io
from dataclasses import asdict
from importlib.resources import files
from typing import Any

import anywidget
import numpy as np
import traitlets
from PIL import Image

from ..errors import InputError
from ..pairs import FeaturePairs
from .server import RowServer


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


def _encode(picture: Image.Image) -> tuple[bytes, str]:
    """Encode the picture: losslessly while that is small, else as a good JPEG."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    if buffer.tell() <= 60_000:
        return buffer.getvalue(), "image/png"
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90)
    return buffer.getvalue(), "image/jpeg"


def _as_bytes(value: Any, _widget: object) -> bytes:
    """Take a buffer from the page; it comes as a memoryview, which Bytes would refuse."""
    return bytes(value)


class PairsWidget(anywidget.AnyWidget):
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

    Attributes
    ----------
    pairs
        The :class:`~fpattr_widget.FeaturePairs` behind the view.
    selected_tokens, selected_patches
        What is pinned: token numbers, and patch numbers row by row. Set them
        to pin from Python.
    """

    _esm = _built("widget.js")
    _css = _built("widget.css")

    caption = traitlets.Unicode().tag(sync=True)
    tokens = traitlets.List(traitlets.Dict()).tag(sync=True)
    grid = traitlets.List(traitlets.Int()).tag(sync=True)
    image_special = traitlets.List(traitlets.Unicode()).tag(sync=True)
    picture = traitlets.Bytes().tag(sync=True)
    picture_type = traitlets.Unicode().tag(sync=True)
    epoch = traitlets.Int().tag(sync=True)
    theme = traitlets.Enum(("auto", "light", "dark"), "auto").tag(sync=True)
    # The page fills these from messages and saves them: Python's worker must
    # not set traits from its thread.
    about = traitlets.Dict().tag(sync=True, echo_update=False)
    similarity = traitlets.Float(None, allow_none=True).tag(sync=True, echo_update=False)
    ledger = traitlets.Dict().tag(sync=True, echo_update=False)
    rows = traitlets.Bytes().tag(sync=True, echo_update=False, from_json=_as_bytes)
    selected_tokens = traitlets.List(traitlets.Int()).tag(sync=True, echo_update=False)
    selected_patches = traitlets.List(traitlets.Int()).tag(sync=True, echo_update=False)

    def __init__(self, pairs: FeaturePairs, *, theme: str = "auto"):
        if theme not in ("auto", "light", "dark"):
            raise InputError(f"`theme` is {theme!r}: pass 'auto', 'light' or 'dark'.")
        data, kind = _encode(pairs.picture)
        self.pairs = pairs
        super().__init__(
            caption=pairs.caption,
            tokens=[asdict(token) for token in pairs.tokens],
            grid=list(pairs.grid),
            image_special=list(pairs.image_special_names),
            picture=data,
            picture_type=kind,
            about=pairs.described(),
            epoch=1,
            theme=theme,
        )
        self._server = RowServer(pairs, self._send_from_worker, self.epoch)
        self.on_msg(self._receive)
        self._server.fill()

    def __repr__(self) -> str:
        return f"PairsWidget({self.pairs!r})"

    def open(self) -> None:
        super().open()
        self._follow_current_shell()

    def close(self) -> None:
        """Stop the worker and take the view from the page."""
        server = getattr(self, "_server", None)
        if server is not None:
            server.stop()
        super().close()

    def bake(self) -> "PairsWidget":
        """Compute everything now and keep it in the widget's state; return the widget.

        For notebooks that are executed with no page open, whose saved state
        would otherwise hold the picture and the caption alone.
        """
        everything = self.pairs.feature_rows(range(len(self.pairs.tokens)))
        ledger = self.pairs.ledger
        self.about = self.pairs.described()
        self.ledger = asdict(ledger)
        self.similarity = ledger.similarity
        self.rows = np.ascontiguousarray(everything, dtype="<f4").tobytes()
        return self

    def _send_from_worker(self, message: dict[str, Any], buffers: list[bytes]) -> None:
        if self.comm is not None:
            self.send(message, buffers)

    def _receive(self, _widget: object, message: Any, _buffers: object) -> None:
        if not isinstance(message, dict) or message.get("epoch") != self.epoch:
            return
        kind = message.get("type")
        if kind == "hello":
            # At once, so that the page knows that a kernel is there.
            self.send({"type": "hello", "epoch": self.epoch})
            self._server.fill()
        elif kind == "rows" and _is_whole_numbers(message.get("tokens")):
            self._server.ask_rows(message["tokens"])
        elif kind == "region" and _is_whole_numbers(message.get("patches")):
            self._server.ask_region(message.get("id"), message["patches"])

    def _follow_current_shell(self) -> None:
        # ipykernel 7.4 pins a comm to the shell that last sent on it, and a
        # busy cell would then hold up every hover.
        if hasattr(self.comm, "_reply_subshell_for"):
            self.comm._reply_subshell_for = None


def _is_whole_numbers(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(number, int) and not isinstance(number, bool) for number in value
    )
