"""Notebooks that are executed with no page open hold what a page would have kept."""

import base64
import io
import re
from copy import copy

import nbformat
import numpy as np
import papermill
import pytest
from PIL import Image

import fpattr_widget as fp
from fpattr_widget.drawing._figure import pairs_png, pairs_png_so_far
from fpattr_widget.scenes import example
from fpattr_widget.view import PROTOCOL
from fpattr_widget.widget import _patience as patience
from fpattr_widget.widget._patience import Patience
from tests.helpers.executed_notebook import Executed, rows
from tests.helpers.kernel import WIDGET, CellError, notebook
from tests.helpers.shown import caption_of

SETUP = """
import time
import ipywidgets
import fpattr_widget as fp
from fpattr_widget.scenes import example
from fpattr_widget.widget import _kernel as kernel, _patience as patience
scene = example("dog-and-ball")
encoder = fp.load_encoder("scenes")

class Slow(fp.FeaturePairs):
    def feature_rows(self, tokens):
        missing = not self.ready[list(tokens)].all()
        values = super().feature_rows(tokens)
        if missing:
            time.sleep(pause)
        return values

class Failing(fp.FeaturePairs):
    def feature_rows(self, tokens):
        raise fp.InputError("layer", "is out of order", "pass another")

def view(kind, caption="a dog and a ball"):
    pairs = fp.attribute(encoder, scene.image, caption)
    pairs.__class__ = kind
    return pairs.widget()
"""
SLOW = "a dog and a ball and a cat"
CELLS = (
    SETUP,
    # It takes longer than the half second for which a display waits beside a page.
    "pause = 0.15\ndisplay(view(Slow, scene.caption))\nfp.explain(scene.image, 'a dog', model='scenes')",
    "ipywidgets.VBox([view(Slow, 'a ball')])",
    "fp.explore(model='scenes')",
    "pause = 0.3\npatience._A_VIEW = 1.0\nview(Failing, 'a cat')",
    f"late = view(Slow, {SLOW!r})\nlate",
    "started = time.monotonic()\nlate\n",
    "display(time.monotonic() - started)",
)


@pytest.fixture(scope="module")
def executed(forked_kernels, tmp_path_factory) -> Executed:
    folder = tmp_path_factory.mktemp("executed")
    cells = [nbformat.v4.new_code_cell(code) for code in CELLS]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "made.ipynb")
    papermill.execute_notebook(
        folder / "made.ipynb", folder / "executed.ipynb", kernel_name="python3",
        progress_bar=False, cwd=str(folder),
    )  # fmt: skip
    return Executed(nbformat.read(folder / "executed.ipynb", as_version=4), folder)


@pytest.fixture(scope="module")
def scene():
    return example("dog-and-ball")


def model_of(executed: Executed, caption: str) -> dict:
    (found,) = (
        m for m in executed.models.values() if caption_of(m["state"]["sides"])["text"] == caption
    )
    return found


def outputs(executed: Executed, caption: str) -> list[dict]:
    """Return what was displayed of a caption, by itself or with something around it."""
    return [o for o in executed.outputs if f"FeaturePairs({caption!r}, " in o["text/plain"]]


def drawings(executed: Executed, caption: str) -> list[np.ndarray]:
    found = outputs(executed, caption)
    return [pixels(base64.b64decode(o["image/png"])) for o in found if "image/png" in o]


def pixels(drawing: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(drawing)).convert("RGB"), np.float32)


