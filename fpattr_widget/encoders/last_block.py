"""The last block of a tower, where its shape is known.

When one position is pooled, changes of different features never meet before
pooling: feature ``j`` acts through its own key and value alone, and all that
comes after acts at the pooled position alone. What is needed to say so in
closed form is gathered here; the mathematics is in ``methods.closed_form``.

A description is trusted only after the value that it gives for the input has
been compared with the model's own embedding: :func:`agree`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

# How far a description's value may be from the model's own embedding; eager
# attention rounds its softmax to float32 in any precision.
_TRUSTED = {torch.float64: 1e-6, torch.float32: 1e-3, torch.float16: 2e-2, torch.bfloat16: 1e-1}

Inputs = Mapping[str, Tensor]
#: The rest of a tower after its last block, at the pooled position: (B, width) to (B, K).
Tail = Callable[[Tensor], Tensor]
#: A linear map: its weight, (out, in), and its bias, (out,) or None.
Linear = tuple[Tensor, Tensor | None]


@dataclass(frozen=True)
class AttentionPooling:
    """A block whose output is read at one position that attends to all features.

    Attributes
    ----------
    norm
        The layer norm before the attention; ``None`` where there is none.
    query
        The map of the pooled position's state to its query, or the query
        itself where that is a learnt constant, ``(heads · size,)``.
    key, value
        The maps of the features' states.
    heads
        Number of attention heads.
    position
        The pooled feature; ``None`` where the query is a constant.
    seen
        Which features are attended to, ``(features,)`` bool; ``None`` for all.
    finish
        All that follows: the attention's mixed values ``(B, heads · size)``
        and the pooled position's state ``(B, width)``, to ``(B, K)``.
    """

    norm: nn.LayerNorm | None
    query: Linear | Tensor
    key: Linear
    value: Linear
    heads: int
    position: int | None
    seen: Tensor | None
    finish: Callable[[Tensor, Tensor], Tensor]

    def embed(self, states: Tensor) -> Tensor:
        """Return what the block, and all that follows, make of the states that enter it.

        ``(B, features, width)`` to ``(B, K)``. Far less work than the block
        does itself, which computes what leaves it at every position; so it is
        for blocks that have a ``position``.
        """
        assert self.position is not None
        assert not isinstance(self.query, Tensor)
        linear = nn.functional.linear
        read = states if self.norm is None else self.norm(states)
        query = linear(read[:, self.position], *self.query).unflatten(-1, (self.heads, 1, -1))
        key, value = (
            linear(read, *part).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.key, self.value)
        )
        scores = query @ key.transpose(-1, -2) * key.shape[-1] ** -0.5  # (B, heads, 1, features)
        if self.seen is not None:
            scores = scores.masked_fill(~self.seen, -torch.inf)
        mixed = (scores.softmax(-1) @ value).flatten(1)
        return self.finish(mixed, states[:, self.position])


@dataclass(frozen=True)
class MeanPooling:
    """The features' mean, and all that follows it: ``finish``, (B, width) to (B, K)."""

    finish: Tail


def agree(value: Tensor, embedding: Tensor) -> bool:
    """Tell whether a description's value for an input is the model's own embedding."""
    allowed = _TRUSTED.get(embedding.dtype, 1e-3)
    gap = (value.double() - embedding.double()).norm()
    return bool(gap <= allowed * embedding.double().norm())


