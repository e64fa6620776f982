"""What a user meets first: a quick import, the public names and their types, the program's help."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

import fpattr_widget as fp
from fpattr_widget.choices import DATASET_FILES, PARAPHRASE_FILES, MethodName, MetricName
from fpattr_widget.evaluation.metrics import METRICS
from fpattr_widget.methods import METHODS
from fpattr_widget.view import ViewOptions

PACKAGE = Path(fp.__file__).parent
HEAVY = ("torch", "transformers", "numpy", "PIL", "matplotlib", "ipywidgets")


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_importing_the_package_imports_nothing_heavy_and_leaks_no_name():
    said = run(
        "import sys, fpattr_widget as fp\n"
        "print([n for n in dir(fp) if not n.startswith('__')] == sorted(fp.__all__))\n"
        f"print([n for n in {HEAVY} if n in sys.modules])\n"
        "print(fp.InputError.__name__, fp.scenes.__name__, hasattr(fp, 'shared_encoder'))\n"
        "from fpattr_widget import *\n"
        "print(fp.DualEncoder is DualEncoder, fp.explain is explain)\n"
        "print([n for n in dir(fp) if not n.startswith('__')] == sorted(fp.__all__))\n"
    )
    assert said.split("\n")[:5] == [
        "True",
        "[]",
        "InputError fpattr_widget.scenes False",
        "True True",
        "True",
    ]


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_the_program_answers_before_it_imports_anything_heavy(argument):
    said = run(
        "import sys\n"
        "from fpattr_widget.cli import main\n"
        "try:\n"
        f"    main([{argument!r}])\n"
        "except SystemExit as end:\n"
        f"    print([n for n in {HEAVY} if n in sys.modules], end.code)\n"
    )
    assert said.splitlines()[-1] == "[] 0"
    wanted = "usage: fpattr-widget" if argument == "--help" else f"fpattr-widget {fp.__version__}"
    assert said.startswith(wanted)


def test_a_checker_and_python_find_the_same_names():
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    (guarded,) = [
        node
        for node in tree.body
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
    ]
    seen = {
        (node.module, name.name)
        for node in guarded.body
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    used = {(part, name) for part, names in fp._NAMES_OF.items() for name in names}
    assert used == seen
    assert sorted(name for _, name in used) == sorted(fp.__all__)
    for name in fp.__all__:
        assert getattr(fp, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'explian'"):
        _ = fp.explian


def test_the_names_that_can_be_chosen_are_those_that_there_are():
    assert get_args(MethodName) == tuple(METHODS)
    assert get_args(MetricName) == tuple(METRICS)
    offered = {name.replace("-", "_") for name in {**DATASET_FILES, **PARAPHRASE_FILES}}
    assert offered == set(fp.datasets.__all__)


def test_the_options_of_a_view_are_typed():
    """``user.py`` beside the wheel's test holds what a checker makes of them."""
    parameters = inspect.signature(fp.PairsWidget.__init__).parameters
    options = {name for name, one in parameters.items() if one.kind is one.KEYWORD_ONLY}
    assert set(get_type_hints(ViewOptions)) == options
    assert (PACKAGE / "py.typed").exists()


@pytest.mark.parametrize("call", ["explain", "explore", "attribute", "evaluate", "load_encoder"])
def test_no_argument_is_of_any_type(call):
    hints = get_type_hints(getattr(fp, call))
    names = inspect.signature(getattr(fp, call)).parameters
    assert set(names) <= set(hints)
    assert Any not in hints.values()
