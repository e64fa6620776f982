"""Explanations inside other people's pages: a book made by Sphinx, and what nbconvert makes."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from IPython.display import HTML
from nbconvert import HTMLExporter
from playwright.sync_api import expect

import fpattr_widget as fp
from fpattr_widget.scenes import example
from tests.helpers.offline_page import assert_linked, offline

pytestmark = pytest.mark.timeout(300)

BOOK = """
A book
======

Two explanations in one page.

.. raw:: html
   :file: explanation.html

.. raw:: html

{written_here}

And the text goes on.
"""


@pytest.fixture(scope="module")
def pairs() -> fp.FeaturePairs:
    scene = example("dog-and-ball")
    return fp.explain(scene.image, scene.caption, model="scenes").bake().pairs


def build_book(folder: Path, **files: str) -> Path:
    """Build a project with these files; return the folder of its pages."""
    source = folder / "book"
    source.mkdir()
    (source / "conf.py").write_text('project = "A book"\n')
    for name, text in files.items():
        (source / name.replace("_", ".")).write_text(text, encoding="utf-8")
    pages = folder / "pages"
    command = (sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html", source, pages)
    subprocess.run(command, check=True)
    return pages


def test_a_book_made_by_sphinx_is_linked_with_no_network(browser, pairs, tmp_path):
    fragment = fp.to_html(pairs, form="fragment")
    second = fp.to_html(pairs.widget(theme="dark"), form="fragment")
    indented = "\n".join(f"   {line}" for line in second.splitlines())
    book = BOOK.format(written_here=indented)
    pages = build_book(tmp_path, index_rst=book, explanation_html=fragment)
    with offline(browser) as page:
        page.goto((pages / "index.html").as_uri())
        views = page.locator(".fpattr")
        expect(views).to_have_count(2)
        for view in views.all():
            assert_linked(view, pairs, "dog", 2)
        assert views.last.get_attribute("data-theme") == "dark"
        assert page.get_by_text("And the text goes on.").is_visible()
        assert (page.errors, page.refused) == ([], [])


def test_an_iframe_in_a_cell_survives_nbconvert_with_no_network(browser, pairs, tmp_path, recwarn):
    shown = HTML(fp.to_html(pairs, form="iframe", height=640))
    assert [str(warning.message) for warning in recwarn] == []
    cell = nbformat.v4.new_code_cell(
        "HTML(fp.to_html(pairs, form='iframe', height=640))",
        outputs=[
            nbformat.v4.new_output(
                "execute_result", {"text/html": shown._repr_html_(), "text/plain": "HTML"}
            )
        ],
    )
    page_text, _ = HTMLExporter().from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))
    path = tmp_path / "notebook.html"
    path.write_text(page_text, encoding="utf-8")
    with offline(browser) as page:
        page.goto(path.as_uri())
        page.locator("iframe").scroll_into_view_if_needed()  # it paints only where it is seen
        assert_linked(page.frame_locator("iframe").locator(".fpattr"), pairs, "dog", 2)
        # nbconvert's own page asks for MathJax and the like; nothing of ours asks for anything.
        assert all("mathjax" in url or "require" in url for url in page.refused)
