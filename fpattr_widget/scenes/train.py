"""Train the bundled model from nothing on freshly rendered scenes.

``python -m fpattr_widget.scenes.train --output FOLDER`` takes about an hour on
two cores, picks up where it was stopped, and writes a Hugging Face folder.
Half of the patches are hidden from the vision tower while it learns: that
halves the work and keeps each patch's state about that patch.
"""

import argparse
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from .captions import contradict, describe, locate
from .layout import Scene, join, mirror, sample_quarters, sample_scene
from .model import IMAGE_SIZE, new_model, new_tokenizer, save
from .render import Sprites, render, render_joined

_TRAINING_STREAM = 0  # held-out scenes use other streams, see check.py
_SCENES, _WORDS = 0, 1
_MIRRORED_AFTER = 8  # rendered batches
_LOCATED = 0.7  # share of the pictures of which it is said where something is
_JOINED = 0.1  # share of the pictures that are four in one


@dataclass(frozen=True)
class _Batch:
    """Pictures, ``(batch, size, size, 3)`` uint8, and for each of them a caption of what
    is there, one of where something is, and one that is false in a single word."""

    pictures: torch.Tensor
    captions: list[str]
    located: list[str]
    false: list[str]


class _Batches(Dataset[_Batch]):
    """Batch ``step`` depends on the seed and the step alone, so a run can resume.

    Every other batch shows the mirrored pictures of an earlier one, in words of
    its own: rendering costs as much as learning, and left and right have to be
    told apart by more than habit. Not of the one just before it, whose lesson
    they would undo.
    """

    def __init__(self, seed: int, steps: int, batch: int, sprites: str | None):
        self.seed, self.steps, self.batch = seed, steps, batch
        self.sprites_folder = sprites
        self.sprites: Sprites | None = None
        self.rendered: dict[int, tuple[list[Scene], np.ndarray]] = {}

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> _Batch:
        number, mirrored = divmod(step, 2)
        if mirrored:
            number = max(0, number - _MIRRORED_AFTER)
        if number not in self.rendered:
            self.rendered[number] = self._render(number)
            for old in [one for one in self.rendered if one < number - _MIRRORED_AFTER]:
                del self.rendered[old]
        scenes, pictures = self.rendered[number]
        if mirrored:
            scenes, pictures = [mirror(scene) for scene in scenes], pictures[:, :, ::-1].copy()
        generator = np.random.default_rng([_TRAINING_STREAM, self.seed, _WORDS, step])
        captions, located, false = [], [], []
        for scene in scenes:
            captions.append(describe(scene, generator).text)
            if pair := locate(scene, generator) if generator.random() < _LOCATED else None:
                located.append(pair[0].text)
                false.append(pair[1])
            else:
                caption = describe(scene, generator)
                located.append(caption.text)
                false.append(contradict(scene, caption, generator))
        return _Batch(torch.from_numpy(pictures), captions, located, false)

    def _render(self, number: int) -> tuple[list[Scene], np.ndarray]:
        if self.sprites is None:
            self.sprites = Sprites(self.sprites_folder)
        sprites = self.sprites
        generator = np.random.default_rng([_TRAINING_STREAM, self.seed, _SCENES, number])
        # One object at first, then two, then up to four.
        progress = 2 * number / self.steps
        counts = np.arange(1, 2 if progress < 0.08 else 3 if progress < 0.3 else 5)
        scenes, pictures = [], []
        for _ in range(self.batch):
            if len(counts) > 2 and generator.random() < _JOINED:
                quarters = sample_quarters(generator, sprites.aspect_ratios)
                scenes.append(join(quarters))
                picture = render_joined(quarters, sprites, IMAGE_SIZE)
            else:
                count = int(generator.choice(counts))
                scenes.append(sample_scene(generator, sprites.aspect_ratios, count=count))
                picture = render(scenes[-1], sprites, IMAGE_SIZE)
            pictures.append(np.asarray(picture))
        return scenes, np.stack(pictures)


