"""A Llip with the parts and names of the published checkpoints, whose sizes its weights tell."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from ...errors import InputError

# Numbers in an attention head of an image tower, where its width is one of OpenCLIP's large
# ones; 64 in all others and in text towers.
_HEAD_SIZES = {1280: 80, 1408: 88, 1664: 104}
_HEAD_SIZE = 64
# Heads of the mixing attention in both published models, which no shape shows.
_MIXING_HEADS = 8
# Names by which a checkpoint is taken for a Llip, complete or not; the last is the older one.
_MARKS = ("k_proj", "v_proj", "q_proj", "pred.out_proj", "out_proj")
_BLOCKS = "transformer.resblocks."


@dataclass(frozen=True)
class LlipSizes:
    """Sizes of a Llip.

    Attributes
    ----------
    image_width, image_blocks, image_hidden, patch, grid
        Of the image tower; ``hidden`` is the width inside its MLPs, ``patch`` in pixels, and
        ``grid`` the patches along each side.
    text_width, text_blocks, text_hidden, vocabulary, longest
        Of the text tower; ``longest`` in tokens.
    tokens, shared, heads
        Mixture tokens, the shared space's dimensions, and heads of the mixing attention.
    use_norm
        Whether keys, values and queries are normalised.
    has_bias
        Whether logits have a bias.
    """

    image_width: int
    image_blocks: int
    image_hidden: int
    patch: int
    grid: int
    text_width: int
    text_blocks: int
    text_hidden: int
    vocabulary: int
    longest: int
    tokens: int
    shared: int
    heads: int = _MIXING_HEADS
    use_norm: bool = False
    has_bias: bool = True

    @staticmethod
    def of_weights(weights: Mapping[str, Tensor]) -> "LlipSizes":
        """Return the sizes that a checkpoint's shapes tell.

        Raises
        ------
        KeyError
            When one of the weights that tell them is missing.
        ValueError
            When one has another number of dimensions.
        """
        tokens, image_width, shared = weights["k_proj"].shape
        positions, _ = weights["visual.positional_embedding"].shape
        _, _, patch, _ = weights["visual.conv1.weight"].shape
        mixture, _ = weights["visual.class_embedding"].shape
        if mixture != tokens:
            raise ValueError(f"{tokens} keys of {mixture} mixture tokens")
        vocabulary, text_width = weights["token_embedding.weight"].shape
        return LlipSizes(
            image_width=image_width,
            image_blocks=_count_blocks(weights, f"visual.{_BLOCKS}"),
            image_hidden=len(weights[f"visual.{_BLOCKS}0.mlp.c_fc.weight"]),
            patch=patch,
            grid=round((positions - tokens) ** 0.5),
            text_width=text_width,
            text_blocks=_count_blocks(weights, _BLOCKS),
            text_hidden=len(weights[f"{_BLOCKS}0.mlp.c_fc.weight"]),
            vocabulary=vocabulary,
            longest=len(weights["positional_embedding"]),
            tokens=tokens,
            shared=shared,
            use_norm="K_norm.weight" in weights,
            has_bias="logit_bias" in weights,
        )


class Llip(nn.Module):
    """A Llip; its state dict has the names of the published checkpoints.

    Parameters
    ----------
    sizes
        Of its parts.
    """

    def __init__(self, sizes: LlipSizes):
        super().__init__()
        width, shared = sizes.text_width, sizes.shared
        self.num_heads = sizes.heads
        self.visual = _Visual(sizes)
        self.transformer = _Transformer(
            width, sizes.text_blocks, _attention_heads(width, {}), sizes.text_hidden
        )
        self.token_embedding = nn.Embedding(sizes.vocabulary, width)
        self.positional_embedding = nn.Parameter(0.01 * torch.randn(sizes.longest, width))
        self.ln_final = nn.LayerNorm(width)
        self.text_projection = nn.Parameter(torch.randn(width, shared) * width**-0.5)
        self.q_proj = nn.Parameter(torch.randn(width, shared) * width**-0.5)
        of_tokens = sizes.tokens, sizes.image_width, shared
        deviation = sizes.image_width**-0.5
        self.k_proj = nn.Parameter(deviation * torch.randn(of_tokens))
        self.v_proj = nn.Parameter(deviation * torch.randn(of_tokens))
        self.K_norm, self.V_norm, self.Q_norm = (
            nn.LayerNorm(shared) if sizes.use_norm else nn.Identity() for _ in range(3)
        )
        self.pred = _Mixing(shared)
        self.logit_scale = nn.Parameter(torch.tensor(10.0).log())
        self.logit_bias = nn.Parameter(torch.tensor(-10.0)) if sizes.has_bias else None
        # On the CPU even where the weights have no storage yet.
        hidden = torch.full((sizes.longest, sizes.longest), -torch.inf, device="cpu").triu(1)
        self.register_buffer("attn_mask", hidden, persistent=False)

    def encode_image(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return keys and values of the mixture tokens, each ``(B, heads, tokens, size)``.

        Parameters
        ----------
        image
            Preprocessed, ``(B, 3, h, w)``.
        """
        states = self.visual(image)

        def of_heads(weights: Tensor, norm: nn.Module) -> Tensor:
            projected: Tensor = norm(torch.einsum("bnw,nwc->bnc", states, weights))
            return projected.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

        return of_heads(self.k_proj, self.K_norm), of_heads(self.v_proj, self.V_norm)

    def encode_text(self, text: Tensor) -> tuple[Tensor, Tensor]:
        """Return queries ``(B, heads, size)`` and embeddings ``(B, C)``.

        Parameters
        ----------
        text
            Token ids, ``(B, longest)``, whose highest id ends the text.
        """
        states = self.token_embedding(text) + self.positional_embedding
        states = self.transformer(states.transpose(0, 1), self.attn_mask).transpose(0, 1)
        ends = text.argmax(-1)
        state = self.ln_final(states[torch.arange(len(text), device=text.device), ends])
        query = self.Q_norm(state @ self.q_proj).unflatten(-1, (self.num_heads, -1))
        return query, state @ self.text_projection


