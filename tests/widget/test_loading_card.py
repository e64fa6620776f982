"""In a real kernel, a card stands in the view's place while a model is loaded."""

import shutil
from html.parser import HTMLParser

import pytest

import fpattr_widget as fp
from tests.helpers.kernel import WIDGET, Notebook, notebook

SETUP = """
import numpy as np
import fpattr_widget as fp
import fpattr_widget.encoders._loading as loading
picture = np.zeros((24, 24, 3), np.uint8)
load = loading.load_encoder

def told(model):
    print("loading", flush=True)
    return load(model)

loading.load_encoder = told
"""
HOSTILE = "<img src=x onerror='hacked=1'>&lt;b&gt;"


class Read(HTMLParser):
    """The tags and texts of a piece of HTML."""

    def __init__(self, html: str):
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, _: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture(scope="module")
def book():
    with notebook() as opened:
        opened.run(SETUP)
        yield opened


def shown(book: Notebook, request: str) -> list[tuple[str, dict]]:
    kinds = ("display_data", "update_display_data", "execute_result", "stream", "error")
    return [(kind, content) for kind, content in book.outputs(request) if kind in kinds]


def explain(caption: str, model: object) -> str:
    return f"fp.explain(picture, {caption!r}, model={str(model)!r})"


def assert_emptied(card: dict, after: dict) -> None:
    assert after["transient"]["display_id"] == card["transient"]["display_id"]
    assert after["data"] == {"text/plain": "", "text/html": ""}


def test_a_card_stands_in_the_views_place_until_the_model_is_there(book, saved_model, tmp_path):
    folder = shutil.copytree(saved_model, tmp_path / "R&amp;D")
    said = shown(book, book.start(explain("a dog & a ball", folder), "first"))
    assert [kind for kind, _ in said] == [
        "display_data", "stream", "update_display_data", "execute_result",
    ]  # fmt: skip
    (_, card), (_, loading), (_, after), (_, view) = said
    read = Read(card["data"]["text/html"])
    assert read.texts == ["“a dog & a ball”", "Loading the model R&amp;D …"]
    assert card["data"]["text/plain"] == "“a dog & a ball”: loading the model R&amp;D …"
    assert loading["text"] == "loading\n"
    assert_emptied(card, after)
    assert WIDGET in view["data"]

    # The model is kept, so the next view is there at once.
    again = shown(book, book.start(explain("a ball", folder), "second"))
    assert [kind for kind, _ in again] == ["execute_result"]


def test_a_hostile_caption_and_name_are_only_text_and_a_card_goes_if_loading_fails(book):
    caption = f"</div><script>hacked=1</script>{HOSTILE}"
    said = shown(book, book.start(explain(caption, HOSTILE), "hostile"))
    assert [kind for kind, _ in said] == [
        "display_data", "stream", "update_display_data", "error",
    ]  # fmt: skip
    (_, card), _, (_, after), (_, error) = said
    read = Read(card["data"]["text/html"])
    assert set(read.tags) == {"div"}
    assert read.texts == [f"“{caption}”", f"Loading the model {HOSTILE} …"]
    assert_emptied(card, after)
    assert error["ename"] == "InputError"


def test_a_notebook_that_no_page_shows_keeps_no_card(book):
    said = shown(book, book.start_unattended(explain("a dog", "nobody/nothing")))
    assert [kind for kind, _ in said] == ["stream", "error"]


def test_outside_of_a_notebook_nothing_is_printed(saved_model, tmp_path, picture, capfd):
    folder = shutil.copytree(saved_model, tmp_path / "fresh")
    fp.explain(picture, "a dog", model=folder).close()
    assert capfd.readouterr() == ("", "")
