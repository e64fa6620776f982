"""What hands do to a view: mouse, keyboard, touch, drops, and what is painted then."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

import fpattr_widget as fp
from fpattr_widget.scenes import example
from tests.helpers.harness import harness, state_of, synthetic_pairs

ROWS, COLUMNS = 4, 6
RED, BLUE = (178, 24, 43), (33, 102, 172)


@pytest.fixture(scope="module")
def pairs():
    return synthetic_pairs(9, ROWS, COLUMNS, caption="a small dog runs along the beach", side=96)


@pytest.fixture
def view(browser, pairs):
    with harness(browser, state_of(pairs), width=900) as view:
        view.greet()
        yield view
        assert view.harness.errors == []


def middle(view, row, column):
    box = view.root.locator(".fpattr-stage").bounding_box()
    return (
        box["x"] + (column + 0.5) * box["width"] / COLUMNS,
        box["y"] + (row + 0.5) * box["height"] / ROWS,
    )


def drag(view, first, last):
    mouse = view.page.mouse
    mouse.move(*middle(view, *first))
    mouse.down()
    mouse.move(*middle(view, *last), steps=4)
    mouse.up()


def canvas(view) -> np.ndarray:
    view.wait_painted()
    size, data = view.root.locator(".fpattr-heat").evaluate(
        """canvas => [[canvas.height, canvas.width], Array.from(canvas.getContext('2d')
            .getImageData(0, 0, canvas.width, canvas.height).data)]"""
    )
    return np.array(data, np.uint8).reshape(*size, 4)


def line(view) -> str:
    return view.root.locator(".fpattr-line").inner_text()


def value_in(text: str) -> float:
    return number(text.split(": ")[1].split(" ")[0])


def number(text: str) -> float:
    return float(text.replace("−", "-"))


def values_in(text: str) -> list[float]:
    """Return the signed numbers of a line, or the zero that stands for all of them."""
    return [number(found) for found in re.findall(r"[+−][\d.]+|(?<=: )0", text)]


def test_regions_grow_shrink_and_meet_a_span(view, pairs):
    keyboard = view.page.keyboard
    drag(view, (0, 0), (1, 2))
    keyboard.down("Shift")
    drag(view, (3, 5), (3, 5))
    keyboard.up("Shift")
    keyboard.down("Alt")
    drag(view, (0, 0), (0, 1))
    keyboard.up("Alt")
    region = [2, 6, 7, 8, 23]
    assert view.pins[1] == region
    words = view.root.locator(".fpattr-token[data-kind=word]")
    first, last = words.nth(1).bounding_box(), words.nth(2).bounding_box()
    view.page.mouse.move(first["x"] + 3, first["y"] + 9)
    view.page.mouse.down()
    view.page.mouse.move(last["x"] + 9, last["y"] + 9, steps=4)
    view.page.mouse.up()
    assert view.pins[0] == [2, 3]
    view.wait_shown("tokens:2,3 patches:" + ",".join(map(str, region)))
    expected = pairs.matrix[np.ix_([2, 3], region)].sum()
    assert value_in(line(view)) == pytest.approx(expected, abs=6e-4)
    # Beside the pins the pointer previews, on them all of them are read.
    view.page.mouse.move(*middle(view, 3, 0))
    view.wait_shown("tokens:2,3 patches:18")
    assert value_in(line(view)) == pytest.approx(pairs.matrix[[2, 3], 18].sum(), abs=6e-4)
    view.page.mouse.move(*middle(view, 1, 1))
    view.wait_shown("tokens:2,3 patches:" + ",".join(map(str, region)))
    assert value_in(line(view)) == pytest.approx(expected, abs=6e-4)
    # A click on what is pinned alone lets go; Escape clears.
    view.page.mouse.click(*middle(view, 3, 0))
    assert view.pins[1] == [18]
    view.page.mouse.click(*middle(view, 3, 0))
    assert view.pins[1] == []
    keyboard.press("Escape")
    assert view.pins[0] == []


def test_what_is_hovered_adds_up_to_the_ledger(browser):
    """On the model of scenes, by words and by places, CLS included; it turns the sign of grass."""
    scene = example("picnic")
    pairs = fp.attribute(fp.load_encoder("scenes"), scene.image, scene.caption)
    whole = pairs.ledger.pairs
    with harness(browser, state_of(pairs), width=900) as view:
        together = {}
        for chip in view.root.locator(".fpattr-token").all():
            chip.hover()
            tokens = [int(token) for token in chip.get_attribute("data-tokens").split(",")]
            view.wait_shown("tokens:" + ",".join(map(str, tokens)))
            said = values_in(line(view).split("strongest")[0])
            shown = number(chip.get_attribute("data-readout"))
            expected = [pairs.matrix[tokens].sum(), pairs.image_special[tokens].sum()]
            expected = [*expected, sum(expected)] if abs(expected[1]) > 1e-6 else expected[:1]
            assert said == pytest.approx(expected, abs=6e-4)
            assert shown == pytest.approx(said[-1], abs=1e-9)
            together[tokens[0]] = shown
        assert sum(together.values()) == pytest.approx(whole, abs=6e-4 * len(together))
        grass = [token.text for token in pairs.tokens].index("grass")
        assert together[grass] > 0 > pairs.matrix[grass].sum()
        strongest = view.root.locator(".fpattr-strongest li").first
        assert strongest.inner_text().split() == ["grass", "↔", "CLS", "+0.167", "11%"]

        view.page.mouse.move(2, 2)
        view.wait_shown("")
        cls = number(view.root.locator(".fpattr-special").get_attribute("data-number"))
        view.pin(patches=list(range(pairs.matrix.shape[1])))
        view.wait_shown("patches:" + ",".join(map(str, range(64))))
        assert values_in(line(view))[0] + cls == pytest.approx(whole, abs=2e-3)
        places, gathered = view.root.locator(".fpattr-step").all()[:2]
        assert places.inner_text().split("\n") == ["+0.23", "words × patches"]
        assert gathered.inner_text().split("\n") == ["+0.09", "words × CLS"]
        assert pairs.matrix.sum() == pytest.approx(0.23, abs=6e-3)
        assert pairs.image_special.sum() == pytest.approx(0.09, abs=6e-3)
        gathered.hover()
        tooltip = view.root.get_by_role("tooltip")
        assert tooltip.inner_text().startswith("words × CLS +0.09")
        # Explained at the pointer, and all of it can be seen.
        box, step = tooltip.bounding_box(), gathered.bounding_box()
        assert abs(box["y"] - step["y"] - step["height"]) < 2
        assert box["x"] <= step["x"] + step["width"] / 2 <= box["x"] + box["width"]
        assert view.harness.errors == []


def test_everything_by_keyboard(view):
    page = view.page
    page.keyboard.press("Tab")
    for _ in range(12):
        if page.evaluate("() => document.activeElement.classList.contains('fpattr-token')"):
            break
        page.keyboard.press("Tab")
    for key in ("Home", "ArrowRight", "ArrowRight", "Shift+ArrowRight"):
        page.keyboard.press(key)
    assert view.pins[0] == [2, 3]
    view.root.locator(".fpattr-stage").focus()
    for key in ("ArrowDown", "ArrowDown", "Shift+ArrowRight", "Shift+ArrowDown", "Enter"):
        page.keyboard.press(key)
    assert view.pins[1] == [6, 7, 12, 13]
    for key in ("ArrowRight", "ArrowRight", "Shift+Enter"):
        page.keyboard.press(key)
    assert view.pins[1] == [6, 7, 12, 13, 15]
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Alt+Enter")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Alt+Enter")
    assert view.pins[1] == [6, 7, 12, 15]
    page.keyboard.press("Escape")
    assert view.pins == ([], [])


def test_touch_does_what_the_mouse_does(browser, pairs):
    with harness(browser, state_of(pairs), width=420, size=(460, 900), has_touch=True) as view:
        touch = view.page.touchscreen
        touch.tap(*middle(view, 1, 1))
        assert view.pins[1] == [7]
        view.root.get_by_role("button", name="add").tap()
        session = view.page.context.new_cdp_session(view.page)

        def send(kind, *points):
            session.send(
                "Input.dispatchTouchEvent",
                {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in points]},
            )

        send("touchStart", middle(view, 2, 3))
        send("touchMove", middle(view, 2, 4))
        send("touchMove", middle(view, 3, 4))
        send("touchEnd")
        assert view.pins[1] == [7, 15, 16, 21, 22]
        for word in ("dog", "beach"):
            view.root.locator(".fpattr-token", has_text=word).tap()
        assert view.pins[0] == [3, 7]
        view.root.get_by_role("button", name="remove").tap()
        view.root.locator(".fpattr-token", has_text="dog").tap()
        assert view.pins[0] == [7]
        view.root.get_by_role("button", name="clear").tap()
        assert view.pins == ([], [])
        assert view.harness.errors == []


def test_signs_opacity_and_smoothness_change_what_is_painted(view, pairs):
    view.pin([3])
    view.wait_shown("tokens:3")
    row = pairs.matrix[3].reshape(ROWS, COLUMNS)
    both = canvas(view)
    assert both.shape == (ROWS, COLUMNS, 4)
    assert ((both[:, :, 3] > 0) == (np.abs(row) > np.abs(pairs.matrix).max() / 255)).mean() > 0.95
    for signs, wanted, colour in (("for", row > 0, RED), ("against", row < 0, BLUE)):
        view.root.locator(f".fpattr-choice [data-value={signs}]").click()
        pixels = canvas(view)
        assert view.get("signs") == signs
        np.testing.assert_array_equal(pixels[:, :, 3], np.where(wanted, both[:, :, 3], 0))
        strong = pixels[:, :, 3] > 60
        assert strong.any()
        assert np.abs(pixels[strong][:, :3].astype(int) - colour).max() <= 3
    view.root.locator(".fpattr-choice [data-value=both]").click()

    view.root.locator(".fpattr-tools [aria-expanded]").click()
    slider = view.root.get_by_role("slider")
    slider.focus()
    for _ in range(4):
        view.page.keyboard.press("ArrowLeft")
    assert view.get("opacity") == pytest.approx(0.8)
    expect(view.root.locator(".fpattr-heat")).to_have_css("opacity", "0.8")

    view.root.locator(".fpattr-choice [data-value=smooth]").click()
    smooth = canvas(view)
    k = len(smooth) // ROWS
    assert k > 1
    assert smooth.shape == (ROWS * k, COLUMNS * k, 4)
    steps = np.abs(np.diff(smooth[:, :, 3].astype(int), axis=1)).max()
    assert steps < np.abs(np.diff(both[:, :, 3].astype(int), axis=1)).max()


def test_the_value_at_the_pointer_is_the_patch_s(view, pairs):
    stage = view.root.locator(".fpattr-stage")
    view.pin([3])
    for row, column in ((0, 0), (0, 5), (3, 5), (2, 2)):
        view.page.mouse.move(*middle(view, row, column))
        view.wait_painted()
        text = stage.get_attribute("data-readout")
        value = float(text.split(" ")[0].replace("−", "-").replace("+", ""))
        assert value == pytest.approx(pairs.matrix[3, row * COLUMNS + column], abs=6e-4)
        # It stands inside the picture from side to side, and never on its patch.
        left, width, top, bottom = stage.evaluate(
            """stage => {
                const style = getComputedStyle(stage, '::after');
                const box = stage.getBoundingClientRect();
                const move = new DOMMatrix(style.transform).m41;
                const left = parseFloat(style.left) + move;
                return [left / box.width, parseFloat(style.width) / box.width,
                    parseFloat(style.top) / box.height, parseFloat(style.bottom) / box.height];
            }"""
        )
        assert left >= -0.001
        assert left + width <= 1.001
        assert (top >= 1 / ROWS) if row == 0 else (bottom >= 1 - row / ROWS)


def test_pictures_can_be_dropped_pasted_and_chosen(browser, pairs, tmp_path):
    buffer = io.BytesIO()
    Image.new("RGB", (20, 10), (9, 99, 199)).save(buffer, "PNG")
    small = buffer.getvalue()
    noise = np.random.default_rng(0).integers(0, 255, (1700, 2600, 3), np.uint8)
    large = tmp_path / "large.png"
    Image.fromarray(noise).save(large)
    assert large.stat().st_size > 10_000_000
    with harness(browser, state_of(pairs, editable=True), width=900) as view:
        give = """([kind, data]) => {
            const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], 'x.png', {type: 'image/png'}));
            const stage = document.querySelector('.fpattr-stage');
            const options = {bubbles: true, cancelable: true};
            const event = kind === 'drop'
                ? new DragEvent('drop', {...options, dataTransfer: transfer})
                : new ClipboardEvent('paste', {...options, clipboardData: transfer});
            return !stage.dispatchEvent(event);
        }"""
        for kind in ("drop", "paste"):
            assert view.page.evaluate(give, [kind, base64.b64encode(small).decode()])
        view.root.locator("input[type=file]").set_input_files(large)
        for _ in range(100):
            sent = view.sent("file")
            if len(sent) == 3:
                break
            view.page.wait_for_timeout(100)
        assert [buffers[0] for _, buffers in sent[:2]] == [small, small]
        reduced = sent[2][1][0]
        assert len(reduced) < 8_000_000
        assert max(Image.open(io.BytesIO(reduced)).size) == 2048
        broken = tmp_path / "broken.png"
        broken.write_bytes(b"no picture" * 500_000)
        view.root.locator("input[type=file]").set_input_files(broken)
        view.root.locator(".fpattr-refused[data-kind=image]", has_text="cannot be read").wait_for()
        assert view.root.locator(".fpattr-img").is_visible()