def attention_pooling(
    block: nn.Module,
    tail: Tail,
    position: Callable[[Inputs], int] = lambda _: 0,
    *,
    causal: bool = False,
    mask: str = "attention_mask",
) -> Callable[[Inputs], AttentionPooling] | None:
    """Describe a transformer block whose output is read at one position.

    Parameters
    ----------
    block
        The last block.
    tail
        What the tower does afterwards with the state at that position.
    position
        Tells the position from the tower's inputs; the first unless told.
    causal
        Whether a position sees only those before it.
    mask
        Name of the input that holds 0 where nothing is to be seen.

    Returns
    -------
    callable or None
        ``None`` when the block is of no shape known here; the general path
        then does the same work.
    """
    recognise = next((shape for shape in _KNOWN_SHAPES if _fits(shape, block)), None)
    if recognise is None:
        return None

    def describe(inputs: Inputs) -> AttentionPooling:
        # Anew each time: parts of weights do not follow a model that is moved elsewhere.
        norm, query, key, value, heads, body = recognise(block)
        pooled = position(inputs)
        seen = inputs[mask][0].bool() if mask in inputs else None
        if causal:
            count = inputs["input_ids"].shape[1]
            before = torch.arange(count, device=inputs["input_ids"].device) <= pooled
            seen = before if seen is None else before & seen
        return AttentionPooling(
            norm,
            query,
            key,
            value,
            heads,
            pooled,
            seen,
            lambda mixed, state: tail(body(mixed, state)),
        )

    return describe


def attention_head(
    norm: nn.LayerNorm, head: Any, tail: Tail = lambda state: state
) -> Callable[[Inputs], AttentionPooling]:
    """Describe SigLIP's pooling head: a learnt probe attends to the normalised states."""

    def finish(mixed: Tensor, _state: Tensor) -> Tensor:
        state = head.attention.out_proj(mixed)
        return tail(state + head.mlp(head.layernorm(state)))

    def describe(inputs: Inputs) -> AttentionPooling:
        query, key, value = _packed(head.attention.in_proj_weight, head.attention.in_proj_bias)
        probe = nn.functional.linear(head.probe[0, 0], *query)
        heads = head.attention.num_heads
        mask = inputs.get("pixel_attention_mask")
        seen = None if mask is None else mask[0].bool()
        return AttentionPooling(norm, probe, key, value, heads, None, seen, finish)

    return describe


def mean_pooling(finish: Tail = lambda pooled: pooled) -> Callable[[Inputs], MeanPooling]:
    """Describe a tower that ends in the mean of its features."""
    return lambda _inputs: MeanPooling(finish)


# The shapes of block that are known: norm, query, key, value, heads, and the
# block's own way from mixed values and state to its output at that position.
_Parts = tuple[nn.LayerNorm | None, Linear, Linear, Linear, int, Callable[[Tensor, Tensor], Tensor]]


def _fits(shape: Callable[[Any], _Parts], block: nn.Module) -> bool:
    try:
        norm, *_ = shape(block)
    except AttributeError:
        return False
    return norm is None or isinstance(norm, nn.LayerNorm)


def _linear(module: Any) -> Linear:
    return module.weight, module.bias


def _packed(weight: Tensor, bias: Tensor | None) -> tuple[Linear, Linear, Linear]:
    biases = (None, None, None) if bias is None else bias.chunk(3)
    query, key, value = zip(weight.chunk(3), biases, strict=True)
    return query, key, value


def _clip_block(block: Any) -> _Parts:
    attention = block.self_attn

    def body(mixed: Tensor, state: Tensor) -> Tensor:
        state = state + attention.out_proj(mixed)
        return state + block.mlp(block.layer_norm2(state))

    maps = [_linear(m) for m in (attention.q_proj, attention.k_proj, attention.v_proj)]
    return (block.layer_norm1, maps[0], maps[1], maps[2], attention.num_heads, body)


def _blip_block(block: Any) -> _Parts:
    attention = block.self_attn

    def body(mixed: Tensor, state: Tensor) -> Tensor:
        state = state + attention.projection(mixed)
        return state + block.mlp(block.layer_norm2(state))

    query, key, value = _packed(attention.qkv.weight, attention.qkv.bias)
    return block.layer_norm1, query, key, value, attention.num_heads, body


def _vit_block(block: Any) -> _Parts:
    attention, norm = block.attention, block.layernorm_after

    def body(mixed: Tensor, state: Tensor) -> Tensor:
        state = state + attention.o_proj(mixed)
        return state + block.mlp(norm(state))

    maps = [_linear(m) for m in (attention.q_proj, attention.k_proj, attention.v_proj)]
    heads = attention.num_attention_heads
    return block.layernorm_before, maps[0], maps[1], maps[2], heads, body


