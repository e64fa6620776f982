"""The quickstart in JupyterLab: what is painted is what was computed."""

import base64

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.helpers.notebook_page import QUICKSTART, numbers, open_page, wait_until, write_notebook
from tests.helpers.painted import BLUE, RED, assert_painted, heat_pixels, hover_patch, wait_for_rows
from tests.helpers.shown import caption_of

pytestmark = pytest.mark.timeout(300)

EXPLAIN = """
import fpattr_widget as fp
from fpattr_widget.scenes import example
scene = example("dog-and-ball")
widget = fp.explain(scene.image, scene.caption, model="scenes")
widget
"""


def move_away(page: Page) -> None:
    page.mouse.move(2, 2)


def test_quickstart_links_words_and_patches(open_notebook):
    notebook = open_notebook(QUICKSTART)
    page = notebook.page
    notebook.run_all()
    view = notebook.views.first
    wait_for_rows(view)
    notebook.wait_idle()

    # What stood there while the model was loaded takes no room any more.
    card, explanation = view.evaluate(
        """view => [...view.closest('.jp-OutputArea').querySelectorAll('.jp-OutputArea-child')]
            .map(output => output.offsetHeight)"""
    )
    assert card == 0 < explanation

    # A token's map is the row that Python has.
    dog = view.locator(".fpattr-token", has_text="dog")
    dog.scroll_into_view_if_needed()
    dog.hover()
    page.wait_for_function("r => r.dataset.shown === 'tokens:2'", arg=view.element_handle())
    row = numbers(notebook, "widget.pairs.row(2)")
    assert_painted(view, row)
    peak = np.unravel_index(row.argmax(), row.shape)
    assert f"row {peak[0] + 1}, column {peak[1] + 1}" in view.locator(".fpattr-line").inner_text()

    # The word lights its object: most of the positive mass lies in the dog's box.
    inside = numbers(
        notebook,
        "__import__('fpattr_widget.evaluation._geometry', fromlist=['x'])"
        ".patches_in_boxes([(0.17, 0.38, 0.41, 0.94)], widget.pairs.grid)",
    ).astype(bool)
    assert np.maximum(row, 0)[inside].sum() > 2 * inside.mean() * np.maximum(row, 0).sum()

    # A patch's tokens carry the column that Python has.
    hover_patch(view, *peak, row.shape)
    patch = int(np.ravel_multi_index(peak, row.shape))
    page.wait_for_function(
        "([r, p]) => r.dataset.shown === 'patches:' + p", arg=[view.element_handle(), patch]
    )
    column = numbers(notebook, f"widget.pairs.matrix[:, {patch}]")
    chips = view.locator(".fpattr-token").all()
    values, alphas = [], []
    for chip in chips:
        tokens = [int(t) for t in chip.get_attribute("data-tokens").split(",")]
        value = float(chip.get_attribute("data-value"))
        assert value == pytest.approx(column[tokens].sum(), abs=1e-4 * np.abs(column).max())
        colour = chip.evaluate("e => e.style.backgroundColor")
        # A value of zero, as BOS has, leaves a chip without colour.
        parts = [float(x) for x in colour.partition("(")[2].rstrip(")").split(",") if x]
        alpha = {0: 0.0, 3: 1.0, 4: parts[-1] if parts else 0.0}[len(parts)]
        values.append(value)
        alphas.append(alpha)
        if alpha > 0.05:
            assert tuple(parts[:3]) == (RED if value > 0 else BLUE)
    order = np.argsort(np.abs(values))
    assert (np.diff(np.array(alphas)[order]) >= -1e-6).all()
    assert view.locator(".fpattr-token", has_text="dog").get_attribute("data-value") == str(
        max((c for c in (chip.get_attribute("data-value") for chip in chips)), key=float)
    )

    move_away(page)
    page.wait_for_function("r => r.dataset.shown === ''", arg=view.element_handle())
    assert heat_pixels(view)[0][:, :, 3].max() == 0


