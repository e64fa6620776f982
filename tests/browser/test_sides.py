"""Every combination of two sides in a page: what is shown, painted, said and where it stands."""

import re
from collections.abc import Iterator

import numpy as np
import pytest
import traitlets
from PIL import Image
from playwright.sync_api import Browser, Locator, expect

import fpattr_widget as fp
from fpattr_widget.encoders import Crop, Sentence, Side
from fpattr_widget.pairs import About
from tests.helpers.harness import Harness, View, open_harness, state_of
from tests.helpers.made_pairs import tokens_of
from tests.helpers.offline_page import offline
from tests.helpers.painted import assert_painted, hover_patch
from tests.helpers.recorded import recorded
from tests.helpers.room import LAYOUT, violations

pytestmark = pytest.mark.timeout(120)

GRID = (4, 5)
WIDTHS = (320, 700, 1000, 2000)
random = np.random.default_rng(3)


def caption(text: str) -> Sentence:
    return Sentence(text, tuple(tokens_of(text)))


def picture(colour: tuple[int, int, int]) -> Crop:
    return Crop(Image.new("RGB", (250, 200), colour), GRID, ("CLS",))


DOG, CAT = caption("a photo of a dog"), caption("a photo of a cat")
GREEN, BROWN = picture((90, 140, 90)), picture((140, 110, 80))
MINUS = (1.0, -1.0)
WORDS = ("red", "big", "wet", "old", "shy", "fat")
SIDES = {
    "two sentences": (Side((DOG,)), Side((caption("a cat in a box"),))),
    "two pictures": (Side((GREEN,)), Side((BROWN,))),
    "captions": (Side((DOG, CAT), MINUS), Side((GREEN,))),
    "change": (Side((DOG,)), Side((GREEN, BROWN), MINUS)),
    "both": (Side((DOG, CAT), MINUS), Side((GREEN, BROWN), MINUS)),
    "mixed": (Side((DOG, GREEN), (0.5, 0.5)), Side((BROWN,))),
    "many": (
        Side(
            tuple(caption(f"a {word} dog") for word in ["red", "big", "wet", "old", "shy", "fat"])
        ),
        Side((GREEN,)),
    ),
}


def made(name: str) -> tuple[fp.FeaturePairs, np.ndarray]:
    """Return pairs of some sides, and their numbers."""
    rows, columns = SIDES[name]
    shape = len(rows.features), len(columns.features)
    values = random.normal(0, 0.02, shape).astype(np.float32)
    ledger = fp.Ledger(0.5, 0.2, 0.1, -0.1, 0.28, 0.02)
    about = About("bundled", "by hand", "none", "difference")
    return fp.FeaturePairs(
        recorded(values, ledger), rows=rows, columns=columns, about=about
    ), values


class Shown:
    """A view of some sides, and its numbers."""

    def __init__(self, view: View, values: np.ndarray):
        self.view, self.values, self.page = view, values, view.page

    @property
    def line(self) -> str:
        return self.view.root.locator(".fpattr-line").inner_text()

    def figure(self, number: int) -> Locator:
        return self.view.root.locator(".fpattr-picture").nth(number)

    def word(self, text: str, number: int = 0) -> Locator:
        sentence = self.view.root.locator(".fpattr-text").nth(number)
        return sentence.locator(".fpattr-token", has_text=text).last

    def patches(self, features: np.ndarray) -> np.ndarray:
        """Return the values of one picture's features, CLS left out, as a map."""
        return features[1:].reshape(GRID)


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Harness]:
    with open_harness(browser, size=(1280, 1100)) as opened:
        yield opened
        assert (opened.errors, opened.requests) == ([], [])


@pytest.fixture
def show(page: Harness):
    opened: list[View] = []

    def show_(name: str) -> Shown:
        pairs, values = made(name)
        page.page.set_viewport_size({"width": 1280, "height": 1100})
        page.page.mouse.move(2, 2)
        opened.append(page.show(state_of(pairs)))
        shown = Shown(opened[-1], values)
        shown.view.wait_painted()
        return shown

    yield show_
    for view in opened:
        view.close()


