"""The explorer in JupyterLab: menus, edits in place, uploads, and wrong input told in its place."""

import io
import time

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, TimeoutError

from fpattr_widget.scenes import example
from tests.helpers.notebook_page import Notebook, numbers, wait_until, write_notebook
from tests.helpers.painted import assert_painted, drag_region, wait_for_rows, wait_for_shown

pytestmark = pytest.mark.timeout(300)

EXPLORE = "import fpattr_widget as fp\nexplorer = fp.explore(model='scenes')\nexplorer"


@pytest.fixture
def notebook(open_notebook, lab):
    notebook = open_notebook(write_notebook(lab.root / "explorer.ipynb", EXPLORE))
    notebook.run_all()
    wait_for_rows(notebook.views.first)
    notebook.wait_idle()
    return notebook


@pytest.fixture
def view(notebook) -> Locator:
    return notebook.views.first


def menu(page: Page, name: str) -> Locator:
    return page.get_by_label(name, exact=True)


def chosen(control: Locator) -> str:
    return control.evaluate("select => select.selectedOptions[0]?.text").replace("\xa0", " ")


def wait_for_choice(page: Page, name: str, label: str) -> None:
    page.wait_for_function(
        "([select, label]) => select.selectedOptions[0]?.text.replaceAll('\\xa0', ' ') === label",
        arg=[menu(page, name).element_handle(), label],
    )


def wait_for_caption(view: Locator, caption: str) -> None:
    words = caption.replace(",", "").split()
    view.page.wait_for_function(
        """([root, words]) => {
            const shown = [...root.querySelectorAll('.fpattr-token[data-kind=word]')]
                .map(chip => chip.textContent.trim());
            return words.every(word => shown.some(text => text.startsWith(word)));
        }""",
        arg=[view.element_handle(), words],
    )


def assert_linked(notebook: Notebook, view: Locator, word: str) -> None:
    """A hovered word paints the row of the pairs that Python says are on show."""
    token = int(
        numbers(notebook, f"[t.text for t in explorer.pairs.tokens].index({word!r})").item()
    )
    row = numbers(notebook, f"explorer.pairs.row({token})")
    chip = view.locator(".fpattr-token", has_text=word).first
    end = time.monotonic() + 20
    while True:
        wait_for_rows(view)
        chip.scroll_into_view_if_needed()
        chip.hover()
        try:
            wait_for_shown(view, f"tokens:{token}", timeout=3_000)
            assert_painted(view, row)
        except (AssertionError, TimeoutError):  # the pairs of before may still be on show
            if time.monotonic() > end:
                raise
        else:
            break
        finally:
            view.page.mouse.move(2, 2)


