"""Cosines of single tokens and single patches in the shared space."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..encoders import DualEncoder, ImageTower, Inputs, PreparedImage, PreparedText, TextTower
from ._contributions import KnownContributions
from ._game import REMEDY, unit_length
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

    def measure_text(
        self, encoder: DualEncoder, text: PreparedText, layer: int
    ) -> KnownContributions:
        return _final_states(encoder, encoder.text_tower, text.inputs)

    def measure_image(
        self, encoder: DualEncoder, image: PreparedImage, layer: int
    ) -> KnownContributions:
        return _final_states(encoder, encoder.image_tower, image.inputs)


def _final_states(
    encoder: DualEncoder, tower: TextTower | ImageTower, inputs: Inputs
) -> KnownContributions:
    def alone(features: Tensor) -> Tensor:
        return unit_length(encoder, tower, tower.embed_alone(inputs, features.tolist()))

    last = tower.read(inputs, len(tower.blocks) - 1)
    encoder.require_finite(last.embedding, tower.name)
    # The blocks run once; what comes before them and after, for each feature.
    size = 8 * last.states.numel() * last.states.element_size()
    count = len(tower.features(inputs, len(tower.blocks) - 1))
    vectors = Portions(encoder.memory_limit // size, REMEDY).run(alone, torch.arange(count))
    embedding = unit_length(encoder, tower, last.embedding)[0]
    return KnownContributions(vectors, embedding, torch.zeros_like(embedding), "cosines")
