"""``Family``: how models of one kind are recognised, and how their towers are made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from ._head import Head
from ._inputs import Inputs
from ._tower import Tower


@dataclass(frozen=True)
class Logits:
    """How a model makes logits of cosines: ``scale · cosine + bias``.

    Attributes
    ----------
    scale
        Positive.
    bias
        Of models whose probability of a pair is the logit's sigmoid, such as SigLIP; ``None``
        where probabilities are a softmax over captions.
    """

    scale: float
    bias: float | None


def logits_of(model: Any) -> Logits | None:
    """Return the logits of a model that has a parameter ``logit_scale``, a logarithm."""
    scale, bias = (getattr(model, name, None) for name in ("logit_scale", "logit_bias"))
    if not isinstance(scale, Tensor):
        return None
    return Logits(float(scale.detach().double().exp()), None if bias is None else float(bias))


@dataclass(frozen=True)
class Family:
    """One family of models.

    Attributes
    ----------
    name
        As its authors write it.
    recognises
        Returns whether a module is of this family.
    towers
        Makes the two towers of such a module: first the one whose features are the rows of a
        matrix of pairs, for captions; then that of the columns, for images.
    classes
        Names of the ``transformers`` classes by ``config.model_type``, for
        loading by name; empty where there are none.
    logits
        Returns how such a model makes logits of cosines; ``None`` where it makes none.
    head
        Makes the head of such a module, where its score is no product of its towers' outputs;
        called with the settings that the user passed, by name.
    of_weights
        Makes a module of a checkpoint's weights by name, and of the numbers in an attention
        head, which no weights tell, ``None`` for those of the published models; returns ``None``
        where the weights are of another family. For families whose checkpoints are files of
        tensors alone.
    processors
        Makes of the model's own processor what prepares each tower's inputs, by the tower's
        name, where that is more than its tokenizer and its image processor.
    """

    name: str
    recognises: Callable[[nn.Module], bool]
    towers: Callable[[Any], tuple[Tower, Tower]]
    classes: Mapping[str, str] = field(default_factory=dict)
    logits: Callable[[Any], Logits | None] = logits_of
    head: Callable[..., Head] | None = None
    of_weights: Callable[[Mapping[str, Tensor], int | None], nn.Module | None] | None = None
    processors: Callable[[Any], Mapping[str, Any]] | None = None


def hugging_face_family(
    name: str,
    classes: dict[str, str],
    towers: Callable[[Any], tuple[Tower, Tower]],
    logits: Callable[[Any], Logits | None] = logits_of,
) -> Family:
    """Return a family that is recognised by its ``transformers`` class, or a subclass."""

    def recognises(model: nn.Module) -> bool:
        return any(base.__name__ in classes.values() for base in type(model).__mro__)

    return Family(name, recognises, towers, classes, logits)


def text_features(model: Any) -> Callable[[Inputs], Tensor]:
    """Return a function that embeds texts by a ``transformers`` model's own pooling."""
    return lambda inputs: model.get_text_features(**inputs).pooler_output


def image_features(model: Any, **options: Any) -> Callable[[Inputs], Tensor]:
    """Return a function that embeds images by a ``transformers`` model's own pooling.

    Parameters
    ----------
    model
        Has ``get_image_features``.
    options
        For ``get_image_features``, such as ``interpolate_pos_encoding=True``.
    """
    return lambda inputs: model.get_image_features(**inputs, **options).pooler_output


def largest_block_list(module: nn.Module) -> nn.ModuleList | nn.Sequential:
    """Return a tower's blocks: the list of modules of one class with the most parameters."""

    def size(blocks: nn.Module) -> int:
        return sum(weight.numel() for weight in blocks.parameters())

    lists = [
        candidate
        for candidate in module.modules()
        if isinstance(candidate, nn.ModuleList | nn.Sequential)
        and len({type(block) for block in candidate}) == 1
    ]
    return max(lists, key=size)
