"""Draw pairs for a paper or a screen, with matplotlib."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..choices import FIGURE_ENDINGS
from ..files import checked_ending, writable, write_atomically
from ..pairs import FeaturePairs
from ._content import Content, cached_content, described, full_content, shown_words, token_numbers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PRINT_DPI = 200
_SCREEN_DPI = 110


def plot(
    pairs: FeaturePairs, tokens: Iterable[int] | None = None, *, region: Sequence[int] = ()
) -> "Figure":
    """Draw pairs: picture, caption, ledger, and the maps of some words.

    Parameters
    ----------
    pairs
        What to draw; computes what is missing.
    tokens
        Token numbers: the maps of these words are shown; of a word of which
        only some tokens are given, the map of these tokens. By default the six
        strongest words: those with the largest sum over the fewest patches
        that carry half of a word's positive or negative mass.
    region
        Patch numbers, row by row, to outline.

    Returns
    -------
    matplotlib.figure.Figure
        Seven inches wide. It belongs to no window and not to pyplot.

    Raises
    ------
    InputError
        When there is no such token.
    """
    numbers = token_numbers(tokens, len(pairs.tokens))
    return _drawn(full_content(pairs), numbers, region, _SCREEN_DPI)


def save_figure(
    pairs: FeaturePairs,
    path: Any,
    tokens: Iterable[int] | None = None,
    *,
    region: Sequence[int] = (),
) -> None:
    """Draw pairs into a file, the same bytes each time.

    Parameters
    ----------
    pairs, tokens, region
        See :func:`plot`.
    path
        Of a ``.png`` (200 dots an inch), ``.svg`` or ``.pdf`` file; one that is
        there is replaced once the new one is whole.

    Raises
    ------
    InputError
        When there is no such token, or the file cannot be written.
    """
    ending = checked_ending(path, FIGURE_ENDINGS)
    writable(path)  # raises before anything is computed
    numbers = token_numbers(tokens, len(pairs.tokens))
    content = full_content(pairs)
    write_atomically(path, _file(content, numbers, region, ending, _PRINT_DPI))


def pairs_png(
    pairs: FeaturePairs, tokens: Iterable[int] | None = None, *, region: Sequence[int] = ()
) -> bytes:
    """Return the drawing as a PNG file for a screen; see :func:`plot`."""
    numbers = token_numbers(tokens, len(pairs.tokens))
    return _file(full_content(pairs), numbers, region, ".png", _SCREEN_DPI)


def prepare() -> None:
    """Import matplotlib and the rest, so that the first drawing does not wait for it."""
    from . import _image_files  # noqa: F401


def pairs_png_so_far(
    pairs: FeaturePairs,
    tokens: Sequence[int] | None = None,
    *,
    region: Sequence[int] = (),
    why: str = "",
) -> bytes:
    """Return the drawing of the cached values of some pairs as a PNG; computes nothing.

    Parameters
    ----------
    pairs
        What to draw; a computation under way is not waited for.
    tokens, region
        See :func:`plot`.
    why
        Why words are missing, in a sentence, if that is known.
    """
    return _file(cached_content(pairs, why), tokens, region, ".png", _SCREEN_DPI)


def _drawn(
    content: Content, tokens: Sequence[int] | None, region: Sequence[int], dpi: float
) -> "Figure":
    # Imported here because importing matplotlib takes long.
    from ._sheet import default_settings, draw

    with default_settings():
        return draw(content, shown_words(content, tokens), region, dpi=dpi)


def _file(
    content: Content,
    tokens: Sequence[int] | None,
    region: Sequence[int],
    ending: str,
    dpi: float,
) -> bytes:
    """Return a drawing's file, without metadata on its author, place or time."""
    from ._image_files import figure_png, pdf, svg
    from ._sheet import default_settings

    with default_settings():
        figure = _drawn(content, tokens, region, dpi)
        if ending == ".png":
            return figure_png(figure, light=dpi <= _SCREEN_DPI)
        if ending == ".svg":
            return svg(figure, content.caption, described(content, shown_words(content, tokens)))
        return pdf(figure, content.caption)
