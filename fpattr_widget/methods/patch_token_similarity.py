"""Cosine similarities of single tokens and single patches in the shared space."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..encoders import DualEncoder, Part
from ._contributions import ExplicitContributions
from ._game import REMEDY
from ._memory import Portions


@dataclass(frozen=True)
class PatchTokenSimilarity:
    """The dense baseline: each feature's final state, embedded as if it were pooled alone.

    ``c_i`` is the embedding of feature ``i``'s state after the last
    block, at unit length, so that an attribution is the cosine of a token and
    a patch. The image–text similarity map ITSM (Li et al. 2022, arXiv
    2209.07046) compares final states with whole captions; MaskCLIP (Zhou et
    al., ECCV 2022, arXiv 2112.01071) uses the last attention's values
    instead. It shows what is alike, not what caused the similarity: the
    ledger's residual is large.
    """

    @property
    def label(self) -> str:
        return "patch–token similarity"

    @property
    def reads_at(self) -> str:
        return "at the final states"

    def cheaper_alternative(self, encoder: DualEncoder, layers: tuple[int, int] | None) -> str:
        return ""

    def check(self, encoder: DualEncoder) -> None:
        """Do nothing: every encoder has final states."""

    def measure(self, part: Part) -> ExplicitContributions:
        tower, inputs = part.tower, part.inputs

        def alone(features: Tensor) -> Tensor:
            return part.unit_length(part.embed_alone(features.tolist()))

        last = len(tower.blocks) - 1
        reading = tower.read(inputs, last)
        part.require_finite(reading.embedding)
        # The blocks run once; what lies below and above them runs for each feature.
        size = 8 * reading.states.numel() * reading.states.element_size()
        count = len(tower.features(inputs, last))
        vectors = Portions(part.memory_limit // size, REMEDY).run(alone, torch.arange(count))
        embedding = part.unit_length(part.finish(reading.embedding))[0]
        return ExplicitContributions(vectors, embedding, torch.zeros_like(embedding), "cosines")
