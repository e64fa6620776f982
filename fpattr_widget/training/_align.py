"""``align``: a copy of a model whose text tower is aligned on paraphrases."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Literal

import torch
from tqdm.auto import tqdm

from ..encoders import DualEncoder, load_encoder
from ..evaluation import Paraphrases
from ._alignment import AlignmentLearner, WordingBatches, prepared
from ._run import cosine

Strategy = Literal["layers", "tower"]

LEARNING_RATES: dict[Strategy, float] = {"layers": 1e-3, "tower": 1e-4}
TEMPERATURE = 0.1
WARMUP = 50  # steps


def align(
    encoder: DualEncoder,
    paraphrases: Paraphrases,
    *,
    strategy: Strategy = "layers",
    layers: int = 1,
    steps: int = 200,
    batch: int = 64,
    learning_rate: float | None = None,
    temperature: float | None = TEMPERATURE,
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
    temperature
        What cosines are divided by in the losses; that of the model when ``None``.
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
        highest = LEARNING_RATES[strategy] if learning_rate is None else learning_rate
        learner = AlignmentLearner(
            model,
            encoder.processors["text"],
            highest,
            temperature=temperature,
            paraphrased=paraphrased,
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(
            learner.optimizer, lambda step: cosine(step, steps, WARMUP)
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
