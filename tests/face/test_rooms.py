"""The plan of the house, compared with the imports of every file of the package."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import fpattr_widget as fp

#: A room may import from those before it.
ROOMS = (
    "errors", "checks", "progress", "choices", "files", "assets", "encoders", "methods", "pairs",
    "drawing", "view", "scenes", "widget", "pages", "evaluation", "retrieval", "training",
)  # fmt: skip
#: Files outside of rooms, which may import from all of them.
FACE = ("__init__", "__main__", "cli")
#: Imports that run against the plan, each with the place where it stands. All belong to methods
#: of ``FeaturePairs``; those for type checkers are the types in the methods' signatures.
DOORS = {
    ("pairs/_pairs.py", "FeaturePairs.widget", "widget/__init__.py", "PairsWidget"),
    ("pairs/_pairs.py", "TYPE_CHECKING", "widget/__init__.py", "PairsWidget"),
    ("pairs/_pairs.py", "TYPE_CHECKING", "view/__init__.py", "ViewOptions"),
    ("pairs/_pairs.py", "FeaturePairs.plot", "drawing/__init__.py", "plot"),
    ("pairs/_pairs.py", "FeaturePairs.plot_read_out", "drawing/__init__.py", "plot_read_out"),
}
#: Files that import by a computed name: what the ``TYPE_CHECKING`` imports beside it say.
DYNAMIC = {"__init__.py", "drawing/__init__.py"}

Sources = Mapping[str, str]
parsed = cache(ast.parse)


@dataclass(frozen=True)
class Import:
    """A name that a file imports from another file of the package.

    ``scope`` is the function in which it stands, ``"TYPE_CHECKING"``, or empty.
    """

    file: str
    scope: str
    target: str
    name: str

    @property
    def as_door(self) -> tuple[str, str, str, str]:
        return self.file, self.scope, self.target, self.name


@pytest.fixture(scope="module")
def package() -> Sources:
    root = Path(fp.__file__).parent
    return {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
        for path in root.rglob("*.py")
    }


def room_of(file: str) -> str:
    """Return the room that a file belongs to; of the face, the file's own name."""
    return file.removesuffix(".py").split("/")[0]


def rank(file: str) -> int:
    room = room_of(file)
    return len(ROOMS) if room in FACE else ROOMS.index(room)


def statements(node: ast.AST, scope: str = "") -> Iterator[tuple[ast.stmt, str]]:
    """Return every import statement below a node, with its scope."""
    for child in ast.iter_child_nodes(node):
        inside = scope
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, scope
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inside = f"{scope}.{child.name}".removeprefix(".")
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            inside = "TYPE_CHECKING"
        yield from statements(child, inside)


def imports(sources: Sources) -> list[Import]:
    """Return all that files of the package import from one another."""
    return [
        Import(file, scope, target, name)
        for file, source in sources.items()
        for statement, scope in statements(parsed(source))
        for target, name in targets(statement, file, sources)
    ]


def targets(statement: ast.stmt, file: str, sources: Sources) -> Iterator[tuple[str, str]]:
    """Return the files that a statement imports, each with a name, empty for the whole file."""
    if isinstance(statement, ast.Import):
        modules = [(alias.name.split("."), "") for alias in statement.names]
    elif isinstance(statement, ast.ImportFrom):
        base = ["fpattr_widget", *file.split("/")][: -statement.level] if statement.level else []
        base += statement.module.split(".") if statement.module else []
        modules = [(base, alias.name) for alias in statement.names]
    else:
        modules = []
    for (root, *parts), name in modules:
        if root != "fpattr_widget":
            continue
        inner = file_of([*parts, name], sources) if name else None
        target = inner or file_of(parts, sources)
        assert target is not None, f"{file} imports {'.'.join(parts)}, which is not there"
        yield target, "" if inner else name


def file_of(parts: list[str], sources: Sources) -> str | None:
    """Return the file of a module."""
    path = "/".join(parts)
    names = (f"{path}.py", f"{path}/__init__.py".removeprefix("/"))
    return next((name for name in names if name in sources), None)


@cache
def exported(source: str) -> set[str]:
    """Return the names in a file's ``__all__``, else all its public names."""
    tree = parsed(source)
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            assigned = node.targets if isinstance(node, ast.Assign) else [node.target]
            written = {target.id for target in assigned if isinstance(target, ast.Name)}
            if written == {"__all__"} and node.value is not None:
                return set(ast.literal_eval(node.value))
            names |= written
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
    return {name for name in names if not name.startswith("_") or name == "__version__"}


def unplanned(sources: Sources) -> set[str]:
    """Return the files that belong to no room of the plan."""
    return {file for file in sources if room_of(file) not in (*ROOMS, *FACE)}


def upward(sources: Sources) -> set[tuple[str, str, str, str]]:
    """Return imports from rooms that come later in the plan, and from the face."""
    return {
        found.as_door
        for found in imports(sources)
        if room_of(found.file) not in FACE and rank(found.target) > rank(found.file)
    }


