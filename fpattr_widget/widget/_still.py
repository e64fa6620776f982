"""A drawing beside the live view, for places that show no widgets."""

import time
from base64 import b64encode
from collections.abc import Callable, Container
from typing import Any

from ..pairs import FeaturePairs

_PNG, _TEXT = "image/png", "text/plain"
_PATIENCE = 0.5  # seconds that a display may wait for rows to be drawn


def with_still(
    bundle: Callable[[], Any],
    include: Container[str] | None,
    exclude: Container[str] | None,
    draw: Callable[[], bytes | None],
    left_out: Callable[[], str],
) -> Any:
    """Return a MIME bundle with a PNG in it, if one is wanted and can be drawn.

    Its text ends with a line about what is left out, if anything is.
    """
    wanted = (not include or _PNG in include) and not (exclude and _PNG in exclude)
    drawing = draw() if wanted else None  # first, for it may wait for values, and the text tells
    made = bundle()
    if not made:
        return made
    data, metadata = made if isinstance(made, tuple) else (made, {})
    if drawing is not None:
        data = {**data, _PNG: b64encode(drawing).decode()}
    if line := left_out():
        data = {**data, _TEXT: f"{data[_TEXT]}\n{line}"}
    return data, metadata


def draw_so_far(
    pairs: FeaturePairs,
    wait: Callable[[float], object],
    tokens: list[int],
    patches: list[int],
    why: Callable[[], str],
) -> bytes | None:
    """Draw what is known of some pairs with what is pinned; ``None`` where that fails.

    The view waits for it, so ``wait``, which waits for the worker, gets a short
    time only. ``why`` then says why the worker gave up, if it did.
    """
    try:
        # Imported here because sharing stands above the widget.
        from ..drawing import pairs_png_so_far, prepare

        started = time.monotonic()
        prepare()
        if not pairs.ready.all():
            wait(max(0.0, started + _PATIENCE - time.monotonic()))
        return pairs_png_so_far(pairs, tokens or None, region=patches, why=why())
    except Exception:  # whatever it is, the view shall be seen
        return None
