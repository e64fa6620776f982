"""The view alone, on every width, theme and medium; no notebook, no network."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser

from tests.benchmarks import view as view_benchmark
from tests.helpers.harness import (
    EPOCH,
    View,
    harness,
    open_harness,
    state_of,
    synthetic_pairs,
    unknown_words,
)
from tests.helpers.room import LAYOUT, violations
from tests.helpers.shown import caption_of

pytestmark = pytest.mark.timeout(120)

WIDTHS = (320, 480, 640, 800, 1280, 2000)
SENTENCE = "a small brown dog runs along the wet sand beside a rusty bicycle"
# Words that no line can hold, a name as long as a path, markup, and another script.
HARD = f"{'donaudampfschifffahrts' * 5} <b>dog</b> {'/very/long/path' * 6} كلب بجانب كرة 犬とボール"


@pytest.fixture(scope="module")
def states() -> dict[str, dict[str, Any]]:
    """Return states of real widgets: whole, without rows, large, and hard to lay out."""
    plain = {"caption": SENTENCE, "side": 224}
    return {
        "whole": state_of(synthetic_pairs(17, 7, 7, **plain)),
        "empty": state_of(synthetic_pairs(17, 7, 7, **plain), baked=False),
        "large": state_of(synthetic_pairs()),
        "hard": state_of(synthetic_pairs(13, 16, 4, caption=HARD, side=224)),
        "unknown": state_of(unknown_words(synthetic_pairs(17, 7, 7, **plain))),
        "small": state_of(synthetic_pairs(10, 4, 16, caption=SENTENCE, side=128)),
    }


@pytest.fixture
def open_view(browser: Browser, states) -> Callable[..., Any]:
    @contextmanager
    def open_(name: str = "whole", **options: Any) -> Iterator[View]:
        with harness(browser, states[name], **options) as view:
            view.root.locator(".fpattr-stage[data-loaded]").wait_for()
            yield view
            assert view.harness.errors == []
            assert view.harness.requests == []

    return open_


def matrix(state: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(state["rows"], "<f4").reshape(caption_of(state["sides"])["features"], -1)


def word(view: View, text: str) -> Any:
    return view.root.locator(".fpattr-token", has_text=text).first


def numbers_of(chip: Any) -> str:
    return chip.get_attribute("data-tokens")


def patch_centre(view: View, row: int, column: int, grid: tuple[int, int]) -> tuple[float, float]:
    box = view.root.locator(".fpattr-stage").bounding_box()
    x = box["x"] + (column + 0.5) * box["width"] / grid[1]
    return x, box["y"] + (row + 0.5) * box["height"] / grid[0]


def heat(view: View) -> np.ndarray:
    """Return the heat map's pixels, (height, width, 4)."""
    width, height, data = view.root.locator("canvas.fpattr-heat").evaluate(
        """canvas => [canvas.width, canvas.height, Array.from(canvas.getContext('2d')
            .getImageData(0, 0, canvas.width, canvas.height).data)]"""
    )
    return np.array(data, np.uint8).reshape(height, width, 4)


# Accessibility


def do_nothing(_: View) -> None:
    pass


def hover_word(view: View) -> None:
    chip = word(view, "dog")
    chip.hover()
    view.wait_shown(f"tokens:{numbers_of(chip)}")


def hover_patch(view: View) -> None:
    view.page.mouse.move(*patch_centre(view, 3, 4, (7, 7)))
    view.wait_shown("patches:25")


def pin_both(view: View) -> None:
    view.pin([3, 4], [9, 10, 16])
    view.wait_shown("tokens:3,4 patches:9,10,16")


def focus_word(view: View) -> None:
    word(view, "brown").focus()
    view.page.keyboard.press("ArrowRight")


def show_failure(view: View) -> None:
    message = "There is not enough memory for this attribution: choose a later `layer`."
    view.receive({"type": "failure", "epoch": EPOCH, "message": message})
    view.root.locator(".fpattr-failure", has_text="choose a later").wait_for()


def open_everything(view: View) -> None:
    for _ in range(10):
        closed = view.root.locator("[aria-expanded=false], details:not([open]) > summary")
        if closed.filter(visible=True).count() == 0:
            return
        closed.filter(visible=True).first.click()
    raise AssertionError("it never ends")


def let_go(view: View) -> None:
    view.page.mouse.move(2, 2)
    view.pin()
    view.wait_shown("")