def test_two_sentences_answer_each_other(show):
    shown = show("two sentences")
    upper, lower = (shown.view.root.locator(".fpattr-text").nth(i).bounding_box() for i in (0, 1))
    assert upper["y"] + upper["height"] <= lower["y"]
    shown.word("dog").hover()
    shown.view.wait_shown("tokens/1:5")
    chips = shown.view.root.locator(".fpattr-text").nth(1).locator(".fpattr-token")
    for feature, value in enumerate(shown.values[5]):
        chip = chips.nth(feature)
        assert float(chip.get_attribute("data-value")) == pytest.approx(value, abs=1e-6)
        red, _, blue = _background(chip)
        assert (red > blue) == (value > 0), feature
    shown.word("box", 1).hover()
    shown.view.wait_shown("tokens/2:5")
    words = shown.values[1:-1, 5]
    assert shown.line.startswith(f"“box” × all words: {_signed(words.sum())}")
    assert shown.line.endswith(_signed(words[np.abs(words).argmax()]))


def _background(chip: Locator) -> list[int]:
    colour = chip.evaluate("chip => getComputedStyle(chip).backgroundColor")
    return [int(part) for part in re.findall(r"\d+", colour)[:3]]


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def test_two_pictures_show_all_and_answer_each_other(show):
    shown = show("two pictures")
    left, right = (shown.figure(i).locator(".fpattr-stage").bounding_box() for i in (0, 1))
    assert left["x"] + left["width"] <= right["x"]
    assert left["y"] == pytest.approx(right["y"], abs=2)
    # Before anything is pointed at: each patch with all of the other picture.
    assert_painted(shown.figure(0), shown.patches(shown.values.sum(1)))
    assert_painted(shown.figure(1), shown.patches(shown.values.sum(0)))
    hover_patch(shown.figure(0), 2, 3, GRID)
    shown.view.wait_shown("patches/1:13")
    assert_painted(shown.figure(1), shown.patches(shown.values[14]))
    assert shown.line.startswith("patch row 3, column 4 of the first picture × all patches: ")
    hover_patch(shown.figure(1), 0, 1, GRID)
    shown.view.wait_shown("patches/2:1")
    assert_painted(shown.figure(0), shown.patches(shown.values[:, 2]))
    shown.page.mouse.down()
    hover_patch(shown.figure(1), 1, 2, GRID)
    shown.page.mouse.up()
    shown.view.wait_shown("patches/2:1,2,6,7")
    assert_painted(shown.figure(0), shown.patches(shown.values[:, [2, 3, 7, 8]].sum(1)))


def test_a_picture_stands_between_the_captions_that_it_decides_on(show):
    shown = show("captions")
    texts = shown.view.root.locator(".fpattr-text")
    stage = shown.figure(0).locator(".fpattr-stage")
    first, second, box = (part.bounding_box() for part in (texts.nth(0), texts.nth(1), stage))
    assert first["x"] + first["width"] <= box["x"]
    assert box["x"] + box["width"] <= second["x"]
    assert "Red is for the first caption against the second." in shown.line
    shown.word("cat", 1).hover()
    shown.view.wait_shown("tokens/2:5")
    assert_painted(shown.figure(0), shown.patches(shown.values[12]))
    total = shown.values[12, 1:].sum()
    favoured = "first caption against the second" if total > 0 else "second caption against the"
    assert favoured in shown.line
    shown.view.root.locator(".fpattr-fold").first.click()
    fold = shown.view.root.locator(".fpattr-token", has_text="dog / cat")
    fold.hover()
    shown.view.wait_shown("tokens:5,12")
    assert_painted(shown.figure(0), shown.patches(shown.values[[5, 12]].sum(0)))
    assert shown.view.get("fold") is True
    shown.page.set_viewport_size({"width": 390, "height": 844})
    shown.view.update(fold=False)
    texts.nth(1).wait_for()
    first, second, box = (part.bounding_box() for part in (texts.nth(0), texts.nth(1), stage))
    assert first["y"] + first["height"] <= box["y"]
    assert box["y"] + box["height"] <= second["y"]


