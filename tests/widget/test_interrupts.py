"""A real kernel that is interrupted: in a cell, and between cells."""

import signal
import subprocess
import time

import pytest

from fpattr_widget.view import PROTOCOL
from tests.helpers import forking
from tests.helpers.kernel import WIDGET, CellError, Notebook, notebook
from tests.helpers.shown import rows_message

SETUP = """
import time
import fpattr_widget as fp
from fpattr_widget.scenes import example
scene = example("dog-and-ball")
encoder = fp.load_encoder("scenes")
steps = []  # when each ended
pause = 0.4  # seconds that a step takes at least

class Slow(fp.FeaturePairs):
    def feature_rows(self, tokens):
        missing = not self.ready[list(tokens)].all()
        rows = super().feature_rows(tokens)
        if missing:
            time.sleep(pause)
            steps.append(time.time())
        return rows

def view():
    pairs = fp.attribute(encoder, scene.image, "a dog and a ball and a cat and a kite and a cup")
    pairs.__class__ = Slow
    return pairs.widget()
"""
# Under 0.1 on a quiet machine; one more step would take more than this on any.
MOST_SECONDS = 0.35


@pytest.fixture(scope="module")
def book():
    with notebook() as opened:
        opened.run(SETUP)
        yield opened


def shown(book: Notebook, cell: str) -> str:
    """Show a view; return its model once the first row is there."""
    model = book.run("pause = 0.4; w = view(); steps.clear(); w", cell)[WIDGET]["model_id"]
    book.listen(model, "rows")
    return model


def end_of_step(book: Notebook, moment: float) -> float:
    """Return when the step ended that was under way at a moment; itself between steps."""
    return min((step for step in book.value("steps") if step >= moment), default=moment)


def assert_stopped(book: Notebook, model: str, interrupted_at: float) -> None:
    stop = book.listen(model, "interrupted")[-1]
    assert not [said for said in book.silence(0.6) if said.model == model]
    assert stop.at - end_of_step(book, interrupted_at) < MOST_SECONDS
    assert book.value("max(steps)") <= stop.at
    assert 0 < book.value("int(w.pairs.ready.sum())") < book.value("len(w.pairs.tokens)")
    assert book.value("w._server.wait(0.1)")


def assert_works(book: Notebook, model: str) -> None:
    """A hover gets its row and nothing else; a page that starts anew gets everything."""
    last = book.value("len(w.pairs.tokens)") - 1
    book.say(model, rows_message([last]))
    rows = book.listen(model, "rows")
    assert rows[-1].content["features"] == [last]
    assert not [said for said in book.silence(0.6) if said.model == model]
    book.run("pause = 0")
    book.say(model, {"type": "hello", "epoch": 1, "protocol": PROTOCOL})
    said = book.listen(model, "done")
    assert said[0].content["type"] == "hello"
    assert book.value("w.pairs.ready.all().item()")


def test_an_idle_kernel_that_is_interrupted_stops_the_worker(book):
    model = shown(book, "idle")
    moment = time.time()
    book.manager.interrupt_kernel()
    assert_stopped(book, model, moment)
    assert_works(book, model)


def test_an_interrupted_cell_stops_the_worker(book):
    model = shown(book, "busy")
    cell = book.start("for _ in range(200): time.sleep(0.1)")
    book.listen(model, "rows")
    moment = time.time()
    book.manager.interrupt_kernel()
    with pytest.raises(CellError, match="KeyboardInterrupt"):
        book.finish(cell)
    stop = book.listen(model, "interrupted")[-1]
    assert stop.at - end_of_step(book, moment) < MOST_SECONDS
    assert_works(book, model)


def test_an_interrupted_cell_that_waits_stops_the_worker(book):
    model = shown(book, "async")
    # Of short waits: ipykernel's loop sees the signal when it wakes.
    cell = book.start("import asyncio\nfor _ in range(200): await asyncio.sleep(0.1)")
    book.listen(model, "rows")
    book.manager.interrupt_kernel()
    with pytest.raises(CellError, match=r"CancelledError|KeyboardInterrupt"):
        book.finish(cell)
    book.listen(model, "interrupted")
    assert_works(book, model)


def test_a_cell_that_fails_otherwise_stops_nothing(book):
    model = shown(book, "error")
    with pytest.raises(CellError, match="ZeroDivisionError"):
        book.run("pause = 0; 1 / 0")
    said = [said.content["type"] for said in book.listen(model, "done")]
    assert "interrupted" not in said


def test_cells_are_interrupted_as_before_and_handlers_do_not_pile_up(book):
    depth = (
        "handler, depth = get_ipython().kernel.saved_sigint_handler, 0\n"
        "while hasattr(handler, '_before'): handler, depth = handler._before, depth + 1\n"
        "print(depth, handler)"
    )
    # Our handler is there from the first view on, and this test may be the kernel's first.
    book.run("first = view()")
    first = book.run(depth)["text"]
    assert first.startswith("1 ")
    for _ in range(3):
        model = shown(book, "many")
        book.manager.interrupt_kernel()
        book.listen(model, "interrupted")
        cell = book.start("while True: time.sleep(0.01)")
        time.sleep(0.3)
        book.manager.interrupt_kernel()
        with pytest.raises(CellError, match="KeyboardInterrupt"):
            book.finish(cell)
    assert book.run(depth)["text"] == first


def test_a_handler_that_stood_there_before_is_called_too(book):
    book.run(
        "import signal\nheard = []\nkernel = get_ipython().kernel\n"
        "ours = kernel.saved_sigint_handler\n"
        "kernel.saved_sigint_handler = lambda number, frame: heard.append(number)"
    )
    model = shown(book, "chained")
    book.manager.interrupt_kernel()
    book.listen(model, "interrupted")
    assert book.value("[int(number) for number in heard]") == [2]
    book.run("kernel.saved_sigint_handler = ours")


def test_closing_stops_the_worker(book):
    model = shown(book, "closed")
    assert model
    text = book.run("server = w._server; w.close(); at = time.time(); server.wait(5); print(at)")
    closed = float(text["text"])
    ended = book.value("time.time()")
    assert book.value("w._server is None and not server._worker.busy")
    last = book.value("max(steps)")
    assert last <= max(closed + 1, ended)
    assert book.value("server.wait(0)")
    time.sleep(0.5)
    assert book.value("max(steps)") == last


def test_a_plain_program_keeps_its_own_interrupt():
    program = (
        "import signal, fpattr_widget as fp; from fpattr_widget.scenes import example\n"
        "before = signal.getsignal(signal.SIGINT)\n"
        "scene = example('fruit')\n"
        "widget = fp.explain(scene.image, scene.caption, model='scenes')\n"
        "assert signal.getsignal(signal.SIGINT) is before\n"
        "print('ready', flush=True)\n"
        "import time; time.sleep(60)"
    )
    process = subprocess.Popen(
        forking.program(program), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert errors.strip().endswith("KeyboardInterrupt")
