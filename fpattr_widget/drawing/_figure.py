"""Pairs as a drawing for a paper, made with matplotlib."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..files import checked_path, writable, write_atomically
from ..pairs import FeaturePairs
from ._content import Content, described, everything, shown_words, so_far, token_numbers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ENDINGS = (".png", ".svg", ".pdf")
_PRINT = 200  # dots an inch
_SCREEN = 110


def plot(
    pairs: FeaturePairs, tokens: Iterable[int] | None = None, *, region: Sequence[int] = ()
) -> "Figure":
    """Draw pairs: picture, caption, ledger, and the maps of some words.

    Parameters
    ----------
    pairs
        What to draw; computes what is missing.
    tokens
        Token numbers: the maps of these words are shown, and of a word of
        which some tokens are given, the map of these. The six strongest words
        unless told: those with the largest sum over the fewest patches that
        carry half of what is for, or against, a word.
    region
        Patch numbers, row by row, to be outlined.

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
    return _drawn(everything(pairs), numbers, region, _SCREEN)


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
    ending = Path(checked_path(path)).suffix.lower()
    if ending not in _ENDINGS:
        said = f"ends in {ending[:20]!r}" if ending else "has no ending"
        raise InputError(f"`path` {said}: pass a name that ends in .png, .svg or .pdf.")
    writable(path)  # told before anything is computed
    numbers = token_numbers(tokens, len(pairs.tokens))
    content = everything(pairs)
    write_atomically(path, _file(content, numbers, region, ending, _PRINT))


def pairs_png(
    pairs: FeaturePairs, tokens: Iterable[int] | None = None, *, region: Sequence[int] = ()
) -> bytes:
    """Return the drawing as a PNG file for a screen; see :func:`plot`."""
    numbers = token_numbers(tokens, len(pairs.tokens))
    return _file(everything(pairs), numbers, region, ".png", _SCREEN)


def prepare() -> None:
    """Import what drawing needs, which takes its time once."""
    from . import _files as files  # noqa: F401


def pairs_png_so_far(
    pairs: FeaturePairs,
    tokens: Sequence[int] | None = None,
    *,
    region: Sequence[int] = (),
    why: str = "",
) -> bytes:
    """Return the drawing of what is known of some pairs; computes nothing, waits for nobody.

    ``why`` says why words are missing, if that is known.
    """
    return _file(so_far(pairs, why), tokens, region, ".png", _SCREEN)


def _drawn(
    content: Content, tokens: Sequence[int] | None, region: Sequence[int], dpi: float
) -> "Figure":
    # Imported here because few need it, and it takes its time.
    from ._sheet import draw, settled

    with settled():
        return draw(content, shown_words(content, tokens), region, dpi=dpi)


def _file(
    content: Content,
    tokens: Sequence[int] | None,
    region: Sequence[int],
    ending: str,
    dpi: float,
) -> bytes:
    """Return a drawing's file, with nothing in it about who drew it where or when."""
    from ._files import figure_png, pdf, svg
    from ._sheet import settled

    with settled():
        figure = _drawn(content, tokens, region, dpi)
        if ending == ".png":
            return figure_png(figure, light=dpi <= _SCREEN)
        if ending == ".svg":
            return svg(figure, content.caption, described(content, shown_words(content, tokens)))
        return pdf(figure, content.caption)
