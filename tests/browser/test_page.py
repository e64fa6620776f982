"""Pages of their own, from a file, with every request refused and a policy that lets nothing in."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect
from transformers import CLIPImageProcessor

import fpattr_widget as fp
from fpattr_widget.scenes import example
from tests.helpers.harness import synthetic_pairs
from tests.helpers.models import Processor, random_clip
from tests.helpers.offline_page import SITE, offline, site
from tests.helpers.painted import (
    BLUE,
    RED,
    assert_chips,
    assert_painted,
    drag_region,
    hover_patch,
    wait_for_rows,
    wait_for_shown,
)


@pytest.fixture(scope="module")
def pairs() -> fp.FeaturePairs:
    scene = example("dog-and-ball")
    return fp.explain(scene.image, scene.caption, model="scenes").bake().pairs


def assert_linked(page: Page, pairs: fp.FeaturePairs, index: int = 0) -> None:
    view = page.locator(".fpattr").nth(index)
    wait_for_rows(view)
    view.locator(".fpattr-token", has_text="dog").scroll_into_view_if_needed()
    view.locator(".fpattr-token", has_text="dog").hover()
    wait_for_shown(view, "tokens:2")
    assert_painted(view, pairs.row(2))
    page.mouse.move(2, 2)
    region = drag_region(view, (2, 1), (4, 3))
    wait_for_shown(view, f"patches:{','.join(map(str, region))}")
    assert_chips(view, pairs.matrix[:, region].sum(1))
    page.keyboard.press("Escape")


def test_a_file_shows_explanations_without_a_network(browser, pairs, tmp_path):
    widget = pairs.widget(smooth=True, theme="dark")
    widget.selected_tokens = [6]
    path = tmp_path / "explanation.html"
    fp.save_html(path, pairs, widget, title="Two of a kind")
    with offline(browser, clock=True) as page:
        page.goto(path.as_uri())
        assert page.title() == page.locator("h1").inner_text() == "Two of a kind"
        expect(page.locator(".fpattr")).to_have_count(2)
        assert_linked(page, pairs)
        first, second = page.locator(".fpattr").all()
        assert second.get_attribute("data-shown") == "tokens:6"
        assert second.get_attribute("data-theme") == "dark"
        assert second.locator(".fpattr-stage").get_attribute("data-smooth") is not None
        second.locator(".fpattr-token", has_text="dog").click()
        wait_for_shown(second, "tokens:2")
        page.mouse.move(2, 2)
        wait_for_shown(first, "")
        assert first.locator(".fpattr-number").inner_text() == f"{pairs.ledger.similarity:.2f}"
        assert page.locator("[data-fpattr] > img").count() == 0
        page.clock.run_for(20_000)  # a kernel would be missed by then
        assert "kernel" not in first.inner_text()
        assert (page.errors, page.console, page.refused) == ([], [], [])


def photo(side: int) -> Image.Image:
    """Noise as rich in detail as photographs are: its spectrum falls as theirs does."""
    random = np.random.default_rng(0)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
    frequency[0, 0] = 1 / side
    noise = random.normal(size=(3, side, side))
    layers = np.fft.ifft2(np.fft.fft2(noise) / frequency**1.1).real.transpose(1, 2, 0)
    levels = (layers - layers.mean()) / layers.std() * 50 + 128
    return Image.fromarray(levels.clip(0, 255).astype("uint8"))


def squeezed(size: tuple[int, int]) -> fp.FeaturePairs:
    """Return pairs of 8 × 8 patches, of a model that sees any picture as a square."""
    processor = Processor(64)
    processor.image_processor = CLIPImageProcessor(
        size={"height": 64, "width": 64}, do_center_crop=False
    )
    encoder = fp.load_encoder(random_clip(), processor=processor, image_size=64)
    return fp.attribute(encoder, Image.new("RGB", size, (120, 120, 120)), "a dog next to a ball")


@pytest.mark.parametrize("size", [(300, 100), (100, 200)])
def test_a_picture_that_the_model_squeezes_has_its_own_proportions(browser, size, tmp_path):
    """Its patches are no squares: they are where they are painted, pointed at and outlined."""
    pairs = squeezed(size)
    path = tmp_path / "page.html"
    fp.save_html(path, pairs)
    with offline(browser) as page:
        page.goto(path.as_uri())
        view = page.locator(".fpattr")
        wait_for_rows(view)
        stage = view.locator(".fpattr-stage")
        stage.scroll_into_view_if_needed()
        for part in (stage, view.locator(".fpattr-img"), view.locator("canvas.fpattr-heat")):
            box = part.bounding_box()
            assert box["width"] / box["height"] == pytest.approx(size[0] / size[1], rel=0.01)
        cell = box["width"] / 8, box["height"] / 8

        view.locator(".fpattr-token", has_text="dog").hover()
        wait_for_shown(view, "tokens:2")
        row = pairs.row(2)
        assert_painted(view, row)
        limit = float(view.locator("canvas.fpattr-heat").get_attribute("data-limit"))
        screen = Image.open(io.BytesIO(stage.screenshot())).convert("RGB")
        for y, x in np.ndindex(row.shape):
            # The ground is grey: red less blue is the map's alone.
            middle = int((x + 0.5) * cell[0]), int((y + 0.5) * cell[1])
            red, _, blue = screen.getpixel(middle)
            full = RED[0] - RED[2] if row[y, x] > 0 else BLUE[2] - BLUE[0]
            expected = full * 0.85 * min(1, abs(row[y, x]) / limit) * np.sign(row[y, x])
            assert red - blue == pytest.approx(expected, abs=6)

        hover_patch(view, 6, 1)
        wait_for_shown(view, "patches:49")
        page.mouse.move(2, 2)
        drag_region(view, (1, 2), (2, 5))
        wait_for_shown(view, "patches:" + ",".join(map(str, [*range(10, 14), *range(18, 22)])))
        outline = view.locator(".fpattr-marks > .fpattr-over").bounding_box()
        stands = {"x": 2, "y": 1, "width": 4, "height": 2}
        for name, cells in stands.items():
            side = cell[name in ("y", "height")]
            start = box.get(name, 0) if name in ("x", "y") else 0
            assert outline[name] == pytest.approx(start + cells * side, abs=3)
        stage.focus()
        page.keyboard.press("Escape")
        page.keyboard.press("ArrowRight")
        wait_for_shown(view, "patches:11")
        page.keyboard.press("ArrowDown")
        wait_for_shown(view, "patches:19")
        assert page.errors == []


def test_one_pair_on_a_model_of_224_pixels_stays_small(tmp_path):
    pairs = synthetic_pairs(77, 14, 14, picture=photo(768))
    path = tmp_path / "page.html"
    fp.save_html(path, pairs)
    assert 200_000 < path.stat().st_size < 400_000


def test_a_server_may_be_as_strict_as_it_likes(browser, pairs):
    page_text = fp.to_html(pairs, nonce="c2VjcmV0")
    strict = (
        "default-src 'none'; script-src 'nonce-{0}'; style-src 'nonce-{0}'; img-src blob: data:"
    )
    with offline(browser, site(page=page_text, policy=strict.format("c2VjcmV0"))) as page:
        page.goto(f"{SITE}page")
        assert_linked(page, pairs)
        assert (page.errors, page.console, page.refused) == ([], [], [])
    # With another nonce nothing runs, and the drawing stands in.
    with offline(browser, site(page=page_text, policy=strict.format("another"))) as page:
        page.goto(f"{SITE}page")
        assert page.locator(".fpattr").count() == 0
        assert_drawn(page)
        assert len(page.console) >= 1


def assert_drawn(page: Page) -> None:
    still = page.locator("[data-fpattr] > img")
    assert still.is_visible()
    assert still.bounding_box()["width"] > 300
    assert still.get_attribute("alt") == "a dog next to a ball"


def test_without_scripts_there_is_a_drawing(browser, pairs, tmp_path):
    path = tmp_path / "page.html"
    fp.save_html(path, pairs)
    with offline(browser, script=False) as page:
        page.goto(path.as_uri())
        assert_drawn(page)
        assert page.refused == []


def test_the_page_s_own_policy_lets_nothing_else_run(browser, pairs):
    text = fp.to_html(pairs)
    added = text.replace("</html>", "<script>window.hacked=1</script><img src='x.png'></html>")
    with offline(browser, site(page=added)) as page:
        page.goto(f"{SITE}page")
        wait_for_rows(page.locator(".fpattr"))
        assert page.evaluate("() => window.hacked") is None
        assert page.refused == []


def test_fragments_live_in_a_page_that_has_styles_of_its_own(browser, pairs):
    host = (
        "<!doctype html><style>* { color: lime !important; font-size: 40px; padding: 30px; }"
        "button, canvas, img, p, span { display: none; }</style><h1>A book</h1>"
    )
    body = host + fp.to_html(pairs, form="fragment") * 2
    with offline(browser, site(page=body)) as page:
        page.goto(f"{SITE}page")
        expect(page.locator(".fpattr")).to_have_count(2)
        page.add_style_tag(content="body, div { padding: 0 !important; }")
        for index in (0, 1):
            assert_linked(page, pairs, index)
        colour = "e => getComputedStyle(e).color"
        assert page.locator("h1").evaluate(colour) == "rgb(0, 255, 0)"
        assert page.locator(".fpattr-token").first.evaluate(colour) != "rgb(0, 255, 0)"
        assert (page.errors, page.console, page.refused) == ([], [], [])


def test_an_iframe_keeps_to_itself(browser, pairs):
    body = "<!doctype html><p>A host</p>" + fp.to_html(pairs, form="iframe")
    with offline(browser, site(page=body)) as page:
        page.goto(f"{SITE}page")
        frame = page.frame_locator("iframe")
        frame.locator(".fpattr-token", has_text="dog").hover()
        expect(frame.locator(".fpattr")).to_have_attribute("data-shown", "tokens:2")
        assert page.evaluate("() => Object.keys(window).filter(k => k.includes('fpattr'))") == []
        # All of it has room.
        assert frame.locator("html").evaluate("e => e.scrollHeight - e.clientHeight") == 0
        assert (page.errors, page.console, page.refused) == ([], [], [])


def test_the_source_of_an_image_is_not_told(tmp_path):
    folder = tmp_path / "home of jane doe"
    folder.mkdir()
    photo = folder / "secret name.jpg"
    scene = example("dog-and-ball")
    exif = scene.image.getexif()
    exif[0x013B] = "Jane Doe"
    exif[0x0110] = "Camera 3000"
    scene.image.convert("RGB").save(photo, exif=exif, comment=b"Jane Doe")
    path = tmp_path / "page.html"
    fp.save_html(path, fp.explain(photo, scene.caption, model="scenes"))
    content = path.read_bytes() + b"".join(decoded(path.read_text()))
    for secret in (b"Jane", b"jane", b"secret name", b"Camera", str(tmp_path).encode()):
        assert secret not in content


def decoded(text: str) -> list[bytes]:
    import base64
    import re

    return [base64.b64decode(part) for part in re.findall(r"[A-Za-z0-9+/]{40,}={0,2}", text)]


def test_the_picture_can_be_left_out(browser, pairs, tmp_path):
    path = tmp_path / "page.html"
    fp.save_html(path, pairs, strip_image=True)
    with offline(browser) as page:
        page.goto(path.as_uri())
        assert_linked(page, pairs)
        picture = page.evaluate(
            """async () => {
                const view = document.querySelector('[data-fpattr] > div').shadowRoot;
                const image = view.querySelector('.fpattr-img');
                const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
                const context = canvas.getContext('2d');
                context.drawImage(image, 0, 0);
                return [...context.getImageData(0, 0, canvas.width, canvas.height).data];
            }"""
        )
    assert np.ptp(np.array(picture).reshape(-1, 4)[:, :3]) <= 2


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"form": "pdf"}, "form"),
        ({"nonce": 'x" onload="window.hacked=1'}, "nonce"),
        ({"nonce": ""}, "nonce"),
    ],
)
def test_wrong_arguments_are_named(pairs, arguments, name):
    with pytest.raises(fp.InputError, match=f"`{name}`"):
        fp.to_html(pairs, **arguments)


def test_what_cannot_be_shown_is_named(pairs, tmp_path):
    with pytest.raises(fp.InputError, match="`explained` is empty"):
        fp.save_html(tmp_path / "page.html")
    with pytest.raises(fp.InputError, match="`explained` holds a str"):
        fp.save_html(tmp_path / "page.html", "a dog")
    with pytest.raises(fp.InputError, match="`path`"):
        fp.save_html(Path(tmp_path, "nowhere", "page.html"), pairs)
    assert list(tmp_path.iterdir()) == []
