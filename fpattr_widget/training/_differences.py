"""A text tower that learns what sets two pictures apart, on embeddings of scenes."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from tokenizers import AddedToken
from torch import nn
from torch.nn import functional
from torch.utils.data import Dataset

from ..encoders import DualEncoder
from ..errors import InputError
from ..scenes import (
    CHANGES,
    WORDINGS,
    Difference,
    Sprites,
    change_scene,
    describe,
    render,
    sample_scene,
    tell,
)
from ._batches import TRAINING_STREAM
from ._learning import Learner
from ._model import IMAGE_SIZE

_PAIRS, _WORDS = 2, 3  # beside those of other batches


@dataclass(frozen=True)
class DifferenceBatch:
    """Differences of pictures with what is said of them, and pictures with captions.

    Attributes
    ----------
    sentences
        One for each difference.
    differences
        Unit-length embeddings, the first picture's less the second's, renormalised:
        ``(sentences, K)`` float32.
    same
        Which sentences and differences are of one content, ``(sentences, sentences)`` bool.
    captions
        One for each picture.
    pictures
        Embeddings ``(captions, K)`` float32.
    """

    sentences: list[str]
    differences: torch.Tensor
    same: torch.Tensor
    captions: list[str]
    pictures: torch.Tensor


def draw_differences(number: int, seed: int, sprites: Sprites) -> list[Difference]:
    """Draw differences that no evaluation shows: other things, and other scenes."""
    generator = np.random.default_rng([TRAINING_STREAM, seed, _PAIRS])
    found: list[Difference] = []
    while len(found) < number:
        change = CHANGES[len(found) % len(CHANGES)]
        scene = sample_scene(generator, sprites.aspect_ratios)
        difference = change_scene(scene, change, generator, sprites.aspect_ratios)
        if difference is not None and not difference.withheld:
            found.append(difference)
    return found


def pictures_of(differences: Sequence[Difference], sprites: Sprites) -> Iterator[Image.Image]:
    """Yield the first picture of each difference and its second, one after the other."""
    for difference in differences:
        for scene in difference.scenes:
            yield render(scene, sprites, IMAGE_SIZE)


class DifferenceBatches(Dataset[DifferenceBatch]):
    """Batches of differences, each both ways round; they depend only on the seed and their number.

    Parameters
    ----------
    differences
        What to draw from.
    embeddings
        Of their pictures, at unit length, ``(differences, 2, K)`` float32.
    seed
        Seeds all that is random.
    steps, size
        Number of batches, and of differences in each.
    """

    def __init__(
        self,
        differences: Sequence[Difference],
        embeddings: np.ndarray,
        seed: int,
        steps: int,
        size: int,
    ):
        self.differences = tuple(differences)
        self.embeddings = torch.from_numpy(embeddings)
        self.seed, self.steps, self.size = seed, steps, size

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> DifferenceBatch:
        generator = np.random.default_rng([TRAINING_STREAM, self.seed, _WORDS, step])
        size = min(self.size, len(self.differences))
        chosen = generator.choice(len(self.differences), size, replace=False)
        first, second = self.embeddings[chosen].unbind(1)
        apart = functional.normalize(first - second, dim=-1)
        own = [self.differences[index] for index in chosen]
        both_ways = [*own, *(difference.reversed for difference in own)]
        sentences = [
            tell(difference, WORDINGS[int(generator.integers(len(WORDINGS)))]).text
            for difference in both_ways
        ]
        contents = [tell(difference).text for difference in both_ways]
        numbers = np.unique(contents, return_inverse=True)[1]
        captions = [describe(difference.scenes[0], generator).text for difference in own]
        return DifferenceBatch(
            sentences,
            torch.cat([apart, -apart]),
            torch.from_numpy(numbers[:, None] == numbers[None]),
            captions,
            first,
        )


class DifferenceLearner(Learner[DifferenceBatch]):
    """A text tower that learns which difference of two pictures a sentence tells of.

    The loss is PC-CLIP's (Sam et al., arXiv 2409.09721): InfoNCE, both ways, of sentences and
    renormalised differences of pictures' embeddings, which stay as they are; and CLIP's own loss
    on pictures with captions, so that these are not forgotten.

    Parameters
    ----------
    model, tokenizer
        See :func:`ready_to_learn`.
    learning_rate
        Of the optimizer.
    temperature
        What cosines of sentences and differences are divided by; 1 in the paper.
    captions
        Weight of the loss on captions; 0 in the paper.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        learning_rate: float,
        *,
        temperature: float,
        captions: float,
    ):
        super().__init__(model, tokenizer, learning_rate, hidden=0.0)
        self.temperature, self.captions = temperature, captions

    def losses(self, batch: DifferenceBatch) -> tuple[torch.Tensor, torch.Tensor]:
        place = next(self.model.parameters()).device
        count = len(batch.sentences)
        texts = [*batch.sentences, *(batch.captions if self.captions else [])]
        embedded = self.model.get_text_features(**self.tokens(texts, place)).pooler_output
        embedded = functional.normalize(embedded, dim=-1)
        told, described = embedded[:count], embedded[count:]
        cosines = told @ batch.differences.to(place).T
        loss = _contrast(cosines / self.temperature, batch.same.to(place))
        if self.captions:
            scale = self.model.logit_scale.detach().exp().clamp(max=100)
            scores = scale * described @ batch.pictures.to(place).T
            loss = loss + self.captions * _contrast(scores, _alike(batch.captions).to(place))
        return loss, (cosines.diagonal() > 0).float().mean()