def _dinov2_block(block: Any) -> _Parts:
    attention = block.attention
    scale_1, scale_2 = block.layer_scale1, block.layer_scale2

    def body(mixed: Tensor, state: Tensor) -> Tensor:
        state = state + scale_1(attention.o_proj(mixed))
        return state + scale_2(block.mlp(block.norm2(state)))

    maps = [_linear(m) for m in (attention.q_proj, attention.k_proj, attention.v_proj)]
    return block.norm1, maps[0], maps[1], maps[2], attention.num_attention_heads, body


def _flava_block(block: Any) -> _Parts:
    """ViT's block in BERT's modules, as FLAVA and older towers have it."""
    attention = block.attention.attention

    def body(mixed: Tensor, state: Tensor) -> Tensor:
        state = state + block.attention.output.dense(mixed)
        inner = block.intermediate(block.layernorm_after(state))
        return state + block.output.dense(inner)

    maps = [_linear(m) for m in (attention.query, attention.key, attention.value)]
    heads = attention.num_attention_heads
    return block.layernorm_before, maps[0], maps[1], maps[2], heads, body


def _bert_block(block: Any) -> _Parts:
    attention = block.attention.self
    # Its norms stand behind the sums; kin that normalise before have none there.
    if not hasattr(block.output, "LayerNorm"):
        raise AttributeError("LayerNorm")

    def body(mixed: Tensor, state: Tensor) -> Tensor:
        state = block.attention.output(mixed, state)
        return block.output(block.intermediate(state), state)

    maps = [_linear(m) for m in (attention.query, attention.key, attention.value)]
    return None, maps[0], maps[1], maps[2], attention.num_attention_heads, body


def _openai_block(block: Any) -> _Parts:
    """OpenAI's and OpenCLIP's residual attention block."""
    attention = block.attn
    _require_only(block, "ln_1", "attn", "ls_1", "ln_2", "mlp", "ls_2")
    _require_only(attention, "in_proj_weight", "in_proj_bias", "out_proj")
    scale_1 = getattr(block, "ls_1", nn.Identity())
    scale_2 = getattr(block, "ls_2", nn.Identity())

    def body(mixed: Tensor, state: Tensor) -> Tensor:
        state = state + scale_1(attention.out_proj(mixed))
        return state + scale_2(block.mlp(block.ln_2(state)))

    query, key, value = _packed(attention.in_proj_weight, attention.in_proj_bias)
    return block.ln_1, query, key, value, attention.num_heads, body


def _timm_block(block: Any) -> _Parts:
    """A block of timm's VisionTransformer."""
    attention, scale_1, scale_2 = block.attn, block.ls1, block.ls2
    drops = ("drop_path1", "drop_path2")
    _require_only(block, "norm1", "attn", "ls1", "norm2", "mlp", "ls2", *drops)
    _require_only(attention, "qkv", "norm", "proj")
    norm = getattr(attention, "norm", nn.Identity())

    def body(mixed: Tensor, state: Tensor) -> Tensor:
        state = state + scale_1(attention.proj(norm(mixed)))
        return state + scale_2(block.mlp(block.norm2(state)))

    query, key, value = _packed(attention.qkv.weight, attention.qkv.bias)
    return block.norm1, query, key, value, attention.num_heads, body


def does_nothing(part: Any) -> bool:
    """Tell whether an optional part of a module is not there, or has no effect on inference."""
    return part is None or isinstance(part, nn.Identity | nn.Dropout)


def _require_only(module: nn.Module, *names: str) -> None:
    """Refuse a block with parts that its shape does not tell, such as norms of its queries."""
    parts = (*module.named_children(), *module.named_parameters(recurse=False))
    for name, part in parts:
        if name not in names and not does_nothing(part):
            raise AttributeError(f"{name} is not a part of this shape of block")


_KNOWN_SHAPES = (
    _clip_block,
    _blip_block,
    _vit_block,
    _dinov2_block,
    _flava_block,
    _bert_block,
    _openai_block,
    _timm_block,
)
