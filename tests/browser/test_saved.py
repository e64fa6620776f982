"""Shared notebooks stay explained: saved by a page, or run by nbclient, and opened by others."""

import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ipywidgets
import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from nbformat.sign import NotebookNotary
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

import fpattr_widget as fp
from fpattr_widget.scenes import example
from tests.helpers.executed_notebook import Executed, buffers, rows
from tests.helpers.harness import synthetic_pairs
from tests.helpers.hosts import Jupyter, Notebook7
from tests.helpers.notebook_page import (
    SLOW_VIEW,
    Notebook,
    numbers,
    open_page,
    open_restored,
    wait_until,
    write_notebook,
)
from tests.helpers.offline_page import assert_linked, expect_shown, offline
from tests.helpers.painted import assert_chips, assert_painted, drag_region, wait_for_rows
from tests.helpers.shown import caption_of, picture_of

pytestmark = pytest.mark.timeout(300)

REPOSITORY = Path(__file__).parents[2]
SHARING = REPOSITORY / "notebooks" / "sharing.ipynb"
WHOLE = """
import numpy as np
import fpattr_widget as fp
from fpattr_widget.scenes import example
from IPython.display import HTML

def kept(widget):
    rows = np.frombuffer(widget.rows, "<f4").reshape(len(widget.pairs.tokens), -1)
    return np.isfinite(rows).all(1).sum() if rows.size else 0

scene = example("dog-and-ball")
whole = fp.explain(scene.image, scene.caption, model="scenes", theme="dark", scale="own", keep_colour=True)
whole
"""
PART = 'part = slow_view("a dog next to a ball and a dog and a ball")\npart'
FRAMED = "HTML(fp.to_html(whole, form='iframe', height=640))"
KERNEL = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"
# Modules of which a reader of the notebook has none.
MISSING_MODULES = ("fpattr_widget", "ipywidgets", "anywidget", "torch", "transformers", "numpy")


@dataclass(frozen=True)
class Saved:
    """A notebook that a page saved, and what Python had computed by then."""

    content: dict
    whole: np.ndarray
    similarity: float
    part: np.ndarray  # the row of the dog, which was there
    known: tuple[int, ...]
    count: int  # of tokens, with those that were not there


