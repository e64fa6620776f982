"""What the caption chooses in the Llip of drawn scenes, and what that choice is worth.

``python -m tests.benchmarks.llip --control FOLDER`` prints what it finds and keeps the raw
numbers. ``FOLDER`` holds a model that was trained the same but reads all mixture tokens alike
(``python -m fpattr_widget.training.llip --weight-scale inf --output FOLDER``).

Pairs: drawn scenes that training never drew, with two things A and B of different kinds.

- Choice: how far apart the mixing weights of a caption of A and one of B are, beside two wordings
  of A (half the sum of absolute differences, mean over heads; 0 the same, 1 no token in common).
- What is read: the image read by the weights of a caption of A is compared with captions of A and
  of B, and once more read by the weights of B's caption. By chance the own weights are the better
  ones half of the time. And maps: those of A's caption, with the mixing weights held fixed, through
  the mixture token that A's caption reads most and through the one that B's reads most.
- Telling apart: of all 74 kinds, those that a picture shows against those that it does not (the
  share of such pairs in the right order); the complete caption against four with a word exchanged;
  a caption of a place against its opposite. Asked of the model, of the same weights that read all
  mixture tokens alike, of the control, and of the model of scenes, with which both began.

All of it on another seed than the one that was looked at while this was written (11).
"""

import argparse
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import fpattr_widget as fp
from fpattr_widget.evaluation._estimate import estimate
from fpattr_widget.evaluation._geometry import patches_in_boxes
from fpattr_widget.evaluation.metrics.pointing_game import hit
from fpattr_widget.scenes import (
    KINDS,
    TRAINED_KINDS,
    Caption,
    Scene,
    SceneObject,
    Sprites,
    contradict,
    held_out,
    locate,
    render,
)
from tests.benchmarks.records import FOLDER, keep, read

_SEED = 13
_FALSE = 4  # captions with a word exchanged
_WORDINGS = ("{}", "a photo of {}", "there is {}")


@dataclass(frozen=True)
class Pair:
    """A picture with two things.

    Attributes
    ----------
    scene, picture, caption
        The scene, drawn, and a caption that names all of it.
    first, second
        The things, of two kinds that the scene holds once.
    """

    scene: Scene
    picture: Image.Image
    caption: Caption
    first: SceneObject
    second: SceneObject


def said(thing: SceneObject) -> str:
    """Return the words for a thing, with its article."""
    kind = KINDS[thing.kind]
    return f"{kind.article} {kind.name}".strip()


def pairs_of_things(number: int, seed: int = _SEED) -> Iterator[Pair]:
    """Draw scenes of two to four things, two of which are asked for."""
    sprites, left = Sprites(), number
    for scene, caption in held_out(2 * number, sprites.aspect_ratios, seed=seed, objects=(2, 3, 4)):
        kinds = [thing.kind for thing in scene.objects]
        single = [thing for thing in scene.objects if kinds.count(thing.kind) == 1]
        if left and len(single) > 1:
            left -= 1
            yield Pair(scene, render(scene, sprites, 128), caption, *single[:2])


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """Return how far apart mixing weights ``(heads, tokens)`` are: 0 the same, 1 disjoint."""
    return float(np.abs(one - other).sum(-1).mean() / 2)


def choices(encoder: fp.DualEncoder, drawn: Sequence[Pair]) -> dict[str, list[float]]:
    """Return distances of mixing weights: of two things, and of two wordings of one."""
    apart, alike = [], []
    for pair in drawn:
        weights = [
            [
                encoder.read_out(pair.picture, words.format(said(thing))).weights
                for words in wordings
            ]
            for thing, wordings in ((pair.first, _WORDINGS), (pair.second, _WORDINGS[:1]))
        ]
        (plain, *others), (second,) = weights
        apart.append(distance(plain, second))
        alike.append(statistics.mean(distance(plain, other) for other in others))
    return {"two things": apart, "two wordings of one": alike}


def crossed(encoder: fp.DualEncoder, pair: Pair) -> np.ndarray:
    """Return the cosines of A's and B's caption (columns) read by A's and B's weights (rows)."""
    head = encoder.head
    assert head is not None
    with torch.no_grad():
        image = encoder.outputs([pair.picture], "image")
        texts = encoder.outputs([said(pair.first), said(pair.second)], "text")
        mixed, embedded = head.mix(image, texts), head.embed(texts)
        found = torch.nn.functional.cosine_similarity(mixed[:, None], embedded[None], dim=-1)
    return found.double().numpy()


def readings(encoder: fp.DualEncoder, drawn: Sequence[Pair]) -> dict[str, list[float]]:
    """Return how often what a caption's weights read is of its thing, two values a pair."""
    found: dict[str, list[float]] = {"own weights read more": [], "own thing said most": []}
    for pair in drawn:
        cosines = crossed(encoder, pair)
        for own, other in ((0, 1), (1, 0)):
            found["own weights read more"].append(float(cosines[own, own] > cosines[other, own]))
            found["own thing said most"].append(float(cosines[own, own] > cosines[own, other]))
    return found


