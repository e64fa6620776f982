"""One contract: ``protocol.ts`` and Python have the same messages and the same state."""

import re
from dataclasses import fields as fields_of
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

import pytest
import traitlets

import fpattr_widget as fp
from fpattr_widget.methods import LedgerTerm
from fpattr_widget.view import _protocol as protocol
from fpattr_widget.view._protocol import PROTOCOL, parse

SOURCES = Path(__file__).parents[2] / "js" / "src"
FILES = ("values/shapes.ts", "values/settings.ts", "model/protocol.ts")
NUMBERS = {int: "number", float: "number", str: "string", bool: "boolean", type(None): "null"}
NOT_OURS = {"layout", "tabbable", "tooltip"}


class TypeScript:
    """The interfaces and type aliases of a file."""

    def __init__(self, source: str):
        bare = re.sub(r"/\*.*?\*/|//[^\n]*", "", source, flags=re.S)
        bodies = r"export interface (\w+)(?: extends (\w+))? \{(.*?)\n\}"
        self.interfaces: dict[str, dict[str, str]] = {}
        for name, base, body in re.findall(bodies, bare, flags=re.S):
            self.interfaces[name] = {**self.interfaces.get(base, {}), **fields(body)}
        self.aliases = {
            name: value.strip()
            for name, value in re.findall(r"export type (\w+) =(.*?);\n", bare)
            if name != "Bytes"
        }
        unions = re.findall(r"export type (\w+) =\s*((?:\|?\s*\w+\s*)+);", bare)
        self.unions = {name: set(re.findall(r"\w+", value)) for name, value in unions}
        (settings,) = re.findall(r"export type Settings = \{(.*?)\n\};", bare, flags=re.S)
        (traits,) = re.findall(r"export type Traits = Settings & \{(.*?)\n\};", bare, flags=re.S)
        self.traits = {**fields(settings), **fields(traits)}
        self.version = int(re.search(r"export const PROTOCOL = (\d+)", bare)[1])

    def expand(self, kind: str) -> str:
        """Write aliases out, and unions in order."""
        parts = [part.strip() for part in kind.split("|")]
        whole = " | ".join(sorted(self.expand_one(part) for part in parts))
        return whole if whole == kind else self.expand(whole)

    def expand_one(self, part: str) -> str:
        inner = part.removesuffix("[]")
        return (
            f"({self.expand(self.aliases[inner])})[]"
            if inner != part and inner in self.aliases
            else (self.aliases.get(part, part))
        )


def fields(body: str) -> dict[str, str]:
    return {
        name: " ".join(kind.split())
        for name, kind in re.findall(r"^\s+(\w+)\??:\s*(.*?);$", body, flags=re.M)
    }


def written(kind: Any) -> str:
    """Return how TypeScript writes a Python type."""
    if kind in NUMBERS:
        return NUMBERS[kind]
    if kind is bytes:
        return "Bytes"
    if is_typeddict(kind):
        return kind.__name__
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return " | ".join(sorted(f'"{value}"' for value in inner))
    if origin is list:
        item = written(inner[0])
        return f"({item})[]" if "|" in item else f"{item}[]"
    if origin is dict:
        return f"Record<{written(inner[0])}, {written(inner[1])}>"
    if origin in (Union, UnionType):
        return " | ".join(sorted(map(written, inner)))
    raise AssertionError(f"no TypeScript for {kind}")


@pytest.fixture(scope="module")
def page() -> TypeScript:
    return TypeScript("\n".join((SOURCES / name).read_text(encoding="utf-8") for name in FILES))


def forms() -> dict[str, type]:
    return {name: kind for name, kind in vars(protocol).items() if is_typeddict(kind)}


def test_both_sides_speak_the_same_protocol(page):
    assert page.version == PROTOCOL


@pytest.mark.parametrize("name", forms())
def test_a_form_has_the_same_fields_on_both_sides(page, name):
    ours = {field: written(kind) for field, kind in get_type_hints(forms()[name]).items()}
    theirs = {field: page.expand(kind) for field, kind in page.interfaces[name].items()}
    assert theirs == ours


