"""The registry of families."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import InputError
from ._family import Family
from .families import FAMILIES
from .heads import HEADED_FAMILIES

_FAMILIES: list[Family] = [*HEADED_FAMILIES, *FAMILIES]

_HOW_TO_ADD = (
    "register another by fpattr_widget.register_family (see fpattr_widget/encoders/README.md)"
)


def register_family(family: Family) -> None:
    """Register a family of models; it is tried before those registered earlier.

    Parameters
    ----------
    family
        A family of the same name is replaced.

    Raises
    ------
    InputError
        When it is not a :class:`.Family`.
    """
    if not isinstance(family, Family):
        raise InputError(
            "family",
            f"is a {type(family).__name__}",
            "pass fpattr_widget.Family(name, recognises, towers)",
        )
    _FAMILIES[:] = [family, *(known for known in _FAMILIES if known.name != family.name)]


def unwrapped(model: nn.Module) -> nn.Module:
    """Return the module inside ``DataParallel``, ``torch.compile`` or a ``PeftModel``.

    Adapters' changes are part of that module. A compiled module is run
    as it was before compilation.

    Raises
    ------
    InputError
        When an adapter works outside that module, as learnt prompts do.
    """
    kinds = {kind.__name__ for kind in type(model).__mro__}
    inner: Any = None
    if kinds & {"DataParallel", "DistributedDataParallel"}:
        inner = model.module
    elif "OptimizedModule" in kinds:
        inner = model._orig_mod
    elif "PeftModel" in kinds:
        adapted: Any = model
        if any(config.is_prompt_learning for config in adapted.peft_config.values()):
            raise InputError(
                "model",
                "is a PeftModel that learns prompts, which stand outside the towers",
                "pass `model.get_base_model()` to explain the model without them",
            )
        inner = adapted.get_base_model()
    return unwrapped(inner) if isinstance(inner, nn.Module) else model


def family_of_module(model: nn.Module) -> Family:
    """Return the family of a loaded module, or raise ``InputError``."""
    if isinstance(model, torch.jit.ScriptModule):
        raise InputError(
            "model",
            "is compiled by TorchScript, so that no hidden state of it can be read",
            "load it as a plain module (OpenAI's and OpenCLIP's packages take `jit=False`)",
        )
    for family in _FAMILIES:
        if family.recognises(model):
            return family
    known = ", ".join(family.name for family in _FAMILIES)
    raise InputError(
        "model",
        f"is a {type(model).__name__}, not a dual encoder of a known family ({known})",
        _HOW_TO_ADD,
    )


def module_of_weights(
    weights: Mapping[str, Tensor], name: str, head_size: int | None = None
) -> nn.Module:
    """Return the module of a checkpoint's weights, or raise ``InputError``.

    Parameters
    ----------
    weights
        By their names, without prefixes.
    name
        The checkpoint's, for messages.
    head_size
        See ``Family.of_weights``.
    """
    readers = [family for family in _FAMILIES if family.of_weights is not None]
    for family in readers:
        assert family.of_weights is not None
        module = family.of_weights(weights, head_size)
        if module is not None:
            return module
    known = ", ".join(family.name for family in readers)
    raise InputError(
        "model",
        f"{name!r} holds weights of no family whose checkpoints are read here ({known})",
        "pass a loaded module, or the folder that save_pretrained wrote",
    )


def family_of_config(config: Any, name: str) -> tuple[Family, str]:
    """Return a configuration's family and ``transformers`` class, or raise ``InputError``."""
    kind = str(getattr(config, "model_type", None))
    for family in _FAMILIES:
        if kind in family.classes:
            return family, family.classes[kind]
    known = ", ".join(kind for family in _FAMILIES for kind in family.classes)
    raise InputError(
        "model",
        f"{name!r} is of type {kind!r}, not a dual encoder of a known family ({known})",
        _HOW_TO_ADD,
    )