#: What is done to a view of each state, one after the other; what stays comes last.
SITUATIONS: dict[str, dict[str, Callable[[View], None]]] = {
    "whole": {
        "idle": do_nothing,
        "word hovered": hover_word,
        "patch hovered": hover_patch,
        "pinned": pin_both,
        "by keyboard": focus_word,
        "all opened": open_everything,
        "failure": show_failure,
    },
    "empty": {
        "rows missing": do_nothing,
        "rows missing, word hovered": hover_word,
        "progress": View.show_progress,
    },
    "unknown": {"unknown words": do_nothing},
    "large": {"77 words": do_nothing},
    "hard": {"hard caption": do_nothing},
}


def in_both_themes(view: View) -> dict[str, list[str]]:
    found = {}
    for theme in ("light", "dark"):
        view.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        view.root.and_(view.page.locator(f"[data-theme={theme}]")).wait_for()
        view.wait_painted()
        found[theme] = violations(view.page)
    return found


NOTHING = {"light": [], "dark": []}


@pytest.mark.parametrize("name", SITUATIONS)
def test_axe_finds_nothing(open_view, name):
    with open_view(name) as view:
        for situation, act in SITUATIONS[name].items():
            act(view)
            assert in_both_themes(view) == NOTHING, situation
            view.page.evaluate("() => document.activeElement.blur()")
            let_go(view)


@pytest.mark.parametrize(
    "options",
    [
        {"level": "tokens"},
        {"signs": "against", "smooth": True, "keep_colour": True, "opacity": 0.5},
        {"editable": True},
    ],
    ids=" ".join,
)
def test_axe_finds_nothing_with_other_settings(browser, options):
    state = state_of(synthetic_pairs(17, 7, 7, caption=SENTENCE, side=224), **options)
    with harness(browser, state) as view:
        open_everything(view)
        assert in_both_themes(view) == NOTHING
        view.page.keyboard.press("Escape")
        view.pin([3, 4], [9])
        view.wait_shown("tokens:3,4 patches:9")
        assert in_both_themes(view) == NOTHING


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_when_narrow_and_in_jupyter(open_view, theme):
    with open_view(size=(360, 900), jupyter=theme, reduced_motion="reduce") as view:
        assert view.root.get_attribute("data-theme") == theme
        assert violations(view.page) == []


def test_axe_would_find_something(open_view):
    with open_view() as view:
        # Axe knows no contrast on a hatch, nor that of a single letter.
        words = view.root.locator(".fpattr-token[data-kind=word]:not([data-against])")
        words.filter(has_text=re.compile(r"\w{3}")).first.evaluate(
            "chip => { chip.style.color = chip.style.backgroundColor; }"
        )
        view.root.evaluate("root => root.append(document.createElement('button'))")
        found = violations(view.page)
        assert any(one.startswith("color-contrast: ") for one in found)
        assert any(one.startswith("button-name: ") for one in found)


# Room


def on_all_widths(view: View) -> dict[int, list[str]]:
    found = {}
    for width in WIDTHS:
        view.page.set_viewport_size({"width": width, "height": 1000})
        view.wait_painted()
        found[width] = view.root.evaluate(LAYOUT)
    return found


@pytest.mark.parametrize("name", ["whole", "hard", "small", "large"])
def test_everything_has_room(open_view, name):
    enough = {width: [] for width in WIDTHS}
    with open_view(name) as view:
        assert on_all_widths(view) == enough
        view.pin([2, 3], [2, 3])
        view.wait_shown("tokens:2,3 patches:2,3")
        show_failure(view)
        assert on_all_widths(view) == enough


def test_the_scale_keeps_to_its_picture_in_a_narrow_cell(open_view):
    with open_view("large") as view:
        for width in (240, 270, 300):
            view.page.set_viewport_size({"width": width, "height": 1000})
            view.wait_painted()
            scale = view.root.locator(".fpattr-scale")
            assert scale.evaluate("scale => scale.scrollWidth <= scale.clientWidth"), width


def test_everything_has_room_at_four_times_the_size(open_view):
    """1280 pixels at 400 % are 320, each four wide: WCAG 2.2, 1.4.10."""
    with open_view("hard", size=(320, 256), device_scale_factor=4) as view:
        assert view.root.evaluate(LAYOUT) == []
        # Every word can be reached, and its map be seen.
        chip = view.root.locator(".fpattr-token").nth(1)
        chip.focus()
        view.wait_shown(f"tokens:{numbers_of(chip)}")
        assert heat(view)[:, :, 3].max() > 0


