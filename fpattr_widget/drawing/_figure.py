"""Draw pairs for a paper or a screen, with matplotlib."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from PIL import Image

from ..choices import FIGURE_ENDINGS
from ..encoders import ReadOut
from ..files import checked_ending, writable, write_atomically
from ..pairs import FeaturePairs
from ._content import Content, cached_content, feature_numbers, full_content
from ._items import described, shown_items

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PRINT_DPI = 200
_SCREEN_DPI = 110

Features = Sequence[int] | None


def plot(
    pairs: FeaturePairs,
    rows: Iterable[int] | None = None,
    *,
    columns: Iterable[int] | None = None,
    rows_name: str = "rows",
) -> "Figure":
    """Draw pairs: pictures, captions, ledger, and maps of some words or a matrix of words.

    Parameters
    ----------
    pairs
        What to draw; computes what is missing.
    rows, columns
        Numbers of features. The maps of words among them are shown, of a word of which only
        some tokens are given, the map of these tokens; patches are outlined. Where none are
        given, maps are those of the six strongest words: those with the largest sum over
        the fewest patches that carry half of a word's positive or negative mass.
    rows_name
        What the caller names ``rows``, for messages.

    Returns
    -------
    matplotlib.figure.Figure
        Seven inches wide. It belongs to no window and not to pyplot.

    Raises
    ------
    InputError
        When there is no such feature.
    """
    chosen = _numbers(pairs, rows, columns, rows_name)
    return _drawn(full_content(pairs), chosen, _SCREEN_DPI)


def plot_read_out(read_out: ReadOut, picture: Image.Image | None = None) -> "Figure":
    """Draw what a head read of an image, and what each place adds to the score.

    Parameters
    ----------
    read_out
        Places with names are bars: their mean weight over the routes, and their signed
        contribution. Patches are two maps of the same.
    picture
        Lies under the maps.

    Returns
    -------
    matplotlib.figure.Figure
        Seven inches wide. It belongs to no window and not to pyplot.
    """
    from ._read_out_sheet import draw_read_out
    from ._sheet import default_settings

    with default_settings():
        return draw_read_out(read_out, picture, _SCREEN_DPI)


def save_figure(
    pairs: FeaturePairs,
    path: Any,
    rows: Iterable[int] | None = None,
    *,
    columns: Iterable[int] | None = None,
) -> None:
    """Draw pairs into a file, the same bytes each time.

    Parameters
    ----------
    pairs, rows, columns
        See :func:`plot`.
    path
        Of a ``.png`` (200 dots an inch), ``.svg`` or ``.pdf`` file; one that is
        there is replaced once the new one is whole.

    Raises
    ------
    InputError
        When there is no such feature, or the file cannot be written.
    """
    ending = checked_ending(path, FIGURE_ENDINGS)
    writable(path)  # raises before anything is computed
    chosen = _numbers(pairs, rows, columns)
    content = full_content(pairs)
    write_atomically(path, _file(content, chosen, ending, _PRINT_DPI))


def pairs_png(
    pairs: FeaturePairs,
    rows: Iterable[int] | None = None,
    *,
    columns: Iterable[int] | None = None,
) -> bytes:
    """Return the drawing as a PNG file for a screen; see :func:`plot`."""
    chosen = _numbers(pairs, rows, columns)
    return _file(full_content(pairs), chosen, ".png", _SCREEN_DPI)


def prepare() -> None:
    """Import matplotlib and the rest, so that the first drawing does not wait for it."""
    from . import _image_files  # noqa: F401


def pairs_png_so_far(
    pairs: FeaturePairs,
    rows: Features = None,
    *,
    columns: Features = None,
    why: str = "",
) -> bytes:
    """Return the drawing of the cached values of some pairs as a PNG; computes nothing.

    Parameters
    ----------
    pairs
        What to draw; a computation under way is not waited for.
    rows, columns
        See :func:`plot`.
    why
        Why rows are missing, in a sentence, if that is known.
    """
    return _file(cached_content(pairs, why), (rows, columns), ".png", _SCREEN_DPI)


def _numbers(
    pairs: FeaturePairs,
    rows: Iterable[int] | None,
    columns: Iterable[int] | None,
    rows_name: str = "rows",
) -> tuple[Features, Features]:
    """Return features counted from the start, or raise ``InputError``."""
    what = "token" if rows_name == "tokens" else "feature"
    return (
        feature_numbers(rows, len(pairs.rows.features), rows_name, what),
        feature_numbers(columns, len(pairs.columns.features), "columns", "feature"),
    )


def _drawn(content: Content, chosen: tuple[Features, Features], dpi: float) -> "Figure":
    # Imported here because importing matplotlib takes long.
    from ._sheet import default_settings, draw

    rows, columns = chosen
    with default_settings():
        return draw(content, shown_items(content, *chosen), rows or (), columns or (), dpi=dpi)


def _file(content: Content, chosen: tuple[Features, Features], ending: str, dpi: float) -> bytes:
    """Return a drawing's file, without metadata on its author, place or time."""
    from ._image_files import figure_png, pdf, svg
    from ._sheet import default_settings

    with default_settings():
        figure = _drawn(content, chosen, dpi)
        if ending == ".png":
            return figure_png(figure, light=dpi <= _SCREEN_DPI)
        if ending == ".svg":
            return svg(figure, content.title, described(content, shown_items(content, *chosen)))
        return pdf(figure, content.title)
