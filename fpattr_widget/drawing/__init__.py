"""Figures of pairs: for papers, for files, and for readers without the widget.

Importing this is quick: what needs matplotlib is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from ._colours import INK, INK_IN_THE_DARK, NEGATIVE, POSITIVE, WHITE, css
from ._figure import pairs_png, pairs_png_so_far, plot, plot_read_out, prepare, save_figure
from ._sentence import never_seen, unknown_words

if TYPE_CHECKING:
    from ._canvas import NotebookFigure
    from ._contact_sheet import Cell, Cells, contact_sheet, stacked
    from ._image_files import figure_png

__all__ = [
    "INK",
    "INK_IN_THE_DARK",
    "NEGATIVE",
    "POSITIVE",
    "WHITE",
    "Cell",
    "Cells",
    "NotebookFigure",
    "contact_sheet",
    "css",
    "figure_png",
    "never_seen",
    "pairs_png",
    "pairs_png_so_far",
    "plot",
    "plot_read_out",
    "prepare",
    "save_figure",
    "stacked",
    "unknown_words",
]

_LATER = {
    "Cell": "_contact_sheet",
    "Cells": "_contact_sheet",
    "NotebookFigure": "_canvas",
    "contact_sheet": "_contact_sheet",
    "figure_png": "_image_files",
    "stacked": "_contact_sheet",
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import what needs matplotlib."""
        if name in _LATER:
            return getattr(import_module(f".{_LATER[name]}", __name__), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
