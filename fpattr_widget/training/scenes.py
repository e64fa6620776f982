"""Train the model of drawn scenes from random weights on freshly rendered ones.

``python -m fpattr_widget.training.scenes --output FOLDER`` takes two hours on
two cores, resumes where it was stopped, and writes a Hugging Face folder.
Half of the patches are hidden from the vision tower while it learns: that
halves the work and keeps each patch's state about that patch. In the last
steps it also learns that a grey picture is evidence neither for nor against a
caption. The history of the weights that ship is in their ``training.json``.
"""

import argparse
from pathlib import Path
from typing import Any

import torch

from ._batches import Batches
from ._learning import ClipLearner
from ._model import new_model, new_tokenizer, save
from ._run import cosine, run

# The learning rate falls to zero three times, from half as high each time:
# while matching is learned, and twice while it is refined.
_CYCLES = (5, 2, 1)  # eighths of the steps
_WARMUP = 200  # steps


def _learning_rate(step: int, steps: int) -> float:
    """Return the factor of the learning rate at a step."""
    highest, length = 1.0, 0
    for eighths in _CYCLES:
        length = round(steps * eighths / sum(_CYCLES))
        if step < length:
            break
        step, highest = step - length, highest / 2
    return highest * cosine(step, length, _WARMUP) + 0.001


def train(
    output: Path,
    *,
    steps: int = 8000,
    batch: int = 128,
    seed: int = 0,
    hidden: float = 0.5,
    device: str | None = None,
    sprites: str | None = None,
    save_every: int = 250,
) -> None:
    """Train and save the model; resume from ``output/state.pt`` if it exists.

    Parameters
    ----------
    output
        Folder for the finished model and the state in between.
    steps, batch
        Number of optimizer steps and of scenes in each.
    seed
        Seeds weights, scenes and hidden patches.
    hidden
        Share of the patches hidden from the vision tower at each step.
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
    tokenizer = new_tokenizer()
    model: Any = new_model(tokenizer)
    model.to(place)

    def save_model(done: int) -> None:
        about = {"steps": done, "batch": batch, "seed": seed, "hidden_patches": hidden}
        save(model, tokenizer, output, about)

    run(
        ClipLearner(model, tokenizer, 1e-3, hidden),
        Batches(seed, steps, batch, sprites),
        output,
        steps=steps,
        learning_rate=_learning_rate,
        save=save_model,
        save_every=save_every,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("model"))
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hidden", type=float, default=0.5)
    parser.add_argument("--device")
    parser.add_argument("--sprites", help="folder of the emoji; node_modules by default")
    train(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
