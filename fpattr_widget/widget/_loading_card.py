"""A card that a notebook shows while a model is loaded."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from html import escape
from typing import Any

from ..encoders import is_loaded, shared_name
from ._kernel import attended, kernel_shell

_CARD = (
    '<div style="font: 14px system-ui, sans-serif; padding: 12px 16px; max-width: 848px; '
    'border: 1px solid rgba(128, 128, 128, 0.35); border-radius: 8px" role="status">'
    "<div>{caption}</div>"
    '<div style="opacity: 0.7; margin-top: 4px">Loading the model {model} …</div></div>'
)


@contextmanager
def loading_card(model: object, caption: object) -> Iterator[None]:
    """Show what is about to be explained while a model is loaded, and remove it afterwards.

    Shows nothing outside of a notebook, in a notebook that no page shows (an
    empty output would stay in it), or if the model is loaded already.

    Parameters
    ----------
    model
        Its name or folder, if it is to be loaded.
    caption
        Of the explanation.
    """
    visible = kernel_shell() is not None and attended()
    if not visible or not isinstance(model, str | os.PathLike) or is_loaded(str(model)):
        yield
        return
    name = shared_name(str(model))
    words = f"“{caption}”" if isinstance(caption, str) else "a caption of token ids"
    handle = _display(
        {
            "text/plain": f"{words}: loading the model {name} …",
            "text/html": _CARD.format(caption=escape(words), model=escape(name)),
        }
    )
    try:
        yield
    finally:
        if handle is not None:
            with suppress(Exception):  # the view matters, the card does not
                handle.update({"text/plain": "", "text/html": ""}, raw=True)


def _display(bundle: dict[str, str]) -> Any:
    with suppress(Exception):
        from IPython.display import display

        return display(bundle, raw=True, display_id=True)
    return None
