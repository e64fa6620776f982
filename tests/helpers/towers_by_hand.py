"""Parts of models, written out for one input, (features, width)."""

from torch import nn


def attend(query, keys, values, heads):
    """Attention written out: (m, d), (n, d), (n, d) to (m, d)."""
    query, keys, values = (
        x.unflatten(-1, (heads, -1)).movedim(1, 0) for x in (query, keys, values)
    )
    scores = query @ keys.transpose(1, 2) / query.shape[-1] ** 0.5
    return (scores.softmax(-1) @ values).movedim(0, 1).flatten(1)


def siglip_block(layer, states):
    """A block of SigLIP's or CLIP's, without a mask."""
    attention, normed = layer.self_attn, layer.layer_norm1(states)
    maps = (attention.q_proj, attention.k_proj, attention.v_proj)
    states = states + attention.out_proj(
        attend(*(each(normed) for each in maps), attention.num_heads)
    )
    return states + layer.mlp(layer.layer_norm2(states))


def siglip_head(vision, states):
    """The image tower's end: all states, not yet normalised, to the embedding."""
    head, normed = vision.head, vision.post_layernorm(states)
    weights, biases = (
        part.chunk(3) for part in (head.attention.in_proj_weight, head.attention.in_proj_bias)
    )
    query, keys, values = (
        nn.functional.linear(x, weight, bias)
        for x, weight, bias in zip((head.probe[0], normed, normed), weights, biases, strict=True)
    )
    pooled = head.attention.out_proj(attend(query, keys, values, head.attention.num_heads))
    return (pooled + head.mlp(head.layernorm(pooled)))[0]
