"""Do two wordings find the same pictures, before and after alignment, and what does it cost?

``python -m tests.benchmarks.paraphrases --models FOLDER`` trains what ``FOLDER`` does not hold yet
(``python -m fpattr_widget.training.paraphrases``, some minutes each), prints what it finds and
keeps the raw numbers. All models are the model of drawn scenes, aligned in one way or another:

- frozen tower and alignment layers, or the text tower itself, with ParaCLIP's three losses;
- of both a control: as many steps on as many captions, without a second wording.

Asked of each, on scenes that no training drew:

- Agreement: AO@10 and JS@10 of the rankings of a caption and of a paraphrase, over a gallery of as
  many pictures as there are captions; how often the caption's own picture comes first, by either
  wording. Of four sets: wordings that alignment was trained on and that it was not, of kinds of
  objects that its captions named and that they did not. And rewrite by rewrite.
- Accuracy: the kind of a lone object among all; a complete caption against four with a word
  exchanged; a caption of a place against its opposite.

All of it on another seed than the one that settings were chosen on (11). Intervals are by scene,
those of a gain of each scene's difference.
"""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import fpattr_widget as fp
from fpattr_widget import retrieval
from fpattr_widget.evaluation import Paraphrases
from fpattr_widget.scenes import (
    REWRITES,
    TRAINED_KINDS,
    Sprites,
    contradict,
    held_out,
    locate,
    render,
    reword,
)
from fpattr_widget.training import paraphrases as training
from tests.benchmarks.llip import show, summary
from tests.benchmarks.records import FOLDER, keep, read

_SEED = 17
_K = 10
_FALSE = 4  # captions with a word exchanged
_AT_ONCE = 64  # pictures that are embedded at once

#: How the models are trained, by their names in the record and as folders.
MODELS: Mapping[str, Mapping[str, Any]] = {
    "alignment layers": {"strategy": "layers"},
    "alignment layers, control": {"strategy": "layers", "paraphrased": False},
    "text tower": {"strategy": "tower"},
    "text tower, control": {"strategy": "tower", "paraphrased": False},
}

#: Which rewrites and kinds the pairs of each set are of.
SETS: Mapping[str, tuple[Sequence[str], Sequence[str]]] = {
    f"{wordings} wordings, {kinds} kinds": (rewrites, names)
    for wordings, rewrites in (
        ("trained", training.TRAINED_REWRITES),
        ("held-out", training.WITHHELD_REWRITES),
    )
    for kinds, names in (
        ("trained", training.TRAINED_KINDS),
        ("held-out", training.WITHHELD_KINDS),
    )
}


def embedded(encoder: fp.DualEncoder, pictures: Sequence[Any]) -> np.ndarray:
    """Return embeddings of pictures, a few at a time."""
    starts = range(0, len(pictures), _AT_ONCE)
    return np.concatenate([encoder.embed_image(pictures[i : i + _AT_ONCE]) for i in starts])


def agreement(
    encoder: fp.DualEncoder,
    pairs: Sequence[tuple[str, str]],
    own: Sequence[int],
    gallery: np.ndarray,
) -> dict[str, list[float]]:
    """Return how alike the rankings of two wordings are, and whether each finds its picture.

    Parameters
    ----------
    encoder
        Embeds the wordings.
    pairs
        The wordings.
    own
        The number of each pair's picture.
    gallery
        Embeddings of the pictures, which all models share.

    Returns
    -------
    dict
        A value for each pair, from zero to one.
    """
    depth = min(_K, len(gallery))
    tops = [
        retrieval.nearest(gallery, encoder.embed_text(list(wordings)), depth)[1].tolist()
        for wordings in zip(*pairs, strict=True)
    ]
    both = list(zip(*tops, strict=True))
    return {
        "average overlap": [retrieval.average_overlap(*one, k=depth) for one in both],
        "jaccard": [retrieval.jaccard(*one, k=depth) for one in both],
        **{
            f"{wording} finds its picture": [
                float(top[0] == one) for top, one in zip(several, own, strict=True)
            ]
            for wording, several in zip(("query", "paraphrase"), tops, strict=True)
        },
    }


