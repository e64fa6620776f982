"""Texts that would run if anyone took them for more than text, wherever they are shown."""

import struct
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

import fpattr_widget as fp
from tests.helpers.harness import synthetic_pairs
from tests.helpers.hostile_pairs import SOME, hostile
from tests.helpers.hostile_strings import STRINGS
from tests.helpers.notebook_page import Notebook, open_restored, write_notebook
from tests.helpers.offline_page import SITE, offline, site

ROOT = Path(__file__).parents[2]
ELEMENTS = [
    "html", "head", "meta", "title", "style", "body", "h1", "div", "script",
    "img", "iframe", "p", "span", "button", "ol", "li", "section", "figure",
    "canvas", "svg", "g", "path", "header", "footer", "bdi", "textarea", "input", "label",
    "dl", "dt", "dd", "strong", "select", "option",
]  # fmt: skip


def assert_untouched(page: Page, elements: list[str] = ELEMENTS) -> None:
    """Nothing ran, nothing was fetched, and no element came out of a text."""
    for frame in page.frames:
        assert frame.evaluate("() => window.hacked") is None
        found = frame.evaluate(
            """known => {
                const all = [...document.querySelectorAll('*')];
                const roots = all.map(e => e.shadowRoot).filter(Boolean);
                for (const root of roots) all.push(...root.querySelectorAll('*'));
                const strange = all.map(e => e.localName).filter(name => !known.includes(name));
                const handlers = all.flatMap(e => e.getAttributeNames())
                    .filter(name => name.startsWith('on'));
                return [...new Set([...strange, ...handlers])];
            }""",
            elements,
        )
        assert found == []
    assert [
        error for error in [*page.errors, *page.console] if "evil" in error or "hacked" in error
    ] == []
    assert page.refused == []


def test_there_are_many():
    assert len(set(STRINGS)) == len(STRINGS) >= 50


def test_in_a_page(browser, tmp_path):
    path = tmp_path / "page.html"
    fp.save_html(path, *map(hostile, STRINGS), title=STRINGS[0])
    with offline(browser) as page:
        page.goto(path.as_uri())
        expect(page.locator(".fpattr")).to_have_count(len(STRINGS))
        page.locator(".fpattr-token").last.hover()
        assert_untouched(page)
        assert page.locator(".fpattr-special").all_text_contents() == list(STRINGS)


def test_as_the_title_of_a_page(browser):
    one = synthetic_pairs(4, 2, 2, caption="one two", side=64)
    titles = {f"page{number}": title for number, title in enumerate(STRINGS[::9])}
    pages = {name: fp.to_html(one, title=title) for name, title in titles.items()}
    with offline(browser, site(**pages)) as page:
        for name, title in titles.items():
            page.goto(f"{SITE}{name}")
            page.locator(".fpattr").wait_for()
            assert page.locator("h1").text_content() == title
            assert_untouched(page)


@pytest.mark.parametrize("form", ["fragment", "iframe"])
def test_in_another_page(browser, form):
    chosen = STRINGS[::5]
    body = "<!doctype html>" + "".join(
        fp.to_html(hostile(text), form=form, title=text) for text in chosen
    )
    with offline(browser, site(page=body)) as page:
        page.goto(f"{SITE}page")
        frames = page.frames[1:] if form == "iframe" else page.frames
        assert len(frames) == (len(chosen) if form == "iframe" else 1)
        for frame in frames:
            frame.locator(".fpattr").first.wait_for()
        assert_untouched(page)


def drawings(folder: Path, ending: str) -> list[Path]:
    """Draw all of the strings, some in each drawing, in names of files too."""
    paths = []
    for texts in SOME:
        name = "".join(c for c in texts[0] if c.isprintable() and c not in "/\\")
        path = folder / f"{name}{ending}"
        hostile(*texts).widget().save(path)
        paths.append(path)
    return paths


def test_in_a_drawing_that_can_hold_scripts(browser, tmp_path):
    with offline(browser) as page:
        for path in drawings(tmp_path, ".svg"):
            page.goto(path.as_uri())
            assert page.evaluate("() => document.documentElement.localName") == "svg"
            found = page.evaluate("() => [...document.querySelectorAll('*')].map(e => e.localName)")
            assert not {"script", "foreignObject", "a", "animate", "set", "iframe"} & set(found)
            assert_untouched(page, sorted(set(found)))
            # And inside a page.
            svg = path.read_text()
            page.goto("about:blank")
            page.set_content(svg[svg.index("<svg") :])
            page.wait_for_timeout(50)
            assert_untouched(page, sorted({*found, "html", "head", "body"}))


def chunks(png: bytes) -> list[str]:
    """Return the kinds of a PNG's chunks, in their order."""
    kinds, place = [], 8
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        kinds.append(png[place + 4 : place + 8].decode("ascii"))
        place += 12 + length
    assert place == len(png)  # nothing hangs on behind
    return kinds


def test_in_a_drawing_that_is_a_picture(tmp_path):
    """It holds pixels and no text: that of its metadata is what others would show."""
    for path in drawings(tmp_path, ".png"):
        found = chunks(path.read_bytes())
        assert {"IHDR", "IDAT", "IEND"} <= set(found) <= {
            "IHDR", "IDAT", "IEND", "PLTE", "tRNS", "pHYs",
        }  # fmt: skip
        with Image.open(path) as drawing:
            drawing.load()
            assert drawing.width > 300
            assert not {*drawing.info} - {"dpi", "transparency"}


IMPORT = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from tests.helpers.hostile_pairs import SOME, hostile
from IPython.display import display
"""
SHOW = """
for texts in SOME:
    display(hostile(*texts).widget(precompute=True))
"""


def assert_shown_as_text(notebook: Notebook, asked: list[str]) -> None:
    page = notebook.page
    views = notebook.views
    expect(views).to_have_count(len(SOME), timeout=60_000)
    for view in (views.first, views.last):
        view.scroll_into_view_if_needed()
        view.locator(".fpattr-token").first.hover()
    shown = views.locator(".fpattr-special").all_text_contents()
    assert shown == [texts[1 % len(texts)] for texts in SOME]
    assert page.locator(".fpattr script, .fpattr iframe, .fpattr a, .fpattr object").count() == 0
    assert page.evaluate("() => window.hacked") is None
    assert [url for url in asked if "evil" in url] == []


def test_in_a_notebook(browser, lab, open_notebook):
    path = write_notebook(lab.root / "injection.ipynb", IMPORT, SHOW)
    notebook = open_notebook(path)
    asked: list[str] = []
    notebook.page.on("request", lambda request: asked.append(request.url))
    notebook.run_all()
    notebook.wait_idle()
    assert_shown_as_text(notebook, asked)
    notebook.save()

    # Opened anew, by another page with a kernel that knows of nothing.
    saved = path.rename(lab.root / "injection-saved.ipynb")
    page = browser.new_context(viewport={"width": 1280, "height": 1000}).new_page()
    page.on("request", lambda request: asked.append(request.url))
    again = open_restored(page, lab, saved, views=len(SOME))
    assert again.python("print('hostile' in globals())") == "False\n"
    assert_shown_as_text(again, asked)
    again.shut_down()
    page.context.close()
