"""Two widgets linked by their traits, in the kernel and in the page."""

import pytest

from tests.helpers.notebook_page import wait_until, write_notebook
from tests.helpers.painted import wait_for_rows, wait_for_shown

pytestmark = pytest.mark.timeout(300)

TWO = """
import ipywidgets
import traitlets
import fpattr_widget as fp
from fpattr_widget.scenes import example
scene = example("dog-and-ball")
one = fp.explain(scene.image, scene.caption, model="scenes")
other = fp.explain(scene.image, scene.caption, model="scenes")
"""
LINKS = {
    "in-the-kernel": "traitlets.link",
    "in-the-page": "ipywidgets.jslink",
}


@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)
def test_a_pin_in_one_is_a_pin_in_the_other(link, open_notebook, lab):
    notebook = open_notebook(
        write_notebook(
            lab.root / "links.ipynb",
            TWO,
            f"link = {link}((one, 'selected_rows'), (other, 'selected_rows'))",
            "one",
            "other",
        )
    )
    notebook.run_all()
    views = notebook.views
    for index in (0, 1):
        wait_for_rows(views.nth(index))
    for pinned, word, token in ((0, "dog", 2), (1, "ball", 6)):
        views.nth(pinned).locator(".fpattr-token", has_text=word).click()
        notebook.page.mouse.move(2, 2)
        for index in (0, 1):
            wait_for_shown(views.nth(index), f"tokens:{token}")
        wait_until(notebook, f"one.selected_tokens == other.selected_tokens == [{token}]")
    # Not more than was linked: a pin that is linked goes the same way, and comes later.
    notebook.python("one.selected_patches = [3]")
    wait_for_shown(views.nth(0), "tokens:6 patches:3")
    notebook.python("one.selected_tokens = [2]")
    wait_for_shown(views.nth(0), "tokens:2 patches:3")
    wait_for_shown(views.nth(1), "tokens:2")
    wait_until(notebook, "(other.selected_tokens, other.selected_patches) == ([2], [])")