def same(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether drawings are alike but for the last bits of their values."""
    return one.shape == other.shape and float(np.abs(one - other).mean()) < 0.01


def assert_whole(model: dict, pairs: fp.FeaturePairs) -> None:
    state, values = model["state"], rows(model)
    everything = pairs.feature_rows(range(len(pairs.tokens)))
    np.testing.assert_allclose(values, everything, atol=1e-6)
    assert state["similarity"] == pytest.approx(pairs.ledger.similarity, abs=1e-6)
    assert state["ledger"]["pairs"] == pytest.approx(pairs.ledger.pairs, abs=1e-6)
    assert state["about"] == pairs.provenance()


@pytest.mark.parametrize("caption", ["a dog next to a ball", "a dog"])
def test_every_view_of_a_cell_has_its_rows_and_its_drawing(executed, scene, bundled, caption):
    pairs = fp.attribute(bundled, scene.image, caption)
    models = [
        m for m in executed.models.values() if caption_of(m["state"]["sides"])["text"] == caption
    ]
    for model in models:  # the explorer shows one of them too
        assert_whole(model, pairs)
    for output in outputs(executed, caption):
        assert f", {len(pairs.tokens)} rows co" in output["text/plain"]  # of 110 characters
    shown = drawings(executed, caption)
    assert len(shown) == len(models) == (2 if caption == scene.caption else 1)
    assert all(same(one, pixels(pairs_png(pairs))) for one in shown)


def test_a_view_in_a_box_has_its_rows(executed, scene, bundled):
    assert_whole(model_of(executed, "a ball"), fp.attribute(bundled, scene.image, "a ball"))
    assert not drawings(executed, "a ball")  # a box has none


def test_what_takes_too_long_is_said_and_the_rest_is_there(executed, scene, bundled):
    pairs = fp.attribute(bundled, scene.image, SLOW)
    everything = pairs.feature_rows(range(len(pairs.tokens)))
    model = model_of(executed, SLOW)
    values = rows(model)
    known = np.isfinite(values).all(1)
    assert 2 <= known.sum() < len(known)
    assert np.isnan(values[~known]).all()
    np.testing.assert_allclose(values[known], everything[known], atol=1e-6)
    assert model["state"]["similarity"] == pytest.approx(pairs.ledger.similarity, abs=1e-6)

    assert len(outputs(executed, SLOW)) == 2
    for output in outputs(executed, SLOW):
        said = re.search(
            r"\n(\d) of 10 tokens were not computed: pass `precompute=True` to compute all before "
            r"the view is shown\.$",
            output["text/plain"],
        )
        missing = int(said[1])
        drawn = pixels(base64.b64decode(output["image/png"]))
        # Another row may have come between the drawing and the text.
        assert [same(drawn, so_far(pairs, 10 - missing - late)) for late in (0, 1)].count(True) == 1
    said = [o for o in executed.outputs if "not computed" in o["text/plain"]]
    assert len(said) == 3  # with the view that failed


def so_far(pairs: fp.FeaturePairs, known: int, **options) -> np.ndarray:
    """Return the drawing of the first rows of some pairs of which all is known."""
    part = copy(pairs)
    part._ready = np.arange(len(pairs.tokens)) < known
    return pixels(pairs_png_so_far(part, **options))


def test_a_view_that_was_waited_for_in_vain_is_not_waited_for_again(executed):
    (again,) = (
        float(o["data"]["text/plain"])
        for o in executed.notebook.cells[-1].outputs
        if o.output_type == "display_data"
    )
    assert again < 0.5 + 2  # and the time in which it is drawn, on a busy machine


def test_a_view_that_fails_says_why(executed, scene, bundled):
    why = "`layer` is out of order: pass another."
    (output,) = outputs(executed, "a cat")
    assert output["text/plain"].endswith(f"\n4 of 4 tokens were not computed: {why}")
    pairs = fp.attribute(bundled, scene.image, "a cat")
    assert pairs.ledger
    (shown,) = drawings(executed, "a cat")
    assert same(shown, so_far(pairs, 0, why=why))
    assert not same(shown, so_far(pairs, 0))


@pytest.fixture(scope="module")
def book():
    with notebook() as opened:
        opened.run(SETUP + "pause = 0.3")
        yield opened


def test_pages_and_programs_are_told_apart(book, monkeypatch):
    tell = "display(kernel.attended())"

    def by_program() -> str:
        return book.finish(book.start_unattended(tell))["text/plain"]

    assert by_program() == "False"
    assert book.run(tell, cell="one")["text/plain"] == "True"
    assert book.run(tell)["text/plain"] == "True"
    # The classic notebook says nothing of the cell, and numbers messages as pages do.
    message = book.client.session.msg("execute_request", {"code": tell, "silent": False})
    message["header"]["msg_id"] = message["msg_id"] = "0f5c7a52-51f8-4d29-a1c4-9d2a6bfa32ce"
    book.client.shell_channel.send(message)
    assert book.finish(message["header"]["msg_id"])["text/plain"] == "True"
    for name, value in {"SERVER_SOFTWARE": "voila/0.5.8", "VOILA_BASE_URL": "/"}.items():
        book.run(f"import os; os.environ[{name!r}] = {value!r}")
        assert by_program() == "True"
        book.run(f"del os.environ[{name!r}]")
    assert by_program() == "False"


def test_beside_a_page_nothing_is_waited_for_or_kept(book):
    waited = book.run("pause = 0.6; live = view(Slow); live", cell="live")
    assert waited["text/plain"].count("not computed") == 1
    assert not book.value("bool(live.pairs.ready.all())")
    book.run("pause = 0")
    assert book.value("live._server.wait(30)")
    assert book.value("live.rows == b'' and live.similarity is None")


@pytest.mark.parametrize("shown", ["w", "ipywidgets.VBox([w])"], ids=["displayed", "at the end"])
def test_waiting_can_be_interrupted(book, shown):
    cell = book.start_unattended(f"pause = 0.6; w = view(Slow); print('made')\n{shown}")
    with pytest.raises(TimeoutError):
        book.finish(cell, timeout=1.5)
    book.manager.interrupt_kernel()
    if shown == "w":
        with pytest.raises(CellError, match="KeyboardInterrupt"):
            book.finish(cell)
    else:
        book.finish(cell)
    assert book.value("bool(w._server.wait(5) and 0 < w.pairs.ready.sum() < len(w.pairs.tokens))")


def test_a_page_that_has_spoken_is_there_for_programs_too(book):
    model = book.run("view(Slow)", cell="spoken")[WIDGET]["model_id"]
    book.say(model, {"type": "hello", "epoch": 1, "protocol": PROTOCOL})
    book.listen(model, "hello")
    said = book.finish(book.start_unattended("display(kernel.attended())"))
    assert said["text/plain"] == "True"


class Clock:
    """Views that take their time, on a clock of their own."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr(patience.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(patience, "_lost", 0.0)

    def view(self, takes: float):
        ready = self.now + takes

        def done(seconds: float) -> bool:
            self.now = max(self.now, min(ready, self.now + seconds))
            return self.now >= ready

        return done


def test_a_view_is_waited_for_ten_seconds_in_all(monkeypatch):
    clock = Clock(monkeypatch)
    slow, left = clock.view(60), Patience()
    for _ in range(3):
        left.wait(slow)
    assert clock.now == 10
    left.wait(slow, at_least=0.5)
    assert clock.now == 10.5


def test_quick_views_cost_their_computing_and_slow_ones_half_a_minute(monkeypatch):
    clock = Clock(monkeypatch)
    for _ in range(30):
        Patience().wait(clock.view(9))
    assert clock.now == 270
    for _ in range(30):
        Patience().wait(clock.view(60), at_least=0.5)
    assert clock.now == 270 + 30 + 27 * 0.5
    Patience().wait(clock.view(60))
    assert clock.now == 270 + 30 + 27 * 0.5