def test_a_caption_stands_under_the_pictures_between_which_it_tells(show):
    shown = show("change")
    left, right = (shown.figure(i).locator(".fpattr-stage").bounding_box() for i in (0, 1))
    text = shown.view.root.locator(".fpattr-text").bounding_box()
    assert left["x"] + left["width"] <= right["x"]
    assert max(box["y"] + box["height"] for box in (left, right)) <= text["y"]
    shown.word("dog").hover()
    shown.view.wait_shown("tokens:5")
    first, second = shown.values[5, :21], shown.values[5, 21:]
    assert_painted(shown.figure(0), shown.patches(first))
    assert_painted(shown.figure(1), shown.patches(second))
    # One scale for both.
    limits = {canvas.get_attribute("data-limit") for canvas in
              shown.view.root.locator(".fpattr-heat").all()}  # fmt: skip
    assert len(limits) == 1
    hover_patch(shown.figure(1), 3, 4, GRID)
    shown.view.wait_shown("patches/2:19")
    chip = shown.word("dog")
    assert float(chip.get_attribute("data-value")) == pytest.approx(shown.values[5, 41], abs=1e-6)
    # By keyboard, from one picture to the other.
    stages = shown.view.root.locator(".fpattr-stage")
    stages.nth(0).focus()
    shown.page.keyboard.press("ArrowRight")
    shown.page.keyboard.press("ArrowDown")
    shown.page.keyboard.press("Enter")
    assert shown.view.get("selected_columns") == [6]
    shown.page.keyboard.press("Tab")
    expect(stages.nth(1)).to_be_focused()
    shown.page.keyboard.press("ArrowRight")
    shown.page.keyboard.press("Shift+Enter")
    assert shown.view.get("selected_columns") == [6, 22]
    shown.view.wait_shown("patches/1:5 patches/2:0")


@pytest.mark.parametrize("name", SIDES)
def test_everything_has_room_and_a_name(show, name):
    shown = show(name)
    found = {}
    for width in WIDTHS:
        shown.page.set_viewport_size({"width": width, "height": 1000})
        shown.view.wait_painted()
        found[width] = shown.view.root.evaluate(LAYOUT)
    assert found == {width: [] for width in WIDTHS}
    if name in ("captions", "two pictures", "many"):  # it takes seconds
        assert violations(shown.page) == []


def test_a_narrow_view_keeps_the_line_in_sight_and_leaves_half_to_the_picture(show):
    shown = show("captions")
    shown.page.set_viewport_size({"width": 390, "height": 600})
    shown.page.evaluate("scrollTo(0, 0)")
    shown.view.wait_painted()
    assert shown.view.root.bounding_box()["height"] > 700
    footer = shown.view.root.locator(".fpattr-footer").bounding_box()
    assert footer["y"] + footer["height"] == pytest.approx(600, abs=1)
    shown.page.set_viewport_size({"width": 600, "height": 600})
    shown.view.wait_painted()
    assert shown.figure(0).locator(".fpattr-stage").bounding_box()["height"] <= 300


def test_one_saved_page_holds_all_of_them(browser, tmp_path):
    path = tmp_path / "sides.html"
    saved = {name: made(name) for name in ("captions", "two pictures", "two sentences")}
    views = {name: pairs.widget() for name, (pairs, _) in saved.items()}
    views["captions"].selected_rows = [12]
    views["two pictures"].selected_columns = [0, 2]
    assert views["two pictures"].selected_patches == []
    with pytest.raises(traitlets.TraitError, match="pass feature numbers to `selected_columns`"):
        views["two pictures"].selected_patches = [1]
    fp.save_html(path, *views.values())
    for view in views.values():
        view.close()
    with offline(browser) as page:
        page.goto(path.as_uri())
        shown = page.locator(".fpattr")
        expect(shown).to_have_count(3)
        for index, pinned in enumerate(("tokens/2:5", "patches/2:1 specials/2:0", "")):
            expect(shown.nth(index)).to_have_attribute("data-shown", pinned)
        values = saved["two pictures"][1]
        first = shown.nth(1).locator(".fpattr-picture").nth(0)
        assert_painted(first, values[1:, [0, 2]].sum(1).reshape(GRID))
        assert (page.errors, page.console, page.refused) == ([], [], [])
