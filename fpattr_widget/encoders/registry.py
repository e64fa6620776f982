"""The families that are known, and how to make one more known."""

from typing import Any

from torch import nn

from ..errors import InputError
from .clip import CLIP
from .family import Family
from .metaclip2 import METACLIP2

_FAMILIES: list[Family] = [CLIP, METACLIP2]

_HOW_TO_ADD = "fpattr_widget.register_family makes another known (see encoders/README.md)"


def register_family(family: Family) -> None:
    """Make a family of models known; the one registered last is asked first.

    Parameters
    ----------
    family
        A family of the same name is replaced.
    """
    _FAMILIES[:] = [family, *(known for known in _FAMILIES if known.name != family.name)]


def known_families() -> tuple[Family, ...]:
    """Return the families in the order in which they are asked."""
    return tuple(_FAMILIES)


def family_of_module(model: nn.Module) -> Family:
    """Return the family of a loaded module, or raise ``InputError``."""
    for family in _FAMILIES:
        if family.recognises(model):
            return family
    known = ", ".join(family.name for family in _FAMILIES)
    raise InputError(
        f"`model` is a {type(model).__name__}, not a dual encoder of a known family: looked for "
        f"the classes and layouts of {known}; {_HOW_TO_ADD}."
    )


def class_of_config(config: Any, name: str) -> str:
    """Return the ``transformers`` class that a configuration belongs to, or raise."""
    kind = getattr(config, "model_type", None)
    for family in _FAMILIES:
        if kind in family.classes:
            return family.classes[kind]
    known = ", ".join(kind for family in _FAMILIES for kind in family.classes)
    raise InputError(
        f"`model` {name!r} is of type {kind!r}, not a dual encoder of a known family: looked for "
        f"{known}; {_HOW_TO_ADD}."
    )
