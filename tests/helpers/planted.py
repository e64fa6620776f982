"""Cases whose right answers are known."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

import fpattr_widget as fp
from fpattr_widget.evaluation import Dataset, Phrase, Sample
from fpattr_widget.evaluation._explained import ExplainedSample, PreparedSample
from fpattr_widget.evaluation._setup import Setup, SetupName
from fpattr_widget.methods import Method
from tests.helpers.recorded import like, recorded

#: BOS, six tokens, EOS.
CAPTION = "a dog and a red ball"
DOG, RED_BALL = (1, 2), (4, 5, 6)
SPECIAL, PATCHES = 1, 9
NO_LEDGER = fp.Ledger(0, 0, 0, 0, 0, 0)


def picture(seed: int = 0, size: tuple[int, int] = (24, 24)) -> Image.Image:
    """Return a picture of three by three colours, which the test models see whole if square."""
    colours = np.random.default_rng(seed).integers(0, 256, (3, 3, 3), np.uint8)
    return Image.fromarray(colours).resize(size, Image.Resampling.NEAREST)


def phrase(words: str, label: str, *boxes: tuple[float, ...], caption: str = CAPTION) -> Phrase:
    start = caption.index(words)
    return Phrase(start, start + len(words), label, boxes)


def cell(row: int, column: int, rows: int = 1, columns: int = 1) -> tuple[float, ...]:
    """Return the box of a cell, or of several, of three by three."""
    return column / 3, row / 3, (column + columns) / 3, (row + rows) / 3


def sample(name: str = "one", *phrases: Phrase, image: Any = None, caption: str = CAPTION):
    return Sample(name, picture() if image is None else image, caption, phrases)


def counted(image: Any, opened: list[str], name: str) -> Callable[[], Any]:
    """Return a function that returns an image and tells that it was asked."""

    def open_image() -> Any:
        opened.append(name)
        return image

    return open_image


def tiny(count: int = 4, opened: list[str] | None = None, **images) -> Dataset:
    """Return samples of two phrases each; ``images`` by name take the place of their own."""
    opened = [] if opened is None else opened
    phrases = phrase("dog", "dog", cell(0, 0, 2, 2)), phrase("red ball", "ball", cell(2, 2))
    names = [f"s{number}" for number in range(count)]
    return Dataset(
        "tiny",
        [
            sample(name, *phrases, image=images.get(name, counted(picture(i), opened, name)))
            for i, name in enumerate(names)
        ],
    )


def explained_by(
    encoder: fp.DualEncoder,
    one: Sample,
    method: Method,
    layers: tuple[int, int] | None = None,
    name: str = "planted",
) -> ExplainedSample:
    """Return a sample as a method explains it, at the last blocks unless ``layers`` are given."""
    if layers is None and method.reads_at is None:
        layers = encoder.resolve_layers(-1)
    setup = Setup(SetupName(name, method.label, layers), encoder, method)
    return replace(setup.explain(PreparedSample(encoder, one)), name=name)


def explained(
    encoder: fp.DualEncoder,
    one: Sample,
    maps: Mapping[int, Any] | None = None,
    ledger: fp.Ledger = NO_LEDGER,
    name: str = "planted",
) -> ExplainedSample:
    """Return a sample as if its pairs were these maps of tokens, ``(3, 3)`` each, else zero."""
    real = explained_by(encoder, one, fp.Occlusion(), name=name)
    values = np.zeros((len(real.pairs.tokens), SPECIAL + PATCHES), np.float32)
    for token, heat in (maps or {}).items():
        values[token, SPECIAL:] = np.ravel(heat)
    return replace(real, pairs=like(real.pairs, recorded(values, ledger)))


def with_foils(
    one: ExplainedSample, *foils: tuple[Mapping[int, Any], fp.Ledger]
) -> ExplainedSample:
    """Return a sample as if its foils had these maps of tokens and these ledgers."""
    planted = []
    for real, (maps, ledger) in zip(one.foil_pairs, foils, strict=True):
        values = np.zeros((len(real.tokens), SPECIAL + PATCHES), np.float32)
        for token, heat in maps.items():
            values[token, SPECIAL:] = np.ravel(heat)
        planted.append(like(real, recorded(values, ledger)))
    vars(one)["foil_pairs"] = tuple(planted)
    return one
