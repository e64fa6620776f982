"""Grad-ECLIP: gradients of the last attention's output, times its values."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..encoders import AttentionPooling, DualEncoder, Part, agree
from ..errors import InputError
from ._contributions import ExplicitContributions
from ._first_order import FirstOrder, unit_length
from ._linearised import Linearised


@dataclass(frozen=True)
class GradECLIP(FirstOrder):
    """Grad-ECLIP of a picture for each word: a first-order baseline, not pairs.

    In the last block of the picture's tower, the pooled position attends to all patches. With
    ``o`` what its attention gives, ``q`` its query, and ``k_j`` and ``v_j`` the key and the value
    of patch ``j``, the map for a text with the embedding ``ĥ`` of unit length is
    ``λ_j Σ_c (∂⟨ĝ, ĥ⟩ / ∂o_c) v_jc``, where the loosened attention ``λ_j`` is the cosine of ``q``
    and ``k_j``, scaled so that it lies between zero and one over the patches. After Zhao et al.,
    *Gradient-based Visual Explanation for Transformer-based CLIP* (ICML 2024; extended, arXiv
    2502.18816), of the picture's last block, as in the published code for pictures.

    Two things differ from that code. It computes the last attention with one head, and so
    explains another model than the one with several (Cui and Fan, arXiv 2605.12952); here the
    gradient is that of the model as it is. And it sets negative values to zero, which are kept
    here: they speak against the word.

    Each word is taken as a text of its own, and the words of a caption do not meet: there are
    no pairs, and nothing adds up. What ``pairs`` in the ledger lacks is in its residual.

    Raises
    ------
    InputError
        When it is asked to explain a picture whose tower is pooled by an average or by a learnt
        query, or has a last block of unknown layout.
    """

    @property
    def label(self) -> str:
        return "Grad-ECLIP (first order)"

    @property
    def reads_at(self) -> str:
        return "at the last attention's values"

    def cheaper_alternative(self, encoder: DualEncoder, layers: tuple[int, int] | None) -> str:
        return ""

    def check(self, encoder: DualEncoder) -> None:
        tower = encoder.towers.get("image")
        if tower is not None and tower.last_block is None:
            raise _not_defined(encoder.name)

    def explain(self, part: Part) -> ExplicitContributions:
        split = part.split()
        part.require_finite(split.embedding)
        block = split.last_block
        if not isinstance(block, AttentionPooling) or len(block.positions or ()) != 1:
            raise _not_defined(part.model)
        with split.differentiable(), torch.no_grad():
            attended = block.attend(split.states[None])
            if not agree(block.finish(attended.mixed, attended.states)[0], split.embedding):
                raise _not_defined(part.model)
        seen = torch.tensor([not feature.special for feature in part.panel.features])
        seen = seen.to(split.states.device)
        if block.seen is not None:
            seen = seen & block.seen

        def rest(mixed: Tensor) -> Tensor:
            return unit_length(block.finish(mixed, attended.states))[0]

        values = attended.value[0, seen]
        with split.differentiable():
            pushed = Linearised.at(rest, attended.mixed).push_together(values[:, None, None])
        embedding = unit_length(split.embedding)
        vectors = embedding.new_zeros(len(split.states), len(embedding))
        loosened = _loosened(attended.query[0, 0], attended.key[0, seen])
        vectors[seen] = loosened.to(embedding)[:, None] * pushed.to(embedding)
        return ExplicitContributions(vectors, embedding, torch.zeros_like(embedding), "1 gradient")


def _loosened(query: Tensor, keys: Tensor) -> Tensor:
    """Return the cosines of a query and keys, scaled from zero to one; ones if all are equal."""
    cosines = nn.functional.cosine_similarity(query, keys, dim=-1)
    least, most = cosines.min(), cosines.max()
    return (cosines - least) / (most - least) if most > least else torch.ones_like(cosines)


def _not_defined(model: str) -> InputError:
    return InputError(
        "method",
        f"is Grad-ECLIP, which explains the attention of one pooled position, and the image "
        f"tower of {model!r} has none in a last block of known layout",
        "pass method='integrated_gradients'",
    )
