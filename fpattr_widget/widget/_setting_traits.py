"""The settings of a view as traits of a widget, made of their one list."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar, get_type_hints

import traitlets

from ..view import CHOICES, SETTINGS, ViewOptions

_Function = TypeVar("_Function", bound=Callable[..., None])


def _trait_of(name: str, default: Any) -> traitlets.TraitType[Any, Any]:
    """Return the trait of a setting: the page owns it, and Python may set it."""
    trait: traitlets.TraitType[Any, Any]
    if name in CHOICES:
        trait = traitlets.Enum(CHOICES[name], default)
    elif isinstance(default, str):
        trait = traitlets.Unicode(default)
    elif isinstance(default, bool):
        trait = traitlets.Bool(default)
    else:
        trait = traitlets.Float(default, min=0, max=1)
    return trait.tag(sync=True, echo_update=False)


#: A base class with a trait for each setting.
SettingTraits: Any = traitlets.MetaHasTraits(
    "SettingTraits",
    (traitlets.HasTraits,),
    {name: _trait_of(name, default) for name, default in SETTINGS.items()},
)


def lists_settings(function: _Function) -> _Function:
    """Name each option and its default in a signature that ends in ``**options``, for help."""
    options = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=SETTINGS.get(name, False),
            annotation=kind,
        )
        for name, kind in get_type_hints(ViewOptions).items()
    ]
    *others, _ = inspect.signature(function).parameters.values()
    function.__signature__ = inspect.Signature([*others, *options])  # type: ignore[attr-defined]
    return function
