"""What the model of photographs knows of the bundled photographs, and where its words point.

``python -m tests.benchmarks.photographs`` prints what it finds and keeps the raw
numbers. All is at the model's defaults. None of these photographs trained the
model; a box was never in a loss. ``--choose`` compares settings
instead, on collages of other pictures, which it fetches from published packages
(``collage_pictures.json``, 240 MB, once).

Captions: the right one is “a photo of a NOUN”, of the noun that the
photograph's own caption names first, in its number. Wrong ones are the right
ones of the other photographs, but for nouns that name something in this
photograph: those of its labels, and what is above or below one (``BELOW``).

Pointing: every noun with boxes, in the photographs' own captions and each alone
in “a photo of a NOUN”. Beside it stand chance, the boxes' share of the patches,
and two maps of anything at all, the same for every word of a picture: the sum of
the maps of all nouns of the data set, each in its “a photo of a NOUN”, and the
sum of those that name nothing in the picture.

Collages: see :mod:`tests.benchmarks.collages`. Beside each word stands the noun
alone as the caption, all of its tokens together: a first-order attribution.

Costs are seconds in Python, without the page; what the page adds is in ``view``.
"""

import argparse
import itertools
import json
import re
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import fpattr_widget as fp
from fpattr_widget.encoders import PreparedImage
from fpattr_widget.evaluation import Dataset, Phrase, Sample
from fpattr_widget.evaluation._estimate import estimate
from fpattr_widget.evaluation._explained import PreparedSample
from fpattr_widget.evaluation._setup import Setup
from fpattr_widget.evaluation.datasets.grids import _article
from fpattr_widget.evaluation.metrics.pointing_energy import energy
from fpattr_widget.evaluation.metrics.pointing_game import hit
from fpattr_widget.methods import Method
from fpattr_widget.training.photographs._lexicon import plain
from fpattr_widget.training.photographs._sources import read_lexicon
from tests.benchmarks.collages import (
    NAMED,
    Pictures,
    Related,
    collages,
    measured,
    packaged_pictures,
    scores,
    setup_of,
    shipped_pictures,
)
from tests.benchmarks.grounding import rounded, scored, summary
from tests.benchmarks.measure import seconds
from tests.benchmarks.records import FOLDER, keep

#: Of the data set's nouns, those that name, or are part of, what another one names.
BELOW: Mapping[str, frozenset[str]] = {
    "animal": frozenset({"German shepherd", "bee", "bird", "cat", "cow", "dog", "hen", "horse"}),
    "bird": frozenset({"hen"}),
    "building": frozenset({"castle", "dome"}),
    "dog": frozenset({"German shepherd"}),
    "rocket": frozenset({"space shuttle"}),  # which rockets carry
}

_POINTING = ("pointing_game", "pointing_energy")
_PICTURES = Path(__file__).with_name("collage_pictures.json")
_STEPS = (1, 2, 4, 8, 16)
# Below the last block of a tower with kinks (ReLU6) the tolerance asks for up to 256.
_DEEP_STEPS = 16


def related(noun: str, other: str) -> bool:
    """Return whether two nouns of the data set may name the same thing."""
    return noun == other or other in BELOW.get(noun, ()) or noun in BELOW.get(other, ())


def names_nothing_in(noun: str, sample: Sample) -> bool:
    """Return whether a noun of the data set names nothing that a photograph's labels know."""
    return not any(related(noun, phrase.label) for phrase in sample.phrases)


def photo_of(caption: str, phrase: Phrase) -> str:
    """Return “a photo of a NOUN”, with the noun and its number as in a caption.

    It has an article if the caption has one before the noun, or before one word before it.
    """
    words = caption[phrase.start : phrase.stop]
    is_one = re.search(r"\ban?( \w+)? $", caption[: phrase.start])
    return f"a photo of {_article(words)} {words}" if is_one else f"a photo of {words}"


def alone(dataset: Dataset) -> Dataset:
    """Return a sample for each phrase of a data set, captioned “a photo of a NOUN”."""
    samples = []
    for sample in dataset:
        for phrase in sample.phrases:
            caption = photo_of(sample.caption, phrase)
            start = len(caption) - (phrase.stop - phrase.start)
            moved = Phrase(start, len(caption), phrase.label, phrase.boxes)
            name = f"{sample.name}: {phrase.label}"
            samples.append(Sample(name, sample.source, caption, (moved,)))
    return Dataset(f"{dataset.name}, noun by noun", samples)