def test_room_is_measured(open_view):
    with open_view(size=(480, 800)) as view:
        view.root.locator(".fpattr-line").evaluate("line => { line.style.minWidth = '560px'; }")
        assert any("fpattr-line" in one for one in view.root.evaluate(LAYOUT))


def test_nothing_moves_while_words_are_hovered(open_view):
    with open_view("large") as view:
        for width in WIDTHS:
            view.page.set_viewport_size({"width": width, "height": 1000})
            view.page.evaluate("() => scrollTo(0, 0)")
            view.page.mouse.move(2, 2)
            places = set()
            for index in (None, 3, 9, 21, 40):
                if index is not None:
                    view.root.locator(".fpattr-token").nth(index).hover()
                view.wait_painted()
                places.add(
                    view.root.evaluate(
                        """root => [root, ...['stage', 'line', 'caption']
                            .map(name => root.querySelector(`.fpattr-${name}`))]
                            .map(part => part.getBoundingClientRect())
                            .map(box => [box.left, box.top + scrollY, root.offsetHeight])
                            .flat().map(Math.round).join()"""
                    )
                )
            assert len(places) == 1, (width, places)


# Where it is put


@pytest.mark.parametrize("shadow", [False, True], ids=["light tree", "shadow root"])
def test_pointer_and_drag_wherever_it_is_put(open_view, states, shadow):
    with open_view(shadow=shadow, device_scale_factor=2) as view:
        for zoom in (1, 1.25, 0.8):
            view.page.evaluate("zoom => { document.body.style.zoom = zoom; }", zoom)
            hover_word(view)
            row = matrix(states["whole"])[int(numbers_of(word(view, "dog"))), 1:].reshape(7, 7)
            assert heat(view)[:, :, 3].max() > 0
            assert view.root.evaluate("r => getComputedStyle(r.firstElementChild).borderTopWidth")
            # The strongest patch of the map is the patch under the pointer there.
            y, x = np.unravel_index(np.abs(row).argmax(), row.shape)
            view.page.mouse.move(*patch_centre(view, y, x, (7, 7)))
            view.wait_shown(f"patches:{7 * y + x}")
            # Drags: a region, then words, while the region stays.
            view.page.mouse.move(*patch_centre(view, 1, 1, (7, 7)))
            view.page.mouse.down()
            view.page.mouse.move(*patch_centre(view, 2, 3, (7, 7)), steps=4)
            view.page.mouse.up()
            region = "8,9,10,15,16,17"
            view.wait_shown(f"patches:{region}")
            first, last = word(view, "brown"), word(view, "runs")
            first.hover()
            view.page.mouse.down()
            box = last.bounding_box()
            at = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
            view.page.mouse.move(*at, steps=4)
            view.page.mouse.up()
            start, stop = (
                int(numbers_of(chip).split(",")[i]) for chip, i in ((first, 0), (last, -1))
            )
            span = ",".join(map(str, range(start, stop + 1)))
            view.wait_shown(f"tokens:{span} patches:{region}")
            assert view.pins[1] == [int(i) for i in region.split(",")]
            view.page.keyboard.press("Escape")
            view.page.wait_for_function(
                "r => !r.dataset.shown.includes('patches')", arg=view.root.element_handle()
            )
            let_go(view)


def test_in_a_transformed_box_the_patch_under_the_pointer_is_meant(open_view):
    with open_view() as view:
        view.page.evaluate(
            "() => Object.assign(document.body.style, "
            "{transform: 'translate(40px, 20px) scale(0.7)', transformOrigin: '0 0'})"
        )
        for y, x in ((0, 0), (6, 6), (2, 5)):
            view.page.mouse.move(*patch_centre(view, y, x, (7, 7)))
            view.wait_shown(f"patches:{7 * y + x}")


def test_the_theme_is_that_of_the_page(open_view):
    with open_view(color_scheme="dark") as view:
        root = view.root
        view.greet()  # or the view would be painted anew when nobody answers
        view.wait_painted()
        assert root.get_attribute("data-theme") == "dark"
        view.page.emulate_media(color_scheme="light")
        root.and_(view.page.locator("[data-theme=light]")).wait_for()
        view.page.evaluate("() => { document.body.dataset.jpThemeLight = 'false'; }")
        root.and_(view.page.locator("[data-theme=dark]")).wait_for()
        view.update(theme="light")
        root.and_(view.page.locator("[data-theme=light]")).wait_for()


# Media