def maps(encoder: fp.DualEncoder, drawn: Sequence[Pair]) -> dict[str, list[float]]:
    """Return the pointing game of A's caption, and A's share of maps through mixture tokens."""
    found: dict[str, list[float]] = {
        "exact map": [], "frozen map": [], "frozen map on B": [],
        "share, token of A": [], "share, token of B": [], "chance": [],
    }  # fmt: skip
    for pair in drawn:
        captions = said(pair.first), said(pair.second)
        most = [
            int(encoder.read_out(pair.picture, caption).contributions_of_places.argmax())
            for caption in captions
        ]
        exact = fp.attribute(encoder, pair.picture, captions[0])
        frozen = fp.attribute(encoder, pair.picture, captions[0], reading="frozen")
        whole = map_of(frozen)
        own, other = (
            patches_in_boxes([thing.box], whole.shape) for thing in (pair.first, pair.second)
        )
        found["exact map"].append(hit(map_of(exact), own))
        found["frozen map"].append(hit(whole, own))
        found["frozen map on B"].append(hit(whole, other))
        for name, token in zip(("share, token of A", "share, token of B"), most, strict=True):
            gained = map_of(frozen.through(token)).clip(0)
            found[name].append(float(gained[own].sum() / max(gained.sum(), 1e-12)))
        found["chance"].append(float(own.mean()))
    return found


def map_of(pairs: fp.FeaturePairs) -> np.ndarray:
    """Return the map of all words together, ``(rows, columns)``."""
    values = pairs.of_rows(range(len(pairs.rows.features)))[list(pairs.columns.visible)]
    return values.reshape(pairs.columns.panels[0].grid)


def told_apart(
    encoder: fp.DualEncoder, drawn: Sequence[Pair], seed: int = _SEED
) -> dict[str, list[float]]:
    """Return a value a pair for each question, from zero to one.

    A place is asked for only where a thing is clearly to one side.
    """
    generator = np.random.default_rng(seed)
    names = [f"{kind.article} {kind.name}".strip() for kind in TRAINED_KINDS]
    found: dict[str, list[float]] = {
        "things shown": [], "one word exchanged": [], "place": [],
    }  # fmt: skip
    for pair in drawn:
        false = [contradict(pair.scene, pair.caption, generator) for _ in range(_FALSE)]
        placed = locate(pair.scene, generator)
        sides = [placed[0].text, placed[1]] if placed else []
        asked = [*names, pair.caption.text, *false, *sides]
        scores = np.split(
            encoder.similarities(pair.picture, asked),
            np.cumsum([len(names), 1, len(false)]),
        )
        there = np.isin([kind.name for kind in TRAINED_KINDS], [t.kind for t in pair.scene.objects])
        leads = scores[0][there][:, None] > scores[0][~there][None]
        found["things shown"].append(float(leads.mean()))
        found["one word exchanged"].append(float(scores[1][0] > scores[2].max()))
        if sides:
            found["place"].append(float(scores[3][0] > scores[3][1]))
    return found


def summary(values: Sequence[float], groups: Sequence[int], *, shares: bool = True) -> dict:
    """Return the mean, its interval and the values, for a record."""
    interval = estimate(values, groups, shares=shares)
    return {
        "mean": round(interval.mean, 4),
        "low": round(interval.low, 4),
        "high": round(interval.high, 4),
        "values": [round(value, 3) for value in values],
    }


def summaries(found: Mapping[str, Sequence[float]], each: int = 1) -> dict[str, Any]:
    """Return the summary of each list, of which ``each`` values in a row are of one pair."""
    return {
        name: summary(values, [place // each for place in range(len(values))])
        for name, values in found.items()
    }


def of_routing(options: argparse.Namespace) -> dict[str, Any]:
    """Return what captions choose, and what the mixture tokens that they choose say."""
    encoder, drawn = fp.load_encoder("llip"), list(pairs_of_things(options.pairs))
    return {
        "choices": summaries(choices(encoder, drawn)),
        "readings": summaries(readings(encoder, drawn), each=2),
    }


def of_maps(options: argparse.Namespace) -> dict[str, Any]:
    """Return where the maps of mixture tokens lie."""
    drawn = list(pairs_of_things(options.pairs))[: options.mapped]
    return {"maps": summaries(maps(fp.load_encoder("llip"), drawn))}


def of_captions(options: argparse.Namespace) -> dict[str, Any]:
    """Return what each model tells apart, and how much more than the others the first does."""
    drawn = list(pairs_of_things(options.pairs))
    loaded: dict[str, Callable[[], fp.DualEncoder]] = {
        "by the caption": lambda: fp.load_encoder("llip"),
        "all alike, same weights": lambda: fp.load_encoder("llip", weight_scale=float("inf")),
    }
    if options.control:
        loaded["all alike, trained so"] = lambda: fp.load_encoder(options.control)
    loaded["the model of scenes, its beginning"] = lambda: fp.load_encoder("scenes")
    found = {name: told_apart(load(), drawn) for name, load in loaded.items()}
    first, *others = found
    return {
        "told apart": {name: summaries(values) for name, values in found.items()},
        "led by": {
            name: {
                question: summary(
                    np.subtract(found[first][question], values).tolist(),
                    range(len(values)),
                    shares=False,
                )
                for question, values in found[name].items()
            }
            for name in others
        },
    }


PARTS = {"routing": of_routing, "maps": of_maps, "captions": of_captions}


def show(found: Mapping[str, Any], before: str = "") -> None:
    """Print the means of a nested record."""
    for name, value in found.items():
        if isinstance(value, dict) and "mean" in value:
            print(
                f"{before}{name}: {value['mean']} ({value['low']} to {value['high']})", flush=True
            )
        elif isinstance(value, dict):
            show(value, f"{before}{name}, ")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=300, help="scenes")
    parser.add_argument("--mapped", type=int, default=60, help="scenes of which maps are made")
    parser.add_argument("--control", type=Path, help="folder of a model that reads all alike")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--records", type=Path, default=FOLDER, help="where to keep the numbers")
    options = parser.parse_args(arguments)
    kept = read("llip", options.records)
    found = kept["numbers"] if kept else {}
    for name in options.only:
        measured = PARTS[name](options)
        show(measured)
        found |= measured
    keep("llip", {"pairs": options.pairs, **found}, options.records)


if __name__ == "__main__":
    main()
