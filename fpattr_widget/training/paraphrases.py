"""Align the text tower of a model on paraphrases, so that two wordings find the same pictures.

``python -m fpattr_widget.training.paraphrases --output FOLDER`` aligns the model of drawn scenes
in some minutes on two cores, resumes where it was stopped, and writes a Hugging Face folder.
The text tower stays as it is and gets alignment layers on top, the strategy that Cheng et al.
found best ("Adapting dual-encoder vision-language models for paraphrased retrieval", 2024);
``--strategy tower`` trains the text tower itself, as ParaCLIP does (Kim et al., 2024). The loss
is ParaCLIP's; pictures are embedded once, and the image tower is not touched.
``--without-paraphrases`` trains the control, which sees as many captions but one wording of each.

Some rewrites, and some kinds of objects, are never trained on: see :data:`TRAINED_REWRITES` and
:data:`TRAINED_KINDS`. What it does to them is measured by ``tests/benchmarks/paraphrases.py``.
"""

import argparse
import json
from pathlib import Path
from typing import Any, get_args

import torch

from ..encoders import DualEncoder, load_encoder
from ..evaluation import Paraphrases, datasets
from ..scenes import REWRITES
from ..scenes import TRAINED_KINDS as EVERY_KIND
from ._align import LEARNING_RATES, TEMPERATURE, WARMUP, Strategy
from ._alignment import AlignmentLearner, WordingBatches, prepared
from ._run import cosine, run

#: Rewrites that alignment never sees, by which held-out wordings are made.
WITHHELD_REWRITES = ("turned", "number", "position first")
TRAINED_REWRITES = tuple(name for name in REWRITES if name not in WITHHELD_REWRITES)

#: Kinds of objects that alignment never sees, though the model of drawn scenes knows them.
WITHHELD_KINDS = tuple(kind.name for kind in EVERY_KIND[::6])
TRAINED_KINDS = tuple(kind.name for kind in EVERY_KIND if kind.name not in WITHHELD_KINDS)

_SEED_OF_SCENES = 1000  # those that measure have smaller ones


def aligned_scenes(number: int, wordings: int, seed: int = 0, sprites: Any = None) -> Paraphrases:
    """Return the paraphrases of drawn scenes that alignment is trained on."""
    return datasets.scene_paraphrases(
        number,
        seed=_SEED_OF_SCENES + seed,
        wordings=wordings,
        rewrites=TRAINED_REWRITES,
        kinds=TRAINED_KINDS,
        sprites=sprites,
    )


def train(
    output: Path,
    *,
    model: str = "scenes",
    strategy: Strategy = "layers",
    layers: int = 1,
    scenes: int = 1000,
    wordings: int = 5,
    steps: int = 500,
    batch: int = 64,
    learning_rate: float | None = None,
    temperature: float | None = TEMPERATURE,
    paraphrased: bool = True,
    seed: int = 0,
    device: str | None = None,
    sprites: str | None = None,
    save_every: int = 100,
) -> None:
    """Align a model and save it; resume from ``output/state.pt`` if it exists.

    Parameters
    ----------
    output
        Folder for the finished model and the state in between.
    model
        The model of drawn scenes, or the folder of another that knows them.
    strategy, layers, steps, batch, learning_rate, temperature, paraphrased
        See :func:`align`.
    scenes, wordings
        Number of scenes, and of other wordings that are drawn of each caption.
    seed
        Seeds new weights, scenes and batches.
    device
        ``"cpu"``, ``"cuda"`` …; the best at hand when ``None``.
    sprites
        Folder of the sprites, see :class:`~fpattr_widget.scenes.Sprites`.
    save_every
        Steps between two saves of the state.
    """
    output.mkdir(parents=True, exist_ok=True)
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    torch.manual_seed(seed)
    encoder = load_encoder(model)
    copied: Any = prepared(encoder.model, layers if strategy == "layers" else None).to(place)
    highest = LEARNING_RATES[strategy] if learning_rate is None else learning_rate
    drawn = aligned_scenes(scenes, wordings, seed, sprites)
    tokenizer, processor = encoder.processors["text"], encoder.processors["image"]

    def save(done: int) -> None:
        for part in (copied, tokenizer, processor):
            part.save_pretrained(output)
        about = {
            "begins_with": model,
            "strategy": strategy,
            "alignment_layers": layers if strategy == "layers" else 0,
            "paraphrased": paraphrased,
            "steps": done,
            "batch": batch,
            "learning_rate": [highest, 0],
            "temperature": temperature,
            "scenes": scenes,
            "wordings": wordings,
            "seed": seed,
            "withheld_rewrites": WITHHELD_REWRITES,
            "withheld_kinds": WITHHELD_KINDS,
        }
        for name, content in (("training", about), ("attribution", _settings(encoder))):
            (output / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n")

    run(
        AlignmentLearner(
            copied, tokenizer, highest, temperature=temperature, paraphrased=paraphrased
        ),
        WordingBatches(encoder, drawn, seed, steps, batch),
        output,
        steps=steps,
        learning_rate=lambda step, steps: cosine(step, steps, WARMUP),
        save=save,
        save_every=save_every,
    )


def _settings(encoder: DualEncoder) -> dict[str, Any]:
    """Return what ``attribution.json`` says: the layers and references of the model so far."""
    reference = encoder.defaults.references.get("text", encoder.towers["text"].references[0])
    return {"layer": encoder.resolve_layers(None), "text_reference": reference}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("paraphrases"))
    parser.add_argument("--model", default="scenes")
    parser.add_argument("--strategy", choices=get_args(Strategy), default="layers")
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--scenes", type=int, default=1000)
    parser.add_argument("--wordings", type=int, default=5)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--temperature", type=float, default=TEMPERATURE)
    parser.add_argument(
        "--without-paraphrases", dest="paraphrased", action="store_false", help="the control"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device")
    parser.add_argument("--sprites", help="folder of the emoji; node_modules by default")
    train(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
