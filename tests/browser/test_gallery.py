"""A ranking's page: its thumbnails are painted, and what is chosen is explained beneath."""

import io

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Locator, expect

import fpattr_widget as fp
from tests.helpers.offline_page import offline
from tests.helpers.room import violations

COLOURS = {"<i>red.png": (220, 30, 30), "green.png": (30, 180, 60), "blue.png": (40, 60, 220)}


def middle(tile: Locator) -> np.ndarray:
    """Return the colour that is painted in the middle of a tile's picture."""
    picture = Image.open(io.BytesIO(tile.locator(".fpattr-tile-picture").screenshot()))
    pixels = np.asarray(picture.convert("RGB"), int)
    return pixels[len(pixels) // 2, pixels.shape[1] // 2]


def test_a_page_of_a_ranking(browser: Browser, encoder, tmp_path):
    for name, colour in COLOURS.items():
        Image.new("RGB", (90, 60), colour).save(tmp_path / name)
    ranking = fp.rank(tmp_path, "a dog", model=encoder, method="patch_token_similarity")
    ranking.save(tmp_path / "ranking.html", explained=2)
    with offline(browser) as page:
        page.goto((tmp_path / "ranking.html").as_uri())
        tiles = page.locator(".fpattr-tile")
        expect(tiles.locator("img:not([hidden])")).to_have_count(3)
        for number, item in enumerate(ranking):
            expect(tiles.nth(number)).to_contain_text(item.name)
            assert np.abs(middle(tiles.nth(number)) - COLOURS[item.name]).max() < 12
        views = page.locator("[data-explains] .fpattr")
        expect(views).to_have_count(3)
        expect(views.nth(0)).to_be_visible()
        expect(views.nth(1)).to_be_hidden()

        # What axe-core finds but for the explanation's own, which other tests look at.
        found = [one for one in violations(page) if "data-fpattr-gallery" in one]
        assert [one for one in found if not one.startswith("region: ")] == []

        # Why the first rather than the second: by the keyboard.
        tiles.nth(0).focus()
        page.keyboard.press("ArrowRight")
        expect(tiles.nth(1)).to_be_focused()
        page.keyboard.press("Shift+Enter")
        expect(page.locator(".fpattr-choice-said")).to_contain_text("rather than")
        expect(views.nth(2)).to_be_visible()
        expect(views.nth(2).locator(".fpattr-stage")).to_have_count(2)
        # What is not on the page is told.
        tiles.nth(2).click()
        expect(page.get_by_text("This page explains the first 2 items")).to_be_visible()
        expect(views.nth(2)).to_be_hidden()

        page.set_viewport_size({"width": 390, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert (page.errors, page.console, page.refused) == ([], [], [])