def moving(view: View) -> list[str]:
    """Return what would take time to change."""
    return view.root.evaluate(
        """root => [root, ...root.querySelectorAll('*')].flatMap(e =>
            [null, '::before', '::after'].flatMap(part => {
                const style = getComputedStyle(e, part);
                const lasts = times => times.split(',').some(t => parseFloat(t) > 0);
                const moves = (style.transitionProperty !== 'none'
                        && lasts(style.transitionDuration))
                    || (style.animationName !== 'none' && lasts(style.animationDuration));
                return moves ? [`${e.tagName} ${e.getAttribute('class')} ${part ?? ''}`] : [];
            }))"""
    )


@pytest.mark.parametrize("name", ["whole", "empty"])
def test_nothing_moves_by_itself_where_motion_is_reduced(open_view, name):
    with open_view(name, reduced_motion="reduce") as view:
        assert moving(view) == []
        hover_word(view)
        assert moving(view) == []
        view.root.evaluate("root => { root.style.transition = 'opacity 1s'; }")
        assert len(moving(view)) == 1


def test_on_paper(open_view):
    with open_view("large", size=(718, 1000)) as view:
        view.pin([7, 8])
        view.wait_shown("tokens:7,8")
        for scheme in ("light", "dark"):
            view.page.emulate_media(media="print", color_scheme=scheme)
            view.wait_painted()
            assert_on_paper(view)


def assert_on_paper(view: View) -> None:
    for part in (".fpattr-line", ".fpattr-caption", ".fpattr-img", "canvas.fpattr-heat"):
        assert view.root.locator(part).is_visible(), part
    assert view.root.evaluate("root => getComputedStyle(root).printColorAdjust") == "exact"
    assert heat(view)[:, :, 3].max() > 0
    # Values are on the paper, and nothing that only a pointer can use.
    assert "small" in view.root.locator(".fpattr-line").inner_text()
    assert view.root.locator("input, select, textarea").filter(visible=True).count() == 0
    assert view.root.evaluate(LAYOUT) == []
    # One A4 page holds it.
    pdf = view.page.pdf(format="A4", print_background=True)
    assert pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ") == 1


# Beginning and end


def test_a_page_without_a_kernel_says_so(open_view):
    with open_view("empty", still=True) as view:
        root = view.root
        view.page.clock.run_for(500)
        assert root.locator("[role=progressbar]").count() == 1
        assert "no kernel" not in root.locator(".fpattr-line").inner_text()
        view.page.clock.run_for(20_000)
        assert "no kernel answers" in root.locator(".fpattr-line").inner_text()
        assert root.locator("[role=progressbar]").count() == 0
        word(view, "dog").hover()
        view.page.clock.run_for(200)
        assert "no kernel answers" in root.locator(".fpattr-line").inner_text()
        assert violations(view.page) == []


def test_a_page_whose_kernel_answers_does_not(open_view, states):
    with open_view("empty", still=True) as view:
        view.page.clock.run_for(500)
        view.greet()
        view.page.clock.run_for(20_000)
        line = view.root.locator(".fpattr-line")
        assert "no kernel" not in line.inner_text()
        view.receive_rows(matrix(states["whole"]))
        view.receive({"type": "done", "epoch": EPOCH})
        view.page.clock.run_for(1_000)
        assert view.root.locator("[data-missing]").count() == 0
        assert view.root.locator("[role=progressbar]").count() == 0


def test_progress_is_told_until_rows_are_there(open_view, states):
    with open_view("empty") as view:
        view.show_progress()
        bar = view.root.get_by_role("progressbar")
        style = "e => getComputedStyle(e.firstElementChild).animationName"
        assert bar.get_attribute("aria-valuenow") is None
        assert bar.evaluate(style) != "none"
        # It is said, and not by the line, in which it would be said again and again.
        spoken = view.root.locator("[aria-live] :not([aria-hidden=true])").all_inner_texts()
        assert not any("masks" in text for text in spoken)
        assert view.root.locator(".fpattr-news").inner_text() == "312 of 1,024 masks"
        view.receive_rows(matrix(states["whole"]), [1, 2])
        view.root.locator("[aria-valuenow='2']").wait_for()
        assert bar.evaluate(style) == "none"
        view.receive({"type": "done", "epoch": EPOCH})
        view.root.locator(".fpattr-line", has_text="Hover").wait_for()


