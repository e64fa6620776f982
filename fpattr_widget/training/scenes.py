"""Train the model of drawn scenes from random weights on freshly rendered ones.

``python -m fpattr_widget.training.scenes --output FOLDER`` takes two hours on
two cores, resumes where it was stopped, and writes a Hugging Face folder.
Half of the patches are hidden from the vision tower while it learns: that
halves the work and keeps each patch's state about that patch. In the last
steps it also learns that a grey picture is evidence neither for nor against a
caption. The history of the weights that ship is in their ``training.json``.
"""

import argparse
import math
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader
from tqdm import tqdm

from ._batches import Batches
from ._learning import Learner
from ._model import new_model, new_tokenizer, save

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
    warmup = min(_WARMUP, max(1, length // 10))
    if step < warmup:
        return highest * (step + 1) / warmup
    progress = (step - warmup) / max(1, length - warmup)
    return highest * 0.5 * (1 + math.cos(math.pi * progress)) + 0.001


def _save_state(path: Path, **state: object) -> None:
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)


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
    learner = Learner(model, tokenizer, 1e-3, hidden)
    optimizer = learner.optimizer
    scenes = Batches(seed, steps, batch, sprites)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda i: _learning_rate(i, steps))
    state_path, done = output / "state.pt", 0
    if state_path.exists():
        state = torch.load(state_path, map_location=place, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        torch.set_rng_state(state["random"].cpu())
        done = state["done"]
    batches = DataLoader(
        scenes,
        batch_size=None,
        sampler=range(done, steps),
        num_workers=1 if place.type == "cpu" else max(1, (os.cpu_count() or 2) - 1),
        prefetch_factor=4,
        # A generator of its own, so that a resumed run hides the same patches.
        generator=torch.Generator(),
    )
    started, average = time.monotonic(), None
    progress = tqdm(batches, initial=done, total=steps, unit="step", mininterval=5)
    for step, shown in enumerate(progress, start=done):
        now = np.array(learner.step(shown))
        schedule.step()
        average = now if average is None else 0.98 * average + 0.02 * now
        progress.set_postfix(loss=f"{average[0]:.3f}", accuracy=f"{average[1]:.3f}", refresh=False)
        if (step + 1) % save_every == 0 or step + 1 == steps:
            _save_state(
                state_path,
                model=model.state_dict(),
                optimizer=optimizer.state_dict(),
                schedule=schedule.state_dict(),
                random=torch.get_rng_state(),
                done=step + 1,
            )
            about = {"steps": step + 1, "batch": batch, "seed": seed, "hidden_patches": hidden}
            save(model, tokenizer, output, about)
    print(f"{steps - done} steps in {(time.monotonic() - started) / 60:.1f} minutes: {output}")


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