# Captions


def captions(encoder: fp.DualEncoder, dataset: Dataset) -> dict[str, Any]:
    """Compare each photograph's right caption with those of the others."""
    nouns = [sample.phrases[0].label for sample in dataset]
    right = [photo_of(sample.caption, sample.phrases[0]) for sample in dataset]
    offered = dict(zip(right, nouns, strict=True))  # each caption once
    texts = dict(zip(offered, encoder.embed_text(list(offered)), strict=True))
    found, wins, numbers = [], [], []
    for number, (sample, caption) in enumerate(zip(dataset, right, strict=True)):
        image = encoder.embed_image([sample.image])[0]
        own = float(image @ texts[caption])
        wrong = {
            other: float(image @ texts[other])
            for other, noun in offered.items()
            if names_nothing_in(noun, sample)
        }
        nearest = max(wrong, key=lambda other: wrong[other])
        won = [float(own > one) for one in wrong.values()]
        wins += won
        numbers += [number] * len(won)
        found.append(
            {
                "photograph": sample.name,
                "caption": caption,
                "similarity": rounded(own),
                "wrong captions": len(wrong),
                "above": rounded(sum(won) / len(won)),
                "nearest": nearest,
                "margin": rounded(own - wrong[nearest]),
            }
        )
    first = [float(one["margin"] > 0) for one in found]
    return {
        "pairs": summary(estimate(wins, numbers)),
        "first": summary(estimate(first, range(len(first)))),
        "smallest margin": min(one["margin"] for one in found),
        "photographs": found,
    }


# Pointing


def pointing(encoder: fp.DualEncoder, dataset: Dataset) -> dict[str, Any]:
    """Return how well named things are pointed at, beside maps that know no word."""
    found: dict[str, Any] = {}
    nouns = alone(dataset)
    for name, samples in (("captions", dataset), ("nouns", nouns)):
        found[name] = scored(encoder, samples, list(_POINTING), _POINTING)
        for one in found[name].values():
            one["over chance"] = rounded(one["mean"] / one["chance"])
    return {**found, **anything(encoder, dataset, nouns)}


def anything(encoder: fp.DualEncoder, dataset: Dataset, nouns: Dataset) -> dict[str, Any]:
    """Score two maps of anything at all; see this module's docstring."""
    setup = setup_of(encoder, fp.IntegratedJacobians())
    asked = {sample.phrases[0].label: sample for sample in nouns}
    rows: dict[str, list[tuple[int, float, float]]] = {"any noun": [], "nouns of others": []}
    for number, sample in enumerate(dataset):
        prepared = PreparedSample(encoder, sample)
        maps = {noun: noun_map(setup, prepared.image, other) for noun, other in asked.items()}
        absent = [heat for noun, heat in maps.items() if names_nothing_in(noun, sample)]
        for name, chosen in (("any noun", list(maps.values())), ("nouns of others", absent)):
            heat = np.sum(chosen, axis=0)
            rows[name] += [
                (number, hit(heat, target.inside), energy(heat, target.inside))
                for target in prepared.targets(heat.shape)
            ]
    found = {}
    for name, scores_of_targets in rows.items():
        numbers, *values = zip(*scores_of_targets, strict=True)
        found[name] = {
            metric: summary(estimate(own, numbers))
            for metric, own in zip(_POINTING, values, strict=True)
        }
    return found


def noun_map(setup: Setup, picture: PreparedImage, asked: Sample) -> np.ndarray:
    """Return the map of a sample's noun, in its own caption, on any picture."""
    (noun,) = asked.phrases
    everywhere = Phrase(noun.start, noun.stop, noun.label, ((0.0, 0.0, 1.0, 1.0),))
    sample = Sample(asked.name, picture, asked.caption, (everywhere,))
    return setup.explain(PreparedSample(setup.encoder, sample)).maps[0]


# Collages


