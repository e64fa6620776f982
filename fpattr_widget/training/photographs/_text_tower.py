"""A text tower that is trained onto a classifier's classes, without a single picture.

The image tower is not trained, as in LiT (Zhai et al., arXiv 2111.07991). The target of a caption
is the sum of the vectors of the things that it names; all other words add nothing. Each word's
contribution is then its own vector.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm
from transformers import AlignTextConfig, AlignTextModel

from ._captions import LONGEST_CAPTION, CaptionBatch, CaptionWriter

WIDTH = 240
LAYERS = 2
_HIGHEST_RATES = (4e-3, 1.5e-3)  # of word embeddings, and of all others
_FIRST_CYCLE = 8 / 13  # of the steps
_RISE = 0.1  # of a cycle


class TextTower(nn.Module):
    """An ``AlignTextModel`` and the projection to the shared space.

    Parameters
    ----------
    writer
        Its vocabulary is the tower's; each word is initialised with its target.
    constant
        What every caption has in the last dimension, where pictures have 0: a caption that
        names nothing is then similar to no picture.
    """

    def __init__(self, writer: CaptionWriter, constant: float):
        super().__init__()
        dimensions = writer.vectors.shape[1] + 1
        self.constant = constant
        self.model: Any = AlignTextModel(
            AlignTextConfig(
                vocab_size=len(writer.vocabulary),
                hidden_size=WIDTH,
                num_hidden_layers=LAYERS,
                num_attention_heads=4,
                intermediate_size=WIDTH,
                max_position_embeddings=LONGEST_CAPTION,
                type_vocab_size=1,
                pad_token_id=0,
                hidden_dropout_prob=0.0,
                attention_probs_dropout_prob=0.0,
            )
        )
        self.projection = nn.Linear(WIDTH, dimensions)
        with torch.no_grad():
            self._begin(writer)

    @property
    def words(self) -> nn.Parameter:
        return self.model.embeddings.word_embeddings.weight

    def _begin(self, writer: CaptionWriter) -> None:
        """Initialise the tower so that it embeds a caption as the mean of its words' vectors."""
        sums, counts = torch.zeros_like(self.words), torch.zeros(len(self.words), 1)
        width = writer.vectors.shape[1]
        for ids, vector, weight in zip(
            writer.phrase_ids, writer.vectors, writer.weights, strict=True
        ):
            for token in ids:
                share = float(weight) / len(ids) ** 2
                sums[token, :width] += share * vector
                counts[token] += share
        self.words.normal_(0, 0.02).add_(sums / counts.clamp(min=1e-12))
        self.model.embeddings.position_embeddings.weight.mul_(0.3)
        self.model.embeddings.token_type_embeddings.weight.mul_(0.3)
        first, last = self.model.encoder.layer
        for layer in (first, last):
            layer.output.dense.weight.mul_(0.1)
            layer.attention.self.query.weight.mul_(0.5)
        first.attention.output.dense.weight.mul_(0.1)
        last.attention.self.value.weight.copy_(torch.eye(WIDTH))
        last.attention.output.dense.weight.copy_(4 * torch.eye(WIDTH))
        self.projection.weight.copy_(0.1 * torch.eye(len(self.projection.bias), WIDTH))
        self.projection.bias.zero_()
        self.projection.bias[-1] = self.constant

    def forward(self, batch: CaptionBatch) -> Tensor:
        """Return embeddings of captions, each token mixed with padding by its strength."""
        states = self.model.embeddings(input_ids=batch.ids)
        padding = self.model.embeddings(input_ids=torch.zeros_like(batch.ids))
        states = torch.lerp(padding, states, batch.strength[..., None])
        hidden = (1 - batch.mask[:, None, None].float()) * torch.finfo(torch.float32).min
        return self.projection(
            self.model.encoder(states, attention_mask=hidden).last_hidden_state[:, 0]
        )

    def loss(self, batch: CaptionBatch) -> Tensor:
        """Return the mean squared distance of embeddings from their targets."""
        found = self(batch)
        distance = (found[:, :-1] - batch.meanings).square().sum(1)
        return (distance + (found[:, -1] - self.constant).square()).mean()


def learning_rate(step: int, steps: int) -> float:
    """Return the factor of the learning rates at a step.

    It rises and falls to nothing in two cycles, the second a half as high.
    """
    first = round(steps * _FIRST_CYCLE)
    if step < first:
        highest, length = 1.0, first
    else:
        highest, length, step = 0.5, steps - first, step - first
    rise = _RISE * length
    if step < rise:
        return highest * (0.04 + 0.96 * (1 - math.cos(math.pi * step / rise)) / 2)
    return highest * (1 + math.cos(math.pi * (step - rise) / max(1, length - rise))) / 2


def train(
    tower: TextTower,
    writer: CaptionWriter,
    state_path: Path,
    *,
    steps: int,
    batch: int,
    seed: int,
    save_every: int = 500,
) -> list[dict[str, float]]:
    """Train a text tower; resume from ``state_path`` if it exists.

    Parameters
    ----------
    tower, writer
        The tower, and what writes its captions.
    state_path
        File of the state in between.
    steps, batch
        Number of optimizer steps, and of captions in each.
    seed
        Of the captions.
    save_every
        Steps between two saves of the state.

    Returns
    -------
    list of dict
        ``step`` and the mean ``loss`` since the line before.
    """
    words = [tower.words]
    others = [one for one in tower.parameters() if one is not tower.words]
    optimizer = torch.optim.AdamW(
        [{"params": words, "weight_decay": 0.0}, {"params": others, "weight_decay": 0.01}]
    )
    done, history = 0, []
    if state_path.exists():
        state: dict[str, Any] = torch.load(state_path, weights_only=True)
        tower.load_state_dict(state["tower"])
        optimizer.load_state_dict(state["optimizer"])
        done, history = state["done"], state["history"]
    losses: list[float] = []
    # Captions of a resumed run are others than those before it.
    batches = writer.batches(np.random.default_rng([seed, done]), batch)
    progress = tqdm(range(done, steps), initial=done, total=steps, unit="step", mininterval=5)
    for step, captions in zip(progress, batches, strict=False):
        loss = tower.loss(captions)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(tower.parameters(), 1.0)
        factor = learning_rate(step, steps)
        for group, highest in zip(optimizer.param_groups, _HIGHEST_RATES, strict=True):
            group["lr"] = factor * highest
        optimizer.step()
        losses.append(loss.item())
        progress.set_postfix(loss=f"{np.mean(losses[-50:]):.4f}", refresh=False)
        if (step + 1) % save_every == 0 or step + 1 == steps:
            history.append({"step": step + 1, "loss": round(float(np.mean(losses)), 5)})
            losses = []
            partial = state_path.with_suffix(".partial")
            torch.save(
                {
                    "tower": tower.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "done": step + 1,
                    "history": history,
                },
                partial,
            )
            partial.replace(state_path)
    return history
