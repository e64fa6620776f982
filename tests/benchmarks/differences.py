"""What fine-tuning on differences changes: ``python -m tests.benchmarks.differences FOLDER``.

Prints what it finds and keeps the raw numbers. ``FOLDER`` holds what
``python -m fpattr_widget.training.differences --output FOLDER`` wrote; the model of scenes, with
which that began, is measured beside it. No change of the same things was trained, and scenes are
of another seed than those that settings were chosen by.

- Signs: is a sentence more similar to the first picture than to the second (chance one half)? The
  whole sentence, of which the model of scenes does not know the words ``first``, ``instead``,
  ``second`` and ``while``; the same with these words left out, which it can read; what the sentence
  says of the first picture alone; and the difference of what it says of each, which needs no
  training. And order: does the sentence turn its sign when its two contents are exchanged?
- Accuracy: kinds of lone things of 74, captions of 200, left from right and above from below.
- Comparative prompting (PC-CLIP): kinds that are confused get a prompt nearer to what sets them
  apart. Kinds and weight are chosen on other small things than those that are asked for.
- Size: pictures of one thing, ranked by "a big dog instead of a small dog"; Spearman's correlation
  with how large it is, one for each kind (chance 0).
- Maps: do the words for what differs lie on what differs, in the right picture; do clauses
  ("instead of a cat"); and does each clause meet its own picture?
- Ablation, with ``--only ablation``: the same training without captions beside the differences, the
  mean of its weights and the original's, and PC-CLIP's temperature of 1.
"""

import argparse
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image
from scipy import stats

import fpattr_widget as fp
from fpattr_widget.encoders import Crop
from fpattr_widget.evaluation import Dataset, Sample, estimate
from fpattr_widget.evaluation._explained import PreparedSample
from fpattr_widget.evaluation._measure import measure
from fpattr_widget.evaluation._plan import plan
from fpattr_widget.evaluation.metrics.difference_pointing import DifferencePointing
from fpattr_widget.evaluation.metrics.order import exchanged
from fpattr_widget.evaluation.metrics.pointing_energy import energy
from fpattr_widget.evaluation.metrics.pointing_game import hit
from fpattr_widget.scenes import (
    CHANGES,
    DIFFERENCE_WORDS,
    TRAINED_KINDS,
    Kind,
    Scene,
    Sprites,
    held_out,
    render,
    sample_scene,
)
from fpattr_widget.training import tune_on_differences
from fpattr_widget.training._differences import averaged
from fpattr_widget.training.check import relations
from tests.benchmarks.records import FOLDER, keep, read

_SEED, _OTHER_SEED = 13, 14  # of what is reported, and of what settings are chosen by
_STREAM = 5  # others are in use
_SMALL = (0.14, 0.24)  # extents of things that are easily confused
_WEIGHTS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_CONFUSED = 10  # pairs of kinds

Encoders = Mapping[str, fp.DualEncoder]


def interval(
    values: Sequence[float] | np.ndarray, groups: Sequence[int] | None = None, shares: bool = True
) -> dict[str, float]:
    """Return the mean with its 95 % interval, for a record."""
    found = estimate(values, range(len(values)) if groups is None else groups, shares=shares)
    return {
        "mean": round(found.mean, 4),
        "low": round(found.low, 4),
        "high": round(found.high, 4),
        "count": found.count,
    }


def by_change(dataset: Dataset, values: np.ndarray) -> dict[str, Any]:
    """Return the mean of a value for each sample, over all and for each kind of change."""
    changes = np.array([sample.name.split("-")[0] for sample in dataset])
    parts = {change: interval(values[changes == change]) for change in CHANGES}
    return {"all": interval(values), **parts}


def contents(sample: Sample) -> tuple[str, str]:
    """Return what a sentence says of the first picture, and what of the second."""
    (start, stop), (other_start, other_stop) = sample.contents
    return sample.caption[start:stop], sample.caption[other_start:other_stop]