def _hide_patches(share: float) -> Callable[..., torch.Tensor]:
    """Return a hook for the vision embeddings that keeps CLS and a random part of the patches."""

    def hook(_module: object, _arguments: object, states: torch.Tensor) -> torch.Tensor:
        examples, positions, width = states.shape
        kept = round((positions - 1) * (1 - share))
        order = torch.rand(examples, positions - 1, device=states.device).argsort(1)[:, :kept] + 1
        order = functional.pad(order, (1, 0))
        return states.gather(1, order[:, :, None].expand(-1, -1, width))

    return hook


def _learning_rate(step: int, steps: int, warmup: int = 200) -> float:
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return 0.5 * (1 + math.cos(math.pi * progress)) + 0.001


def _loss(
    model: Any, pixels: torch.Tensor, tokens: dict[str, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the loss, and how often a true caption beat the false one made of it.

    CLIP's symmetric loss, for both true captions of a picture. Each picture
    faces the false captions of all; a last term asks for its own true one to
    beat its own false one, which a batch of strangers hardly asks for.
    """
    with torch.autocast(pixels.device.type, torch.bfloat16):
        images = model.get_image_features(pixels).pooler_output
        texts = model.get_text_features(**tokens).pooler_output
    # In float32: bfloat16 rounds away what sets two captions apart that differ in a word.
    images, texts = (functional.normalize(side.float(), dim=-1) for side in (images, texts))
    logits = model.logit_scale.exp().clamp(max=100) * images @ texts.T
    described, located, false = logits.chunk(3, dim=1)
    target = torch.arange(len(images), device=logits.device)
    lead = (located - false).diagonal()
    loss = functional.softplus(-lead).mean()
    for true in (described, located):
        to_text = functional.cross_entropy(torch.cat([true, false], 1), target)
        to_image = functional.cross_entropy(true.T, target)
        loss = loss + (to_text + to_image) / 4
    return loss, (lead > 0).float().mean()


def _save_state(path: Path, **state: object) -> None:
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)


def train(
    output: Path,
    *,
    steps: int = 5000,
    batch: int = 128,
    seed: int = 0,
    hidden: float = 0.5,
    device: str | None = None,
    sprites: str | None = None,
    save_every: int = 250,
) -> None:
    """Train and save the model; resume from ``output/state.pt`` when it is there.

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
    decayed = [p for p in model.parameters() if p.ndim > 1]
    other = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.05}, {"params": other, "weight_decay": 0.0}],
        lr=1e-3,
        betas=(0.9, 0.98),
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda i: _learning_rate(i, steps))
    state_path, done = output / "state.pt", 0
    if state_path.exists():
        state = torch.load(state_path, map_location=place, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        torch.set_rng_state(state["random"].cpu())
        done = state["done"]
    if hidden:
        model.vision_model.embeddings.register_forward_hook(_hide_patches(hidden))
    batches = DataLoader(
        _Batches(seed, steps, batch, sprites),
        batch_size=None,
        sampler=range(done, steps),
        num_workers=1 if place.type == "cpu" else max(1, (os.cpu_count() or 2) - 1),
        prefetch_factor=4,
        # Of its own, so that a resumed run draws the same hidden patches.
        generator=torch.Generator(),
    )
    started, average = time.monotonic(), None
    model.train()
    progress = tqdm(batches, initial=done, total=steps, unit="step", mininterval=5)
    for step, shown in enumerate(progress, start=done):
        pixels = shown.pictures.to(place).permute(0, 3, 1, 2).float().div(127.5).sub(1)
        captions = [*shown.captions, *shown.located, *shown.false]
        tokens = tokenizer(captions, padding=True, return_tensors="pt").to(place)
        tokens.pop("token_type_ids", None)
        loss, told = _loss(model, pixels, dict(tokens))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        now = np.array([loss.item(), told.item()])
        average = now if average is None else 0.98 * average + 0.02 * now
        progress.set_postfix(loss=f"{average[0]:.3f}", told=f"{average[1]:.3f}", refresh=False)
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
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hidden", type=float, default=0.5)
    parser.add_argument("--device")
    parser.add_argument("--sprites", help="folder of the emoji; node_modules by default")
    train(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