def _alike(captions: Sequence[str]) -> torch.Tensor:
    numbers = np.unique(captions, return_inverse=True)[1]
    return torch.from_numpy(numbers[:, None] == numbers[None])


def _contrast(logits: torch.Tensor, same: torch.Tensor) -> torch.Tensor:
    """Return the mean of both cross-entropies; others of the same content are no negatives."""
    own = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
    logits = logits.masked_fill(same & ~own, -torch.inf)
    target = torch.arange(len(logits), device=logits.device)
    return (
        functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)
    ) / 2


def ready_to_learn(encoder: DualEncoder, words: Sequence[str]) -> tuple[Any, Any]:
    """Return copies of a model whose text tower alone learns, and of its tokenizer.

    Words that the tokenizer does not know are added to it; each begins as the mean of all.

    Parameters
    ----------
    encoder
        Of a ``transformers`` model with a ``text_model``, such as a ``CLIPModel``; it is not
        changed.
    words
        That sentences use.

    Raises
    ------
    InputError
        When the model has no such text tower, or its tokenizer cannot learn words.
    """
    original: Any = encoder.model
    tokenizer = copy.deepcopy(encoder.processors.get("text"))
    table = getattr(getattr(original, "text_model", None), "embeddings", None)
    table = getattr(table, "token_embedding", None)
    if table is None or tokenizer is None or not hasattr(original, "get_text_features"):
        raise InputError(
            "model",
            f"{encoder.name!r} has no text tower that can be trained here",
            "pass a CLIP of transformers with its tokenizer",
        )
    model: Any = copy.deepcopy(original)
    model.requires_grad_(False)
    for name, weight in model.named_parameters():
        weight.requires_grad_(name.startswith(("text_model.", "text_projection.")))
    unknown = [
        word
        for word in words
        if tokenizer.unk_token_id is not None
        and tokenizer.unk_token_id in tokenizer(word, add_special_tokens=False)["input_ids"]
    ]
    if unknown:
        tokenizer.add_tokens(
            [AddedToken(word, single_word=True, normalized=True) for word in unknown]
        )
        known = model.text_model.embeddings.token_embedding.weight.detach()
        rows = known.mean(0, keepdim=True).expand(len(tokenizer) - len(known), -1)
        model.text_model.embeddings.token_embedding = nn.Embedding.from_pretrained(
            torch.cat([known, rows]), freeze=False
        )
        model.config.text_config.vocab_size = len(tokenizer)
    return model, tokenizer


def averaged(tuned: Any, original: Any, share: float) -> Any:
    """Return a copy of a tuned model whose weights are drawn back towards the original's.

    Parameters
    ----------
    tuned, original
        Models of one shape, but for new words, which stay as they were learned.
    share
        Of the original's weights; PC-CLIP's evaluation takes 0.5.
    """
    model = copy.deepcopy(tuned)
    before = original.state_dict()
    with torch.no_grad():
        for name, weight in model.state_dict().items():
            if weight.is_floating_point():
                old = before[name].to(weight)
                weight[: len(old)].lerp_(old, share) if weight.ndim else weight.lerp_(old, share)
    return model
