"""The settings of a view: one list, of which traits, checks and saved names are made."""

from dataclasses import dataclass, fields
from typing import Any, Literal, TypedDict, get_args, get_origin, get_type_hints

from ..errors import InputError

Theme = Literal["auto", "light", "dark"]
Scale = Literal["shared", "own"]
Signs = Literal["both", "for", "against"]
Level = Literal["words", "tokens"]


@dataclass(frozen=True, kw_only=True)
class ViewSettings:
    """How a view shows its pairs; all of it is saved with a notebook.

    The page has the same list in ``settings.ts``; a contract compares the two.

    Attributes
    ----------
    theme
        ``"auto"`` follows the notebook; or ``"light"``, ``"dark"``.
    scale
        ``"shared"``: one colour scale for the maps of all words; or ``"own"``.
    signs
        Which values are painted: ``"both"``, ``"for"`` the match, ``"against"`` it.
    opacity
        Of the heat map, from 0 to 1.
    smooth
        Whether values run from patch to patch instead of being one tile each.
    keep_colour
        Whether the picture keeps its colour under a map.
    level
        What a chip of the caption is: ``"words"``, or the tokenizer's ``"tokens"``.
    fold
        Whether words of several captions that stand in the same place are shown as one.
    part
        Which part of the pairs is shown where a head makes the score: ``"all"``, ``"match"``,
        ``"routing"``, or a place that is read, such as ``"mixture 3"``. A part that the pairs
        do not have is as ``"all"``.
    report_hover
        Whether ``hovered`` is kept up to date.
    editable
        Whether the caption and the picture can be changed in the view.

    Raises
    ------
    InputError
        When a setting cannot be used.
    """

    theme: Theme = "auto"
    scale: Scale = "shared"
    signs: Signs = "both"
    opacity: float = 1.0
    smooth: bool = False
    keep_colour: bool = False
    level: Level = "words"
    fold: bool = False
    part: str = "all"
    report_hover: bool = False
    editable: bool = False

    def __post_init__(self) -> None:
        for name in SETTINGS:
            _check(name, getattr(self, name))


class ViewOptions(TypedDict, total=False):
    """The settings as keyword options, for type checkers; a test compares them."""

    theme: Theme
    scale: Scale
    signs: Signs
    opacity: float
    smooth: bool
    keep_colour: bool
    level: Level
    fold: bool
    part: str
    report_hover: bool
    editable: bool
    precompute: bool


#: Each setting's default.
SETTINGS: dict[str, Any] = {field.name: field.default for field in fields(ViewSettings)}

#: The settings of a view without a kernel, to which nothing can be reported.
STANDALONE_SETTINGS: tuple[str, ...] = tuple(
    name for name in SETTINGS if name not in ("report_hover", "editable")
)

#: What a setting of several words can be.
CHOICES: dict[str, tuple[str, ...]] = {
    name: get_args(kind)
    for name, kind in get_type_hints(ViewSettings).items()
    if get_origin(kind) is Literal
}


def check_switch(name: str, value: object) -> None:
    """Raise ``InputError`` unless a value is True or False."""
    if not isinstance(value, bool):
        raise InputError(name, f"is {value!r}", "pass True or False")


def _check(name: str, value: object) -> None:
    if name in CHOICES:
        choices = CHOICES[name]
        if not isinstance(value, str) or value not in choices:
            *others, last = map(repr, choices)
            raise InputError(name, f"is {value!r}", f"pass {', '.join(others)} or {last}")
    elif isinstance(SETTINGS[name], str):
        if not isinstance(value, str):
            raise InputError(name, f"is {value!r}", "pass 'all' or the name of a part")
    elif isinstance(SETTINGS[name], bool):
        check_switch(name, value)
    elif isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InputError(name, f"is {value!r}", "pass a number from 0 to 1")
