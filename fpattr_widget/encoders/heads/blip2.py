"""BLIP-2's retrieval model: of an image's query tokens, the one nearest to the text scores.

Li et al., ICML 2023, arXiv 2301.12597. It is late interaction with one vector of the text's.
"""

from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from .._family import hugging_face_family
from .._image import ImageTower
from .._inputs import Inputs
from .._text import TextTower
from .._tower import as_pair
from ._late_interaction import LateInteractionHead


def _towers(model: Any) -> tuple[TextTower, ImageTower]:
    config, vision = model.config.qformer_config, model.config.vision_config

    def text(inputs: Inputs) -> Tensor:
        ids = inputs["input_ids"]
        output = model.qformer(
            query_embeds=model.embeddings(input_ids=ids),
            query_length=0,
            attention_mask=inputs.get("attention_mask", torch.ones_like(ids)),
        )
        cls = output.last_hidden_state[:, 0].to(model.text_projection.weight.dtype)
        return nn.functional.normalize(model.text_projection(cls), dim=-1)

    def image(inputs: Inputs, **options: Any) -> Tensor:
        seen = model.vision_model(**inputs, **options).last_hidden_state
        output = model.qformer(
            query_embeds=model.query_tokens.expand(len(seen), -1, -1),
            encoder_hidden_states=seen,
            encoder_attention_mask=torch.ones(
                seen.shape[:-1], dtype=torch.long, device=seen.device
            ),
        )
        queries = output.last_hidden_state.to(model.vision_projection.weight.dtype)
        projected = cast(Tensor, model.vision_projection(queries))
        return nn.functional.normalize(projected, dim=-1).flatten(1)

    return (
        TextTower(
            model,
            model.qformer.encoder.layer,
            text,
            vocabulary=config.vocab_size,
            longest=config.max_position_embeddings,
            masks=True,
        ),
        ImageTower(
            model,
            model.vision_model.encoder.layers,
            image,
            encode_other_sizes=lambda inputs: image(inputs, interpolate_pos_encoding=True),
            patch=vision.patch_size,
            size=as_pair(vision.image_size),
            special=("CLS",),
        ),
    )


def _head(model: Any) -> LateInteractionHead:
    queries = tuple(f"query {number + 1}" for number in range(model.config.num_query_tokens))
    return LateInteractionHead(model.config.image_text_hidden_size, queries=queries)


BLIP2 = replace(
    hugging_face_family("BLIP-2", {"blip-2": "Blip2ForImageTextRetrieval"}, _towers), head=_head
)
