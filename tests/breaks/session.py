"""Sessions of pytest in processes that are forked from one that has imported what is slow."""

import multiprocessing
import os
import sys
from multiprocessing.context import ForkServerContext
from pathlib import Path

# Most of the time of a short session goes into importing these.
_SLOW = (
    "torch", "torch.func", "transformers", "transformers.models.clip.modeling_clip", "anywidget",
    "hypothesis", "ipywidgets", "matplotlib.figure", "pandas", "pytest", "scipy.stats",
    "tests.breaks.session",
)  # fmt: skip
_OWN = ("fpattr_widget", "tests")


def forkserver() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_SLOW))
    return context


def run_pytest(place: Path, arguments: list[str], output: Path) -> None:
    """Run pytest in a folder, as a process of its own would, and end with its code."""
    import pytest

    for name in list(sys.modules):
        if name.split(".")[0] in _OWN:
            del sys.modules[name]
    elsewhere = str(Path.cwd())
    sys.path[:] = [str(place), *(path for path in sys.path if path not in ("", elsewhere))]
    sys.argv = ["pytest", *arguments]
    os.chdir(place)
    os.environ["PYTHONPATH"] = str(place)
    with open(output, "wb") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    code = int(pytest.main(arguments))
    sys.stdout.flush()
    sys.stderr.flush()
    sys.exit(code)
