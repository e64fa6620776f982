"""What the model of drawn scenes knows, and at which settings its words find their objects best.

``python -m tests.benchmarks.grounding`` prints Markdown and keeps the raw
numbers, in about half an hour on two cores; ``--only record sanity layers
settings`` does a part of it. All scenes are held out: training never draws
them, but it draws from the same sprites, grounds and sentences.

What it says and what it does not: the model is ours, and was shaped until its
maps were right. It was trained with half of the patches hidden, on pictures of
which up to three in ten are four in one, as in the grid game, and in the end
with losses that fix zero at the references that attributions start from. No box
ever entered a loss. The record checks the tool-chain, from pixels and words to
maps and metrics. It does not say how faithful the method is, nor anything of
models that were trained on photographs.

``record`` holds beside the model: a random patch; a map that marks every
object of the scene whatever the word; a map that is negative everywhere, for
the grid game; and an earlier version that was trained by contrast alone.
``sanity`` replaces the weights by random ones, from the last block down, and
asks what is left of the maps (Adebayo et al., *Sanity Checks for Saliency
Maps*, NeurIPS 2018, cascading randomization).
"""

import argparse
import copy
import itertools
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn

import fpattr_widget as fp
from fpattr_widget.evaluation._estimate import Estimate, estimate
from fpattr_widget.evaluation._explained import PreparedSample
from fpattr_widget.evaluation._setup import Setup, SetupName
from fpattr_widget.evaluation.metrics.agreement import rank_correlation
from fpattr_widget.evaluation.metrics.grid_pointing_game import masses_right_and_wrong
from fpattr_widget.evaluation.metrics.pointing_energy import energy
from fpattr_widget.evaluation.metrics.pointing_game import hit
from fpattr_widget.files._table import Table
from fpattr_widget.methods import Method
from fpattr_widget.scenes import Sprites
from fpattr_widget.training._model import new_model
from fpattr_widget.training.check import recognition, relations, retrieval
from tests.benchmarks.records import FOLDER, ROOT, keep

# Layers are chosen by other scenes than those that the record is taken from.
_RECORD, _CHOICE, _SANITY = 0, 5, 6
# For every stage: the tolerance would ask for far more where weights are random.
_SANITY_NODES = 16

#: The last commit whose model was trained by contrast alone, for 5,000 steps.
CONTRAST_ONLY = "dd2372d"
# Where the model lay at that commit.
_MODEL = "fpattr_widget/assets/model"
_POINTING = ("pointing_game", "pointing_energy", "completeness_residual")
_GRIDS = ("grid_pointing_game", "grid_pointing_game_pooled")


