"""Fine-tune the model of drawn scenes on kinds of objects that it does not know."""

import copy
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import torch
from tqdm.auto import tqdm
from transformers import CLIPModel

from ..encoders import DualEncoder, load_encoder
from ..errors import InputError
from ..scenes import WITHHELD_KINDS, Kind
from ._batches import Batches
from ._learning import ClipLearner
from ._model import IMAGE_SIZE


def fine_tune(
    encoder: DualEncoder,
    kinds: Sequence[Kind] = WITHHELD_KINDS,
    *,
    steps: int = 200,
    batch: int = 64,
    learning_rate: float = 3e-4,
    seed: int = 0,
    sprites: str | None = None,
    progress: bool = True,
) -> DualEncoder:
    """Return a copy of the model of drawn scenes, trained on more kinds of objects.

    Half of the scenes hold them among known kinds; the other half are of known
    kinds alone, so that these are not forgotten.

    Parameters
    ----------
    encoder
        ``load_encoder("scenes")``, or another that was trained on scenes; it
        is not changed.
    kinds
        Kinds to teach, see :data:`~fpattr_widget.scenes.KINDS`.
    steps, batch
        Number of optimizer steps and of scenes in each.
    learning_rate
        At the start; it falls linearly to zero.
    seed
        Seeds scenes and hidden patches.
    sprites
        Folder of the sprites, see :class:`~fpattr_widget.scenes.Sprites`.
    progress
        Whether to show a progress bar.

    Returns
    -------
    DualEncoder
        With the layers and references of ``encoder``.

    Raises
    ------
    InputError
        When ``encoder`` was not trained on scenes.
    """
    model: Any = encoder.model
    config: Any = model.config if isinstance(model, CLIPModel) else None
    known = config is not None and config.vision_config.image_size == IMAGE_SIZE
    tokenizer: Any = encoder.processors.get("text")
    if not known or not {kind.name for kind in kinds} <= set(tokenizer.get_vocab()):
        raise InputError(
            "encoder", f"{encoder.name!r} was not trained on scenes", "pass load_encoder('scenes')"
        )
    model = copy.deepcopy(model)
    model.requires_grad_(True)
    learner = ClipLearner(model, encoder.processors.get("text"), learning_rate, hidden=0.5)
    schedule = torch.optim.lr_scheduler.LambdaLR(learner.optimizer, lambda i: 1 - i / (steps + 1))
    batches = Batches(seed, steps, batch, sprites, kinds)
    # The caller's random numbers are not disturbed.
    with torch.random.fork_rng(), tqdm(range(steps), "fine-tuning", disable=not progress) as bar:
        torch.manual_seed(seed)
        for step in bar:
            loss, accuracy = learner.step(batches[step])
            schedule.step()
            bar.set_postfix(loss=f"{loss:.2f}", accuracy=f"{accuracy:.2f}", refresh=False)
    processor = SimpleNamespace(
        tokenizer=encoder.processors.get("text"), image_processor=encoder.processors.get("image")
    )
    tuned = load_encoder(
        model.eval(),
        processor=processor,
        memory_limit=encoder.memory_limit,
        image_size=encoder.image_size,
    )
    tuned.name = f"{encoder.name}, fine-tuned"
    tuned.defaults = encoder.defaults
    return tuned