def wordings_of(found: Paraphrases) -> tuple[list[tuple[str, str]], list[int]]:
    """Return the pairs of wordings, and the number of each pair's picture."""
    places = {image.name: place for place, image in enumerate(found.images)}
    return (
        [(pair.query, pair.paraphrase) for pair in found],
        [places[pair.group] for pair in found],
    )


class Questions:
    """What is asked beside agreement, with the pictures' embeddings.

    Parameters
    ----------
    encoder
        Embeds the pictures, as all models do.
    number
        Number of scenes of each question.
    seed
        Seeds them.
    """

    def __init__(self, encoder: fp.DualEncoder, number: int, seed: int = _SEED):
        sprites, generator = Sprites(), np.random.default_rng(seed)
        ratios = sprites.aspect_ratios
        scenes = held_out(number, ratios, seed=seed, objects=(2, 3, 4))
        lone = held_out(number, ratios, seed=seed + 1, objects=(1,))
        self.names = [f"{kind.article} {kind.name}".strip() for kind in TRAINED_KINDS]
        kinds = [kind.name for kind in TRAINED_KINDS]
        self.kinds = [kinds.index(scene.objects[0].kind) for scene, _ in lone]
        self.captions = [
            [caption.text, *(contradict(scene, caption, generator) for _ in range(_FALSE))]
            for scene, caption in scenes
        ]
        self.placed = {
            place: [located[0].text, located[1]]
            for place, (scene, _) in enumerate(scenes)
            if (located := locate(scene, generator))
        }
        self.pictures, self.lone = (
            embedded(encoder, [render(scene, sprites, 128) for scene, _ in several])
            for several in (scenes, lone)
        )

    def asked(self, encoder: fp.DualEncoder) -> dict[str, list[float]]:
        """Return whether each question is answered right, 1 or 0, by name."""

        def scores(captions: Sequence[str], picture: np.ndarray) -> np.ndarray:
            return encoder.embed_text(list(captions)) @ picture

        kinds = (self.lone @ encoder.embed_text(self.names).T).argmax(1)
        exchanged = [scores(*one) for one in zip(self.captions, self.pictures, strict=True)]
        placed = [scores(both, self.pictures[place]) for place, both in self.placed.items()]
        return {
            "kinds": [float(one == true) for one, true in zip(kinds, self.kinds, strict=True)],
            "one word exchanged": [float(one[0] > one[1:].max()) for one in exchanged],
            "place": [float(one[0] > one[1]) for one in placed],
        }


def before_and_after(
    found: Mapping[str, Mapping[str, Sequence[float]]], groups: Sequence[Any] | None = None
) -> dict[str, Any]:
    """Return summaries of each model, and of what each has gained on the first.

    Parameters
    ----------
    found
        Values by model, then by name; those of one name are of the same pairs.
    groups
        The scene of each value; each value is of its own when ``None``.
    """
    first, *others = found
    summaries: dict[str, Any] = {
        model: {name: summary(own, groups or range(len(own))) for name, own in values.items()}
        for model, values in found.items()
    }
    summaries["gained"] = {
        model: {
            name: gain(own, found[first][name], groups or range(len(own)))
            for name, own in found[model].items()
        }
        for model in others
    }
    return summaries


def gain(after: Sequence[float], before: Sequence[float], groups: Sequence[Any]) -> dict[str, Any]:
    """Return by how much values have risen, with its interval."""
    kept = summary(np.subtract(after, before).tolist(), groups, shares=False)
    return {name: value for name, value in kept.items() if name != "values"}


