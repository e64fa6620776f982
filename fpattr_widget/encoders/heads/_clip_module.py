"""What modules of published checkpoints share: CLIP's towers, and sizes told by weights' shapes."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from ...errors import InputError

# Numbers in an attention head of an image tower, where its width is one of OpenCLIP's large
# ones; 64 in all others and in text towers.
_HEAD_SIZES = {1280: 80, 1408: 88, 1664: 104}
_HEAD_SIZE = 64
_BLOCKS = "transformer.resblocks."


@dataclass(frozen=True, kw_only=True)
class TowerSizes:
    """Sizes of two towers in CLIP's layout.

    Attributes
    ----------
    image_width, image_blocks, image_hidden, patch, grid
        Of the image tower; ``hidden`` is the width inside its MLPs, ``patch`` in pixels, and
        ``grid`` the patches along each side.
    text_width, text_blocks, text_hidden, vocabulary, longest
        Of the text tower; ``longest`` in tokens.
    has_bias
        Whether logits have a bias.
    head_size
        Numbers in an attention head of both towers, which no shape tells; ``None`` for those of
        the published models of these widths.
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
    has_bias: bool = True
    head_size: int | None = None


def tower_sizes(weights: Mapping[str, Tensor], special: int, head_size: int | None) -> TowerSizes:
    """Return the sizes that the shapes of a checkpoint's towers tell.

    Parameters
    ----------
    weights
        By their names, without prefixes.
    special
        Number of positions before the patches.
    head_size
        See :class:`TowerSizes`.

    Raises
    ------
    KeyError
        When one of the weights that tell them is missing.
    ValueError
        When one has another number of dimensions.
    """
    positions, image_width = weights["visual.positional_embedding"].shape
    _, _, patch, _ = weights["visual.conv1.weight"].shape
    vocabulary, text_width = weights["token_embedding.weight"].shape
    return TowerSizes(
        image_width=image_width,
        image_blocks=_count_blocks(weights, f"visual.{_BLOCKS}"),
        image_hidden=len(weights[f"visual.{_BLOCKS}0.mlp.c_fc.weight"]),
        patch=patch,
        grid=round((positions - special) ** 0.5),
        text_width=text_width,
        text_blocks=_count_blocks(weights, _BLOCKS),
        text_hidden=len(weights[f"{_BLOCKS}0.mlp.c_fc.weight"]),
        vocabulary=vocabulary,
        longest=len(weights["positional_embedding"]),
        has_bias="logit_bias" in weights,
        head_size=head_size,
    )


class ClipModule(nn.Module):
    """CLIP's two towers, without projections; its state dict has CLIP's names.

    Parameters
    ----------
    sizes
        Of the towers.
    learnt
        Shape of the image tower's learnt tokens, ``(width,)`` or ``(tokens, width)``.
    activation
        Makes the non-linear function of the MLPs.
    """

    def __init__(
        self, sizes: TowerSizes, learnt: tuple[int, ...], activation: Callable[[], nn.Module]
    ):
        super().__init__()
        width = sizes.text_width
        self.visual = _Visual(sizes, learnt, activation)
        heads = _attention_heads(width, {}, sizes.head_size)
        self.transformer = _Transformer(
            width, sizes.text_blocks, heads, sizes.text_hidden, activation
        )
        self.token_embedding = nn.Embedding(sizes.vocabulary, width)
        self.positional_embedding = nn.Parameter(0.01 * torch.randn(sizes.longest, width))
        self.ln_final = nn.LayerNorm(width)
        self.logit_scale = nn.Parameter(torch.tensor(10.0).log())
        self.logit_bias = nn.Parameter(torch.tensor(-10.0)) if sizes.has_bias else None
        # On the CPU even where the weights have no storage yet.
        hidden = torch.full((sizes.longest, sizes.longest), -torch.inf, device="cpu").triu(1)
        self.register_buffer("attn_mask", hidden, persistent=False)

    def text_states(self, text: Tensor) -> Tensor:
        """Return the text tower's normalised states, ``(B, tokens)`` to ``(B, tokens, width)``.

        Parameters
        ----------
        text
            Token ids, ``longest`` of them or fewer.
        """
        length = text.shape[1]
        states = self.token_embedding(text) + self.positional_embedding[:length]
        # A checkpoint's weights may be in any type.
        hidden = cast(Tensor, self.attn_mask)[:length, :length].to(states.dtype)
        states = self.transformer(states.transpose(0, 1), hidden).transpose(0, 1)
        return cast(Tensor, self.ln_final(states))


def at_ends(states: Tensor, text: Tensor) -> Tensor:
    """Return the states where texts end, which is at the highest id, ``(B, width)``."""
    return states[torch.arange(len(text), device=text.device), text.argmax(-1)]


def random_projection(*shape: int) -> nn.Parameter:
    """Return a projection ``(…, inputs, outputs)`` that keeps the size of its inputs."""
    return nn.Parameter(torch.randn(shape) * shape[-2] ** -0.5)