@pytest.fixture(scope="module")
def saved(lab, browser) -> Saved:
    """One widget with everything, one that was interrupted, and an iframe."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    path = write_notebook(lab.root / "made.ipynb", WHOLE, FRAMED, SLOW_VIEW, PART)
    notebook = open_page(context.new_page(), lab, path)
    notebook.run_all()
    whole, part = (notebook.page.locator(".fpattr").nth(index) for index in (0, 1))
    wait_for_rows(whole)
    chip(part, 2).and_(notebook.page.locator(":not([data-missing])")).wait_for()
    notebook.page.evaluate(f"async () => {{ await {KERNEL}.interrupt(); }}")
    expect(part.locator(".fpattr-failure")).to_contain_text("Python was interrupted")
    chip(whole, 6).click()
    wait_until(notebook, "whole.selected_tokens == [6]")
    known = [
        int(token)
        for token in part.locator(".fpattr-token:not([data-missing])").evaluate_all(
            "all => all.map(chip => chip.dataset.tokens)"
        )
    ]
    # The page keeps what arrived twice a second.
    wait_until(notebook, f"kept(whole) == 8 and kept(part) == {len(known)}")
    result = Saved(
        content=notebook.save(),
        whole=numbers(notebook, "whole.pairs.matrix"),
        similarity=float(numbers(notebook, "whole.pairs.ledger.similarity")),
        part=numbers(notebook, "part.pairs.row(2)"),
        known=tuple(known),
        count=part.locator(".fpattr-token").count(),
    )
    notebook.shut_down()
    context.close()
    assert 2 in known
    assert len(known) < result.count - 2
    return result


def chip(view: Locator, token: int) -> Locator:
    return view.locator(f".fpattr-token[data-tokens='{token}']")


@pytest.fixture(scope="module", params=["jupyterlab", "notebook-7"])
def host(request, lab, tmp_path_factory) -> Iterator[Jupyter]:
    if request.param == "jupyterlab":
        yield lab
        return
    server = Notebook7(tmp_path_factory.mktemp("notebook"))
    yield server
    server.stop()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 1400})
    page = context.new_page()
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    yield page
    context.close()


def receive(saved: Saved, host: Jupyter, *, kernel: str, language: str, trusted: bool) -> Path:
    """Put the notebook where somebody else opens it."""
    content = deepcopy(saved.content)
    content["metadata"]["kernelspec"] = {"name": kernel, "display_name": kernel}
    content["metadata"]["language_info"] = {"name": language}
    path = host.root / f"received-{kernel}-{trusted}.ipynb"
    content["metadata"]["title"] = path.stem  # trust goes by what is in a notebook
    path.write_text(json.dumps(content))
    if trusted:  # what the command "Trust Notebook" does
        notary = NotebookNotary(data_dir=host.environment["JUPYTER_DATA_DIR"])
        notary.sign(nbformat.read(path, as_version=4))
    return path


def add_bare_kernel(host: Jupyter) -> str:
    """Offer a Python that has neither this package nor any that it needs."""
    folder = host.folder / "bare"
    folder.mkdir(exist_ok=True)
    for module in MISSING_MODULES:
        (folder / f"{module}.py").write_text(f"raise ModuleNotFoundError('no {module}')\n")
    host.add_kernel("bare", forked=False, PYTHONPATH=str(folder))
    return "bare"


def open_without_kernel(page: Page, host: Jupyter, path: Path) -> Notebook:
    """Open a notebook of a kernel that is not there, and choose none."""
    page.goto(host.address(path.name))
    page.locator(".jp-Dialog").get_by_text("No Kernel", exact=True).last.click(timeout=60_000)
    page.locator(".jp-Dialog").wait_for(state="detached")
    assert page.evaluate(f"() => !{KERNEL.replace('.kernel', '?.kernel')}")
    return Notebook(page, path)


def test_a_kernel_that_knows_nothing_is_enough(saved, host, page):
    kernel = add_bare_kernel(host)
    path = receive(saved, host, kernel=kernel, language="python", trusted=True)
    notebook = open_restored(page, host, path)
    page.errors.clear()  # Notebook 7 has one of its own while it starts
    assert "no fpattr_widget" in notebook.python("import fpattr_widget")
    whole, part = (page.locator(".fpattr").nth(index) for index in (0, 1))

    # What was computed is there as it was left: picture, words, pins and settings.
    wait_for_rows(whole)
    assert whole.locator(".fpattr-img").evaluate("i => i.complete && i.naturalWidth") > 0
    assert whole.locator(".fpattr-caption").inner_text().split() == [
        "BOS", "a", "dog", "next", "to", "a", "ball", "EOS",
    ]  # fmt: skip
    assert whole.locator(".fpattr-number").inner_text() == f"{saved.similarity:.2f}"
    expect_shown(whole, "tokens:6")
    assert_painted(whole, saved.whole[6].reshape(8, 8))
    assert whole.get_attribute("data-theme") == "dark"
    assert whole.locator(".fpattr-stage").get_attribute("data-colour") is not None
    assert part.get_attribute("data-theme") == "light"

    # It is linked as before.
    chip(whole, 6).click()
    page.mouse.move(2, 2)
    expect_shown(whole, "")
    chip(whole, 2).hover()
    expect_shown(whole, "tokens:2")
    assert_painted(whole, saved.whole[2].reshape(8, 8))
    region = drag_region(whole, (2, 1), (4, 3))
    expect_shown(whole, f"patches:{','.join(map(str, region))}")
    assert_chips(whole, saved.whole[:, region].sum(1))

    # What was not is named, for a word and as a whole; and the rest works.
    missing = saved.count - len(saved.known)
    part.scroll_into_view_if_needed()
    line = part.locator(".fpattr-line")
    expect(line).to_have_text(
        f"{missing} of {saved.count} tokens were not computed when this notebook was saved, "
        "and no kernel answers.",
        timeout=10_000,
    )
    assert part.locator("[data-missing]").count() == missing
    chip(part, 2).hover()
    expect_shown(part, "tokens:2")
    assert_painted(part, saved.part)
    absent = next(token for token in range(1, saved.count) if token not in saved.known)
    chip(part, absent).hover()
    expect(line).to_contain_text("not computed when this notebook was saved")
    assert part.get_by_role("progressbar").count() == 0
    assert part.locator(".fpattr-failure").is_hidden()

    # By now the page knows that nobody answers: where nothing is missing, nothing is said of it.
    assert "kernel" not in whole.inner_text()
    assert page.errors == []
    notebook.shut_down()


def test_without_a_kernel_the_iframe_is_linked(saved, host, page):
    path = receive(saved, host, kernel="nowhere", language="nothing", trusted=True)
    notebook = open_without_kernel(page, host, path)
    framed = page.frame_locator("iframe").locator(".fpattr")
    framed.wait_for()
    page.locator("iframe").scroll_into_view_if_needed()
    chip(framed, 2).hover()
    expect_shown(framed, "tokens:2")
    assert_painted(framed, saved.whole[2].reshape(8, 8))
    # ipywidgets reads a notebook's state once there is a kernel. When this fails, tell so in
    # the notebook on sharing.
    assert page.locator(".fpattr").count() == 0
    assert page.get_by_text("Loading widget...").count() == 2
    # Any kernel, chosen later, brings the views.
    kernel = add_bare_kernel(host)
    page.evaluate(
        "async name => { await window.jupyterapp.shell.currentWidget.sessionContext"
        ".changeKernel({name}); }",
        kernel,
    )
    wait_for_rows(page.locator(".fpattr").first)
    notebook.shut_down()


def test_without_trust_there_is_a_drawing(saved, lab, page):
    path = receive(saved, lab, kernel="nowhere", language="nothing", trusted=False)
    open_without_kernel(page, lab, path)
    drawings = page.locator(".jp-OutputArea-output img[src^='data:image/png']")
    expect(drawings).to_have_count(2, timeout=30_000)
    for drawing in drawings.all():
        assert drawing.evaluate("image => image.naturalWidth") > 300
    assert page.locator(".fpattr, iframe").count() == 0


@pytest.fixture(scope="module")
def executed(forked_kernels, tmp_path_factory) -> Executed:
    folder = tmp_path_factory.mktemp("sharing")
    notebook = nbformat.read(SHARING, as_version=4)
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=120, resources=resources).execute()
    path = folder / "executed.ipynb"
    nbformat.write(notebook, path)
    return Executed(nbformat.read(path, as_version=4), folder)


@pytest.fixture(scope="module")
def pairs() -> fp.FeaturePairs:
    scene = example("dog-and-ball")
    return fp.explain(scene.image, scene.caption, model="scenes").bake().pairs


def assert_bounded(model: dict) -> None:
    """Compare a model as it is saved with its picture, four bytes a pair, and the script."""
    state, held = model["state"], buffers(model)
    caption, picture = caption_of(state["sides"]), picture_of(state["sides"])
    pairs = caption["features"] * picture["features"]
    assert len(held["rows"]) == 4 * pairs
    script = sum(len(json.dumps(state[name])) for name in ("_esm", "_css"))
    words = len(json.dumps([caption["text"], caption["tokens"]]))
    assert len(json.dumps(model)) < script + words + 4 / 3 * (len(held["sides"]) + 4 * pairs) + 2000


def test_a_notebook_run_with_no_page_holds_every_value(executed, pairs):
    for model in executed.displayed:
        state, matrix = model["state"], rows(model)
        assert np.isfinite(matrix).all()
        assert state["similarity"] == state["ledger"]["similarity"]
        assert_bounded(model)
        if caption_of(state["sides"])["text"] == pairs.caption:
            np.testing.assert_allclose(matrix[:, 1:], pairs.matrix, atol=1e-6)
    captions = {caption_of(model["state"]["sides"])["text"] for model in executed.displayed}
    assert captions == {"a dog next to a ball", "a horse and a car on the road"}


def test_a_large_matrix_is_saved_at_four_bytes_a_pair():
    widget = synthetic_pairs(77, 24, 24).widget(precompute=True)
    saved = ipywidgets.Widget.get_manager_state(widgets=[widget])
    assert_bounded(saved["state"][widget.model_id])
    widget.close()


CDN = {
    r"https://cdnjs\.cloudflare\.com/.*/require\.min\.js": "requirejs/require.js",
    r"https://unpkg\.com/@jupyter-widgets/html-manager@[^/]*/dist/(.*)": (
        r"@jupyter-widgets/html-manager/dist/\1"
    ),
    r"https://cdn\.jsdelivr\.net/npm/anywidget@[^/]*/dist/index\.js": "anywidget/dist/index.js",
}


def from_npm(url: str) -> dict[str, Any] | None:
    """Return the file that a content delivery network has at an address."""
    for pattern, path in CDN.items():
        if re.fullmatch(pattern, url):
            file = REPOSITORY / "node_modules" / re.sub(pattern, path, url)
            return {"path": file, "content_type": "text/javascript"}
    return None


def test_what_nbconvert_makes_of_it_is_linked(executed, pairs, browser, tmp_path):
    text, _ = HTMLExporter().from_notebook_node(executed.notebook)
    path = tmp_path / "notebook.html"
    path.write_text(text, encoding="utf-8")
    with offline(browser, from_npm, clock=True) as page:
        page.goto(path.as_uri())
        views = page.locator(".fpattr")
        expect(views).to_have_count(len(executed.displayed), timeout=60_000)
        assert_linked(views.first, pairs, "dog", 2)
        page.locator("iframe").scroll_into_view_if_needed()  # it paints only where it is seen
        assert_linked(page.frame_locator("iframe").locator(".fpattr"), pairs, "dog", 2)
        page.clock.run_for(20_000)  # a kernel would be missed by then
        for view in views.all():
            assert view.locator("[data-missing]").count() == 0
            assert "kernel" not in view.inner_text()
        assert page.errors == []
        # Formulas and diagrams, of which there are none.
        assert all("mathjax" in url or "mermaid" in url for url in page.refused)


def test_the_files_that_the_notebook_writes_can_be_opened(executed, pairs, browser):
    folder = executed.folder
    with offline(browser) as page:
        page.goto((folder / "explanations.html").as_uri())
        views = page.locator(".fpattr")
        expect(views).to_have_count(2)
        assert_linked(views.first, pairs, "dog", 2)
        for name, text in (
            ("from-the-command-line.html", pairs.caption),
            ("without-picture.html", pairs.caption),
        ):
            page.goto((folder / name).as_uri())
            assert page.title() == text
            assert_linked(views, pairs, "ball", 6)
        assert (page.errors, page.refused) == ([], [])
    for ending in ("fpattr", "png", "svg", "pdf"):
        assert (folder / f"dog-and-ball.{ending}").stat().st_size > 1_000
    with Image.open(folder / "dog-and-ball.png") as drawing:
        drawing.load()
        assert drawing.width > 500
    root = ElementTree.parse(folder / "dog-and-ball.svg").getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert (folder / "dog-and-ball.pdf").read_bytes().startswith(b"%PDF-")
    loaded = fp.load_pairs(folder / "dog-and-ball.fpattr")
    np.testing.assert_allclose(loaded.matrix, pairs.matrix, atol=1e-6)
    assert loaded.ledger.similarity == pytest.approx(pairs.ledger.similarity, abs=1e-6)
    stripped = fp.load_pairs(folder / "without-picture.fpattr")
    assert (np.asarray(stripped.picture) == 128).all()
    written = {path.name for path in folder.iterdir()}
    assert written == {
        "executed.ipynb", "scene.png", "explanations.html", "from-the-command-line.html",
        "fragment.html", "dog-and-ball.png", "dog-and-ball.svg", "dog-and-ball.pdf",
        "dog-and-ball.fpattr", "without-picture.fpattr", "without-picture.html",
    }  # fmt: skip
