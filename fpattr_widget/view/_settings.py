"""The settings of a view, and whether one can be used."""

from typing import Any, TypedDict, get_args

from ..errors import InputError
from ._protocol import Level, Scale, Signs, Theme


class ViewOptions(TypedDict, total=False):
    """What ``PairsWidget`` takes beside the pairs, where its docstring says what each means."""

    theme: Theme
    scale: Scale
    signs: Signs
    opacity: float
    smooth: bool
    keep_colour: bool
    level: Level
    report_hover: bool
    editable: bool
    precompute: bool


CHOICES: dict[str, tuple[str, ...]] = {
    "theme": get_args(Theme),
    "scale": get_args(Scale),
    "signs": get_args(Signs),
    "level": get_args(Level),
}
_SWITCHES = ("smooth", "keep_colour", "report_hover", "editable", "precompute")


def check_settings(settings: dict[str, Any]) -> None:
    """Raise ``InputError`` for the first setting that cannot be used."""
    for name, value in settings.items():
        if name in CHOICES:
            choices = CHOICES[name]
            if not isinstance(value, str) or value not in choices:
                *others, last = map(repr, choices)
                raise InputError(f"`{name}` is {value!r}: pass {', '.join(others)} or {last}.")
        elif name in _SWITCHES:
            if not isinstance(value, bool):
                raise InputError(f"`{name}` is {value!r}: pass True or False.")
        elif isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise InputError(f"`{name}` is {value!r}: pass a number from 0 to 1.")
