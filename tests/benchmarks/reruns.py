"""Memory of a kernel in which one cell runs again and again: ``python -m tests.benchmarks.reruns``.

For each cell: resident memory before and after, and what lives on. A page is
played that shows one view at a time, as JupyterLab does.
"""

import argparse

from tests.widget.notebook import WIDGET, Notebook, notebook

SETUP = """
import gc, os, signal, threading, tracemalloc
import comm, psutil
from ipywidgets.widgets.widget import _instances
import fpattr_widget as fp
from fpattr_widget.scenes import example
scene = example("dog-and-ball")
encoder = fp.load_encoder()

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
    "the bundled model": "fp.explain(scene.image, scene.caption)",
    "a name": "w = fp.explain(scene.image, scene.caption)\nw",
    "layer 0, stopped on its way": (
        "fp.explain(scene.image, scene.caption, layer=0, method=fp.IntegratedJacobians(steps=32))"
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--trace", action="store_true", help="count Python's memory (slower)")
    options = parser.parse_args()
    for name, code in CELLS.items():
        with notebook() as book:
            book.run(SETUP + ("tracemalloc.start()" if options.trace else ""))
            wait = "stopped" not in name
            print(f"{name}: {code!r}")
            for times in (20, options.times):
                rerun(book, code, times, wait=wait)
                print(f"  {times:4} runs more: {book.value('facts()')}", flush=True)


if __name__ == "__main__":
    main()
