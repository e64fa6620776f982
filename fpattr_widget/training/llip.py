"""Train the Llip of drawn scenes, from the weights of the CLIP that knows them.

``python -m fpattr_widget.training.llip --output FOLDER`` takes less than an hour on two cores,
resumes where it was stopped, and writes a folder that ``load_encoder`` reads. Each picture has a
caption of each thing that it shows, and all of them must match: what sets them apart is which
mixture tokens they read. ``--weight-scale inf`` trains the control that reads all of them alike.
"""

import argparse
from pathlib import Path
from typing import Any

import torch

from ..encoders import load_encoder
from ._llip_learning import LlipLearner, llip_of_clip, save_llip
from ._many_captions import ManyCaptionBatches
from ._model import new_tokenizer
from ._run import cosine, run

_TOKENS = 7
_WARMUP = 100  # steps
_LEARNING_RATE = 5e-4


def train(
    output: Path,
    *,
    steps: int = 1500,
    batch: int = 48,
    seed: int = 0,
    hidden: float = 0.5,
    weight_scale: float = 1.0,
    device: str | None = None,
    sprites: str | None = None,
    save_every: int = 100,
) -> None:
    """Train and save the model; resume from ``output/state.pt`` if it exists.

    Parameters
    ----------
    output
        Folder for the finished model and the state in between.
    steps, batch
        Number of optimizer steps and of scenes in each.
    seed
        Seeds new weights, scenes and hidden patches.
    hidden
        Share of the patches hidden from the vision tower at each step.
    weight_scale
        What products of keys and queries are divided by; infinity reads all mixture tokens
        alike.
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
    tokenizer = new_tokenizer(ends_last=True)
    start = load_encoder("scenes")
    known: Any = start.processors["text"]
    words = known.convert_tokens_to_ids(
        tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    )
    model: Any = llip_of_clip(start.model, words, _TOKENS).to(place)
    model.requires_grad_(True)

    def save(done: int) -> None:
        config = {
            "model_type": "llip",
            "weight_scale": weight_scale,
            "head_size": int(model.visual.transformer.resblocks[0].attn.head_dim),
        }
        about = {
            "steps": done,
            "batch": batch,
            "seed": seed,
            "hidden_patches": hidden,
            "learning_rate": [_LEARNING_RATE, 0],
            "begins_with": "the towers and projections of the model of drawn scenes (../scenes)",
        }
        save_llip(model, tokenizer, output, config, about)

    run(
        LlipLearner(model, tokenizer, _LEARNING_RATE, hidden, weight_scale),
        ManyCaptionBatches(seed, steps, batch, sprites),
        output,
        steps=steps,
        learning_rate=lambda step, steps: cosine(step, steps, _WARMUP),
        save=save,
        save_every=save_every,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("llip"))
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hidden", type=float, default=0.5)
    parser.add_argument("--weight-scale", type=float, default=1.0)
    parser.add_argument("--device")
    parser.add_argument("--sprites", help="folder of the emoji; node_modules by default")
    train(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
