"""A cell that runs again and again leaves nothing behind that grows."""

import pytest

from tests.benchmarks.reruns import SETUP, grow, rerun
from tests.helpers.kernel import WIDGET, Notebook, notebook
from tests.helpers.shown import kind_of

CODE = "w = fp.explain(scene.image, scene.caption, model='scenes')\nw"
LIVING = "[o for o in Out.values() if isinstance(o, fp.PairsWidget) and o.comm is not None]"


@pytest.fixture(scope="module")
def book():
    with notebook() as opened:
        opened.run(SETUP)
        yield opened


def facts(book: Notebook) -> dict:
    found = book.value("facts()")
    return {name: value for name, value in found.items() if "B " not in name}


def test_nothing_grows_when_a_cell_runs_again(book):
    rerun(book, CODE, 3)
    before = facts(book)
    rerun(book, CODE, 10)
    after = facts(book)
    kept = "PairsWidgets kept by Out"
    assert after.pop(kept) == before.pop(kept) + 10
    assert after == before
    assert before["widgets"] <= 4  # at most two views, each with its layout
    book.run(
        "kept = [o for o in Out.values() if isinstance(o, fp.PairsWidget) and o.comm is None]\n"
        "assert len(kept) > 8\n"
        "for one in kept:\n"
        "    assert (one._server, one.rows, one.sides) == (None, b'', [])\n"
        "    assert type(one.pairs._interactions).__name__ == 'Recorded'\n"
        "    assert one.pairs._crop.picture is w.pairs._crop.picture\n"
        "    assert abs(one.pairs.words().matrix.sum() - one.pairs.matrix.sum()) < 1e-4\n"
        "    assert one.pairs.words().ledger == one.pairs.ledger\n"
        "assert not [t for t in threading.enumerate() if t.name == 'fpattr-rows']\n"
        "del kept, one"
    )


def test_the_benchmark_tells_what_each_run_adds(book):
    found = grow(book, CODE, 1, 2)
    before, after = found["before"], found["after"]
    kept = "PairsWidgets kept by Out"
    assert after[kept] == before[kept] + 2
    assert found["MB each"] == (after["MB resident"] - before["MB resident"]) / 2


def test_nothing_grows_without_a_page(book):
    for _ in range(3):
        book.run(CODE, cell="alone")
    before = facts(book)
    for _ in range(4):
        book.run(CODE, cell="alone")
    after = facts(book)
    assert after["widgets"] == before["widgets"]
    assert after["comms"] == before["comms"]


def test_what_was_let_go_of_is_shown_again_when_it_is_displayed(book):
    rerun(book, CODE, 1)
    book.run("first = w", cell="keep")
    first = book.value("first.model_id")
    rerun(book, CODE, 3)
    assert book.value("first.comm is None")
    again = book.run("first", cell="show")[WIDGET]["model_id"]
    assert again != first
    panels = "[side['panels'][0] for side in first.sides]"
    assert book.value("first.model_id") == again
    assert book.value(f"[len({panels}[0]['tokens']) > 0, len({panels}[1]['data']) > 0]") == [
        True, True,
    ]  # fmt: skip
    rows = [s.content for s in book.listen(again, "done") if kind_of(s.content) == "rows"]
    assert sum(len(content["features"]) for content in rows) == book.value(
        "len(first.pairs.tokens)"
    )
    assert book.value("first.layout.comm is not None")


def test_what_is_seen_elsewhere_stays(book):
    model = book.run(CODE, cell="twice")[WIDGET]["model_id"]
    book.run("kept = w")
    book.update(model, _view_count=2)  # a new view for the output
    book.silence(0.5)
    book.update(model, _view_count=1)  # the cell's own goes as it runs again
    for _ in range(4):
        book.run(CODE, cell="twice")
    assert book.value("kept.comm is not None")
    book.update(model, _view_count=0)
    book.silence(1)
    assert book.value("kept.comm is None")


def test_views_in_other_cells_and_without_cells_stay(book):
    book.run("a = fp.explain(scene.image, 'a dog', model='scenes'); a", cell="a")
    book.run("b = fp.explain(scene.image, 'a cat', model='scenes'); b")
    for _ in range(4):
        book.run("c = fp.explain(scene.image, 'a cat', model='scenes'); c", cell="c")
    assert book.value("(a.comm is not None, b.comm is not None, c.comm is not None)") == (
        True, True, True,
    )  # fmt: skip


def test_a_view_in_a_box_stays(book):
    book.run(
        "import ipywidgets\nbox = ipywidgets.VBox([fp.explain(scene.image, 'a dog', model='scenes')])",
        "box",
    )
    for _ in range(4):
        book.run(
            "other = ipywidgets.VBox([fp.explain(scene.image, 'a dog', model='scenes')])", "box"
        )
    assert book.value("box.children[0].comm is not None")


def test_the_first_view_may_be_counted_late(book):
    """Older kernels hear of it between cells, when the cell has run again already."""
    model = book.run(CODE, cell="late")[WIDGET]["model_id"]
    book.run("kept = w")
    book.run(CODE, cell="late")
    assert book.value("kept.comm is not None")
    book.update(model, _view_count=1)
    book.silence(0.5)
    assert book.value("kept.comm is not None")
    book.update(model, _view_count=0)
    book.silence(1)
    assert book.value("kept.comm is None")