def in_known_words(caption: str) -> str:
    """Return a sentence without the words that no caption of a scene has."""
    words = caption.replace(",", " ,").split()
    return " ".join(word for word in words if word not in DIFFERENCE_WORDS).replace(" ,", ",")


def signs(encoders: Encoders, number: int, seed: int = _SEED) -> dict[str, Any]:
    """Return how often each wording has the right sign, and turns with its contents."""
    dataset = fp.datasets.differences(number, seed=seed)
    found: dict[str, Any] = {}
    for name, encoder in encoders.items():
        apart = np.subtract(
            embedded(encoder, [sample.image for sample in dataset]),
            embedded(encoder, [sample.second_image for sample in dataset]),
        )

        def scores(captions: Sequence[str], apart=apart, encoder=encoder) -> np.ndarray:
            return np.sum(encoder.embed_text(captions) * apart, axis=1)

        first, second = zip(*map(contents, dataset), strict=True)
        whole = scores([sample.caption for sample in dataset])
        turned = scores([exchanged(sample) or "" for sample in dataset])
        asked = {
            "sentence": whole,
            "sentence in known words": scores([in_known_words(s.caption) for s in dataset]),
            "what the first shows": scores(first),
            "first less second": scores(first) - scores(second),
        }
        found[name] = {key: by_change(dataset, right(values)) for key, values in asked.items()}
        found[name]["order"] = by_change(dataset, np.float64(whole * turned < 0))
    return {"signs": found}


def right(scores: np.ndarray) -> np.ndarray:
    """Return one for each score above zero, one half for each that is zero."""
    return (np.sign(scores) + 1) / 2


def embedded(encoder: fp.DualEncoder, pictures: Sequence[Image.Image]) -> np.ndarray:
    """Return embeddings of many pictures, ``(n, K)``."""
    parts = [pictures[start : start + 256] for start in range(0, len(pictures), 256)]
    return np.concatenate([encoder.embed_image(part) for part in parts])


def said(kind: Kind, adjective: str = "") -> str:
    """Return the words for a thing of a kind, with its article."""
    article = "a" if adjective and kind.article else kind.article
    return " ".join(word for word in (article, adjective, kind.name) if word)


def accuracy(encoders: Encoders, number: int, seed: int = _SEED) -> dict[str, Any]:
    """Return what the models tell apart with ordinary captions."""
    sprites = Sprites()
    drawn = held_out(number, sprites.aspect_ratios, seed=seed, objects=(1,))
    pictures = [render(scene, sprites, 128) for scene, _ in drawn]
    kinds = [scene.objects[0].kind for scene, _ in drawn]
    captioned = held_out(200, sprites.aspect_ratios, seed=seed)
    described = [render(scene, sprites, 128) for scene, _ in captioned]
    found = {}
    for name, encoder in encoders.items():
        prompts = encoder.embed_text([said(kind) for kind in TRAINED_KINDS])
        scores = embedded(encoder, pictures) @ prompts.T
        texts = encoder.embed_text([caption.text for _, caption in captioned])
        nearest = (embedded(encoder, described) @ texts.T).argmax(1)
        found[name] = {
            "kinds of 74": interval(right_kinds(scores, kinds)),
            "captions of 200": interval(np.float64(nearest == np.arange(200))),
            **{pair: round(share, 4) for pair, share in relations(encoder, sprites).items()},
        }
    return {"accuracy": found}


def right_kinds(scores: np.ndarray, kinds: Sequence[str]) -> np.ndarray:
    """Return one where the highest score of a picture, ``(pictures, 74)``, is its kind's."""
    truth = [[kind.name for kind in TRAINED_KINDS].index(name) for name in kinds]
    return np.float64(scores.argmax(1) == truth)


