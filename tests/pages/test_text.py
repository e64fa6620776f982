"""What a page holds as text: captions are characters there, and nothing else."""

import base64
import io
import json
from html.parser import HTMLParser

import pytest
from PIL import Image

import fpattr_widget as fp
from tests.helpers.made_pairs import made

CAPTION = '"><b onclick=x> </script> <!-- &amp; é\u2028 it'


class Page(HTMLParser):
    """The tags of a page with their attributes, and the text inside each kind."""

    def __init__(self, page: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.setdefault(self.tags[-1][0] if self.tags else "", data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(fp.to_html(made(CAPTION), nonce="abc="))


def test_a_caption_is_text_wherever_it_stands(page):
    assert page.texts["title"] == page.texts["h1"] == CAPTION
    assert [image["alt"] for image in page.all("img")] == [CAPTION]
    assert page.all("b") == []
    data, script = page.all("script")
    assert (data["type"], script) == ("application/json", {"nonce": "abc="})
    assert page.all("style") == [{"nonce": "abc="}]


def test_data_are_json_of_plain_letters(page):
    data = page.texts["script"]
    assert data.isascii()
    assert not set("<>&") & set(data)
    assert json.loads(data)["sides"][0]["panels"][0]["text"] == CAPTION


def test_a_picture_that_is_left_out_is_grey_in_the_data_and_in_the_drawing():
    page = Page(fp.to_html(made("a dog"), form="fragment", strip_image=True))
    panel = json.loads(page.texts["script"])["sides"][1]["panels"][0]
    picture = Image.open(io.BytesIO(base64.b64decode(panel["data"]["base64"]))).convert("RGB")
    assert picture.getextrema() == ((128, 128),) * 3


def test_what_a_widget_shows_is_kept():
    view = made("a dog").widget(theme="dark")
    view.selected_tokens = [1]
    state = json.loads(Page(fp.to_html(view, form="fragment")).texts["script"])
    assert (state["theme"], state["selected_rows"]) == ("dark", [1])
    view.close()