def png(side: int, seed: int = 0, noise: int = 8) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (noise, noise, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((side, side), Image.Resampling.NEAREST).save(buffer, "PNG")
    return buffer.getvalue()


def upload(view: Locator, content: bytes, name: str = "picture.png") -> None:
    view.locator("input.fpattr-file").set_input_files(
        [{"name": name, "mimeType": "image/png", "buffer": content}]
    )


def test_menus_choose_what_is_explained(notebook, view):
    page = notebook.page
    assert chosen(menu(page, "Example")) == "dog and ball"
    menu(page, "Example").select_option("harbour")
    wait_for_caption(view, example("harbour").caption)
    wait_until(notebook, "explorer.pairs.caption == 'a boat above a whale'")
    assert_linked(notebook, view, "whale")

    menu(page, "Method").select_option("occlusion")
    view.get_by_text("occlusion").first.wait_for()
    wait_for_choice(page, "Image layer", "at the input")
    assert menu(page, "Image layer").is_disabled()
    wait_until(notebook, "explorer.pairs.about.method == 'occlusion'")
    assert_linked(notebook, view, "boat")

    menu(page, "Method").select_option("integrated Jacobians")
    wait_for_choice(page, "Image layer", "block 2 (default)")
    menu(page, "Image layer").select_option("block 1")
    wait_until(notebook, "explorer.layer == (0, 1) and not explorer.busy")
    wait_until(notebook, "explorer.pairs.about.layers.endswith('image block 1')")
    assert_linked(notebook, view, "boat")

    # Python is the same instrument.
    notebook.python("explorer.example = 'fruit'; explorer.layer = None")
    wait_for_choice(page, "Example", "fruit")
    wait_for_choice(page, "Image layer", "block 2 (default)")
    wait_for_caption(view, example("fruit").caption)


def test_the_caption_is_edited_in_place(notebook, view):
    region = drag_region(view, (2, 1), (4, 3))
    wait_until(notebook, f"explorer.view.selected_patches == {region}")
    view.locator("button.fpattr-edit").click()
    editor = view.locator(".fpattr-editor textarea")
    editor.fill("")
    refused = view.locator(".fpattr-refused[data-kind=caption]")
    refused.get_by_text("Caption is empty").wait_for()
    # What was good is still there, linked, behind the sentence.
    wait_until(notebook, "explorer.pairs.caption == 'a dog next to a ball'")
    assert editor.is_visible()
    editor.fill("two dogs")
    editor.press("Enter")
    wait_for_caption(view, "two dogs")
    assert refused.is_hidden()
    assert editor.is_hidden()
    wait_until(notebook, "explorer.caption == 'two dogs' and explorer.problems == {}")
    assert chosen(menu(notebook.page, "Example")) == "your own"
    # The picture is the same, and what is pinned on it stays.
    wait_until(notebook, f"explorer.view.selected_patches == {region}")
    view.locator(".fpattr-stage").press("Escape")
    wait_until(notebook, "explorer.view.selected_patches == []")
    assert_linked(notebook, view, "dogs")


def test_a_picture_is_uploaded_and_what_is_none_is_told(notebook, view):
    upload(view, png(200))
    wait_until(notebook, "explorer.example is None and not explorer.busy")
    assert_linked(notebook, view, "dog")
    image = view.locator(".fpattr-img")
    before = image.get_attribute("src")
    upload(view, b"this is no picture", "holiday.png")
    refused = view.locator(".fpattr-refused[data-kind=image]")
    refused.get_by_text("Image cannot be read").wait_for()
    wait_until(notebook, "list(explorer.problems) == ['image']")
    assert image.get_attribute("src") == before
    assert_linked(notebook, view, "ball")
    # More than a Jupyter server takes in one message.
    large = png(2400, seed=1, noise=2400)
    assert len(large) > 12_000_000
    upload(view, large)
    refused.wait_for(state="hidden")
    wait_until(notebook, "explorer.problems == {} and 100_000 < len(explorer.image) < 10_000_000")
    assert image.get_attribute("src") != before
    assert_linked(notebook, view, "ball")


def test_a_model_that_cannot_be_used_is_told_beside_its_menu(notebook, view):
    page = notebook.page
    written = "no/such/<img src=x onerror=hacked=1>"
    menu(page, "Model").select_option("another …")
    text = menu(page, "Hugging Face id or folder")
    text.fill(written)
    text.press("Enter")
    alert = page.get_by_role("alert").filter(has_text="cannot be loaded")
    alert.wait_for(timeout=60_000)
    assert written in alert.inner_text()
    below = alert.bounding_box()["y"] - text.bounding_box()["y"]
    assert 0 < below < 60
    assert page.evaluate("() => window.hacked") is None
    assert text.input_value() == written
    assert_linked(notebook, view, "dog")
    menu(page, "Model").select_option("scenes")
    alert.wait_for(state="hidden")
    assert text.is_hidden()
    wait_until(notebook, "explorer.problems == {} and explorer.model == 'scenes'")
    assert_linked(notebook, view, "dog")


WAIT = """
import pathlib, time
while not pathlib.Path("enough").exists():
    time.sleep(0.05)
"""


def test_menus_work_while_a_cell_runs(notebook, view, lab):
    enough = lab.root / "enough"
    enough.unlink(missing_ok=True)
    notebook.page.evaluate(
        """code => {
            const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
            window.waited = false;
            kernel.requestExecute({code}).done.then(() => { window.waited = true; });
        }""",
        WAIT,
    )
    menu(notebook.page, "Example").select_option("farm")
    view.locator(".fpattr-token", has_text="pig").wait_for(timeout=15_000)
    assert not notebook.page.evaluate("() => window.waited")
    enough.touch()
    notebook.page.wait_for_function("() => window.waited")


def test_two_explorers_side_by_side_do_not_mix(open_notebook, lab):
    both = (
        "second = fp.explore(model='scenes')\n"
        "import ipywidgets\nipywidgets.HBox([explorer, second])"
    )
    first = EXPLORE.removesuffix("explorer")
    source = write_notebook(lab.root / "two-explorers.ipynb", first, both)
    notebook = open_notebook(source)
    notebook.run_all()
    page = notebook.page
    views = notebook.views
    for index in (0, 1):
        wait_for_rows(views.nth(index))
    menu(page, "Example").nth(0).select_option("farm")
    menu(page, "Example").nth(1).select_option("harbour")
    wait_for_caption(views.nth(0), example("farm").caption)
    wait_for_caption(views.nth(1), example("harbour").caption)
    wait_until(notebook, "explorer.pairs.caption == 'a cow, a pig and a tree'")
    assert_linked(notebook, views.nth(0), "pig")
    wait_until(notebook, "second.pairs.caption == 'a boat above a whale'")
    assert notebook.python("print(explorer._shown.encoder is second._shown.encoder)") == "True\n"


def test_it_fits_whatever_the_width(notebook, view):
    page = notebook.page
    notebook.python(
        "explorer.layer = 99; explorer.wait()\n"
        "explorer.model = 'no/such/%s'; explorer.wait()" % ("many-words" * 9)
    )
    page.get_by_role("alert").filter(has_text="Layer is 99").wait_for()
    page.get_by_role("alert").filter(has_text="many-words").wait_for()
    root = page.locator(".jp-OutputArea-output > .jupyter-widgets").first
    for width in (320, 400, 800, 1200, 2000):
        notebook.python(f"explorer.layout.width = '{width}px'")
        page.wait_for_function(
            "([root, width]) => root.offsetWidth === width", arg=[root.element_handle(), width]
        )
        boxes = root.evaluate(
            """root => {
                const right = root.getBoundingClientRect().right;
                const kinds = 'select, input[type=text], .widget-html [role=alert], .fpattr';
                const parts = [...root.querySelectorAll(kinds)];
                return parts.filter(part => part.offsetParent !== null).map(part => {
                    const box = part.getBoundingClientRect();
                    return [part.tagName, box.width, box.height, right - box.right];
                });
            }"""
        )
        assert len(boxes) == 9
        for name, across, down, margin in boxes:
            assert margin >= -0.5, (width, name)
            assert across >= min(110, width / 3), (width, name)
            assert down > 10
            if name == "SELECT":
                assert 20 <= down <= 40