def comparative(
    prompts: np.ndarray, pairs: Sequence[tuple[int, int]], told: np.ndarray, weight: float
) -> np.ndarray:
    """Return PC-CLIP's prompts of kinds that are confused.

    Parameters
    ----------
    prompts
        Embeddings of the kinds' prompts ``e``, ``(kinds, K)``.
    pairs
        Kinds ``(c₁, c₂)`` of which ``c₂`` is moved.
    told
        Embedding of the sentence that tells ``c₁`` from ``c₂`` for each pair, ``(pairs, K)``.
    weight
        ``α`` in ``e′(c₂) = normalise(α e(c₂) + (1 − α) mean[e(c₁) − ĥ(Δ₁₂)])``.
    """
    moved = prompts.astype(np.float64).copy()
    for kind in {second for _, second in pairs}:
        towards = [
            prompts[first] - told[number]
            for number, (first, second) in enumerate(pairs)
            if second == kind
        ]
        moved[kind] = weight * prompts[kind] + (1 - weight) * np.mean(towards, axis=0)
    return moved / np.linalg.norm(moved, axis=1, keepdims=True)


def small_things(
    number: int, seed: int, kinds: Sequence[Kind] = TRAINED_KINDS
) -> tuple[list[Scene], list[Image.Image]]:
    """Draw scenes of one small thing each."""
    sprites, generator = Sprites(), np.random.default_rng([_STREAM, seed])
    scenes = []
    while len(scenes) < number:
        kind = kinds[len(scenes) % len(kinds)]
        ratios = sprites.aspect_ratios
        scenes.append(sample_scene(generator, ratios, kinds=[kind], count=1, extents=_SMALL))
    return scenes, [render(scene, sprites, 128) for scene in scenes]


def confused(scores: np.ndarray, kinds: Sequence[str], most: int) -> list[tuple[int, int]]:
    """Return the pairs of kinds that are taken for each other most often, both ways round."""
    names = [kind.name for kind in TRAINED_KINDS]
    counts = np.zeros((len(names), len(names)))
    for name, best in zip(kinds, scores.argmax(1), strict=True):
        counts[names.index(name), best] += 1
    np.fill_diagonal(counts, 0)
    both = np.triu(counts + counts.T)
    order = np.argsort(-both, axis=None, kind="stable")[:most]
    found = [np.unravel_index(place, both.shape) for place in order if both.flat[place] > 0]
    return [pair for one, two in found for pair in ((int(one), int(two)), (int(two), int(one)))]


def prompting(encoders: Encoders, number: int) -> dict[str, Any]:
    """Return the accuracy on kinds that are confused, with and without comparative prompts."""
    scenes, pictures = small_things(number, _OTHER_SEED)
    kinds = [scene.objects[0].kind for scene in scenes]
    found = {}
    for name, encoder in encoders.items():
        prompts = encoder.embed_text([said(kind) for kind in TRAINED_KINDS])
        images = embedded(encoder, pictures)
        pairs = confused(images @ prompts.T, kinds, _CONFUSED)
        asked = sorted({kind for pair in pairs for kind in pair})
        sentences = [
            f"{said(TRAINED_KINDS[first])} instead of {said(TRAINED_KINDS[second])}"
            for first, second in pairs
        ]
        told = encoder.embed_text(sentences)
        those = np.isin(kinds, [TRAINED_KINDS[kind].name for kind in asked])
        own = [kind for kind, chosen in zip(kinds, those, strict=True) if chosen]
        chosen = {
            weight: right_kinds(
                images[those] @ comparative(prompts, pairs, told, weight).T, own
            ).mean()
            for weight in _WEIGHTS
        }
        weight = max(chosen, key=lambda one: (chosen[one], one))
        drawn, shown = small_things(number, _SEED, [TRAINED_KINDS[kind] for kind in asked])
        truth, seen = [scene.objects[0].kind for scene in drawn], embedded(encoder, shown)
        plain = right_kinds(seen @ prompts.T, truth)
        moved = right_kinds(seen @ comparative(prompts, pairs, told, weight).T, truth)
        found[name] = {
            "pairs": [
                f"{TRAINED_KINDS[one].name}, {TRAINED_KINDS[two].name}" for one, two in pairs[::2]
            ],
            "accuracy by weight, other pictures": {
                str(key): round(float(value), 4) for key, value in chosen.items()
            },
            "weight": weight,
            "plain": interval(plain),
            "comparative": interval(moved),
            "gained": interval(moved - plain, shares=False),
            "half": interval(right_kinds(seen @ comparative(prompts, pairs, told, 0.5).T, truth)),
        }
    return {"prompting": found}