def test_rerun_two_views_pins_and_saving(open_notebook, lab):
    source = lab.root / "two-views.ipynb"
    write_notebook(source, EXPLAIN, "widget")
    notebook = open_notebook(source)
    page = notebook.page
    notebook.run_all()
    views = notebook.views
    wait_for_rows(views.nth(0))
    wait_for_rows(views.nth(1))

    # Pinned in one view, seen in the other and in Python.
    views.nth(0).locator(".fpattr-token", has_text="ball").click()
    for index in (0, 1):
        page.wait_for_function(
            "r => r.dataset.shown === 'tokens:6'", arg=views.nth(index).element_handle()
        )
    assert_painted(views.nth(1), numbers(notebook, "widget.pairs.row(6)"))
    wait_until(notebook, "widget.selected_tokens == [6]")

    # A dragged region answers with the sum of its columns.
    page.keyboard.press("Escape")
    box = views.nth(0).locator("canvas.fpattr-heat").bounding_box()
    cell = box["width"] / 8
    page.mouse.move(box["x"] + 1.5 * cell, box["y"] + 2.5 * cell)
    page.mouse.down()
    page.mouse.move(box["x"] + 3.5 * cell, box["y"] + 4.5 * cell, steps=4)
    page.mouse.up()
    page.wait_for_function("r => r.dataset.shown.startsWith('patches:')",
                           arg=views.nth(0).element_handle())  # fmt: skip
    region = [8 * y + x for y in (2, 3, 4) for x in (1, 2, 3)]
    wait_until(notebook, f"sorted(widget.selected_patches) == {region}")
    column = numbers(notebook, f"widget.pairs.matrix[:, {region}].sum(1)")
    dog = views.nth(0).locator(".fpattr-token", has_text="dog")
    assert float(dog.get_attribute("data-value")) == pytest.approx(column[2], abs=1e-5)

    # Python pins, the page follows.
    notebook.python("widget.selected_patches = []; widget.selected_tokens = [2]")
    page.wait_for_function("r => r.dataset.shown === 'tokens:2'", arg=views.nth(0).element_handle())

    # What has arrived is saved with the notebook …
    wait_until(notebook, "len(widget.rows) == 4 * widget.pairs.matrix.shape[0] * 65")
    matrix = numbers(notebook, "widget.pairs.matrix")
    saved = notebook.save()
    states = saved["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    (state,) = [s for s in states.values() if "sides" in s["state"]]
    assert caption_of(state["state"]["sides"])["text"] == "a dog next to a ball"
    (rows,) = [b["data"] for b in state["buffers"] if b["path"] == ["rows"]]
    kept = np.frombuffer(base64.b64decode(rows), "<f4").reshape(len(matrix), -1)
    np.testing.assert_allclose(kept[:, 1:], matrix, atol=1e-7)

    # … and running the cell again gives a living view once more.
    notebook.run_all()
    notebook.wait_idle()
    expect(views).to_have_count(2)
    wait_for_rows(views.nth(0))
    views.nth(0).locator(".fpattr-token", has_text="dog").hover()
    page.wait_for_function("r => r.dataset.shown === 'tokens:2'", arg=views.nth(0).element_handle())
    assert_painted(views.nth(0), numbers(notebook, "widget.pairs.row(2)"))


def test_a_hostile_caption_is_only_text(open_notebook, lab):
    source = lab.root / "hostile.ipynb"
    attack = "<img src=x onerror=hacked=1>"
    caption = f"dog {attack}</script><script>hacked=1"
    write_notebook(
        source,
        "import fpattr_widget as fp\nfrom fpattr_widget.scenes import example\n"
        f"widget = fp.explain(example('picnic').image, {caption!r})\nwidget",
    )
    notebook = open_notebook(source)
    notebook.run_all()
    view = notebook.views.first
    wait_for_rows(view)
    # As a span, the caption's words stand together in the line; a failure is shown whole.
    notebook.python("widget.selected_tokens = list(range(1, len(widget.pairs.tokens) - 1))")
    line = view.locator(".fpattr-line")
    line.get_by_text("<img").wait_for()
    notebook.python(f"widget.send({{'type': 'failure', 'epoch': 1, 'message': {attack!r}}})")
    view.locator(".fpattr-failure").get_by_text(attack).wait_for()
    notebook.page.wait_for_timeout(200)  # for an image to fail to load
    assert notebook.page.evaluate("() => window.hacked") is None
    assert view.locator("img").count() == 1
    assert view.locator("script").count() == 0
    assert "onerror" in view.locator(".fpattr-caption").inner_text()


def test_a_reloaded_page_gets_its_rows_back_from_the_kernel(browser, lab):
    # In a page of its own, for JupyterLab opens again what was open before.
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    source = write_notebook(lab.root / "reload.ipynb", EXPLAIN)
    notebook = open_page(context.new_page(), lab, source)
    notebook.run_all()
    wait_for_rows(notebook.views.first)
    wait_until(notebook, "len(widget.rows) > 0")
    notebook.save()

    notebook.page.reload()
    notebook.page.wait_for_function(
        "() => window.jupyterapp?.shell?.currentWidget?.sessionContext?.isReady", timeout=60_000
    )
    view = notebook.views.first
    wait_for_rows(view)
    view.locator(".fpattr-token", has_text="ball").hover()
    notebook.page.wait_for_function(
        "r => r.dataset.shown === 'tokens:6'", arg=view.element_handle()
    )
    assert_painted(view, numbers(notebook, "widget.pairs.row(6)"))
    # Alive, not only restored: a pin reaches the kernel.
    view.locator(".fpattr-token", has_text="ball").click()
    wait_until(notebook, "widget.selected_tokens == [6]")
    notebook.shut_down()
    context.close()
    assert notebook.errors == []
