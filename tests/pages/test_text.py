"""What a page holds as text: captions are characters there, and nothing else."""

import base64
import io
import json
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

import fpattr_widget as fp
from fpattr_widget.encoders import Side
from tests.helpers.any_sides import SIDES, combined, pairs_of_sides, sentence
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


ODD = "<i>a & b</i>"
SUMS = {
    "difference": pairs_of_sides(
        Side((sentence(CAPTION), sentence(ODD)), (1.0, -1.0)), SIDES["picture"]
    ),
    "two captions": pairs_of_sides(Side((sentence(CAPTION),)), Side((sentence(ODD),))),
    "pictures": combined("picture", "pictures"),
    "mixed": combined("mixed", "mixed"),
}
TITLES = {
    "difference": f"“{CAPTION}” − “{ODD}”",
    "two captions": f"“{CAPTION}” × “{ODD}”",
    "pictures": "picture × (picture 1 − picture 2)",
    "mixed": "(0.7 · “a dog runs” − 0.333 · picture) × (0.7 · “a dog runs” − 0.333 · picture)",
}


@pytest.mark.parametrize("name", SUMS)
def test_a_page_of_any_two_sides_says_what_it_is_of(name):
    """As text, with all numbers, and with no picture where pictures are left out."""
    pairs = SUMS[name]
    page = Page(fp.to_html(pairs, strip_image=True))
    assert page.texts["title"] == page.texts["h1"] == TITLES[name]
    assert [image["alt"] for image in page.all("img")] == [TITLES[name]]
    assert page.all("i") == page.all("b") == []
    state = json.loads(page.texts["script"])
    numbers = np.frombuffer(base64.b64decode(state["rows"]["base64"]), "<f4")
    rows = pairs.feature_rows(range(len(pairs.rows.features)))
    np.testing.assert_array_equal(numbers, rows.ravel())
    assert state["about"]["unit_label"] == pairs.unit_label
    for side, shown in zip((pairs.rows, pairs.columns), state["sides"], strict=True):
        assert [panel["weight"] for panel in shown["panels"]] == list(side.weights)
        for panel in shown["panels"]:
            if panel["kind"] == "picture":
                data = base64.b64decode(panel["data"]["base64"])
                picture = Image.open(io.BytesIO(data)).convert("RGB")
                assert picture.getextrema() == ((128, 128),) * 3


def test_what_a_widget_shows_is_kept():
    view = made("a dog").widget(theme="dark")
    view.selected_tokens = [1]
    state = json.loads(Page(fp.to_html(view, form="fragment")).texts["script"])
    assert (state["theme"], state["selected_rows"]) == ("dark", [1])
    view.close()
