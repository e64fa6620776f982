"""Where the difference of two pictures lies, and what a contrast costs.

``python -m tests.benchmarks.contrasts`` prints what it finds and keeps the raw numbers.

Exchanged objects: a drawn scene that training never drew, and the same scene with one object
exchanged for one of another kind in the same box. Explained is ``s(after, c) − s(before, c)``
for a caption ``c``, or for the difference of two. The map is of all words together; the values
of the two pictures' patches at one place are added. It scores one if its strongest patch, of
either sign, lies in the box (the pointing game of the difference). Chance is the box's share of
the patches. Beside it stands the single map of the picture after with the caption of the new
object. All is at the model's defaults; the seed is not the one that was looked at while this was
written (11).

Costs are of models with random weights, in forward passes of both towers.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import fpattr_widget as fp
from fpattr_widget.evaluation._estimate import estimate
from fpattr_widget.evaluation._geometry import patches_in_boxes
from fpattr_widget.evaluation.metrics.pointing_game import hit
from fpattr_widget.scenes import KINDS, TRAINED_KINDS, Sprites, exchange, held_out, render
from tests.benchmarks.records import FOLDER, keep, read

_SEED = 12
_TOKENS = 14


@dataclass(frozen=True)
class Exchange:
    """A scene before and after one object was exchanged.

    Attributes
    ----------
    before, after
        The pictures.
    old, new
        Captions of the object.
    box
        Where it is.
    """

    before: Image.Image
    after: Image.Image
    old: str
    new: str
    box: tuple[float, float, float, float]


def exchanges(number: int, seed: int = _SEED, size: int = 128) -> Iterator[Exchange]:
    """Draw scenes of two to four objects, and exchange one of them."""
    sprites = Sprites()
    generator = np.random.default_rng(seed)
    phrases = {kind.name: f"{kind.article} {kind.name}" for kind in KINDS.values()}
    for scene, _ in held_out(number, sprites.aspect_ratios, seed=seed, objects=(2, 3, 4)):
        index = int(generator.integers(len(scene.objects)))
        there = {thing.kind for thing in scene.objects}
        kinds = [kind.name for kind in TRAINED_KINDS if kind.name not in there]
        new = kinds[int(generator.integers(len(kinds)))]
        after = exchange(scene, index, new, sprites.aspect_ratios)
        old = scene.objects[index]
        yield Exchange(
            render(scene, sprites, size),
            render(after, sprites, size),
            phrases[old.kind],
            phrases[new],
            old.box,
        )


def map_of(pairs: fp.FeaturePairs) -> np.ndarray:
    """Return the map of all words together, of several pictures by place, ``(rows, columns)``."""
    values = pairs.of_rows(range(len(pairs.rows.features)))[list(pairs.columns.visible)]
    grid = pairs.columns.panels[0].grid
    return values.reshape(-1, *grid).sum(0)


#: What is explained, in words.
QUESTIONS: dict[str, Callable[[fp.DualEncoder, Exchange], fp.FeaturePairs]] = {
    "after − before × new − old": lambda encoder, one: fp.attribute(
        encoder,
        fp.Picture(one.after) - fp.Picture(one.before),
        fp.Text(one.new) - fp.Text(one.old),
    ),
    "after − before × new": lambda encoder, one: fp.attribute(
        encoder, fp.Picture(one.after) - fp.Picture(one.before), one.new
    ),
    "after, with before as its reference × new": lambda encoder, one: fp.attribute(
        encoder, one.after, one.new, reference=one.before
    ),
    "after × new": lambda encoder, one: fp.attribute(encoder, one.after, one.new),
}


def pointing(encoder: fp.DualEncoder, drawn: Sequence[Exchange]) -> dict[str, Any]:
    """Return the pointing game of each question, and chance."""
    hits: dict[str, list[float]] = {question: [] for question in QUESTIONS}
    chances: list[float] = []
    for one in drawn:
        for question, explained in QUESTIONS.items():
            heat = map_of(explained(encoder, one))
            inside = patches_in_boxes([one.box], heat.shape)
            hits[question].append(hit(np.abs(heat), inside))
        chances.append(float(inside.mean()))
    numbers = list(range(len(drawn)))
    found: dict[str, Any] = {"chance": statistics.mean(chances)}
    for question, values in hits.items():
        interval = estimate(values, numbers)
        found[question] = {
            "mean": round(interval.mean, 4),
            "low": round(interval.low, 4),
            "high": round(interval.high, 4),
            "hits": [round(value, 3) for value in values],
        }
    return found


def measured(name: str, **settings: Any) -> dict[str, Any]:
    """Return a measurement of :mod:`tests.benchmarks.measure`, from a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.measure", name, json.dumps(settings)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def of_scenes(options: argparse.Namespace) -> dict[str, Any]:
    """Return the pointing game of exchanged objects."""
    drawn = list(exchanges(options.scenes))
    found = pointing(fp.load_encoder("scenes"), drawn)
    for question, score in found.items():
        print(question, score["mean"] if isinstance(score, dict) else round(score, 3), flush=True)
    return {"scenes": len(drawn), "pointing": found}


def of_costs(options: argparse.Namespace) -> dict[str, Any]:
    """Return the times of contrasts and the memory of prompts, for each size of model."""
    found = {}
    for size in options.sizes:
        times = measured("contrasts", size=size, tokens=_TOKENS, repeats=options.repeats)
        one = statistics.median(times["forward"])
        for name, values in times.items():
            print(f"{size}, {name}: {statistics.median(values) / one:.2f}", flush=True)
        memory = {
            str(parts): measured("prompts", size=size, tokens=_TOKENS, parts=parts)
            for parts in (1, 80)
        }
        for parts, numbers in memory.items():
            print(f"{size}, {parts} prompts: {numbers['peak']:.2f} GiB", flush=True)
        found[size] = {"times": times, "prompts": memory}
    return {"costs": found}


PARTS = {"scenes": of_scenes, "costs": of_costs}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scenes", type=int, default=300, help="pairs of scenes")
    parser.add_argument("--sizes", nargs="*", default=["ViT-B/32", "ViT-B/16"])
    parser.add_argument("--repeats", type=int, default=7, help="of what is timed")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--records", type=Path, default=FOLDER, help="where to keep the numbers")
    options = parser.parse_args(arguments)
    kept = read("contrasts", options.records)
    found = kept["numbers"] if kept else {}
    for name in options.only:
        found |= PARTS[name](options)
    keep("contrasts", found, options.records)


if __name__ == "__main__":
    main()
