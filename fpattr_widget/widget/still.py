"""A drawing beside the live view, for places that show no widgets."""

import time
from base64 import b64encode
from collections.abc import Callable, Container
from typing import Any

from ..pairs import FeaturePairs

_PNG = "image/png"
_PATIENCE = 0.5  # seconds that a display may wait for rows to be drawn


def with_still(
    bundle: Any,
    include: Container[str] | None,
    exclude: Container[str] | None,
    draw: Callable[[], bytes | None],
) -> Any:
    """Return a MIME bundle with a PNG in it, if one is wanted and can be drawn."""
    if not bundle or (include and _PNG not in include) or (exclude and _PNG in exclude):
        return bundle
    drawing = draw()
    if drawing is None:
        return bundle
    data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
    return {**data, _PNG: b64encode(drawing).decode()}, metadata


def draw_so_far(
    pairs: FeaturePairs,
    wait: Callable[[float], object],
    tokens: list[int],
    patches: list[int],
) -> bytes | None:
    """Draw what is known of some pairs with what is pinned; ``None`` where that fails.

    The view waits for it, so ``wait``, which waits for the worker, gets a short
    time only.
    """
    try:
        # Imported here because sharing stands above the widget.
        from ..sharing.figure import png_so_far, prepare

        started = time.monotonic()
        prepare()
        if not pairs.ready.all():
            wait(max(0.0, started + _PATIENCE - time.monotonic()))
        return png_so_far(pairs, tokens or None, region=patches)
    except Exception:  # whatever it is, the view shall be seen
        return None
