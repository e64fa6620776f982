"""Complete pairs of any two sides, made by hand, and strategies that draw them."""

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st
from PIL import Image

import fpattr_widget as fp
from fpattr_widget.encoders import Crop, Panel, Sentence, Side
from fpattr_widget.methods import LedgerTerm, Recorded, singles
from fpattr_widget.pairs import About
from tests.helpers.made_pairs import tokens_of


def sentence(caption: str) -> Sentence:
    return Sentence(caption, tuple(tokens_of(caption)))


def crop(
    number: int = 0, grid: tuple[int, int] = (2, 3), special: Sequence[str] = ("CLS",)
) -> Crop:
    """Return a picture of coloured noise, another one for each number."""
    noise = np.random.default_rng(number).integers(0, 255, (8 * grid[0], 8 * grid[1], 3), np.uint8)
    return Crop(Image.fromarray(noise), grid, tuple(special))


def pairs_of_sides(
    rows: Side, columns: Side, *, unit: str = "difference", sampled: bool = False, seed: int = 0
) -> fp.FeaturePairs:
    """Return pairs with made-up numbers, whose ledger's terms add up."""
    random = np.random.default_rng(seed)
    shape = len(rows.features), len(columns.features)
    values = random.normal(0, 0.02, shape).astype(np.float32)
    parts = len(rows.panels) * len(columns.panels)
    terms = random.normal(0, 0.2, (parts, 6))
    listed = tuple(LedgerTerm(*term) for term in terms.tolist()) if 1 < parts <= 64 else ()
    ledger = fp.Ledger(*terms.sum(0).tolist(), unit_scale=1 / 3, terms=listed)
    errors = {}
    if sampled:
        partitions = tuple(map(singles, shape)), (rows.words, columns.words)
        for groups in partitions:
            size = tuple(map(len, groups))
            errors[groups] = np.abs(random.normal(size=size)).astype(np.float32)
    recorded = Recorded(values, ledger, "4 nodes", None, errors)
    about = About("a/b", "by hand", "none", unit)
    return fp.FeaturePairs(recorded, rows=rows, columns=columns, about=about)


ODD = "</script> \u202e \u2028 a\x00b \U0001f600"
CAPTION, RIVAL = sentence("a dog runs"), sentence("a cat runs")
#: Sides by name, and what ``COMBINATIONS`` are made of.
SIDES = {
    "caption": Side((CAPTION,)),
    "other caption": Side((sentence("a small puppy"),)),
    "captions": Side((CAPTION, RIVAL), (1.0, -1.0)),
    "templates": Side(tuple(sentence(f"{word} dog") for word in "abc"), (1 / 80,) * 3),
    "picture": Side((crop(0),)),
    "other picture": Side((crop(1, (3, 2), ()),)),
    "pictures": Side((crop(0), crop(1)), (1.0, -1.0)),
    "mixed": Side((CAPTION, crop(2)), (0.7, -1 / 3)),
}
COMBINATIONS = [
    ("caption", "picture"),
    ("captions", "picture"),
    ("templates", "picture"),
    ("caption", "pictures"),
    ("captions", "pictures"),
    ("caption", "other caption"),
    ("captions", "other caption"),
    ("picture", "other picture"),
    ("picture", "pictures"),
    ("mixed", "picture"),
    ("mixed", "mixed"),
]


def combined(rows: str, columns: str, **options: object) -> fp.FeaturePairs:
    """Return pairs of two of ``SIDES``."""
    single = not (SIDES[rows].is_sum or SIDES[columns].is_sum)
    return pairs_of_sides(
        SIDES[rows], SIDES[columns], **{"unit": "cosine" if single else "difference", **options}
    )


def panels() -> st.SearchStrategy[Panel]:
    """Return captions of any text, and pictures of any grid."""
    texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    sides = st.integers(1, 3)
    pictures = st.builds(
        crop,
        st.integers(0, 9),
        st.tuples(sides, sides),
        st.lists(st.sampled_from(["CLS", "REG", ODD]), max_size=2),
    )
    return st.one_of(st.builds(sentence, texts), pictures)


def sides(most: int = 3) -> st.SearchStrategy[Side]:
    """Return sides of up to ``most`` panels, with any finite weights."""
    weights = st.floats(allow_nan=False, allow_infinity=False)
    weighted = st.lists(st.tuples(panels(), weights), min_size=1, max_size=most)
    return weighted.map(lambda parts: Side(*zip(*parts, strict=True)))
