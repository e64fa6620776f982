"""What the view says when the kernel stops answering, and that it keeps what it has."""

import re

import numpy as np
import pytest
from playwright.sync_api import Locator, expect

from tests.helpers.notebook_page import SLOW_VIEW, Notebook, numbers, write_notebook
from tests.helpers.painted import assert_painted, wait_for_rows, wait_for_shown

pytestmark = pytest.mark.timeout(300)

SHOW = 'widget = slow_view("a dog next to a ball and a dog and a ball")\nwidget'
KERNEL = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"


@pytest.fixture
def notebook(open_notebook, lab) -> Notebook:
    """A notebook whose widget has some rows and lacks others."""
    notebook = open_notebook(write_notebook(lab.root / "faults.ipynb", SLOW_VIEW, SHOW))
    notebook.run_all()
    chip(notebook, 2).and_(notebook.page.locator(":not([data-missing])")).wait_for()
    assert missing(notebook) > 2
    return notebook


def view(notebook: Notebook) -> Locator:
    return notebook.views


def chip(notebook: Notebook, token: int) -> Locator:
    return view(notebook).locator(f".fpattr-token[data-tokens='{token}']")


def missing(notebook: Notebook) -> int:
    return view(notebook).locator(".fpattr-token[data-missing]").count()


def trouble(notebook: Notebook) -> Locator:
    return view(notebook).locator(".fpattr-failure")


def hover(notebook: Notebook, token: int) -> np.ndarray:
    chip(notebook, token).hover()
    wait_for_shown(view(notebook), f"tokens:{token}")
    return (
        view(notebook)
        .locator("canvas.fpattr-heat")
        .evaluate(
            "canvas => [...canvas.getContext('2d')"
            ".getImageData(0, 0, canvas.width, canvas.height).data]"
        )
    )


IS_GONE = re.compile("The kernel does not answer|Python was interrupted")


@pytest.mark.parametrize("fate", ["restart", "shutdown"])
def test_a_kernel_that_is_gone_is_told_and_what_is_there_stays(notebook, fate):
    before = hover(notebook, 2)
    assert max(before) > 0
    notebook.page.evaluate(f"async () => {{ await {KERNEL}.{fate}(); }}")
    expect(trouble(notebook)).to_have_text(IS_GONE, timeout=30_000)
    # A kernel is interrupted before it is shut down, and may have the time to say so.
    if "interrupted" in trouble(notebook).inner_text():
        view(notebook).get_by_text("Go on").click()
    expect(trouble(notebook)).to_contain_text("The kernel does not answer", timeout=30_000)
    expect(trouble(notebook)).to_contain_text("run the cell again")
    notebook.page.mouse.move(2, 2)
    assert hover(notebook, 2) == before
    lacking = missing(notebook)
    assert lacking > 0
    view(notebook).get_by_text("Ask again").click()
    expect(trouble(notebook)).to_contain_text("The kernel does not answer", timeout=30_000)
    assert missing(notebook) == lacking
    if fate == "restart":
        notebook.wait_idle()
        notebook.run_all()
        wait_for_rows(view(notebook))
        expect(trouble(notebook)).to_be_hidden()
        hover(notebook, 2)
        assert_painted(view(notebook), numbers(notebook, "widget.pairs.row(2)"))


def test_a_worker_that_was_interrupted_goes_on_when_asked(notebook):
    notebook.page.evaluate(f"async () => {{ await {KERNEL}.interrupt(); }}")
    expect(trouble(notebook)).to_contain_text("Python was interrupted", timeout=10_000)
    lacking = missing(notebook)
    assert lacking > 0
    notebook.page.wait_for_timeout(800)  # three rows would have arrived
    assert missing(notebook) == lacking
    view(notebook).get_by_text("Go on").click()
    wait_for_rows(view(notebook))
    expect(trouble(notebook)).to_be_hidden()
    hover(notebook, 12)
    assert_painted(view(notebook), numbers(notebook, "widget.pairs.row(12)"))