class _Mixing(nn.Module):
    """Holds ``W_o``, which :class:`LlipHead` reads."""

    def __init__(self, shared: int):
        super().__init__()
        self.out_proj = nn.Parameter(torch.randn(shared, shared) * shared**-0.5)


class _Visual(nn.Module):
    """A vision transformer; returns its mixture tokens' states, ``(B, tokens, width)``."""

    def __init__(self, sizes: LlipSizes):
        super().__init__()
        width, tokens, side = sizes.image_width, sizes.tokens, sizes.grid * sizes.patch
        self.image_size = (side, side)
        self.conv1 = nn.Conv2d(3, width, sizes.patch, stride=sizes.patch, bias=False)
        self.class_embedding = nn.Parameter(torch.randn(tokens, width) * width**-0.5)
        places = torch.randn(tokens + sizes.grid**2, width) * width**-0.5
        self.positional_embedding = nn.Parameter(places)
        self.ln_pre, self.ln_post = nn.LayerNorm(width), nn.LayerNorm(width)
        self.transformer = _Transformer(
            width, sizes.image_blocks, _attention_heads(width, _HEAD_SIZES), sizes.image_hidden
        )
        self.proj = None

    def forward(self, image: Tensor) -> Tensor:
        patches = self.conv1(image).flatten(2).transpose(1, 2)
        learnt = self.class_embedding.expand(len(image), -1, -1)
        states = torch.cat([learnt, patches], 1) + self.positional_embedding
        states = self.transformer(self.ln_pre(states).transpose(0, 1)).transpose(0, 1)
        read: Tensor = self.ln_post(states[:, : len(self.class_embedding)])
        return read


class _Transformer(nn.Module):
    """Pre-norm blocks; states are ``(positions, B, width)``."""

    def __init__(self, width: int, blocks: int, heads: int, hidden: int):
        super().__init__()
        self.resblocks = nn.ModuleList(_Block(width, heads, hidden) for _ in range(blocks))

    def forward(self, states: Tensor, mask: Tensor | None = None) -> Tensor:
        for block in self.resblocks:
            states = block(states, mask)
        return states


class _Block(nn.Module):
    def __init__(self, width: int, heads: int, hidden: int):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, heads)
        layers = {
            "c_fc": nn.Linear(width, hidden),
            "gelu": _QuickGELU(),
            "c_proj": nn.Linear(hidden, width),
        }
        self.mlp = nn.Sequential(OrderedDict(layers))

    def forward(self, states: Tensor, mask: Tensor | None = None) -> Tensor:
        read = self.ln_1(states)
        states = states + self.attn(read, read, read, need_weights=False, attn_mask=mask)[0]
        return states + cast(Tensor, self.mlp(self.ln_2(states)))


class _QuickGELU(nn.Module):
    def forward(self, values: Tensor) -> Tensor:
        return values * torch.sigmoid(1.702 * values)


def llip_of_weights(weights: Mapping[str, Tensor]) -> nn.Module | None:
    """Return the Llip of a checkpoint's weights; ``None`` where they are no Llip's.

    Parameters
    ----------
    weights
        By their names, without prefixes.

    Raises
    ------
    InputError
        When weights of a Llip are missing, are too many, or do not fit each other.
    """
    if not any(name in weights for name in _MARKS) or "visual.class_embedding" not in weights:
        return None
    named = dict(weights)
    if "out_proj" in named and "pred.out_proj" not in named:
        named["pred.out_proj"] = named.pop("out_proj")
    try:
        sizes = LlipSizes.of_weights(named)
        with torch.device("meta"):
            model = Llip(sizes)
    except KeyError as error:
        raise _unusable(f"lacks the weights {error.args[0]!r}") from error
    except (ValueError, AssertionError) as error:
        raise _unusable("has weights of shapes that no Llip has") from error
    if sizes.shared % sizes.heads:
        raise _unusable(f"has {sizes.shared} dimensions, which {sizes.heads} heads do not divide")
    expected = model.state_dict()
    for missing, what in ((expected, "lacks"), (named, "holds unknown")):
        others = sorted(set(missing) - set(named if missing is expected else expected))
        if others:
            more = f" and {len(others) - 1} more" if len(others) > 1 else ""
            raise _unusable(f"{what} weights ({others[0]}{more})")
    for name, weight in expected.items():
        if named[name].shape != weight.shape:
            shapes = " and not ".join(str(tuple(each.shape)) for each in (named[name], weight))
            raise _unusable(f"has weights {name} of shape {shapes}")
    model.load_state_dict(named, assign=True)
    return model


def _unusable(problem: str) -> InputError:
    return InputError("model", f"is a Llip's checkpoint that {problem}", "pass a complete one")


def _attention_heads(width: int, sizes: Mapping[int, int]) -> int:
    return max(1, width // sizes.get(width, _HEAD_SIZE))


def _count_blocks(weights: Mapping[str, Tensor], prefix: str) -> int:
    numbers = {name[len(prefix) :].split(".")[0] for name in weights if name.startswith(prefix)}
    return len(numbers)
