"""Rows and answers while a long cell runs, with each kernel that behaves in its own way."""

import os
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from playwright.sync_api import Locator

from tests.helpers.notebook_page import SLOW_VIEW, Notebook, numbers, wait_until, write_notebook
from tests.helpers.painted import (
    assert_chips,
    assert_painted,
    chip_values,
    drag_region,
    wait_for_rows,
    wait_for_shown,
)

pytestmark = pytest.mark.timeout(300)

NEWEST = version("ipykernel")
LONG = """
from pathlib import Path
from IPython.display import display

widget = slow_view("a dog next to a ball and a dog and a ball")
display(widget)
while not Path("enough").exists():
    time.sleep(0.05)
"""
FIRST, LAST = 2, 12  # the first dog, the last ball
MISSING = "root => root.querySelectorAll('.fpattr-token[data-missing]').length"


@pytest.fixture(params=["6.31.0", "7.3.0", NEWEST])
def notebook(request, lab, open_notebook) -> Notebook:
    """A notebook whose kernel is of one version, in its long cell."""
    wanted = request.param
    environment = {}
    if wanted != NEWEST:
        apart = Path(sys.prefix, f"ipykernel-{wanted}")
        assert apart.is_dir(), f"{apart.name} is not installed: `npm test` installs it"
        inherited = os.environ.get("PYTHONPATH")
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(apart), inherited]))
    kernel = f"ipykernel-{wanted}"
    lab.add_kernel(kernel, **environment)
    (lab.root / "enough").unlink(missing_ok=True)
    notebook = open_notebook(
        write_notebook(lab.root / f"{kernel}.ipynb", SLOW_VIEW, LONG, kernel=kernel)
    )
    assert notebook.python("import ipykernel; print(ipykernel.__version__)").strip() == wanted
    notebook.start_all()
    notebook.version = tuple(map(int, wanted.split(".")))
    return notebook


def chip(view: Locator, token: int) -> Locator:
    return view.locator(f".fpattr-token[data-tokens='{token}']")


def assert_answered_during_the_cell(notebook: Notebook, view: Locator) -> tuple[list[int], list]:
    """Ask for what the fill has not reached yet; return a region and what its chips said."""
    chip(view, LAST).hover()
    chip(view, LAST).and_(view.locator(":not([data-missing])")).wait_for()
    # The row asked for came before those that the fill would have brought first.
    assert view.evaluate(MISSING) > 2
    region = drag_region(view, (2, 1), (4, 3))
    wait_for_shown(view, f"patches:{','.join(map(str, region))}")
    notebook.page.wait_for_function(
        "root => !root.querySelector('.fpattr-token[data-missing]')", arg=view.element_handle()
    )
    assert view.get_by_role("progressbar").is_visible()
    said = chip_values(view)
    assert notebook.is_running()
    notebook.page.keyboard.press("Escape")
    return region, said


def test_a_long_cell_holds_up_nothing(notebook, lab):
    view = notebook.views
    view.locator(".fpattr-img").wait_for(timeout=60_000)
    assert view.evaluate(MISSING) > 2
    # Before 7.0 the kernel hears nothing from the page until the cell has ended.
    answered = notebook.version >= (7,) and assert_answered_during_the_cell(notebook, view)
    wait_for_rows(view)
    assert notebook.is_running()

    (lab.root / "enough").touch()
    notebook.wait_idle()
    matrix = numbers(notebook, "widget.pairs.matrix")
    for token in (FIRST, LAST):
        chip(view, token).hover()
        wait_for_shown(view, f"tokens:{token}")
        assert_painted(view, matrix[token].reshape(8, 8))
    if answered:
        region, said = answered
        for tokens, value in said:
            assert value == pytest.approx(matrix[tokens][:, region].sum(), abs=1e-4)
    # The region, and what it says now that every row is there.
    region = drag_region(view, (0, 0), (1, 7))
    wait_until(notebook, f"widget.selected_patches == {region}")
    assert_chips(view, matrix[:, region].sum(1))
    wait_until(notebook, "len(widget.rows) == 4 * widget.pairs.matrix.shape[0] * 65")
