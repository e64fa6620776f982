"""Pairs of which everything is there, made by hand."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

import fpattr_widget as fp
from fpattr_widget.encoders import Crop, Sentence, Side
from fpattr_widget.methods import Interactions, Recorded
from fpattr_widget.pairs import About

ABOUT = About("a/b", "by hand", "none")


def recorded(values: np.ndarray, ledger: fp.Ledger, nodes: str = "") -> Recorded:
    """Return interactions with these numbers and no sampling error."""
    return Recorded(np.asarray(values, np.float32), ledger, nodes, None, {})


def pairs_of(
    interactions: Interactions,
    *,
    caption: str,
    tokens: Sequence[fp.Token],
    picture: Image.Image,
    grid: tuple[int, int],
    special: Sequence[str] = ("CLS",),
    about: About = ABOUT,
) -> fp.FeaturePairs:
    """Return pairs of a caption and a picture; ``interactions`` may be a function."""
    return fp.FeaturePairs(
        interactions,
        rows=Side((Sentence(caption, tuple(tokens)),)),
        columns=Side((Crop(picture, grid, tuple(special)),)),
        about=about,
    )


def like(pairs: fp.FeaturePairs, interactions: Interactions, about: About | None = None):
    """Return pairs of the same sides with other numbers."""
    return fp.FeaturePairs(
        interactions, rows=pairs.rows, columns=pairs.columns, about=about or pairs.about
    )