def record(options: argparse.Namespace) -> None:
    """Measure at default settings, beside maps of no or little knowledge."""
    encoder, sprites = fp.load_encoder(options.model), Sprites()
    scenes = fp.datasets.scenes(options.scenes, seed=_RECORD)
    grids = fp.datasets.grids("scenes", max(1, options.scenes // 4))
    found: dict[str, Any] = {
        "scenes": len(scenes),
        "grids": len(grids),
        "captions": options.captions,
        "captions told apart": retrieval(encoder, sprites, options.captions),
        "asked": options.asked,
        "lone objects": recognition(encoder, sprites, options.asked),
        "relations": relations(encoder, sprites, options.asked),
        "model": pointing(encoder, scenes, grids),
        "any object": any_object(encoder, scenes),
        "negative everywhere": negative_everywhere(encoder, grids),
        "contrast alone": None,
    }
    with earlier_model(CONTRAST_ONLY) as folder:
        if folder is None:
            print(f"{CONTRAST_ONLY} is not in this checkout's history: its model is left out")
        else:
            found["contrast alone"] = pointing(fp.load_encoder(folder), scenes, grids)
    print("| | pointing game | energy | grid game, by word | pooled |\n|" + " --- |" * 5)
    for name in ("model", "contrast alone", "any object", "negative everywhere"):
        if numbers := found[name]:
            keys = (*_POINTING[:2], *_GRIDS)
            cells = [f"{numbers[key]['mean']:.3f}" if key in numbers else "–" for key in keys]
            print(f"| {name} | {' | '.join(cells)} |")
    if options.model == "scenes":
        keep("scenes", found, options.records)


def pointing(encoder: fp.DualEncoder, scenes: fp.Dataset, grids: fp.Dataset) -> dict[str, Any]:
    """Return every word's scores with their means."""
    return {
        **scored(encoder, scenes, ["pointing_game", "pointing_energy", "completeness"], _POINTING),
        **scored(encoder, grids, ["grid_pointing_game"], _GRIDS),
    }


def scored(
    encoder: fp.DualEncoder, dataset: fp.Dataset, metrics: list[str], names: Sequence[str]
) -> dict[str, Any]:
    """Return the named scores of a data set at default settings, each with its mean."""
    report = fp.evaluate(encoder, dataset, metrics=metrics, progress=False)
    values = report.to_dataframe()
    found = {}
    for name in names:
        own = values[values["metric"] == name]
        found[name] = {
            **summary(report.summary(name)),
            "chance": _mean(own["chance"].dropna()),
            "values": own["value"].round(4).tolist(),
        }
    return found


def any_object(encoder: fp.DualEncoder, scenes: fp.Dataset) -> dict[str, Any]:
    """Score a map that marks all objects of a scene alike, whatever the word."""
    hits, shares, numbers = [], [], []
    for number, sample in enumerate(scenes):
        prepared = PreparedSample(encoder, sample)
        grid = encoder.panel(prepared.image, 0).grid
        targets = prepared.targets(grid)
        everything = np.any([target.inside for target in targets], axis=0).astype(float)
        for target in targets:
            hits.append(hit(everything, target.inside))
            shares.append(energy(everything, target.inside))
            numbers.append(number)
    return {
        "pointing_game": summary(estimate(hits, numbers)),
        "pointing_energy": summary(estimate(shares, numbers)),
    }


def negative_everywhere(encoder: fp.DualEncoder, grids: fp.Dataset) -> dict[str, Any]:
    """Play the grid game with a map of one sign, whatever the word."""
    shares, numbers = [], []
    for number, sample in enumerate(grids):
        prepared = PreparedSample(encoder, sample)
        grid = encoder.panel(prepared.image, 0).grid
        for target in prepared.targets(grid):
            right, wrong = masses_right_and_wrong(np.full(grid, -1.0), target.inside)
            shares.append(right / (right + wrong))
            numbers.append(number)
    return {name: summary(estimate(shares, numbers)) for name in _GRIDS}


@contextmanager
def earlier_model(commit: str) -> Iterator[Path | None]:
    """Yield a folder with the model of scenes that a commit holds; ``None`` without the history."""

    def git(*arguments: str) -> bytes:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout

    with tempfile.TemporaryDirectory() as folder:
        try:
            for name in git("ls-tree", "--name-only", f"{commit}:{_MODEL}").decode().split():
                Path(folder, name).write_bytes(git("show", f"{commit}:{_MODEL}/{name}"))
        except (OSError, subprocess.CalledProcessError):
            yield None
        else:
            yield Path(folder)


# Random weights, from the last block down


def sanity(options: argparse.Namespace) -> None:
    """Replace weights by random ones, and tell what is left of the maps."""
    encoder = fp.load_encoder(options.model)
    found = {
        "scenes": options.sanity,
        "seeds": options.seeds,
        "stages": cascade(encoder, options.sanity, options.seeds),
    }
    print("| random | correlation with the maps as trained | pointing game |\n|" + " --- |" * 3)
    for name, stage in found["stages"].items():
        print(
            f"| {name} | {stage['rank_correlation']['mean']:.2f} "
            f"| {stage['pointing_game']['mean']:.2f} |"
        )
    if options.model == "scenes":
        keep("sanity", found, options.records)


def cascade(encoder: fp.DualEncoder, scenes: int, seeds: int) -> dict[str, dict[str, Any]]:
    """Return each stage's scores by what became random last; first, nothing has."""
    dataset = fp.datasets.scenes(scenes, seed=_SANITY)
    trained = word_maps(encoder, dataset)
    parts = from_the_last(encoder.model)
    stages: dict[str, dict[str, list[float]]] = {}
    for seed in range(seeds):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            untrained = new_model(encoder.processors["text"])
        model = copy.deepcopy(encoder.model)
        for name in (None, *parts):
            if name is None and seed:
                continue
            randomise(model, untrained, parts.get(name, ()))
            found = word_maps(like(encoder, model), dataset)
            scores = stages.setdefault(name or "nothing", {})
            for (number, heat, inside), (_, before, _) in zip(found, trained, strict=True):
                for key, value in (
                    ("sample", number),
                    ("rank_correlation", rank_correlation(heat, before)),
                    ("rank_correlation_of_sizes", rank_correlation(abs(heat), abs(before))),
                    ("pointing_game", hit(heat, inside)),
                    ("pointing_energy", energy(heat, inside)),
                ):
                    scores.setdefault(key, []).append(value)
    return {name: _estimates(scores) for name, scores in stages.items()}


def word_maps(
    encoder: fp.DualEncoder, dataset: fp.Dataset
) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """Return each noun's map with the number of its scene and its object's patches."""
    method = fp.IntegratedJacobians(steps=_SANITY_NODES)
    name = SetupName(encoder.name, method.label, encoder.resolve_layers(None))
    setup = Setup(name, encoder, method)
    found = []
    for number, sample in enumerate(dataset):
        one = setup.explain(PreparedSample(encoder, sample))
        found += [
            (number, heat, target.inside)
            for heat, target in zip(one.maps, one.targets, strict=True)
        ]
    return found


def from_the_last(model: nn.Module) -> dict[str, tuple[str, ...]]:
    """Return a CLIP's parts from its outputs down to its inputs, with the names of modules."""
    parts: dict[str, tuple[str, ...]] = {
        "projections and final norms": (
            "text_projection",
            "visual_projection",
            "text_model.final_layer_norm",
            "vision_model.post_layernorm",
        )
    }
    sides = [
        [f"{side}_model.encoder.layers.{number}" for number in reversed(range(count))]
        for side in ("text", "vision")
        for count in [len(getattr(model, f"{side}_model").encoder.layers)]
    ]
    for pair in itertools.zip_longest(*sides):
        said = [
            f"{side} block {name.rpartition('.')[2]}"
            for side, name in zip(("text", "image"), pair, strict=True)
            if name
        ]
        parts[", ".join(said)] = tuple(filter(None, pair))
    parts["embeddings"] = (
        "text_model.embeddings",
        "vision_model.embeddings",
        "vision_model.pre_layrnorm",
    )
    return parts


def randomise(model: nn.Module, untrained: nn.Module, names: Sequence[str]) -> None:
    """Give parts of a model the weights that they have in another one."""
    for name in names:
        model.get_submodule(name).load_state_dict(untrained.get_submodule(name).state_dict())


def like(encoder: fp.DualEncoder, model: nn.Module) -> fp.DualEncoder:
    """Return an encoder of a copy of the model as it is now, with the same settings."""
    processor = SimpleNamespace(
        tokenizer=encoder.processors["text"], image_processor=encoder.processors["image"]
    )
    found = fp.load_encoder(copy.deepcopy(model).eval(), processor=processor)
    found.defaults = encoder.defaults
    return found


def _estimates(scores: dict[str, list[float]]) -> dict[str, Any]:
    samples = [int(number) for number in scores["sample"]]
    return {
        key: summary(estimate(values, samples, shares=key.startswith("pointing")))
        for key, values in scores.items()
        if key != "sample"
    }


def summary(found: Estimate) -> dict[str, float]:
    """Return an estimate as a record keeps it."""
    numbers = (found.count, found.mean, found.low, found.high)
    return dict(zip(("count", "mean", "low", "high"), map(rounded, numbers), strict=True))


def _mean(values: Any) -> float | None:
    return rounded(values.mean()) if len(values) else None


def rounded(value: float) -> float:
    """Return a number with five decimal places, without any if it is whole."""
    return round(float(value), 5) if value % 1 else int(value)


# The choice of layers and settings


def layers(options: argparse.Namespace) -> None:
    """Compare every pair of blocks, by other scenes than those of the record."""
    method = fp.IntegratedJacobians(steps=options.steps or "auto")
    report = compare(options.model, options.choice, [method], "all")
    if options.model == "scenes":
        found = [
            {
                "layers": run.layers,
                **{name: summary(report.summary(name, run)) for name in _POINTING[:2]},
            }
            for run in report.runs
        ]
        chance = report.comparison().to_dataframe()["pointing_game chance"].iloc[0]
        keep(
            "layers",
            {"scenes": options.choice, "chance": rounded(chance), "pairs": found},
            options.records,
        )


def settings(options: argparse.Namespace) -> None:
    """Compare references and numbers of nodes."""
    methods = [fp.IntegratedJacobians(text_reference=one) for one in ("pad", "exclip")]
    methods += [fp.IntegratedJacobians(steps=steps) for steps in (1, 2, 4, 8, 16)]
    compare(options.model, options.choice, methods, None)


def compare(model: str, number: int, methods: Sequence[Method], layers: object) -> fp.Report:
    """Print a table of all runs."""
    report = fp.evaluate(
        model,
        fp.datasets.scenes(number, seed=_CHOICE),
        methods=list(methods),
        layers=layers,
        progress=False,
    )
    table = report.comparison()
    shown = [i for i, name in enumerate(table.columns) if name != "model" and "95 %" not in name]
    rows = sorted((tuple(row[i] for i in shown) for row in table.rows), key=lambda row: -row[3])
    print(Table(tuple(table.columns[i] for i in shown), tuple(rows)).to_markdown(), end="\n\n")
    return report


PARTS = {"record": record, "sanity": sanity, "layers": layers, "settings": settings}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", nargs="?", default="scenes")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--scenes", type=int, default=1000, help="for the record")
    parser.add_argument("--captions", type=int, default=200, help="to be told apart")
    parser.add_argument("--asked", type=int, default=500, help="lone objects, and relations")
    parser.add_argument("--sanity", type=int, default=50, help="scenes for random weights")
    parser.add_argument("--seeds", type=int, default=2, help="of random weights")
    parser.add_argument("--choice", type=int, default=40, help="scenes for each comparison")
    parser.add_argument("--steps", type=int, help="nodes, where layers are compared")
    parser.add_argument("--records", type=Path, default=FOLDER, help="where to keep the numbers")
    options = parser.parse_args(arguments)
    for part in options.only:
        PARTS[part](options)


if __name__ == "__main__":
    main()
