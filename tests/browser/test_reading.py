"""The view of a score that a head makes: match and routing, what was read, and its own maps."""

import numpy as np
import pytest
import torch

import fpattr_widget as fp
from tests.helpers.families import llip
from tests.helpers.harness import EPOCH, View, harness, state_of
from tests.helpers.offline_page import offline
from tests.helpers.painted import assert_chips, assert_painted, heat_pixels, wait_for_rows
from tests.helpers.room import LAYOUT, violations
from tests.helpers.shown import rows_message

pytestmark = pytest.mark.timeout(120)

METHOD = fp.IntegratedJacobians(steps=3)


@pytest.fixture(scope="module")
def pairs(picture) -> fp.FeaturePairs:
    return fp.attribute(llip.llip_encoder(torch.float32), picture, llip.CAPTION, METHOD, 1)


def hover_word(view, text: str) -> list[int]:
    chip = view.locator(".fpattr-token", has_text=text).first
    chip.hover()
    return [int(token) for token in chip.get_attribute("data-tokens").split(",")]


def choose(view, name: str) -> None:
    view.locator(f".fpattr-choice [data-value={name}]").click()
    view.and_(view.page.locator(f"[data-part={name}]")).wait_for()


def places_of_parts(view: View) -> str:
    view.wait_painted()
    return view.root.evaluate(
        """root => ['stage', 'line', 'caption', 'overview', 'strongest', 'ledger']
            .map(name => root.querySelector(`.fpattr-${name}`).getBoundingClientRect())
            .flatMap(box => [box.left, box.top + scrollY, root.offsetHeight])
            .map(Math.round).join()"""
    )


def give(view: View, part: str, rows: np.ndarray) -> None:
    message = {**rows_message(range(len(rows)), EPOCH), "part": part}
    view.receive(message, np.ascontiguousarray(rows, "<f4").tobytes())


def test_parts_and_places_are_painted_as_python_has_them(browser, pairs):
    with harness(browser, state_of(pairs), size=(1000, 1000)) as view:
        root, bars = view.root, view.root.locator(".fpattr-place[data-place^=mixture]")
        root.locator(".fpattr-stage[data-loaded]").wait_for()
        view.greet()
        for name, part in (("match", pairs.match), ("routing", pairs.routing)):
            choose(root, name)
            tokens = hover_word(root, "dog")
            view.wait_shown(f"tokens:{','.join(map(str, tokens))}")
            assert_painted(root, part.of_tokens(tokens))
            view.page.mouse.move(2, 2)
            view.wait_shown("")
            assert_chips(root, part.feature_rows(range(len(part.tokens))).sum(1))
        view.update(part="all")

        # What is read adds up to the similarity, and a place's own map is asked for.
        read = pairs.read_out
        assert bars.count() == len(read.places) == 3
        told = root.locator(".fpattr-read-about").inner_text()
        assert f"{read.effective_places:.1f} of 3 places" in told
        assert f"= {read.similarity:.3f}".replace("-", "−") in told
        before = places_of_parts(view)
        bars.nth(1).hover()
        root.and_(view.page.locator("[data-part='mixture 2']")).wait_for()
        request, _ = view.sent("rows")[-1]
        assert (request["part"], request["features"]) == ("mixture 2", [])
        assert places_of_parts(view) == before
        through = pairs.through("mixture 2")
        give(view, "mixture 2", through.feature_rows(range(len(through.tokens))))
        view.wait_painted()
        assert_painted(root, through.of_tokens(range(len(through.tokens))))
        assert places_of_parts(view) == before
        bars.nth(1).click()
        view.page.mouse.move(2, 2)
        root.locator(".fpattr-line", has_text="Through mixture 2: ").wait_for()
        assert view.get("part") == "mixture 2"
        view.page.keyboard.press("Escape")
        root.locator(".fpattr-place[aria-pressed=true]").wait_for(state="detached")
        assert view.harness.errors == []

        # By keyboard, for all who read, and on every width.
        bars.nth(0).focus()
        view.page.keyboard.press("ArrowRight")
        root.and_(view.page.locator("[data-part='mixture 2']")).wait_for()
        for theme in ("light", "dark"):
            view.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            root.and_(view.page.locator(f"[data-theme={theme}]")).wait_for()
            view.wait_painted()
            assert violations(view.page) == [], theme
        for width in (320, 390, 700, 1280):
            view.page.set_viewport_size({"width": width, "height": 1000})
            view.wait_painted()
            assert root.evaluate(LAYOUT) == [], width


def test_a_saved_page_has_the_switch_and_the_read_out(browser, pairs, tmp_path):
    path = tmp_path / "page.html"
    fp.save_html(path, pairs)
    with offline(browser) as page:
        page.goto(path.as_uri())
        view = page.locator(".fpattr")
        wait_for_rows(view)
        ledger = pairs.ledger
        steps = view.locator(".fpattr-halves .fpattr-addend").all_inner_texts()
        assert steps == [
            f"{value:+.2f}".replace("-", "−") for value in (ledger.match, ledger.routing)
        ]
        choose(view, "match")
        tokens = hover_word(view, "dog")
        expected = pairs.match.of_tokens(tokens)
        page.wait_for_function(
            "root => root.querySelector('.fpattr-stage[data-map]')", arg=view.element_handle()
        )
        assert_painted(view, expected)
        bar = view.locator(".fpattr-place[data-place='mixture 2']")
        assert bar.get_attribute("aria-disabled") == "true"
        assert "Python" in bar.get_attribute("title")
        bar.click(force=True)
        assert view.get_attribute("data-part") == "match"
        assert heat_pixels(view, expected.shape)[1] > 0
        assert (page.errors, page.console, page.refused) == ([], [], [])