def size(encoders: Encoders, each: int) -> dict[str, Any]:
    """Return Spearman's correlations of scores with extents, one for each kind."""
    sprites, generator = Sprites(), np.random.default_rng([_STREAM, _SEED, 1])
    scenes = [
        [
            sample_scene(
                generator, sprites.aspect_ratios, kinds=[kind], count=1, extents=(0.15, 0.85)
            )
            for _ in range(each)
        ]
        for kind in TRAINED_KINDS
    ]
    extents = np.array([[scene.objects[0].extent for scene in own] for own in scenes])
    pictures = [render(scene, sprites, 128) for own in scenes for scene in own]
    found = {}
    for name, encoder in encoders.items():
        images = embedded(encoder, pictures).reshape(len(scenes), each, -1)
        big, small = (
            encoder.embed_text([said(kind, word) for kind in TRAINED_KINDS])
            for word in ("big", "small")
        )
        told = encoder.embed_text(
            [f"{said(kind, 'big')} instead of {said(kind, 'small')}" for kind in TRAINED_KINDS]
        )
        found[name] = {}
        for key, direction in {
            "sentence": told,
            "first less second": big - small,
            "what the first shows": big,
        }.items():
            ranks = [
                float(stats.spearmanr(images[kind] @ direction[kind], extents[kind]).statistic)
                for kind in range(len(scenes))
            ]
            found[name][key] = interval(ranks, shares=False)
    return {"size": found}


def maps(encoders: Encoders, number: int, seed: int = _SEED) -> dict[str, Any]:
    """Return where the words of differences lie, by kind of change and by picture."""
    dataset = fp.datasets.differences(number, seed=seed)
    found: dict[str, Any] = {}
    for name, encoder in encoders.items():
        task = plan(
            encoder,
            dataset,
            methods="integrated_jacobians",
            metrics=[DifferencePointing()],
            layers=None,
            scores=None,
        ).task
        values: dict[str, list[tuple[int, float, float]]] = {}
        for place, sample in enumerate(dataset):
            record = measure(sample, task.setups, task.metrics)
            assert record.refusal is None, record.refusal
            change = sample.name.split("-")[0]
            for score in record.scores:
                assert score.chance is not None
                keys = [score.metric, f"{score.metric}, {change}"]
                if score.phrase is not None:
                    picture = sample.phrases[score.phrase].picture
                    keys.append(f"{score.metric}, picture {picture + 1}")
                for key in keys:
                    values.setdefault(key, []).append((place, score.value, score.chance))
        found[name] = {key: with_chance(entries) for key, entries in sorted(values.items())}
        found[name]["two captions"] = of_two_captions(encoder, dataset)
    return {"maps": found}


def with_chance(entries: Sequence[tuple[int, float, float]]) -> dict[str, float]:
    """Return the mean and interval of values of samples, and the mean of their chance."""
    places, values, chances = zip(*entries, strict=True)
    return {**interval(values, places), "chance": round(statistics.mean(chances), 4)}


