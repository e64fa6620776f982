"""The gallery: pictures or captions with their scores, of which some are chosen."""

from collections.abc import Container, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from math import isfinite
from typing import Any

import traitlets

from ..checks import as_count
from ..errors import InputError
from ..view import CHOICES
from . import _kernel as kernel
from ._fallback_png import with_fallback_png
from ._gallery_items import GalleryItem, Shelf
from ._locked_state import LockedState
from ._static import built
from ._thumbnails import Thumbnails
from ._worker import StopOrder, Worker

#: ``(shelf, item)``, both counted from 0.
Place = tuple[int, int]

_FIRST = 24  # pictures of a shelf that a notebook holds which is executed with no page open


@dataclass
class _Queue:
    """The thumbnails that a page waits for, in the order in which it asked."""

    places: list[Place] = field(default_factory=list)

    def take(self) -> Place | None:
        return self.places.pop(0) if self.places else None


class Gallery(LockedState):
    """Shelves of pictures or texts with scores, of which some are chosen.

    Thumbnails are made when they are first seen. Those that were seen are part of the widget's
    state in the page, so that a saved notebook shows them.

    Parameters
    ----------
    shelves
        What is shown, one under the other or side by side where there is room.
    most_chosen
        How many items can be chosen at a time: a click chooses one, Shift and a click, or the
        button “compare”, a further one.
    hint
        A sentence that says what choosing an item does.
    theme
        ``"auto"`` follows the notebook; or ``"light"``, ``"dark"``.

    Attributes
    ----------
    chosen
        A list of ``[shelf, item]``, in the order in which they were chosen. The page sets it;
        set it to choose from Python.

    Raises
    ------
    InputError
        When there is no shelf, or a setting cannot be used.
    """

    # Traits of their own: anywidget would add them to each instance.
    _esm = traitlets.Unicode(built("gallery.js")).tag(sync=True)
    _css = traitlets.Unicode(built("gallery.css")).tag(sync=True)
    _anywidget_id = traitlets.Unicode("fpattr_widget.Gallery").tag(sync=True)

    shelves = traitlets.List(traitlets.Dict()).tag(sync=True)
    most_chosen = traitlets.Int(2).tag(sync=True)
    hint = traitlets.Unicode().tag(sync=True)
    theme = traitlets.Enum(CHOICES["theme"], "auto").tag(sync=True)
    chosen = traitlets.List(traitlets.List(traitlets.Int())).tag(sync=True, echo_update=False)
    #: By ``"shelf/item"``. The page sets these from messages, and Python changes the same
    #: dictionary in place: setting it would send all of them anew.
    thumbnails = traitlets.Dict().tag(sync=True, echo_update=False)

    def __init__(
        self,
        shelves: Sequence[Shelf],
        *,
        most_chosen: int = 2,
        hint: str = "",
        theme: str = "auto",
    ):
        if not shelves:
            raise InputError("shelves", "is empty", "pass at least one Shelf")
        if theme not in CHOICES["theme"]:
            words = ", ".join(map(repr, CHOICES["theme"]))
            raise InputError("theme", f"is {theme!r}", f"pass one of {words}")
        self._shelves = tuple(shelves)
        self._thumbnails = Thumbnails()
        self._queue = _Queue()
        self._worker: Worker[Place] = Worker(
            self._queue.take,
            self._make,
            name="fpattr-thumbnails",
            stop_order=StopOrder.ROWS,
        )
        super().__init__(
            shelves=[_shelf_state(shelf) for shelf in self._shelves],
            most_chosen=as_count(most_chosen, "most_chosen", least=1),
            hint=hint,
            theme=theme,
        )
        self.on_msg(self._receive)
        self._cell = kernel.register(self)
        kernel.watch()

    def item(self, place: Sequence[int]) -> GalleryItem:
        """Return the item at ``[shelf, item]``."""
        shelf, item = place
        return self._shelves[shelf].items[item]

    def close(self) -> None:
        """Stop all work and take the gallery from the page."""
        if hasattr(self, "_cell"):  # not one that could not be made
            self._worker.stop()
            kernel.unregister(self, self._cell)
        super().close()

    def bake(self, most: int = _FIRST) -> "Gallery":
        """Make the first thumbnails of each shelf now and keep them in the state.

        For notebooks that are executed with no page open.

        Parameters
        ----------
        most
            How many of each shelf.
        """
        made = {
            _key((shelf, number)): data
            for shelf, shown in enumerate(self._shelves)
            for number, item in enumerate(shown.items[:most])
            if item.picture is not None and (data := self._thumbnails.get(item.picture)) is not None
        }
        with self._state_lock:
            self.set_trait("thumbnails", {**self.thumbnails, **made})
        return self

    def draw(self) -> bytes | None:
        """Return a drawing of the first items of each shelf as a PNG, ``None`` if it fails.

        Their pictures are read, if they have not been yet.
        """
        try:
            from ._gallery_sheet import gallery_sheet  # it needs matplotlib, which loads slowly

            return gallery_sheet(self._shelves, self._thumbnails)
        except Exception:  # the gallery has to be seen, whatever went wrong here
            return None

    def _repr_mimebundle_(
        self,
        include: Container[str] | None = None,
        exclude: Container[str] | None = None,
        **options: Any,
    ) -> Any:
        bundle = partial(super()._repr_mimebundle_, **options)
        return with_fallback_png(bundle, include, exclude, self.draw, lambda: "")

    def cell_runs_again(self) -> None:
        """Note that the cell runs again; the gallery is small, and stays."""

    def cell_ended(self) -> None:
        """Keep the first thumbnails in the state, for no page does."""
        if not self.thumbnails:
            self.bake()

    def set_state(self, sync_data: dict[str, Any]) -> None:
        # Thumbnails are Python's own.
        super().set_state({name: v for name, v in sync_data.items() if name != "thumbnails"})

    def _receive(self, _widget: object, message: Any, _buffers: Any) -> None:
        kind = message.get("type") if isinstance(message, dict) else None
        if kind == "choose":
            # As if the page had saved the trait, which would send all thumbnails with it.
            with suppress(traitlets.TraitError):
                self.set_state({"chosen": message.get("chosen")})
        elif kind == "thumbnails" and isinstance(message.get("items"), list):
            kernel.note_page()
            asked = [place for place in map(self._existing, message["items"]) if place is not None]
            with self._worker.requesting():
                waiting = set(self._queue.places)
                self._queue.places += [place for place in asked if place not in waiting]

    def _make(self, place: Place) -> None:
        """Make a thumbnail and send it."""
        picture = self.item(place).picture
        data = None if picture is None else self._thumbnails.get(picture)
        if data is not None:
            with self._state_lock:
                self.thumbnails[_key(place)] = data
        message = {"type": "thumbnail", "place": list(place), "made": data is not None}
        self.send(message, [] if data is None else [data])

    def _existing(self, place: Any) -> Place | None:
        """Return a place if it is one; messages come from a page."""
        if not (isinstance(place, list) and len(place) == 2):
            return None
        shelf, item = place
        if not (type(shelf) is type(item) is int and 0 <= shelf < len(self._shelves)):
            return None
        return (shelf, item) if 0 <= item < len(self._shelves[shelf].items) else None

    @traitlets.validate("chosen")
    def _check_chosen(self, proposal: dict[str, Any]) -> list[list[int]]:
        chosen: list[list[int]] = proposal["value"]
        for place in chosen:
            if self._existing(place) is None:
                raise traitlets.TraitError(
                    f"`chosen` holds {place!r}: pass [shelf, item] of items that are there."
                )
        once = [place for number, place in enumerate(chosen) if place not in chosen[:number]]
        if len(once) > self.most_chosen:
            raise traitlets.TraitError(
                f"`chosen` holds {len(once)} items: pass at most {self.most_chosen}."
            )
        return once


def _shelf_state(shelf: Shelf) -> dict[str, Any]:
    items = [_item_state(item, number) for number, item in enumerate(shelf.items, start=1)]
    return {"title": _encodable(shelf.title), "items": items}


def _item_state(item: GalleryItem, number: int) -> dict[str, Any]:
    return {
        "name": _encodable(item.name),
        "score": float(item.score) if isfinite(item.score) else None,
        "text": _encodable(item.text),
        "note": _encodable(item.note),
        "marked": item.marked,
        "pictured": item.picture is not None,
        "place": number if item.place is None else item.place,
    }


def _encodable(text: str) -> str:
    """Return text without halves of surrogate pairs, which names of files may have."""
    return text.encode("utf-8", "replace").decode()


def _key(place: Place) -> str:
    return f"{place[0]}/{place[1]}"
