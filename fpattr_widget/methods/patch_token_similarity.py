"""Cosines of single tokens and single patches in the shared space."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..encoders import DualEncoder, Part
from ._contributions import KnownContributions
from ._game import REMEDY
from ._memory import Portions


@dataclass(frozen=True)
class PatchTokenSimilarity:
    """The dense baseline: each feature's own final state, as if it were pooled alone.

    ``c_i`` is what the tower makes of feature ``i``'s state after the last
    block, at unit length, so that an attribution is the cosine of a token and
    a patch. The image–text similarity map ITSM (Li et al. 2022, arXiv
    2209.07046) compares final states with whole captions; MaskCLIP (Zhou et
    al., ECCV 2022, arXiv 2112.01071) takes the last attention's values in
    their place. It says what is alike, not what made the similarity: the
    ledger's residual is large.
    """

    @property
    def label(self) -> str:
        return "patch–token similarity"

    @property
    def reads_at(self) -> str:
        return "at the final states"

    def cheaper(self, encoder: DualEncoder, layers: tuple[int, int] | None) -> str:
        return ""

    def check(self, encoder: DualEncoder) -> None:
        """Every encoder can be measured so."""

    def measure(self, part: Part) -> KnownContributions:
        tower, inputs = part.tower, part.inputs

        def alone(features: Tensor) -> Tensor:
            return part.unit_length(tower.embed_alone(inputs, features.tolist()))

        at_last = len(tower.blocks) - 1
        last = tower.read(inputs, at_last)
        part.require_finite(last.embedding)
        # The blocks run once; what comes before them and after, for each feature.
        size = 8 * last.states.numel() * last.states.element_size()
        count = len(tower.features(inputs, at_last))
        vectors = Portions(part.memory_limit // size, REMEDY).run(alone, torch.arange(count))
        embedding = part.unit_length(last.embedding)[0]
        return KnownContributions(vectors, embedding, torch.zeros_like(embedding), "cosines")
