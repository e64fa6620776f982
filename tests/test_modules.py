"""What keeps the tests apart: helpers are in one place."""

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent


def imported(path: Path) -> Iterator[str]:
    """Yield the names of the modules that a file imports, those in its strings of code too."""
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        for node in ast.walk(waiting.pop()):
            if isinstance(node, ast.ImportFrom):
                yield from (f"{'.' * node.level}{node.module or ''}.{a.name}" for a in node.names)
            elif isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.Constant) and "import " in str(node.value):
                try:
                    waiting.append(ast.parse(str(node.value)))
                except SyntaxError:  # it is no code
                    continue


def is_a_test(name: str) -> bool:
    return any(part.startswith("test_") or part == "conftest" for part in name.split("."))


def test_nothing_imports_from_a_test():
    files = sorted(TESTS.rglob("*.py"))
    found = {
        f"{path.relative_to(TESTS)}: {name}"
        for path in files
        for name in imported(path)
        if is_a_test(name) and name.startswith((".", "tests."))
    }
    assert len(files) > 100
    assert found == set()
