"""What first-order methods share: they explain a picture, and take texts word by word."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from ..encoders import Part, PreparedText, TextTower, word_groups
from ..progress import checkpoint
from ._contributions import Contributions, ExplicitContributions


class FirstOrder(ABC):
    """Base of methods that explain a picture for a text whose embedding is held fixed.

    That gives one map. For a matrix of tokens and patches, each word is taken as a text of its
    own, whose map is the word's row; a word of several tokens is shared equally among them. The
    entries are no second-order attributions: they show what a word would find without the
    others, and do not add up to the similarity. What the words alone lack of the caption is in
    the ledger's residual.
    """

    def measure(self, part: Part) -> Contributions:
        """Return a text's words, each embedded alone, or what explains a picture."""
        if isinstance(part.prepared, PreparedText):
            return _words_alone(part, part.prepared)
        return self.explain(part)

    @abstractmethod
    def explain(self, part: Part) -> Contributions:
        """Return the contributions of a picture's features to its embedding of unit length."""


def unit_length(embeddings: Tensor) -> Tensor:
    """Return embeddings ``(…, K)`` scaled to unit length, in float32 or better."""
    precise = embeddings.to(torch.promote_types(embeddings.dtype, torch.float32))
    return nn.functional.normalize(precise, dim=-1)


def _words_alone(part: Part, prepared: PreparedText) -> ExplicitContributions:
    """Return the embedding of each word as a text of its own, shared by the word's tokens.

    Special positions contribute nothing.
    """
    assert isinstance(part.tower, TextTower)
    groups = word_groups(prepared.tokens)
    words = [group for group in groups if prepared.content[list(group)].all()]
    (embedding,) = part.unit_length(part.finish(part.output()[None]))
    part.require_finite(embedding)
    vectors = embedding.new_zeros(len(prepared.tokens), len(embedding))
    for word in words:
        checkpoint()
        (alone,) = part.unit_length(part.embed(part.tower.alone(prepared, word)))
        vectors[list(word)] = alone / len(word)
    described = "1 word" if len(words) == 1 else f"{len(words)} words"
    return ExplicitContributions(vectors, embedding, torch.zeros_like(embedding), described)
