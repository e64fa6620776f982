"""Let a model learn what sets two scenes apart, in memory."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import torch
from tqdm.auto import tqdm

from ..encoders import DualEncoder, load_encoder
from ..scenes import DIFFERENCE_WORDS, Difference, Sprites
from ._differences import (
    DifferenceBatches,
    DifferenceLearner,
    averaged,
    draw_differences,
    pictures_of,
    ready_to_learn,
)
from ._run import cosine

WARMUP = 50  # steps
_AT_ONCE = 200  # differences whose pictures are in memory


@dataclass(frozen=True)
class DifferenceSettings:
    """Settings of a training on differences; see :func:`tune_on_differences`."""

    pairs: int
    steps: int
    batch: int
    learning_rate: float
    temperature: float
    captions: float
    average: float
    seed: int
    sprites: str | None

    def begin(
        self, encoder: DualEncoder, progress: bool
    ) -> tuple[DifferenceLearner, DifferenceBatches]:
        """Return what learns, and of what; draws and embeds the scenes."""
        torch.manual_seed(self.seed)
        model, tokenizer = ready_to_learn(encoder, DIFFERENCE_WORDS)
        sprites = Sprites(self.sprites)
        differences = draw_differences(self.pairs, self.seed, sprites)
        embeddings = _embedded(encoder, differences, sprites, progress)
        return (
            DifferenceLearner(
                model,
                tokenizer,
                self.learning_rate,
                temperature=self.temperature,
                captions=self.captions,
            ),
            DifferenceBatches(differences, embeddings, self.seed, self.steps, self.batch),
        )


def tune_on_differences(
    encoder: DualEncoder,
    *,
    pairs: int = 4000,
    steps: int = 400,
    batch: int = 64,
    learning_rate: float = 5e-4,
    temperature: float = 0.1,
    captions: float = 1.0,
    average: float = 0.0,
    seed: int = 0,
    sprites: str | None = None,
    progress: bool = True,
) -> DualEncoder:
    """Return a copy of a model whose text tower has learned what sets two scenes apart.

    Parameters
    ----------
    encoder
        ``load_encoder("scenes")``, or another CLIP of transformers; it is not changed.
    pairs
        Number of pairs of scenes to draw.
    steps, batch
        Number of optimizer steps, and of pairs in each.
    learning_rate
        At the highest; it rises, and falls to zero.
    temperature
        What cosines of sentences and differences are divided by; 1 in PC-CLIP.
    captions
        Weight of CLIP's own loss on the first scenes with ordinary captions; 0 in PC-CLIP.
    average
        Share of the original weights in the mean of both that is returned; 0.5 in PC-CLIP's
        evaluation.
    seed
        Seeds all that is random.
    sprites
        Folder of the sprites, see :class:`~fpattr_widget.scenes.Sprites`.
    progress
        Whether to show progress bars.

    Returns
    -------
    DualEncoder
        With the layers and references of ``encoder``.

    Raises
    ------
    InputError
        When the model has no text tower that can be trained here.
    """
    settings = DifferenceSettings(
        pairs, steps, batch, learning_rate, temperature, captions, average, seed, sprites
    )
    # The caller's random numbers are not disturbed.
    with torch.random.fork_rng():
        learner, batches = settings.begin(encoder, progress)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            learner.optimizer, lambda step: cosine(step, steps, WARMUP)
        )
        with tqdm(range(steps), "fine-tuning", disable=not progress) as bar:
            for step in bar:
                loss, accuracy = learner.step(batches[step])
                schedule.step()
                bar.set_postfix(loss=f"{loss:.2f}", signs=f"{accuracy:.2f}", refresh=False)
    tuned = load_encoder(
        averaged(learner.model, encoder.model, average).eval(),
        processor=SimpleNamespace(
            tokenizer=learner.tokenizer, image_processor=encoder.processors.get("image")
        ),
        memory_limit=encoder.memory_limit,
        image_size=encoder.image_size,
    )
    tuned.name = f"{encoder.name}, tuned on differences"
    tuned.defaults = encoder.defaults
    return tuned


def _embedded(
    encoder: DualEncoder, differences: list[Difference], sprites: Sprites, progress: bool
) -> np.ndarray:
    """Return the embeddings of both pictures of each difference, ``(differences, 2, K)``."""
    parts = []
    with tqdm(total=len(differences), desc="embedding", unit="pair", disable=not progress) as bar:
        for start in range(0, len(differences), _AT_ONCE):
            some = differences[start : start + _AT_ONCE]
            parts.append(encoder.embed_image(list(pictures_of(some, sprites))))
            bar.update(len(some))
    joined = np.concatenate(parts)
    return joined.reshape(len(differences), 2, -1)