def test_rows_arrive_from_python(open_view, states):
    rows = matrix(states["whole"])
    with open_view("empty", views=2) as view:
        view.greet()
        view.receive_rows(rows, [1, 2])
        hover_word(view)
        assert heat(view)[:, :, 3].max() == 0
        assert view.sent("rows")[-1][0]["features"] == [4]
        view.receive_rows(rows)
        for root in view.roots:
            view.page.wait_for_function(
                "r => !r.querySelector('[data-missing]')", arg=root.element_handle()
            )
        assert heat(view)[:, :, 3].max() > 0


COUNTING = """(() => {
    const held = {timers: new Set(), frames: new Set()};
    const wrap = (set, ask, drop) => {
        const [request, cancel] = [window[ask].bind(window), window[drop].bind(window)];
        window[ask] = (run, ...rest) => {
            const id = request((...values) => { held[set].delete(id); run(...values); }, ...rest);
            held[set].add(id);
            return id;
        };
        window[drop] = id => { held[set].delete(id); cancel(id); };
    };
    wrap('timers', 'setTimeout', 'clearTimeout');
    wrap('frames', 'requestAnimationFrame', 'cancelAnimationFrame');
    let urls = 0;
    const {createObjectURL, revokeObjectURL} = URL;
    URL.createObjectURL = blob => { urls++; return createObjectURL(blob); };
    URL.revokeObjectURL = url => { urls--; revokeObjectURL(url); };
    window.held = () => [held.timers.size, held.frames.size, urls];
})()"""


@pytest.mark.parametrize("ending", ["signal", "function"])
def test_sixty_widgets_give_everything_back(browser, states, ending):
    with open_harness(browser, script=COUNTING) as page:
        metrics = page.page.context.new_cdp_session(page.page)
        metrics.send("Performance.enable")
        name = page.keep(states["empty"])

        def counts() -> dict[str, float]:
            for _ in range(3):
                metrics.send("HeapProfiler.collectGarbage")
            found = metrics.send("Performance.getMetrics")["metrics"]
            return {
                one["name"]: one["value"]
                for one in found
                if one["name"] in ("Nodes", "JSEventListeners")
            }

        def use(widgets: int) -> None:
            left = page.page.evaluate(
                """async ([name, count, ending]) => {
                    const ids = [];
                    for (let i = 0; i < count; i++) {
                        const id = await harness.open(name, {ending});
                        for (let view = 0; view < 1 + i % 2; view++) await harness.show(id);
                        ids.push(id);
                    }
                    await new Promise(done => setTimeout(done, 50));
                    const models = ids.map(id => harness.hosts.get(id).model);
                    for (const id of ids) await harness.hosts.get(id).close();
                    return [models.map(model => model.listening),
                        document.querySelectorAll('.fpattr').length];
                }""",
                [name, widgets, ending],
            )
            assert left == [[0] * widgets, 0]

        def settled() -> dict[str, float]:
            """Return the counts once no more is collected."""
            found = counts()
            for _ in range(50):
                page.page.wait_for_timeout(50)
                found, last = counts(), found
                if found == last:
                    break
            return found

        use(2)
        before, held = settled(), page.page.evaluate("() => held()")
        use(60)
        assert settled() == before
        assert page.page.evaluate("() => held()") == held == [0, 0, 0]
        assert page.errors == []
        assert page.requests == []


def test_the_page_refuses_requests(browser):
    """The test of the tests: a request would be seen."""
    with open_harness(browser) as page:
        page.page.evaluate("() => { new Image().src = 'http://localhost/x.png'; }")
        page.page.wait_for_timeout(100)
        assert page.errors
        assert "violates" in page.errors[0] or page.requests


def test_the_benchmark_measures(browser, states):
    with harness(browser, states["large"], script=view_benchmark.PROBE) as view:
        view_benchmark.loaded(view)
        for side, spots in (
            ("tokens", view_benchmark.chip_centres(view.page)[:12]),
            ("patches", view_benchmark.patch_centres(view.page, 12, 32, 32)),
        ):
            found = view_benchmark.hover(view.page, spots, side)
            assert len(found["work"]) == 7
            assert all(
                0 < work < painted
                for work, painted in zip(found["work"], found["painted"], strict=True)
            )
        view.greet()
        for _ in range(20):  # until nothing is left to do
            view.page.wait_for_timeout(200)
            asked = view.page.evaluate("() => probe.asked()")
            if not any(asked.values()):
                break
        assert asked == {"frames": 0, "timers": 0, "mutations": 0}
        view.page.evaluate("() => { setTimeout(() => 0); requestAnimationFrame(() => 0); }")
        view.pin([3])
        view.wait_painted()
        assert all(count > 0 for count in view.page.evaluate("() => probe.asked()").values())
