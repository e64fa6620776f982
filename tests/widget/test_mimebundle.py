"""The drawing that a display carries for places that show no widgets."""

import base64
import io
import threading
import time

import pytest
from PIL import Image

import fpattr_widget as fp
from fpattr_widget.drawing._figure import pairs_png, pairs_png_so_far, save_figure
from fpattr_widget.pairs import About
from fpattr_widget.scenes import example
from tests.helpers.made_pairs import made
from tests.helpers.recorded import like

pytestmark = pytest.mark.slow

METHOD = fp.IntegratedJacobians(steps=3)
VIEW = "application/vnd.jupyter.widget-view+json"
PNG = "image/png"


def drawing(view: fp.PairsWidget, **options) -> bytes:
    data, metadata = view._repr_mimebundle_(**options)
    assert isinstance(metadata, dict)
    return base64.b64decode(data[PNG], validate=True)


@pytest.fixture
def view(encoder, picture):
    view = fp.attribute(encoder, picture, "a dog and <b>a ball</b>", METHOD, 1).widget()
    view._server.wait(30)
    yield view
    view.close()


def test_a_drawing_stands_beside_the_view(view):
    data, _ = view._repr_mimebundle_()
    assert data[VIEW]["model_id"] == view.model_id
    assert data["text/plain"]
    assert drawing(view) == pairs_png(view.pairs)
    assert Image.open(io.BytesIO(drawing(view))).size[0] == 770


def test_an_explorer_carries_that_of_its_view(scenes_encoder):
    explorer = fp.explore(model=scenes_encoder, precompute=True)
    assert drawing(explorer) == pairs_png(explorer.pairs)
    plain, _ = explorer._repr_mimebundle_(exclude={PNG})
    assert VIEW in plain
    assert PNG not in plain
    assert plain["text/plain"].startswith("Explorer(FeaturePairs(")
    explorer.close()


def test_a_display_can_do_without(view):
    for options in (
        {"include": {VIEW}}, {"include": ["text/plain"]}, {"exclude": {PNG}},
        {"include": {PNG, VIEW}, "exclude": {PNG}},
    ):  # fmt: skip
        data, _ = view._repr_mimebundle_(**options)
        assert PNG not in data
        assert VIEW in data
    for options in (
        {"include": {PNG}}, {"include": None, "exclude": None}, {"exclude": {VIEW}},
        {"include": [], "exclude": []},
    ):  # fmt: skip
        assert drawing(view, **options)


def test_the_kernel_sends_it(view):
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    try:
        data, _ = shell.display_formatter.format(view)
        assert base64.b64decode(data[PNG]).startswith(b"\x89PNG")
        assert VIEW in data
    finally:
        InteractiveShell.clear_instance()


def test_it_is_small(scenes_encoder):
    scene = example("fruit")
    view = fp.explain(scene.image, scene.caption, model=scenes_encoder, precompute=True)
    assert len(drawing(view)) < 150_000
    view.close()


def test_pins_are_drawn(view, tmp_path):
    plain = drawing(view)
    view.selected_tokens, view.selected_patches = [2, 3], [0, 1, 4]
    pinned = drawing(view)
    patches = [view.pairs.columns.visible[number] for number in (0, 1, 4)]
    assert pinned == pairs_png(view.pairs, [2, 3], columns=patches) != plain
    for ending in (".png", ".svg", ".pdf"):
        path, same = tmp_path / f"view{ending}", tmp_path / f"pairs{ending}"
        view.save(path)
        save_figure(view.pairs, same, [2, 3], columns=patches)
        assert path.read_bytes() == same.read_bytes()
    view.selected_tokens, view.selected_patches = [], []
    view.save(str(tmp_path / "view.svg"))
    save_figure(view.pairs, tmp_path / "pairs.svg")
    assert (tmp_path / "view.svg").read_bytes() == (tmp_path / "pairs.svg").read_bytes()


def test_saving_computes_what_is_missing(encoder, picture, tmp_path):
    view = fp.attribute(encoder, picture, "a dog", METHOD, 1).widget()
    view.close()
    view.save(tmp_path / "view.png")
    assert view.pairs.ready.all()
    with pytest.raises(fp.InputError, match=r"^`path` ends in '\.gif': pass .*\.$"):
        view.save(tmp_path / "view.gif")
    with pytest.raises(fp.InputError, match=r"^`path` lies in 'nowhere', which is no folder"):
        view.save(tmp_path / "nowhere" / "view.png")


class Slow:
    """Measures only when told to, and says on which thread."""

    def __init__(self, pairs: fp.FeaturePairs):
        self.known = pairs.compute_all().recorded
        self.go = threading.Event()
        self.threads: list[threading.Thread] = []
        self.pairs = like(pairs, self)

    def __call__(self):
        self.threads.append(threading.current_thread())
        assert self.go.wait(60)
        return self.known


def test_a_display_waits_half_a_second_and_computes_nothing():
    quick = made("a dog and a ball")
    slow = Slow(quick)
    pairs = slow.pairs
    pairs_png(quick)  # matplotlib is there
    view = pairs.widget()
    started = time.monotonic()
    nothing = drawing(view)
    took = time.monotonic() - started
    assert 0.4 < took < 3
    assert not pairs.ready.any()
    assert nothing == pairs_png_so_far(pairs) != pairs_png(quick)
    slow.go.set()
    assert view._server.wait(30)
    assert threading.current_thread() not in slow.threads
    assert drawing(view) == pairs_png(quick)
    view.close()


def test_a_display_waits_no_longer_than_the_worker_takes():
    quick = made("a dog and a ball")
    slow = Slow(quick)
    pairs = slow.pairs
    view = pairs.widget()
    threading.Timer(0.1, slow.go.set).start()
    assert drawing(view) == pairs_png(quick)
    view.close()


def test_a_drawing_that_fails_is_left_out(view):
    pairs = view.pairs
    view.pairs = like(pairs, pairs.compute_all().recorded, About(None, "method", "layers"))
    data, _ = view._repr_mimebundle_()
    assert VIEW in data
    assert PNG not in data
    view.pairs = pairs
    assert drawing(view)


def test_a_closed_view_can_still_be_drawn(view, tmp_path):
    pairs = view.pairs
    view.close()
    assert view._repr_mimebundle_ is None
    view.save(tmp_path / "view.png")
    save_figure(pairs, tmp_path / "pairs.png")
    assert (tmp_path / "view.png").read_bytes() == (tmp_path / "pairs.png").read_bytes()