def of_two_captions(encoder: fp.DualEncoder, dataset: Dataset) -> dict[str, Any]:
    """Return the same of two captions, what the sentence says of the first less of the second."""
    pointing, energies = [], []
    for place, sample in enumerate(dataset):
        first, second = (fp.Text(words) for words in contents(sample))
        pairs = fp.attribute(
            encoder, fp.Picture(sample.image) - fp.Picture(sample.second_image), first - second
        )
        grids = [panel.grid for panel in pairs.columns.panels if isinstance(panel, Crop)]
        features = pairs.columns.features
        patches = list(pairs.columns.visible)
        pictures = np.array([features[patch].part for patch in patches])
        for target in PreparedSample(encoder, sample).targets(*grids):
            rows = [
                number
                for number, feature in enumerate(pairs.rows.features)
                if feature.part == target.phrase.picture and not feature.special
            ]
            heat = pairs.of_rows(rows)[patches]
            inside = np.zeros(len(patches), bool)
            inside[pictures == target.phrase.picture] = target.inside.ravel()
            pointing.append((place, hit(heat, inside), float(inside.mean())))
            energies.append((place, energy(heat, inside), float(inside.mean())))
        pairs.release()
    return {
        "difference_pointing": with_chance(pointing),
        "difference_energy": with_chance(energies),
    }


def ablation(number: int) -> dict[str, Any]:
    """Return signs and accuracy of trainings with other settings, of what those are chosen by."""
    base = fp.load_encoder("scenes")

    def mean_with_base(tuned: fp.DualEncoder, share: float) -> fp.DualEncoder:
        processor = SimpleNamespace(tokenizer=tuned.tokenizer, image_processor=base.image_processor)
        return fp.load_encoder(averaged(tuned.model, base.model, share), processor=processor)

    without = tune_on_differences(base, captions=0.0)
    encoders = {
        "no captions": without,
        "no captions, mean with the original": mean_with_base(without, 0.5),
        "temperature 1": tune_on_differences(base, temperature=1.0),
    }
    found = signs(encoders, number, _OTHER_SEED) | accuracy(encoders, 300, _OTHER_SEED)
    return {"ablation": found}


PARTS = {
    "signs": lambda encoders, options: signs(encoders, options.number),
    "accuracy": lambda encoders, options: accuracy(encoders, options.number),
    "prompting": lambda encoders, options: prompting(encoders, options.number),
    "size": lambda encoders, options: size(encoders, options.each),
    "maps": lambda encoders, options: maps(encoders, options.mapped),
    "ablation": lambda _, options: ablation(options.number),
}


def show(found: Mapping[str, Any], before: str = "") -> None:
    """Print the means of a nested record."""
    for name, value in found.items():
        if isinstance(value, dict) and "mean" in value:
            chance = f", chance {value['chance']}" if "chance" in value else ""
            print(
                f"{before}{name}: {value['mean']} ({value['low']} to {value['high']}{chance})",
                flush=True,
            )
        elif isinstance(value, dict):
            show(value, f"{before}{name}, ")
        else:
            print(f"{before}{name}: {value}", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="of the fine-tuned model")
    parser.add_argument("--number", type=int, default=1200, help="of pairs, and of pictures")
    parser.add_argument("--each", type=int, default=12, help="pictures of a kind to rank by size")
    parser.add_argument("--mapped", type=int, default=120, help="pairs of which maps are made")
    usual = [name for name in PARTS if name != "ablation"]
    parser.add_argument("--only", nargs="+", choices=PARTS, default=usual)
    parser.add_argument("--records", type=Path, default=FOLDER, help="where to keep the numbers")
    options = parser.parse_args(arguments)
    kept = read("differences", options.records)
    found = kept["numbers"] if kept else {}
    encoders = {"before": fp.load_encoder("scenes"), "after": fp.load_encoder(options.folder)}
    training = json.loads((options.folder / "training.json").read_text())
    for name in options.only:
        measured = PARTS[name](encoders, options)
        show(measured)
        found |= measured
        keep("differences", {**found, "training": training}, options.records)


if __name__ == "__main__":
    main()