def on_collages(
    setup: Setup, pictures: Pictures, number: int, *, first_order: bool = False
) -> dict[str, Any]:
    """Return the scores of collages by how many things are named, and of each word alone."""
    found = {}
    for named in NAMED:
        masses = [
            measured(setup, collage, alone=first_order)
            for collage in collages(pictures, number, named, seed=named)
        ]
        by_picture = estimate([one.pooled for one in masses], range(len(masses)))
        found[str(named)] = {
            "collages": len(masses),
            "pooled by picture": summary(by_picture),
            **scores(one.words for one in masses),
            "residual": rounded(statistics.mean(one.residual for one in masses)),
        }
        if first_order:
            found[str(named)]["alone"] = scores(one.alone for one in masses)
    return found


# Costs


def costs(model: str, dataset: Dataset, repeats: int) -> dict[str, list[float]]:
    """Time loading, and `explain` of an encoder that has explained nothing, and one that has."""
    fp.load_encoder(model)  # imports what it needs
    samples = itertools.cycle(dataset)
    found: dict[str, list[float]] = {}
    for _ in range(repeats):
        started = time.perf_counter()
        encoder = fp.load_encoder(model)
        found.setdefault("load", []).append(time.perf_counter() - started)
        for name in ("first picture", "next picture"):
            first, every = explained_in(encoder, next(samples))
            found.setdefault(f"{name}, first map", []).append(first)
            found.setdefault(f"{name}, all maps", []).append(every)
    return found


def explained_in(encoder: fp.DualEncoder, sample: Sample) -> tuple[float, float]:
    """Return the seconds from `explain` to a word's map, and to those of all tokens."""
    image = sample.image
    started = time.perf_counter()
    view = fp.explain(image, sample.caption, model=encoder)
    view.pairs.row(1)
    first = time.perf_counter() - started
    _ = view.pairs.matrix
    every = time.perf_counter() - started
    view.close()
    return first, every


# The record


def record(options: argparse.Namespace) -> None:
    """Measure the photographs at the model's defaults."""
    encoder, dataset = fp.load_encoder(options.model), fp.datasets.photographs()
    with encoder.steady() as fixed, tempfile.TemporaryDirectory() as folder:
        setup = setup_of(fixed, fp.IntegratedJacobians())
        pictures = shipped_pictures(dataset, Path(folder), related)
        found: dict[str, Any] = {
            "photographs": len(dataset),
            "things": sum(len(sample.phrases) for sample in dataset),
            "layers": setup.name.layers,
            "captions": captions(fixed, dataset),
            "pointing": pointing(fixed, dataset),
            "collages": on_collages(setup, pictures, options.collages, first_order=True),
        }
    found["seconds"] = costs(options.model, dataset, options.repeats)
    print(told(found))
    if options.records:
        keep("photographs", found, options.records)


def told(found: Mapping[str, Any]) -> str:
    """Return the numbers of a record in a few lines."""
    pairs, first = (found["captions"][name]["mean"] for name in ("pairs", "first"))
    lines = [
        f"right captions above wrong ones {pairs:.3f}, above all of them {first:.3f}, "
        f"smallest margin {found['captions']['smallest margin']:.3f}"
    ]
    for name, one in found["pointing"].items():
        game, share = (one[metric] for metric in _POINTING)
        lines.append(f"{name}: pointing game {game['mean']:.3f}, energy {share['mean']:.3f}")
    for named, one in found["collages"].items():
        for name, these in ((f"{named} named", one), ("  alone", one["alone"])):
            lines.append(
                f"{name}: pooled {these['pooled']:.3f}, own quarter first "
                f"{these['own quarter first']['mean']:.3f}, own share "
                f"{these['own share']['mean']:.3f}"
            )
    lines += [
        f"{name}: {statistics.median(times):.2f} s" for name, times in found["seconds"].items()
    ]
    return "\n".join(lines)


# The choice of settings