@pytest.mark.parametrize(
    ("record", "form"),
    [
        (fp.Token, protocol.TokenState),
        (fp.Ledger, protocol.LedgerState),
        (LedgerTerm, protocol.LedgerTermState),
    ],
)
def test_what_travels_of_a_record_is_all_of_it(record, form):
    """The state is made by ``asdict``, which no type checker follows."""
    kinds = {field.name: get_type_hints(record)[field.name] for field in fields_of(record)}
    if record is fp.Ledger:
        kinds["terms"] = list[protocol.LedgerTermState]
    assert kinds == get_type_hints(form)


def test_the_page_has_no_forms_of_its_own(page):
    said = {name for name, form in page.interfaces.items() if "type" in form}
    assert said <= set(forms())


@pytest.mark.parametrize(
    ("ours", "theirs"), [(protocol.Outgoing, "Incoming"), (protocol.Incoming, "Outgoing")]
)
def test_what_one_side_sends_the_other_takes(page, ours, theirs):
    assert {form.__name__ for form in get_args(ours)} == page.unions[theirs]


def test_progress_is_something_that_a_worker_sends():
    assert protocol.ProgressMessage in get_args(protocol.Result)


def test_the_state_has_the_same_traits_of_the_same_kinds(page):
    traits = {
        name: trait
        for name, trait in fp.PairsWidget.class_traits(sync=True).items()
        if not name.startswith("_") and name not in NOT_OURS
    }
    assert set(page.traits) == set(traits)
    for name, trait in traits.items():
        kind = page.expand(page.traits[name])
        assert agrees(kind, trait, page), f"{name} is {kind} there and a {trait} here"


def agrees(kind: str, trait: traitlets.TraitType, page: TypeScript) -> bool:
    null = " | null" if trait.allow_none else ""
    if isinstance(trait, traitlets.Enum):
        values = set(trait.values)
        return kind == " | ".join(sorted(f'"{value}"' for value in values)) + null
    if isinstance(trait, traitlets.Bytes):
        return kind == "Bytes"
    simple = {
        traitlets.Unicode: "string", traitlets.Bool: "boolean",
        traitlets.Int: "number", traitlets.Float: "number",
    }  # fmt: skip
    for trait_type, written_kind in simple.items():
        if isinstance(trait, trait_type):
            return set(kind.split(" | ")) == set((written_kind + null).split(" | "))
    if isinstance(trait, traitlets.List):
        inner = kind.removesuffix("[]")
        if isinstance(trait._trait, traitlets.Dict):
            return kind.endswith("[]") and inner in page.interfaces
        return kind.endswith("[]") and agrees(inner, trait._trait, page)
    if isinstance(trait, traitlets.Dict):
        parts = kind.split(" | ")
        return all(part in page.interfaces or part.startswith("Record<") for part in parts)
    return False


ROWS = {"type": "features", "epoch": 1, "part": "", "side": 0, "id": 0, "features": [1, 2]}


@pytest.mark.parametrize(
    "message",
    [
        ROWS,
        {**ROWS, "side": 1, "id": 3, "features": []},
        {"type": "hello", "epoch": 1, "protocol": 2},
        {"type": "text", "side": 0, "text": "</script>"},
        {"type": "file", "side": 1},
    ],
)
def test_a_whole_message_is_taken_as_it_is(message):
    assert parse(message) is message


@pytest.mark.parametrize(
    "message",
    [
        None, 3, "rows", [], {}, {"type": None}, {"type": ["rows"]}, {"type": "unheard of"},
        {**ROWS, "features": None}, {**ROWS, "features": [1.5]}, {**ROWS, "features": [True]},
        {**ROWS, "features": "12"}, {**ROWS, "epoch": "1"}, {**ROWS, "epoch": True},
        {**ROWS, "side": None}, {**ROWS, "id": "1"}, {**ROWS, "part": None},
        {"type": "features", "epoch": 1, "side": 0},
        {"type": "text", "side": 0, "text": 3}, {"type": "text", "text": "a"}, {"type": "file"},
        {"type": "hello", "epoch": 1},
    ],
)  # fmt: skip
def test_anything_else_is_no_message(message):
    assert parse(message) is None
