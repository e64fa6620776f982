"""A text tower that learns that two wordings mean the same."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import Dataset
from transformers import CLIPModel, VisionTextDualEncoderModel

from ..encoders import DualEncoder
from ..errors import InputError
from ..evaluation import Paraphrases
from ._learning import Learner

_STREAM = 5  # others are in use
_EMBEDDED_AT_ONCE = 64  # pictures


@dataclass(frozen=True)
class WordingBatch:
    """Pictures and three wordings of each.

    Attributes
    ----------
    images
        Embeddings of the pictures at unit length, ``(batch, dimensions)``.
    queries, paraphrases, others
        A caption of each picture, and two other wordings of it, which may be the same one.
    """

    images: torch.Tensor
    queries: list[str]
    paraphrases: list[str]
    others: list[str]


class WordingBatches(Dataset[WordingBatch]):
    """Batches of different pictures; each depends only on the seed and its number.

    Parameters
    ----------
    encoder
        Embeds the pictures, once.
    paraphrases
        The pairs; each has its picture.
    seed, steps, size
        Seeds what is drawn, number of batches, and of pictures in each.

    Raises
    ------
    InputError
        When a pair has no picture, or there are fewer than two pictures.
    """

    def __init__(
        self, encoder: DualEncoder, paraphrases: Paraphrases, seed: int, steps: int, size: int
    ):
        self.seed, self.steps = seed, steps
        #: Of each picture its queries, and the other wordings of each.
        self.wordings: list[dict[str, list[str]]] = []
        sources: dict[str, Any] = {}
        places: dict[str, int] = {}
        for pair in paraphrases:
            if pair.source is None:
                raise InputError(
                    "paraphrases",
                    f"has no picture for {pair.query!r}",
                    "pass pairs of which each has its `source`",
                )
            place = places.setdefault(pair.cluster, len(places))
            if place == len(self.wordings):
                self.wordings.append({})
                sources[pair.cluster] = pair.image
            self.wordings[place].setdefault(pair.query, []).append(pair.paraphrase)
        if len(places) < 2:
            raise InputError(
                "paraphrases", "has fewer than two pictures", "pass more, or set their `group`"
            )
        self.size = min(size, len(places))
        self.images = _embedded(encoder, list(sources.values()))

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> WordingBatch:
        generator = np.random.default_rng([_STREAM, self.seed, step])
        chosen = generator.choice(len(self.wordings), self.size, replace=False)
        queries, paraphrases, others = [], [], []
        for place in chosen:
            query = str(generator.choice(list(self.wordings[place])))
            wordings = self.wordings[place][query]
            queries.append(query)
            paraphrases.append(str(generator.choice(wordings)))
            others.append(str(generator.choice(wordings)))
        return WordingBatch(self.images[torch.from_numpy(chosen)], queries, paraphrases, others)


def _embedded(encoder: DualEncoder, pictures: Sequence[Any]) -> torch.Tensor:
    starts = range(0, len(pictures), _EMBEDDED_AT_ONCE)
    parts = [encoder.embed_image(pictures[i : i + _EMBEDDED_AT_ONCE]) for i in starts]
    return torch.from_numpy(np.concatenate(parts))


class AlignmentLearner(Learner[WordingBatch]):
    """A text tower that learns wordings, beside pictures that stay as they are.

    The loss is ParaCLIP's (Kim et al., 2024): ``L1(images, T″) + L2(T, T′) + L3(T′, T″)``,
    each the symmetric contrastive loss, of queries T and two other wordings T′ and T″.

    Parameters
    ----------
    model, tokenizer, learning_rate
        See :class:`~fpattr_widget.training._learning.Learner`; parameters of the model that
        require gradients are trained.
    temperature
        What cosines are divided by; that of the model when ``None``. A model tells a few dozen
        pictures apart nearly without fault: at its own temperature little is left to learn.
    paraphrased
        Whether to learn of the other wordings. Without them the loss is ``L(images, T)``
        alone, which is the control.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        learning_rate: float,
        *,
        temperature: float | None = None,
        paraphrased: bool = True,
    ):
        super().__init__(model, tokenizer, learning_rate, hidden=0)
        own = float(model.logit_scale.detach().exp())
        self.scale = own if temperature is None else 1 / temperature
        self.paraphrased = paraphrased

    def losses(self, batch: WordingBatch) -> tuple[torch.Tensor, torch.Tensor]:
        place = self.model.device
        images = batch.images.to(place)
        wordings = [batch.queries]
        if self.paraphrased:
            wordings += [batch.paraphrases, batch.others]
        tokens = self.tokens([text for several in wordings for text in several], place)
        features = self.model.get_text_features(**tokens).pooler_output
        queries, *others = functional.normalize(features, dim=-1).chunk(len(wordings))
        if not others:
            loss = contrast(self.scale * images @ queries.T)
        else:
            first, second = others
            loss = (
                contrast(self.scale * images @ second.T)
                + contrast(self.scale * queries @ first.T)
                + contrast(self.scale * first @ second.T)
            )
        nearest = (images @ queries.detach().T).argmax(0)
        return loss, (nearest == torch.arange(len(images), device=place)).float().mean()


def contrast(logits: torch.Tensor) -> torch.Tensor:
    """Return the symmetric contrastive loss of scores whose diagonal holds what matches."""
    target = torch.arange(len(logits), device=logits.device)
    rows, columns = (functional.cross_entropy(one, target) for one in (logits, logits.T))
    return (rows + columns) / 2


def prepared(model: Any, layers: int | None) -> Any:
    """Return a copy of a model of which only what is to be trained requires gradients.

    Parameters
    ----------
    model
        A ``CLIPModel`` or a ``VisionTextDualEncoderModel``.
    layers
        Number of alignment layers on top of the text tower, which stays as it is. They are
        transformer blocks that change nothing at first. The text tower of a
        ``VisionTextDualEncoderModel`` has an alignment layer, its ``text_projection``, which
        is trained in their place. ``None`` trains the text tower itself.

    Raises
    ------
    InputError
        When the model is of another class.
    """
    if not isinstance(model, CLIPModel | VisionTextDualEncoderModel):
        raise InputError(
            "encoder",
            f"holds a {type(model).__name__}",
            "pass one of a CLIPModel or a VisionTextDualEncoderModel",
        )
    model = copy.deepcopy(model)
    model.requires_grad_(False)
    if layers is None:
        trained = [model.text_model, model.text_projection]
    elif isinstance(model, CLIPModel):
        trained = [_append_blocks(model, layers)]
    else:
        trained = [model.text_projection]
    for part in trained:
        part.requires_grad_(True)
    return model


def _append_blocks(model: CLIPModel, number: int) -> nn.ModuleList:
    """Put blocks on top of a text tower that add nothing to the residual stream yet."""
    config: Any = model.config.text_config
    blocks = model.text_model.encoder.layers
    added = nn.ModuleList()
    for _ in range(number):
        block = type(blocks[0])(config)
        for parameter in (*block.self_attn.out_proj.parameters(), *block.mlp.fc2.parameters()):
            nn.init.zeros_(parameter)
        added.append(block.to(blocks[0].mlp.fc1.weight))
    blocks.extend(added)
    config.num_hidden_layers = len(blocks)
    return added
