"""The rest of a small CLIP's towers from a layer on, written out."""

import torch
from torch import Tensor

CAPTION = "a dog left of a red ball"


def text_states(model, ids: Tensor) -> list[Tensor]:
    """Run the text blocks by hand; return what enters each."""
    states = model.text_model.embeddings(input_ids=ids)
    entering = []
    for block in model.text_model.encoder.layers:
        entering.append(states[0])
        states = block(states, attention_mask=causal_mask(ids.shape[1], states.dtype))
    return entering


def causal_mask(length: int, dtype: torch.dtype) -> Tensor:
    return torch.full((length, length), -torch.inf, dtype=dtype).triu(1)[None, None]


def text_head(model, layer: int, end: int):
    def run(states: Tensor) -> Tensor:
        states = states[None]
        mask = causal_mask(states.shape[1], states.dtype)
        for block in model.text_model.encoder.layers[layer:]:
            states = block(states, attention_mask=mask)
        return model.text_projection(model.text_model.final_layer_norm(states)[0, end])

    return run


def image_states(model, pixels: Tensor) -> list[Tensor]:
    states = model.vision_model.pre_layrnorm(model.vision_model.embeddings(pixels))
    entering = []
    for block in model.vision_model.encoder.layers:
        entering.append(states[0])
        states = block(states, attention_mask=None)
    return entering


def image_head(model, layer: int):
    def run(states: Tensor) -> Tensor:
        states = states[None]
        for block in model.vision_model.encoder.layers[layer:]:
            states = block(states, attention_mask=None)
        return model.visual_projection(model.vision_model.post_layernorm(states)[0, 0])

    return run
