"""Pages and notebooks that version 0.1.0 saved hover as they did."""

import shutil

import nbformat
import numpy as np
import pytest
from nbformat.sign import NotebookNotary
from playwright.sync_api import Locator, expect

from tests.helpers.first_round import FOLDER, read_truth
from tests.helpers.notebook_page import open_restored
from tests.helpers.offline_page import expect_shown, offline
from tests.helpers.painted import assert_chips, assert_painted, drag_region, wait_for_rows

TRUTH = read_truth()


@pytest.fixture(scope="module")
def matrix() -> np.ndarray:
    return np.array(TRUTH["pairs"]["matrix"], np.float32)


def assert_hovers(view: Locator, matrix: np.ndarray) -> None:
    """Compare what a word and a region show, and the pin that was saved, with that version."""
    wait_for_rows(view)
    view.scroll_into_view_if_needed()
    expect_shown(view, "tokens:8")
    assert_painted(view, matrix[8].reshape(8, 8))
    assert view.locator(".fpattr-img").evaluate("image => image.naturalWidth") == 96
    shown = view.locator(".fpattr-caption").inner_text().split()
    assert shown == TRUTH["pairs"]["words"]
    similarity = TRUTH["pairs"]["ledger"]["similarity"]
    assert view.locator(".fpattr-number").inner_text() == f"{similarity:.2f}"
    view.locator(".fpattr-token[data-tokens='8']").click()
    view.page.mouse.move(2, 2)
    expect_shown(view, "")
    view.locator(".fpattr-token", has_text="hot-dog").hover()
    expect_shown(view, "tokens:2,3,4")
    assert_painted(view, matrix[2:5].sum(0).reshape(8, 8))
    view.page.mouse.move(2, 2)
    region = drag_region(view, (2, 1), (4, 3))
    expect_shown(view, f"patches:{','.join(map(str, region))}")
    assert_chips(view, matrix[:, region].sum(1))


def test_a_page(browser, matrix):
    with offline(browser) as page:
        page.goto((FOLDER / "page.html").as_uri())
        assert page.title() == TRUTH["pairs"]["caption"]
        assert_hovers(page.locator(".fpattr"), matrix)
        assert (page.errors, page.console, page.refused) == ([], [], [])


def test_a_notebook_where_todays_version_is_installed(lab, browser, matrix):
    path = lab.root / "first-round.ipynb"
    shutil.copy(FOLDER / "notebook.ipynb", path)
    notary = NotebookNotary(data_dir=lab.environment["JUPYTER_DATA_DIR"])
    notary.sign(nbformat.read(path, as_version=4))
    context = browser.new_context(viewport={"width": 1280, "height": 1400})
    notebook = open_restored(context.new_page(), lab, path)
    whole, part = (notebook.page.locator(".fpattr").nth(index) for index in (0, 1))
    assert_hovers(whole, matrix)
    assert whole.get_attribute("data-theme") == "dark"

    interrupted = TRUTH["interrupted"]
    count, computed = interrupted["tokens"], interrupted["computed"]
    notebook.page.locator(".jp-CodeCell").nth(1).scroll_into_view_if_needed()
    part.wait_for(timeout=60_000)
    part.scroll_into_view_if_needed()
    expect(part.locator(".fpattr-line")).to_contain_text(
        f"{count - len(computed)} of {count} tokens were not computed", timeout=10_000
    )
    part.locator(".fpattr-token[data-tokens='2']").hover()
    expect_shown(part, "tokens:2")
    assert_painted(part, np.reshape(interrupted["dog"], (8, 8)))
    notebook.shut_down()
    context.close()
