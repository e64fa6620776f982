"""``run``: a training that shows how far it is, is saved, and resumes where it was stopped."""

import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from ._learning import AnyBatch, Learner


def save_state(path: Path, **state: object) -> None:
    """Write the state of a training, whole or not at all."""
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)


def run(
    learner: Learner[AnyBatch],
    batches: Dataset[AnyBatch],
    output: Path,
    *,
    steps: int,
    learning_rate: Callable[[int, int], float],
    save: Callable[[int], None],
    save_every: int,
) -> None:
    """Train, from ``output/state.pt`` on if it exists.

    Parameters
    ----------
    learner, batches
        What learns, and of what; batches depend only on their number.
    output
        Folder of the state, which is there.
    steps
        Number of optimizer steps.
    learning_rate
        Returns the factor of the learning rate at a step of so many.
    save
        Writes the model after a number of steps.
    save_every
        Steps between two saves.
    """
    model, optimizer = learner.model, learner.optimizer
    place = next(model.parameters()).device
    schedule = LambdaLR(optimizer, lambda step: learning_rate(step, steps))
    state_path, done = output / "state.pt", 0
    if state_path.exists():
        state = torch.load(state_path, map_location=place, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        torch.set_rng_state(state["random"].cpu())
        done = state["done"]
    loader: Any = DataLoader(
        batches,
        batch_size=None,
        sampler=range(done, steps),
        num_workers=1 if place.type == "cpu" else max(1, (os.cpu_count() or 2) - 1),
        prefetch_factor=4,
        # A generator of its own, so that a resumed run hides the same patches.
        generator=torch.Generator(),
    )
    started, average = time.monotonic(), None
    progress = tqdm(loader, initial=done, total=steps, unit="step", mininterval=5)
    for step, shown in enumerate(progress, start=done):
        now = np.array(learner.step(shown))
        schedule.step()
        average = now if average is None else 0.98 * average + 0.02 * now
        progress.set_postfix(loss=f"{average[0]:.3f}", accuracy=f"{average[1]:.3f}", refresh=False)
        if (step + 1) % save_every == 0 or step + 1 == steps:
            save_state(
                state_path,
                model=model.state_dict(),
                optimizer=optimizer.state_dict(),
                schedule=schedule.state_dict(),
                random=torch.get_rng_state(),
                done=step + 1,
            )
            save(step + 1)
    print(f"{steps - done} steps in {(time.monotonic() - started) / 60:.1f} minutes: {output}")


def cosine(step: int, steps: int, warmup: int) -> float:
    """Return the factor of a learning rate that rises, then falls along a cosine to near zero."""
    warmup = min(warmup, max(1, steps // 10))
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return 0.5 * (1 + math.cos(math.pi * progress))
