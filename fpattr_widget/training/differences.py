"""Teach a text tower what sets two pictures apart, as PC-CLIP does.

``python -m fpattr_widget.training.differences --output FOLDER`` fine-tunes the text tower of a
CLIP, by default of the model of drawn scenes, on sentences such as ``"a dog instead of a cat"``
and renormalised differences of pictures' embeddings (Sam et al., arXiv 2409.09721). It takes
minutes on two cores, resumes where it was stopped, and writes a folder that ``load_encoder``
reads; the model that it begins with is not changed. PC-CLIP has no captions beside the
differences, a temperature of 1, and no words that are new to its tokenizer.
"""

import argparse
import json
from pathlib import Path

from ..encoders import DEFAULTS_FILE, ModelLike, encoder_of
from ._differences import averaged
from ._run import cosine, run
from ._tune_on_differences import WARMUP, DifferenceSettings


def train(
    output: Path,
    *,
    model: ModelLike = "scenes",
    pairs: int = 4000,
    steps: int = 400,
    batch: int = 64,
    learning_rate: float = 5e-4,
    temperature: float = 0.1,
    captions: float = 1.0,
    average: float = 0.0,
    seed: int = 0,
    sprites: str | None = None,
    save_every: int = 50,
) -> None:
    """Fine-tune and save a model; resume from ``output/state.pt`` if it exists.

    Parameters
    ----------
    output
        Folder for the finished model and the state in between.
    model
        See :func:`~fpattr_widget.load_encoder`.
    pairs, steps, batch, learning_rate, temperature, captions, average, seed, sprites
        See :func:`fpattr_widget.training.tune_on_differences`.
    save_every
        Steps between two saves of the state.

    Raises
    ------
    InputError
        When the model has no text tower that can be trained here.
    """
    output.mkdir(parents=True, exist_ok=True)
    settings = DifferenceSettings(
        pairs, steps, batch, learning_rate, temperature, captions, average, seed, sprites
    )
    encoder = encoder_of(model, None)
    learner, batches = settings.begin(encoder, progress=True)

    def save(done: int) -> None:
        averaged(learner.model, encoder.model, average).save_pretrained(output)
        for part in (learner.tokenizer, encoder.processors["image"]):
            part.save_pretrained(output)
        defaults = encoder.defaults
        files = {
            DEFAULTS_FILE: {
                "layer": defaults.layer,
                "text_reference": defaults.references.get("text", "pad"),
                **({"nodes": defaults.nodes} if defaults.nodes else {}),
            },
            "training.json": {
                "begins_with": encoder.name,
                "pairs": pairs,
                "steps": done,
                "batch": batch,
                "temperature": temperature,
                "captions": captions,
                "average": average,
                "seed": seed,
                "learning_rate": [learning_rate, 0],
            },
        }
        for name, content in files.items():
            (output / name).write_text(json.dumps(content, indent=2) + "\n")

    run(
        learner,
        batches,
        output,
        steps=steps,
        learning_rate=lambda step, steps: cosine(step, steps, WARMUP),
        save=save,
        save_every=save_every,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("differences"))
    parser.add_argument("--model", default="scenes", help="see load_encoder")
    parser.add_argument("--pairs", type=int, default=4000)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--temperature", type=float, default=0.1)
    parser.add_argument("--captions", type=float, default=1.0, help="weight of their loss")
    parser.add_argument("--average", type=float, default=0.0, help="share of the old weights")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sprites", help="folder of the emoji; node_modules by default")
    train(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