def of_agreement(
    models: Mapping[str, fp.DualEncoder], options: argparse.Namespace
) -> dict[str, Any]:
    """Return how alike rankings are, set by set."""
    kept: dict[str, Any] = {}
    for name, (rewrites, kinds) in SETS.items():
        drawn = fp.datasets.scene_paraphrases(
            options.pairs, seed=options.seed, rewrites=rewrites, kinds=kinds
        )
        pairs, own = wordings_of(drawn)
        gallery = embedded(next(iter(models.values())), [one.image for one in drawn.images])
        found = {
            model: agreement(encoder, pairs, own, gallery) for model, encoder in models.items()
        }
        chance = {
            "average overlap": retrieval.average_overlap_by_chance(_K, len(gallery)),
            "jaccard": retrieval.jaccard_by_chance(_K, len(gallery)),
        }
        kept[name] = {"pairs": len(pairs), "chance": chance, **before_and_after(found, own)}
    return {"agreement": kept}


def of_rewrites(
    models: Mapping[str, fp.DualEncoder], options: argparse.Namespace
) -> dict[str, Any]:
    """Return how alike the rankings of a caption and of each single rewrite of it are."""
    sprites = Sprites()
    scenes = held_out(options.pairs, sprites.aspect_ratios, seed=options.seed + 2)
    pictures = [render(scene, sprites, 128) for scene, _ in scenes]
    gallery = embedded(next(iter(models.values())), pictures)
    kept: dict[str, Any] = {}
    for name in REWRITES:
        generator = np.random.default_rng(options.seed)
        reworded = [reword(caption.text, generator, [name]) for _, caption in scenes]
        own = [place for place, one in enumerate(reworded) if one]
        pairs = [(scenes[place][1].text, reworded[place].text) for place in own]
        found = {
            model: agreement(encoder, pairs, own, gallery) for model, encoder in models.items()
        }
        kept[name] = {
            "held out": name in training.WITHHELD_REWRITES,
            "pairs": len(pairs),
            **{
                model: {measure: round(float(np.mean(own)), 4) for measure, own in values.items()}
                for model, values in found.items()
            },
        }
    return {"rewrites": kept}


def of_accuracy(
    models: Mapping[str, fp.DualEncoder], options: argparse.Namespace
) -> dict[str, Any]:
    """Return what each model tells apart."""
    questions = Questions(next(iter(models.values())), options.pairs, options.seed)
    found = {model: questions.asked(encoder) for model, encoder in models.items()}
    return {"accuracy": before_and_after(found)}


PARTS: Mapping[str, Callable[..., dict[str, Any]]] = {
    "agreement": of_agreement,
    "rewrites": of_rewrites,
    "accuracy": of_accuracy,
}


def folder_of(folder: Path, name: str) -> Path:
    """Return where the model of a name is."""
    return folder / name.replace(", ", "-").replace(" ", "-")


def settings_of(folder: Path) -> dict[str, Any]:
    """Return how each model was trained."""
    return {
        name: json.loads((folder_of(folder, name) / "training.json").read_text("utf-8"))
        for name in MODELS
    }


def trained(folder: Path, steps: int) -> dict[str, fp.DualEncoder]:
    """Return the model of drawn scenes and those aligned; train what is not there yet."""
    models = {"before": fp.load_encoder("scenes")}
    for name, settings in MODELS.items():
        own = folder_of(folder, name)
        about = own / "training.json"
        if not about.exists() or json.loads(about.read_text("utf-8"))["steps"] < steps:
            training.train(own, steps=steps, **settings)
        models[name] = fp.load_encoder(own)
    return models


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=Path, required=True, help="folder of the models")
    parser.add_argument("--steps", type=int, default=500, help="of training")
    parser.add_argument("--pairs", type=int, default=300, help="of each set; scenes")
    parser.add_argument("--seed", type=int, default=_SEED)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--records", type=Path, default=FOLDER, help="where to keep the numbers")
    options = parser.parse_args(arguments)
    kept = read("paraphrases", options.records)
    found = kept["numbers"] if kept else {}
    models = trained(options.models, options.steps)
    for name in options.only:
        measured = PARTS[name](models, options)
        show(measured)
        found |= measured
    keep(
        "paraphrases",
        {**found, "pairs": options.pairs, "k": _K, "training": settings_of(options.models)},
        options.records,
    )


if __name__ == "__main__":
    main()
