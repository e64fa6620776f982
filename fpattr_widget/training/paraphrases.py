"""Align the text tower of a model on paraphrases, so that two wordings find the same pictures.

``python -m fpattr_widget.training.paraphrases --output FOLDER`` aligns the model of drawn scenes
in a few minutes on two cores, resumes where it was stopped, and writes a Hugging Face folder.
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
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, get_args

import torch
from tqdm.auto import tqdm

from ..encoders import DualEncoder, load_encoder
from ..evaluation import Paraphrases, datasets
from ..scenes import REWRITES
from ..scenes import TRAINED_KINDS as EVERY_KIND
from ._alignment import AlignmentLearner, WordingBatches, prepared
from ._run import cosine, run

Strategy = Literal["layers", "tower"]

#: Rewrites that alignment never sees, by which held-out wordings are made.
WITHHELD_REWRITES = ("turned", "number", "position first")
TRAINED_REWRITES = tuple(name for name in REWRITES if name not in WITHHELD_REWRITES)

#: Kinds of objects that alignment never sees, though the model of drawn scenes knows them.
WITHHELD_KINDS = tuple(kind.name for kind in EVERY_KIND[::6])
TRAINED_KINDS = tuple(kind.name for kind in EVERY_KIND if kind.name not in WITHHELD_KINDS)

_SEED_OF_SCENES = 1000  # those that measure have smaller ones
_LEARNING_RATES: dict[Strategy, float] = {"layers": 1e-3, "tower": 1e-4}
_WARMUP = 50  # steps


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


def align(
    encoder: DualEncoder,
    paraphrases: Paraphrases,
    *,
    strategy: Strategy = "layers",
    layers: int = 1,
    steps: int = 200,
    batch: int = 64,
    learning_rate: float | None = None,
    paraphrased: bool = True,
    seed: int = 0,
    progress: bool = True,
) -> DualEncoder:
    """Return a copy of a model whose text tower is aligned on paraphrases.

    Parameters
    ----------
    encoder
        One of a ``CLIPModel`` or a ``VisionTextDualEncoderModel``; it is not changed.
    paraphrases
        Pairs of which each has its picture, such as
        ``fp.datasets.scene_paraphrases(1000, wordings=4)``.
    strategy
        ``"layers"`` trains alignment layers on top of the text tower, which stays as it is;
        of a ``VisionTextDualEncoderModel`` its ``text_projection``. ``"tower"`` trains the
        text tower and its projection.
    layers
        Number of alignment layers.
    steps, batch
        Number of optimizer steps, and of pictures in each.
    learning_rate
        At its highest; by ``strategy`` when ``None``.
    paraphrased
        Whether to learn of other wordings. Without them the loss is that of pictures and
        queries alone, a control.
    seed
        Seeds new weights and batches.
    progress
        Whether to show a progress bar.

    Returns
    -------
    DualEncoder
        With the references of ``encoder``, and its layers, counted from the input.

    Raises
    ------
    InputError
        When the model is of another class, or a pair has no picture.
    """
    # The caller's random numbers are not disturbed.
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = prepared(encoder.model, layers if strategy == "layers" else None)
        batches = WordingBatches(encoder, paraphrases, seed, steps, batch)
        highest = _LEARNING_RATES[strategy] if learning_rate is None else learning_rate
        learner = AlignmentLearner(
            model, encoder.processors["text"], highest, paraphrased=paraphrased
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(
            learner.optimizer, lambda step: cosine(step, steps, _WARMUP)
        )
        with tqdm(range(steps), "aligning", disable=not progress) as bar:
            for step in bar:
                loss, accuracy = learner.step(batches[step])
                schedule.step()
                bar.set_postfix(loss=f"{loss:.2f}", accuracy=f"{accuracy:.2f}", refresh=False)
    processor = SimpleNamespace(
        tokenizer=encoder.processors["text"], image_processor=encoder.processors["image"]
    )
    aligned = load_encoder(
        model.requires_grad_(False).eval(),
        processor=processor,
        memory_limit=encoder.memory_limit,
        image_size=encoder.image_size,
    )
    aligned.name = f"{encoder.name}, aligned"
    # Layers may be counted from the end, where there are others now.
    settled = encoder.resolve_layers(None)
    aligned.defaults = replace(encoder.defaults, layer=settled, nodes=None)
    return aligned


def train(
    output: Path,
    *,
    model: str = "scenes",
    strategy: Strategy = "layers",
    layers: int = 1,
    scenes: int = 3000,
    wordings: int = 6,
    steps: int = 1500,
    batch: int = 128,
    learning_rate: float | None = None,
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
    strategy, layers, steps, batch, learning_rate, paraphrased
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
    highest = _LEARNING_RATES[strategy] if learning_rate is None else learning_rate
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
            "scenes": scenes,
            "wordings": wordings,
            "seed": seed,
            "withheld_rewrites": WITHHELD_REWRITES,
            "withheld_kinds": WITHHELD_KINDS,
        }
        for name, content in (("training", about), ("attribution", _settings(encoder))):
            (output / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n")

    run(
        AlignmentLearner(copied, tokenizer, highest, paraphrased=paraphrased),
        WordingBatches(encoder, drawn, seed, steps, batch),
        output,
        steps=steps,
        learning_rate=lambda step, steps: cosine(step, steps, _WARMUP),
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
    parser.add_argument("--scenes", type=int, default=3000)
    parser.add_argument("--wordings", type=int, default=6)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument(
        "--without-paraphrases", dest="paraphrased", action="store_false", help="the control"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device")
    parser.add_argument("--sprites", help="folder of the emoji; node_modules by default")
    train(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