def choose(options: argparse.Namespace) -> None:
    """Compare settings on collages of other pictures than those of the record."""
    encoder = fp.load_encoder(options.model)
    index = json.loads(_PICTURES.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        share_classes = related_by_classes(options.packages)
        pictures = packaged_pictures(index, Path(folder), share_classes, options.packages)
        found = {
            "pictures": len(pictures.seen),
            **compared(encoder, pictures, variants(encoder), options.collages, options.repeats),
        }
    if options.records:
        keep("photographs_settings", found, options.records)


def related_by_classes(packages: Path | None = None) -> Related:
    """Return whether two nouns have classes of ImageNet in common, as WordNet has them."""
    classes = {
        " ".join(phrase.words): frozenset(phrase.classes)
        for phrase in read_lexicon(packages).phrases
    }

    def share_classes(noun: str, other: str) -> bool:
        return not classes[plain(noun)].isdisjoint(classes[plain(other)])

    return share_classes


def variants(encoder: fp.DualEncoder) -> dict[str, tuple[Method, tuple[int, int]]]:
    """Return methods and layers to compare: the defaults first, then one thing at a time."""
    usual, layers = fp.IntegratedJacobians(), encoder.resolve_layers(None)
    texts, images = (len(encoder.towers[name].blocks) for name in ("text", "image"))

    def said(text: int, image: int) -> str:
        return f"text block {text} · image block −{images - image}"

    found: dict[str, tuple[Method, tuple[int, int]]] = {
        f"{said(*layers)} (defaults)": (usual, layers)
    }
    for text, above in itertools.product(range(texts), (1, 2, 3)):
        method = usual if above == 1 else fp.IntegratedJacobians(steps=_DEEP_STEPS)
        other = text, images - above
        if other != layers:
            found[said(*other)] = method, other
    tower = encoder.towers["text"]
    for reference in ("pad", "exclip"):
        if reference != encoder.defaults.references.get("text", tower.references[0]):
            method = fp.IntegratedJacobians(text_reference=reference)
            found[f"text reference “{reference}”"] = method, layers
    for steps in _STEPS:
        nodes = f"{steps} node{'s' * (steps > 1)}"
        found[nodes] = fp.IntegratedJacobians(steps=steps), layers
    return found


def compared(
    encoder: fp.DualEncoder,
    pictures: Pictures,
    settings: Mapping[str, tuple[Method, tuple[int, int]]],
    number: int,
    repeats: int,
) -> dict[str, Any]:
    """Return the scores of each setting, and what it costs beside the first."""
    times = timed(encoder, pictures, settings, repeats)
    usual = statistics.median(next(iter(times.values())))
    found = {}
    for name, (method, layers) in settings.items():
        with encoder.steady() as fixed:
            of_named = on_collages(setup_of(fixed, method, layers), pictures, number)
        found[name] = {
            "layers": layers,
            "named": of_named,
            "seconds": [rounded(one) for one in times[name]],
            "cost": rounded(statistics.median(times[name]) / usual),
        }
        several = [one for named, one in of_named.items() if int(named) > 1]
        means = [
            statistics.mean(values)
            for values in (
                [one["pooled"] for one in several],
                [one["own quarter first"]["mean"] for one in several],
                [one["own share"]["mean"] for one in several],
            )
        ]
        said = " ".join(f"{mean:.3f}" for mean in means)
        print(f"{name}: {said}, cost {found[name]['cost']:.2f}", flush=True)
    return {"settings": found}


def timed(
    encoder: fp.DualEncoder,
    pictures: Pictures,
    settings: Mapping[str, tuple[Method, tuple[int, int]]],
    repeats: int,
) -> dict[str, list[float]]:
    """Time all maps of a caption with four nouns, a new picture each time, in turns."""
    samples = iter(collages(pictures, (1 + repeats) * len(settings), max(NAMED)))
    found: dict[str, list[float]] = {name: [] for name in settings}
    for repeat in range(1 + repeats):
        for name, (method, layers) in settings.items():
            sample = next(samples)
            pairs = fp.attribute(encoder, sample.image, sample.caption, method, layers)
            taken = seconds(lambda pairs=pairs: pairs.matrix)
            if repeat:  # the first one computes the references' states
                found[name].append(taken)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", nargs="?", default="bundled")
    parser.add_argument("--choose", action="store_true", help="compare settings, by other pictures")
    parser.add_argument(
        "--collages", type=int, help="for each number of things named: 60, or 20 to choose"
    )
    parser.add_argument("--repeats", type=int, default=5, help="of what is timed")
    parser.add_argument("--packages", type=Path, help="folder for what is downloaded")
    parser.add_argument(
        "--records", type=Path, help="where to keep the numbers; those of “bundled” always are"
    )
    options = parser.parse_args(arguments)
    if options.model == "bundled" and options.records is None:
        options.records = FOLDER
    options.collages = options.collages or (20 if options.choose else 60)
    (choose if options.choose else record)(options)


if __name__ == "__main__":
    main()
