"""The view in each notebook host: what is painted there is what this process computes."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

import fpattr_widget as fp
from fpattr_widget.scenes import example
from tests.helpers.hosts import Jupyter, Lab, Marimo, Notebook7, Voila
from tests.helpers.notebook_page import open_page, write_notebook
from tests.helpers.notebooks_shown import MARIMO
from tests.helpers.painted import (
    assert_chips,
    assert_painted,
    drag_region,
    wait_for_rows,
    wait_for_shown,
)

pytestmark = pytest.mark.timeout(300)

EXPLAIN = """
import ipywidgets
import fpattr_widget as fp
from fpattr_widget.scenes import example
from fpattr_widget.widget import _kernel as kernel
attended = kernel.attended()  # before a page has spoken
scene = example("dog-and-ball")
widget = fp.explain(scene.image, scene.caption, model="scenes")
"""
# What Python has, shown by Python.
REPORT = """
report = ipywidgets.Label(f"A page is expected: {attended}")
said = lambda change: setattr(
    report, "value", f"Python has {widget.selected_tokens} {widget.selected_patches}")
widget.observe(said, ["selected_tokens", "selected_patches"])
report
"""


def jupyter(server: Jupyter, page: Page) -> Iterator[Page]:
    path = write_notebook(server.root / "view.ipynb", EXPLAIN + "widget", REPORT)
    notebook = open_page(page, server, path, dark=True)
    page.errors.clear()  # Notebook 7 has one of its own while it starts
    notebook.run_all()
    yield page
    notebook.shut_down()


def voila(server: Voila, page: Page) -> Iterator[Page]:
    write_notebook(server.root / "view.ipynb", EXPLAIN + "widget", REPORT)
    page.goto(server.address("view.ipynb", theme="dark"), timeout=60_000)
    yield page


def marimo(server: Marimo, page: Page) -> Iterator[Page]:
    page.goto(server.url)
    if server.mode == "edit":
        page.locator(".cm-line", has_text="widget = mo.ui").wait_for(timeout=60_000)
        page.get_by_test_id("run-button").last.click()  # all cells
    yield page


HOSTS = {
    "jupyterlab": (Lab, jupyter),
    "notebook-7": (Notebook7, jupyter),
    "voila": (Voila, voila),
    "marimo-run": (partial(Marimo, mode="run", notebook=MARIMO, theme="dark"), marimo),
    "marimo-edit": (partial(Marimo, mode="edit", notebook=MARIMO, theme="dark"), marimo),
}


@pytest.fixture(params=HOSTS)
def shown(request: pytest.FixtureRequest, browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """A host, dark though the system prefers light, with the widget as its last output but one."""
    kind, opened = HOSTS[request.param]
    # The one that other tests use too is there already.
    server = request.getfixturevalue("lab") if kind is Lab else kind(tmp_path)
    try:
        size = {"width": 1280, "height": 1400}
        context = browser.new_context(viewport=size, color_scheme="light")
        page = context.new_page()
        page.errors = []  # from here on, those of the first rendering too
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        yield from opened(server, page)
        context.close()
    finally:
        if kind is not Lab:
            server.stop()


@pytest.fixture(scope="module")
def pairs() -> fp.FeaturePairs:
    scene = example("dog-and-ball")
    return fp.explain(scene.image, scene.caption, model="scenes").pairs


def word(view: Locator, text: str) -> Locator:
    return view.locator(".fpattr-token", has_text=text).first


def test_a_host_shows_what_python_computed(shown, pairs, request):
    # marimo is shown two: a plain one and one that it wraps, which comes last.
    count = 2 if "marimo" in request.node.name else 1
    expect(shown.locator(".fpattr")).to_have_count(count, timeout=90_000)
    if count == 1:  # marimo's kernel is none of Jupyter's
        shown.get_by_text("A page is expected: True").wait_for()
    for view in shown.locator(".fpattr").all():
        wait_for_rows(view)
        assert view.get_attribute("data-theme") == "dark"
        assert view.locator(".fpattr-caption").inner_text().split() == [
            "BOS", "a", "dog", "next", "to", "a", "ball", "EOS",
        ]  # fmt: skip
        assert view.locator(".fpattr-img").evaluate("i => i.complete && i.naturalWidth") > 0
        number = view.locator(".fpattr-number").inner_text()
        assert number == f"{pairs.ledger.similarity:.2f}"
        for text, token in (("dog", 2), ("ball", 6)):
            word(view, text).scroll_into_view_if_needed()
            word(view, text).hover()
            wait_for_shown(view, f"tokens:{token}")
            assert_painted(view, pairs.row(token))

    # A dragged region is pinned and says what Python says of it.
    region = drag_region(view, (2, 1), (4, 3))
    wait_for_shown(view, f"patches:{','.join(map(str, region))}")
    assert_chips(view, pairs.matrix[:, region].sum(1))
    shown.get_by_text(f"Python has [] {region}").wait_for()
    word(view, "dog").click()
    shown.get_by_text(f"Python has [2] {region}").wait_for()
    assert shown.errors == []