class QuickGELU(nn.Module):
    """The approximation of GELU by a sigmoid."""

    def forward(self, values: Tensor) -> Tensor:
        return values * torch.sigmoid(1.702 * values)


def module_of_weights(
    kind: str, weights: Mapping[str, Tensor], build: Callable[[], nn.Module]
) -> nn.Module:
    """Return the module that ``build`` makes, with the weights of a checkpoint.

    Parameters
    ----------
    kind
        The model's kind, for messages.
    weights
        By the module's own names.
    build
        Makes the module, of sizes that the weights' shapes tell.

    Raises
    ------
    InputError
        When weights are missing, are too many, or do not fit each other.
    """
    try:
        with torch.device("meta"):
            model = build()
    except KeyError as error:
        raise _unusable(kind, f"lacks the weights {error.args[0]!r}") from error
    except (ValueError, AssertionError) as error:
        raise _unusable(kind, f"has weights of shapes that no {kind} has") from error
    expected = model.state_dict()
    _require_none(kind, "lacks weights", set(expected) - set(weights))
    _require_none(kind, "holds unknown weights", set(weights) - set(expected))
    for name, weight in expected.items():
        if weights[name].shape != weight.shape:
            shapes = " and not ".join(str(tuple(each.shape)) for each in (weights[name], weight))
            raise _unusable(kind, f"has weights {name} of shape {shapes}")
    model.load_state_dict(weights, assign=True)
    return model


def _require_none(kind: str, problem: str, names: set[str]) -> None:
    """Raise if there are names of weights that are missing, or too many."""
    if names:
        first, *others = sorted(names)
        more = f" and {len(others)} more" if others else ""
        raise _unusable(kind, f"{problem} ({first}{more})")


def _unusable(kind: str, problem: str) -> InputError:
    return InputError("model", f"is a {kind}'s checkpoint that {problem}", "pass a complete one")


class _Visual(nn.Module):
    """A vision transformer; returns all positions' normalised states, the learnt ones first."""

    def __init__(
        self, sizes: TowerSizes, learnt: tuple[int, ...], activation: Callable[[], nn.Module]
    ):
        super().__init__()
        width, side = sizes.image_width, sizes.grid * sizes.patch
        self.image_size = (side, side)
        self.conv1 = nn.Conv2d(3, width, sizes.patch, stride=sizes.patch, bias=False)
        self.class_embedding = nn.Parameter(torch.randn(learnt) * width**-0.5)
        positions = len(torch.atleast_2d(self.class_embedding)) + sizes.grid**2
        self.positional_embedding = nn.Parameter(torch.randn(positions, width) * width**-0.5)
        self.ln_pre, self.ln_post = nn.LayerNorm(width), nn.LayerNorm(width)
        heads = _attention_heads(width, _HEAD_SIZES, sizes.head_size)
        self.transformer = _Transformer(
            width, sizes.image_blocks, heads, sizes.image_hidden, activation
        )
        self.proj = None

    def forward(self, image: Tensor) -> Tensor:
        patches = self.conv1(image).flatten(2).transpose(1, 2)
        learnt = torch.atleast_2d(self.class_embedding).expand(len(image), -1, -1)
        states = torch.cat([learnt, patches], 1) + self.positional_embedding
        states = self.transformer(self.ln_pre(states).transpose(0, 1)).transpose(0, 1)
        return cast(Tensor, self.ln_post(states))


class _Transformer(nn.Module):
    """Pre-norm blocks; states are ``(positions, B, width)``."""

    def __init__(
        self, width: int, blocks: int, heads: int, hidden: int, activation: Callable[[], nn.Module]
    ):
        super().__init__()
        self.resblocks = nn.ModuleList(
            _Block(width, heads, hidden, activation()) for _ in range(blocks)
        )

    def forward(self, states: Tensor, mask: Tensor | None = None) -> Tensor:
        for block in self.resblocks:
            states = block(states, mask)
        return states


class _Block(nn.Module):
    def __init__(self, width: int, heads: int, hidden: int, activation: nn.Module):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, heads)
        layers = {
            "c_fc": nn.Linear(width, hidden),
            "gelu": activation,
            "c_proj": nn.Linear(hidden, width),
        }
        self.mlp = nn.Sequential(OrderedDict(layers))

    def forward(self, states: Tensor, mask: Tensor | None = None) -> Tensor:
        read = self.ln_1(states)
        states = states + self.attn(read, read, read, need_weights=False, attn_mask=mask)[0]
        return states + cast(Tensor, self.mlp(self.ln_2(states)))


def _attention_heads(width: int, published: Mapping[int, int], size: int | None) -> int:
    return max(1, width // (size or published.get(width, _HEAD_SIZE)))


def _count_blocks(weights: Mapping[str, Tensor], prefix: str) -> int:
    numbers = {name[len(prefix) :].split(".")[0] for name in weights if name.startswith(prefix)}
    return len(numbers)
