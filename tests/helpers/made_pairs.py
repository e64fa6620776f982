"""Pairs of made-up numbers."""

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

import fpattr_widget as fp
from fpattr_widget.encoders import Crop, Sentence, Side
from fpattr_widget.encoders._tokens import word_spans
from fpattr_widget.pairs import About, FeaturePairs
from tests.helpers.recorded import pairs_of, recorded

LEDGER = fp.Ledger(0.5, 0.2, 0.1, -0.1, 0.28, 0.02)


def tokens_of(caption: str) -> list[fp.Token]:
    words = [
        fp.Token(caption[a:b], number, a, b, False)
        for number, (a, b) in enumerate(word_spans(caption))
    ]
    ends = [fp.Token(name, None, None, None, True) for name in ("BOS", "EOS")]
    return [ends[0], *words, ends[1]]


def made(
    caption: str,
    rows: int = 7,
    columns: int = 7,
    *,
    values: np.ndarray | None = None,
    special: np.ndarray | float = 0.0,
    ledger: fp.Ledger = LEDGER,
    colour: tuple[int, int, int] | None = None,
    model: str = "bundled",
) -> FeaturePairs:
    """Return pairs that are known already; ``special`` are those with CLS, ``(tokens,)``."""
    tokens = tokens_of(caption)
    random = np.random.default_rng(len(caption))
    if values is None:
        values = random.normal(0, 0.02, (len(tokens), rows * columns))
    noise = random.integers(0, 255, (rows, columns, 3), np.uint8)
    picture = Image.new("RGB", (32 * columns, 32 * rows), colour)
    if colour is None:
        picture = Image.fromarray(noise).resize(picture.size, Image.Resampling.BICUBIC)
    everything = np.c_[np.broadcast_to(special, len(tokens)), values].astype(np.float32)
    return pairs_of(
        recorded(everything, ledger, "4 nodes"),
        caption=caption,
        tokens=tokens,
        picture=picture,
        grid=(rows, columns),
        about=About(model, "integrated Jacobians", "text block 0 · image block 2"),
    )


#: A part of a side: a caption, or the grid of a picture.
PartLike = str | tuple[int, int]


def made_sides(
    rows: Mapping[PartLike, float] | Sequence[tuple[PartLike, float]],
    columns: Mapping[PartLike, float] | Sequence[tuple[PartLike, float]],
    *,
    values: np.ndarray | None = None,
    ledger: fp.Ledger = LEDGER,
    unit: str = "difference",
    about: About | None = None,
) -> FeaturePairs:
    """Return pairs of two sides, each of parts with their weights, that are known already."""
    sides = [_side(rows), _side(columns)]
    shape = tuple(len(side.features) for side in sides)
    if values is None:
        values = np.random.default_rng(sum(shape)).normal(0, 0.02, shape)
    own = About("bundled", "integrated Jacobians", "text block 0", unit)
    return fp.FeaturePairs(
        recorded(values, ledger, "4 nodes"), rows=sides[0], columns=sides[1], about=about or own
    )


def _side(parts: Mapping[PartLike, float] | Sequence[tuple[PartLike, float]]) -> Side:
    listed = list(parts.items()) if isinstance(parts, Mapping) else list(parts)
    return Side(
        tuple(_panel(part, number) for number, (part, _) in enumerate(listed)),
        tuple(weight for _, weight in listed),
    )


def _panel(part: PartLike, number: int) -> Sentence | Crop:
    if isinstance(part, str):
        return Sentence(part, tuple(tokens_of(part)))
    noise = np.random.default_rng(number).integers(0, 255, (*part, 3), np.uint8)
    size = 32 * part[1], 32 * part[0]
    picture = Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)
    return Crop(picture, part, ("CLS",))