def past_the_entrance(sources: Sources) -> set[tuple[str, str, str]]:
    """Return what files import from another room, but do not get from its ``__init__``."""
    past = set()
    for found in imports(sources):
        room = room_of(found.target)
        if room in (room_of(found.file), *FACE):
            continue
        entrance = f"{room}.py" if f"{room}.py" in sources else f"{room}/__init__.py"
        name = found.name
        if found.target != entrance and not name:  # a file: is it a name of the entrance?
            name = Path(found.target.removesuffix("/__init__.py")).stem
            inside = found.target in (f"{room}/{name}.py", f"{room}/{name}/__init__.py")
        else:
            inside = found.target == entrance
        if not inside or (name and name not in exported(sources[entrance])):
            past.add((found.file, found.target, found.name))
    return past


def arrows(sources: Sources, doors: set[tuple[str, str, str, str]]) -> dict[str, set[str]]:
    """Return, for each file, the files that have to be imported for it, but for doors."""
    needed: dict[str, set[str]] = {file: set() for file in sources}
    for found in imports(sources):
        if found.as_door in doors:
            continue
        needed[found.file].add(found.target)
        # Entering a folder imports its `__init__`, unless the file is inside the folder.
        for folder in Path(found.target).parents:
            init = f"{folder.as_posix()}/__init__.py"
            if init in sources and folder not in Path(found.file).parents:
                needed[found.file].add(init)
    return needed


def circles(sources: Sources, doors: set[tuple[str, str, str, str]]) -> set[str]:
    """Return the files that need themselves."""
    needed = arrows(sources, doors)

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = list(needed[start])
        while waiting:
            file = waiting.pop()
            if file not in seen:
                seen.add(file)
                waiting += needed[file]
        return seen

    return {file for file in sources if file in reached(file)}


def dynamic(sources: Sources) -> set[str]:
    """Return the files that call ``import_module`` or ``__import__``."""
    calls = {"import_module", "__import__"}
    return {
        file
        for file, source in sources.items()
        for node in ast.walk(parsed(source))
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in calls
    }


def test_each_file_belongs_to_a_room_of_the_plan(package):
    assert unplanned(package) == set()


def test_no_import_runs_upward_but_through_the_doors(package):
    assert upward(package) == DOORS


def test_a_room_is_entered_through_its_init(package):
    assert past_the_entrance(package) == set()


def test_no_file_needs_itself(package):
    assert circles(package, DOORS) == set()


def test_only_entrances_import_by_a_computed_name(package):
    assert dynamic(package) == DYNAMIC


# The checks themselves, on packages of a few files

SOUND = {
    "__init__.py": "from .pairs import attribute\n__all__ = ['attribute']",
    "cli.py": "def main():\n    from . import attribute\n    from .view import state",
    "errors.py": "class InputError(ValueError): ...",
    "pairs/__init__.py": "from ._pairs import attribute\n__all__ = ['attribute']",
    "pairs/_pairs.py": "from ..errors import InputError\ndef attribute(): ...",
    "view/__init__.py": "from ._state import state\nfrom . import sub\n__all__ = ['state', 'sub']",
    "view/_state.py": "import fpattr_widget.errors\nfrom ..pairs import attribute\nstate = 1",
    "view/sub/__init__.py": "from .._state import state",
    "widget/__init__.py": "from ..view import state, sub",
}
CHECKS = {
    "unplanned": unplanned,
    "upward": upward,
    "past": past_the_entrance,
    "circle": lambda sources: circles(sources, set()),
    "dynamic": lambda sources: dynamic(sources) - DYNAMIC,
}


def complaints(sources: Sources) -> list[str]:
    return [name for name, check in CHECKS.items() if check(sources)]


def test_a_sound_package_passes():
    assert complaints(SOUND) == []


@pytest.mark.parametrize(
    ("file", "line", "complaint"),
    [
        ("odd/__init__.py", "", ["unplanned"]),
        ("odd.py", "", ["unplanned"]),
        ("errors.py", "from .view import state", ["upward", "circle"]),
        ("errors.py", "def late():\n    from .pairs import attribute", ["upward", "circle"]),
        ("errors.py", "if TYPE_CHECKING:\n    from .view import state", ["upward", "circle"]),
        ("errors.py", "import fpattr_widget.view", ["upward", "circle"]),
        ("errors.py", "from . import attribute", ["upward", "circle"]),
        ("errors.py", "from fpattr_widget.cli import main", ["upward", "circle"]),
        ("view/_state.py", "from ..pairs._pairs import attribute", ["past"]),
        ("view/_state.py", "from ..pairs import _pairs", ["past"]),
        ("view/_state.py", "import fpattr_widget.pairs._pairs", ["past"]),
        ("view/_state.py", "from ..pairs import Ledger", ["past"]),
        ("view/_state.py", "from ..errors import _hidden", ["past"]),
        ("widget/__init__.py", "from ..view.sub import state", ["past"]),
        ("cli.py", "from .pairs._pairs import attribute", ["past"]),
        ("pairs/_pairs.py", "from . import attribute", ["circle"]),
        ("view/_state.py", "def late():\n    from .sub import state", ["circle"]),
        ("view/_state.py", "if TYPE_CHECKING:\n    from .sub import state", ["circle"]),
        ("view/_state.py", "import_module('fpattr_widget.widget')", ["dynamic"]),
        ("view/_state.py", "importlib.import_module('x')", ["dynamic"]),
    ],
)
def test_each_violation_is_seen(file, line, complaint):
    assert complaints({**SOUND, file: f"{SOUND.get(file, '')}\n{line}"}) == complaint
