"""Memory of a kernel in which one cell runs again and again: ``python -m tests.benchmarks.reruns``.

For each cell: resident memory before and after, and what lives on. A page is
played that shows one view at a time, as JupyterLab does. Prints the numbers and
keeps them.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.records import FOLDER, keep
from tests.helpers.kernel import WIDGET, Notebook, notebook

SETUP = """
import gc, os, signal, threading, tracemalloc
import comm, psutil
from ipywidgets.widgets.widget import _instances
import fpattr_widget as fp
from fpattr_widget.scenes import example
scene = example("dog-and-ball")
encoder = fp.load_encoder("scenes")

def facts():
    gc.collect()
    shell = get_ipython()
    handler, depth = shell.kernel.saved_sigint_handler, 0
    while handler is not None:
        handler, depth = getattr(handler, "_before", None), depth + 1
    return {
        "MB resident": round(psutil.Process().memory_info().rss / 1e6, 1),
        "KB in Python": tracemalloc.get_traced_memory()[0] // 1000,
        "widgets": len(_instances),
        "comms": len(comm.get_comm_manager().comms),
        "threads": threading.active_count(),
        "callbacks": sum(map(len, shell.events.callbacks.values())),
        "handlers": depth,
        "PairsWidgets kept by Out": sum(isinstance(o, fp.PairsWidget) for o in Out.values()),
    }
"""

CELLS = {
    "the bundled model": "fp.explain(scene.image, scene.caption, model='scenes')",
    "a name": "w = fp.explain(scene.image, scene.caption, model='scenes')\nw",
    "layer 0, stopped on its way": (
        "fp.explain(scene.image, scene.caption, model='scenes', layer=0, method=fp.IntegratedJacobians(steps=32))"
    ),
}


def rerun(book: Notebook, code: str, times: int, *, wait: bool = True) -> None:
    """Run a cell again and again, each time with one view of what it made."""
    seen = None
    for _ in range(times):
        if seen is not None:  # JupyterLab clears the output as it sends the cell
            book.update(seen, _view_count=0)
        seen = book.run(code, cell="again")[WIDGET]["model_id"]
        book.say(seen, {"type": "hello", "epoch": 1, "protocol": 2})
        book.update(seen, _view_count=1)
        if wait:
            book.listen(seen, "done")
    if seen is not None:
        book.update(seen, _view_count=0)


def grow(book: Notebook, code: str, first: int, times: int, *, wait: bool = True) -> dict[str, Any]:
    """Return what the kernel holds after the first runs, and after more of them."""
    found: dict[str, Any] = {"first": first, "more": times}
    for name, count in (("before", first), ("after", times)):
        rerun(book, code, count, wait=wait)
        found[name] = book.value("facts()")
        print(f"  {count:4} runs more: {found[name]}", flush=True)
    added = found["after"]["MB resident"] - found["before"]["MB resident"]
    return {**found, "MB each": added / times}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--trace", action="store_true", help="count Python's memory (slower)")
    parser.add_argument("--records", type=Path, default=FOLDER, help="where to keep the numbers")
    options = parser.parse_args(arguments)
    kept = {}
    for name, code in CELLS.items():
        with notebook() as book:
            book.run(SETUP + ("tracemalloc.start()" if options.trace else ""))
            print(f"{name}: {code!r}")
            kept[name] = grow(book, code, 20, options.times, wait="stopped" not in name)
    if not options.trace:  # which changes what is held
        keep("reruns", kept, options.records)


if __name__ == "__main__":
    main()
