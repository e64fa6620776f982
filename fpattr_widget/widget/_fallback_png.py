"""A PNG beside the live view, for places that show no widgets."""

import time
from base64 import b64encode
from collections.abc import Callable, Container
from typing import Any

from ..drawing import pairs_png_so_far, prepare
from ..pairs import FeaturePairs

_PNG, _TEXT = "image/png", "text/plain"
_PATIENCE = 0.5  # seconds for which displaying a view may wait for rows to be drawn


def with_fallback_png(
    bundle: Callable[[], Any],
    include: Container[str] | None,
    exclude: Container[str] | None,
    draw: Callable[[], bytes | None],
    left_out: Callable[[], str],
) -> Any:
    """Return a MIME bundle with a PNG in it, if one is asked for and can be drawn.

    Parameters
    ----------
    bundle
        Returns the widget's own bundle.
    include, exclude
        Media types, as IPython passes them.
    draw
        Returns the PNG, ``None`` where it cannot be drawn.
    left_out
        Returns a line about what is not computed, which is added to the text.
    """
    asked_for = (not include or _PNG in include) and not (exclude and _PNG in exclude)
    drawing = draw() if asked_for else None  # first: it may wait for rows, which are in the text
    widget_bundle = bundle()
    if not widget_bundle:
        return widget_bundle
    data, metadata = widget_bundle if isinstance(widget_bundle, tuple) else (widget_bundle, {})
    if drawing is not None:
        data = {**data, _PNG: b64encode(drawing).decode()}
    if line := left_out():
        data = {**data, _TEXT: f"{data[_TEXT]}\n{line}"}
    return data, metadata


def draw_so_far(
    pairs: FeaturePairs,
    wait: Callable[[float], object],
    rows: list[int],
    columns: list[int],
    why: Callable[[], str],
) -> bytes | None:
    """Return a PNG of the cached values of some pairs, ``None`` where it cannot be drawn.

    Parameters
    ----------
    pairs
        What to draw.
    wait
        Waits for the worker, a number of seconds at most.
    rows, columns
        What is pinned.
    why
        Returns why the worker failed, if it did.
    """
    try:
        started = time.monotonic()
        prepare()
        if not pairs.ready.all():
            wait(max(0.0, started + _PATIENCE - time.monotonic()))
        return pairs_png_so_far(pairs, rows or None, columns=columns or None, why=why())
    except Exception:  # the view has to be seen, whatever went wrong here
        return None
