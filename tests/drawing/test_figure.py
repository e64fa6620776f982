"""The drawing for a paper, compared with numbers worked out here."""

import getpass
import io
import re
import subprocess
import threading
import time
import warnings
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.image import AxesImage
from matplotlib.patches import FancyBboxPatch, Patch, Polygon, Rectangle
from matplotlib.text import Text
from PIL import Image

import fpattr_widget as fp
from fpattr_widget.drawing._figure import pairs_png, pairs_png_so_far, plot, save_figure
from fpattr_widget.pairs import About, FeaturePairs
from tests.helpers import forking
from tests.helpers.made_pairs import LEDGER, made, tokens_of
from tests.helpers.recorded import like, pairs_of, recorded

ENDINGS = (".png", ".svg", ".pdf")
SKY = (90, 160, 220)
HOSTILE = [
    r"$x^2$ and $\frac{1}{2}$", r"\frac{ $ unbalanced $$ _{", "<script>alert('a')</script>",
    "]]> --> <!-- & &amp; \" '", "null \0 bell \a escape \x1b[31m", "half \ud83d of a pair",
    "\u202eturned round\u202c \u2066x\u2069", "\ufffe\uffff \u2028\u2029 \x85", "%s {x} %(a)s",
]  # fmt: skip
ODD = {
    "none": ("", 7, 7), "one": ("dog", 7, 7), "blank": ("   ", 3, 3), "tall": ("a tower", 16, 4),
    "wide": ("a long goods train", 4, 16), "very wide": ("a train", 1, 24), "tiny": ("a b", 1, 1),
    "long word": ("a " + "Donaudampfschifffahrt" * 12 + " sails", 7, 7),
    "many": ("word " * 75, 8, 8), "emoji": ("👩‍👩‍👧 a dog 🐶 and ❤️ ♥", 7, 7),
    "han": ("日本語の文章と中文" * 8, 7, 7), "rtl": ("כלב אדום ליד two red balls قطة صغيرة", 7, 7),
    "marks": ("e\u0301 a\u0308\u0323 क्षि ก็", 7, 7), "quotes": ("(“a dog”, he said…)", 7, 7),
}  # fmt: skip


def named(figure, name: str, kind: type = AxesImage):
    found = [artist for artist in figure.findobj(kind) if artist.get_gid() == name]
    assert len(found) == 1, name
    return found[0]


def lines(figure, name: str) -> list[LineCollection]:
    return [one for one in figure.findobj(LineCollection) if one.get_gid() == name]


def texts(figure) -> list[str]:
    return [artist.get_text() for artist in figure.findobj(Text) if artist.get_text()]


def saved(pairs: FeaturePairs, folder: Path, ending: str, **options) -> bytes:
    path = folder / f"figure{ending}"
    save_figure(pairs, path, **options)
    return path.read_bytes()


@pytest.fixture
def folder(tmp_path):
    return tmp_path


def test_patches_have_the_colours_of_the_view(folder):
    """Each map at each patch: the tint over the faded grey of the picture, on white."""
    random = np.random.default_rng(0)
    values = random.normal(0, 0.05, (6, 12))
    values[[0, -1]] *= 40  # special tokens do not stretch the scale
    values[2, 5], values[3, 0] = 0.4, 0.0
    pairs = made("a dog barks loudly", 3, 4, values=values, special=9.0, colour=SKY)
    figure = plot(pairs)
    figure.set_dpi(200)
    image = Image.open(io.BytesIO(saved(pairs, folder, ".png"))).convert("RGB")
    assert image.size == tuple(np.round(figure.get_size_inches() * 200))
    limit = np.abs(values[1:-1]).max()
    luma = 0.2126 * SKY[0] + 0.7152 * SKY[1] + 0.0722 * SKY[2]
    grey = 0.72 * luma + 0.28 * 255
    for number, token in enumerate((1, 2, 3, 4)):
        box = named(figure, f"map-{number}").get_window_extent()
        for patch in range(12):
            row, column = divmod(patch, 4)
            x = box.x0 + (column + 0.5) / 4 * box.width
            y = image.height - (box.y1 - (row + 0.5) / 3 * box.height)
            value = values[token, patch]
            colour = np.array((178, 24, 43) if value > 0 else (33, 102, 172))
            alpha = 0.85 * abs(value) / limit
            expected = alpha * colour + (1 - alpha) * grey
            np.testing.assert_allclose(image.getpixel((int(x), int(y))), expected, atol=3)
    assert f"+{limit:.3f}" in texts(figure)
    assert f"−{limit:.3f}" in texts(figure)


def test_the_picture_is_there_in_its_own_colours(folder):
    pairs = made("a dog", colour=SKY)
    box = named(plot(pairs), "picture").get_window_extent()
    image = Image.open(io.BytesIO(pairs_png(pairs))).convert("RGB")
    middle = int((box.x0 + box.x1) / 2), int(image.height - (box.y0 + box.y1) / 2)
    np.testing.assert_allclose(image.getpixel(middle), SKY, atol=4)


@pytest.mark.parametrize("size", [(300, 100), (100, 200)])
def test_maps_lie_over_the_whole_picture_whatever_its_proportions(size):
    """A square grid over a picture that is none: its patches are rectangles."""
    pairs = made("a dog barks").over(Image.new("RGB", size))
    figure = plot(pairs, columns=[1 + 8])  # the second patch of the second row of seven
    outlines = iter(lines(figure, "region")[::2])  # each is drawn dark, then light
    for name in ("picture", "map-0", "map-1", "map-2"):
        left, right, bottom, top = named(figure, name).get_extent()
        width, height = right - left, bottom - top
        assert width / height == pytest.approx(size[0] / size[1], rel=0.01)
        corners = np.concatenate(next(outlines).get_segments())
        np.testing.assert_allclose(corners.min(0), [left + width / 7, top + height / 7])
        np.testing.assert_allclose(corners.max(0), [left + 2 * width / 7, top + 2 * height / 7])


@pytest.mark.parametrize(
    "ledger",
    [
        fp.Ledger(0.68, 0.79, -0.55, -0.21, 0.65, 0.0),
        fp.Ledger(-0.09, -0.2, 0.31, -0.07, 0.03, -0.16),
        fp.Ledger(0.55, 0.23, 0.2, 0.08, 0.04, 0.001),
        fp.Ledger(0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
        fp.Ledger(0.5, 0.3, 0.2, 0.1, 0.03, 0.0, -0.13, "routing", 0.3, -0.13),
        fp.Ledger(0.5, 0.3, 0.1, 0.1, -0.13, 0.0, 0.13, "change of routing"),
    ],
)
def test_bar_lengths_are_the_parts_of_the_ledger(ledger):
    figure = plot(made("a dog", ledger=ledger))
    names = {"pairs": "pairs", "rows_only": "caption alone", "columns_only": "image alone"}
    names |= {"baseline": "baseline", "residual": "residual", "left_out": ledger.left_out_name}
    shown = {key: getattr(ledger, key) for key in names}
    for key in ("residual", "left_out"):
        if abs(shown[key]) < 0.005:
            del shown[key]
            assert not [a for a in figure.findobj(Rectangle) if a.get_gid() == f"ledger-{key}"]
    both = "pairs: match +0.300 · routing −0.130"
    assert (both in texts(figure)) == (ledger.match is not None)
    bars = {key: named(figure, f"ledger-{key}", Rectangle).get_bbox() for key in shown}
    zero = named(figure, "ledger-zero", Rectangle).get_bbox()
    zero = (zero.x0 + zero.x1) / 2
    size = sum(map(abs, shown.values()))
    length = sum(bar.width for bar in bars.values())
    for key, value in shown.items():
        said = f"{abs(value):.2f}"
        sign = "−" if value < 0 and float(said) else ""
        assert f"{names[key]} {sign}{said}" in texts(figure)
        if size:
            # An edge lies inside the bar.
            assert bars[key].width == pytest.approx(abs(value) / size * length, abs=0.7)
            beyond = bars[key].x1 <= zero + 0.1 if value < 0 else bars[key].x0 >= zero - 0.1
            assert beyond, key
    tip = named(figure, "ledger-similarity", Polygon).get_xy()[0][0]
    if size:
        assert (tip - zero) / length == pytest.approx(ledger.similarity / size, abs=0.004)
    number = f"{abs(ledger.similarity):.2f}"
    assert ("−" if ledger.similarity < 0 else "") + number in texts(figure)


def titles(figure) -> list[str]:
    return [a.get_text() for a in figure.findobj(Text) if a.get_fontweight() == "bold"][1:]


def test_the_strongest_words_are_shown_as_they_are_read():
    """By the fewest patches that carry half of a word's mass, for or against; not by its sum."""
    values = np.zeros((9, 4))
    values[1] = [0.30, 0.20, 0.05, 0.05]  # half of 0.6: 0.30
    values[2] = [-0.5, 0.5, 0.1, 0.0]  # 0.5, and a sum of 0.1
    values[3] = [0.2, 0.2, 0.2, 0.2]  # 0.4
    values[4] = [-0.09, -0.09, -0.09, -0.09]  # −0.18
    values[5] = [0.15, 0, 0, 0]
    values[6] = [0.09, 0, 0, 0]
    values[7] = [0.03, 0, 0, 0]  # weak
    values[0] = values[8] = 5
    pairs = made("one two three four five six seven", 2, 2, values=values)
    figure = plot(pairs)
    assert titles(figure) == ["one", "two", "three", "four", "five", "six"]
    for value in ("+0.600", "+0.100", "+0.800", "−0.360", "+0.150", "+0.090"):
        assert value in texts(figure)
    values[6] = [0.031, 0, 0, 0]
    assert titles(plot(made(pairs.caption, 2, 2, values=values)))[-1] == "five"
    values[6], values[7] = values[7], [0.4, 0, 0, 0]
    assert titles(plot(made(pairs.caption, 2, 2, values=values))) == [
        "one", "two", "three", "four", "five", "seven",
    ]  # fmt: skip


def test_tokens_choose_the_words_or_a_part_of_one():
    caption = "a pineapple, two"
    tokens = tokens_of(caption)
    tokens[2:3] = [fp.Token("pine", 1, 2, 6, False), fp.Token("apple", 1, 6, 11, False)]
    values = np.arange(7 * 4).reshape(7, 4) / 100
    pairs = made(caption, 2, 2, values=values[:6])
    pairs = pairs_of(
        recorded(np.c_[np.zeros(7), values], LEDGER),
        caption=caption,
        tokens=tokens,
        picture=pairs.picture,
        grid=(2, 2),
        about=pairs.about,
    )
    assert titles(pairs.plot(tokens=[3, 2])) == ["pineapple"]
    assert titles(pairs.plot(tokens=np.array([3, -2]))) == ["apple", "two"]
    figure = pairs.plot(tokens=[0, 4])
    assert titles(figure) == [","]
    # As a chip with its number, and as a title that is not bold.
    assert {"BOS", f"BOS +{values[0].sum():.3f}", f"+{values[0].sum():.3f}"} <= set(texts(figure))
    assert len(titles(made("w " * 12).plot(tokens=range(1, 13)))) == 12


def test_words_are_tinted_on_their_own_scale():
    """Which is of all that they add: CLS turns the sign of the first."""
    values = np.zeros((5, 4))
    values[1], values[2], values[0] = -0.1, -0.05, 9
    figure = plot(made("red blue none", 2, 2, values=values, special=[0, 0.8, 0, 0, -0.3]))
    chips = {a.get_gid(): a.get_facecolor() for a in figure.findobj(Patch) if a.get_gid()}
    against = 0.85 * 0.5
    expected = [against * c / 255 + 1 - against for c in (33, 102, 172)]
    np.testing.assert_allclose(chips["chip-1"][:3], [0.85 * c / 255 + 0.15 for c in (178, 24, 43)])
    np.testing.assert_allclose(chips["chip-2"][:3], expected)
    assert "chip-3" not in chips
    assert "words (all patches and CLS) ±0.400" in texts(figure)


def test_special_positions_have_their_numbers_and_a_mark_where_their_colour_is_cut():
    values = np.zeros((5, 4))
    values[0], values[1], values[2], values[4] = 9, -0.1, 0.2, 0.05
    special = [0, 0.8, 0, 0, -0.3]
    figure = plot(made("red blue none", 2, 2, values=values, special=special))
    shown = texts(figure)
    assert {"BOS +36.0", "EOS −0.100", "CLS"} & set(shown) == {"BOS +36.0", "EOS −0.100"}
    cuts = [a.get_bbox() for a in figure.findobj(Rectangle) if a.get_gid() == "cut"]
    box = named(figure, "chip-0", FancyBboxPatch).get_bbox()
    assert len(cuts) == 2
    assert all(box.x1 - 5 < cut.x0 < cut.x1 < box.x1 for cut in cuts)
    number = next(a for a in figure.findobj(Text) if a.get_text() == "BOS +36.0")
    right = number.get_window_extent().x1 * 72 / figure.dpi
    assert right < min(cut.x0 for cut in cuts)
    # A word's title has what it adds in all, and below it what that is made of.
    assert titles(figure) == ["red", "blue"]
    assert {"+0.400", "patches −0.400 · CLS +0.800", "+0.800"} <= set(shown)
    # Words × patches 0.4, and so on: the four corners add up to all pairs.
    said = next(text for text in shown if text.startswith("pairs: "))
    assert (
        said
        == (
            "pairs: words × patches +0.400 · words × CLS +0.800 · "
            "BOS and EOS × patches +36.200 · BOS and EOS × CLS −0.300"
        )
        or said == "pairs: patches +36.600 · CLS +0.500"
    )


def test_weak_values_are_faint():
    """A scale ends no lower than a cosine that matters, on words as on patches."""
    values = np.zeros((3, 4))
    values[1] = [0.001, 0, 0, 0.002]
    figure = plot(made("dog", 2, 2, values=values))
    assert {"+0.010", "−0.010", "words (all patches and CLS) ±0.010"} <= set(texts(figure))
    pixels = named(figure, "map-0").get_array()
    assert pixels[1, 1, 3] == round(0.85 * 255 * 0.2)
    chip = named(figure, "chip-1", FancyBboxPatch).get_facecolor()
    strength = 0.85 * 0.3
    np.testing.assert_allclose(chip[0], strength * 178 / 255 + 1 - strength)
    # A finer grid has smaller patches, and is not paler for it.
    fine = np.zeros((3, 256))
    fine[1, 7] = 0.001
    assert "+0.0025" in texts(plot(made("dog", 16, 16, values=fine)))


def test_a_ledger_that_does_not_add_up_says_so():
    figure = plot(made("a dog", ledger=fp.Ledger(0.23, 83.1, 0.0, 0.0, 0.0, -82.87)))
    assert "their sum is 83.10, which leaves −82.87." in texts(figure)
    assert not [a for a in figure.findobj() if (a.get_gid() or "").startswith("ledger")]
    assert not any("residual" in text for text in texts(figure))


def test_unknown_words_are_marked_and_told():
    known = made("a zyx dog")
    tokens = list(known.tokens)
    tokens[2] = replace(tokens[2], unknown=True)
    pairs = pairs_of(
        known.compute_all().recorded,
        caption=known.caption,
        tokens=tokens,
        picture=known.picture,
        grid=known.grid,
    )
    figure = plot(pairs)
    assert "The model has never seen “zyx”: to it that is an unknown word." in texts(figure)
    chips = [a for a in figure.findobj(FancyBboxPatch) if (a.get_gid() or "").startswith("chip")]
    muted = (89 / 255, 97 / 255, 107 / 255)
    dotted = [chip.get_gid() for chip in chips if chip.get_edgecolor()[:3] == muted]
    assert dotted == ["chip-2"]
    assert not any("never seen" in text for text in texts(plot(made("a zyx dog"))))


def test_the_region_is_outlined():
    pairs = made("a dog", 2, 3)
    figure = plot(pairs, columns=[1, 2, 6])
    outlines = lines(figure, "region")
    assert len(outlines) == 2 * 3  # dark and light, on the picture and two maps
    assert len(outlines[0].get_segments()) == 6 + 4
    box = named(figure, "picture").get_extent()
    corners = np.concatenate(outlines[0].get_segments())
    np.testing.assert_allclose(corners.min(0), [box[0], box[3]])
    np.testing.assert_allclose(corners.max(0), [box[1], box[2]])


@pytest.mark.slow
@pytest.mark.parametrize("case", ODD)
def test_odd_captions_and_grids_fit_and_warn_nobody(case, folder, caplog):
    pairs = made(*ODD[case])
    # Plain letters are the same fonts in every case.
    endings = (".png",) if pairs.caption.isascii() else ENDINGS
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = plot(pairs, columns=[1])
        data = [saved(pairs, folder, ending) for ending in endings]
    assert all(data)
    assert not [record for record in caplog.records if record.levelname != "INFO"]
    assert figure.get_size_inches()[0] == 7
    width, height = figure.bbox.size
    for artist in figure.findobj(Text):
        if artist.get_text():
            box = artist.get_window_extent()
            assert box.x0 >= 0, artist
            assert box.x1 <= width, artist
            assert box.y0 >= 0, artist
            assert box.y1 <= height, artist
    chips = [a.get_window_extent() for a in figure.findobj() if (a.get_gid() or "")[:5] == "chip-"]
    for number, one in enumerate(chips):
        for other in chips[:number]:
            apart = one.x0 >= other.x1 - 0.5 or other.x0 >= one.x1 - 0.5
            assert apart or one.y0 >= other.y1 - 2 or other.y0 >= one.y1 - 2


def test_a_long_caption_is_all_there():
    from tests.helpers.harness import synthetic_pairs

    pairs = synthetic_pairs()
    assert len(pairs.tokens) == 77
    shown = " ".join(texts(plot(pairs)))
    for word in re.findall(r"\w+", pairs.caption):
        assert word in shown


def test_text_read_from_the_right_is_set_from_the_right():
    for caption, order in (
        ("כלב אדום two balls כדור", ["כדור", "two", "balls", "אדום", "כלב"]),
        ("a כלב אדום dog", ["a", "אדום", "כלב", "dog"]),
    ):
        words = [a for a in plot(made(caption)).findobj(Text) if a.get_size() >= 12]
        # Where matplotlib does not turn letters round, they are turned already.
        places = {"".join(sorted(word.get_text())): word.get_position()[0] for word in words}
        assert sorted(order, key=lambda word: places["".join(sorted(word))]) == order


@pytest.mark.slow
def test_captions_without_end_take_neither_time_nor_paper():
    for caption in ("x" * 20_000, "word " * 5_000, "語" * 5_000):
        pairs = made(caption, 1, 1)
        started = time.monotonic()
        figure = plot(pairs)
        assert time.monotonic() - started < 20
        assert figure.get_size_inches()[1] < 20
        assert "the caption goes on" in texts(figure)


ELEMENTS = {"svg", "title", "desc", "defs", "style", "g", "path", "use", "image", "clipPath"}


@pytest.mark.slow
@pytest.mark.parametrize("caption", HOSTILE)
def test_captions_are_characters_and_nothing_else(caption, folder):
    pairs = made(caption, model="<b>$m$</b>")
    figure = plot(pairs)
    for artist in figure.findobj(lambda artist: isinstance(artist, Text) and artist.get_text()):
        assert not artist.get_parse_math()
        assert not artist.get_usetex()
    if "$" in caption:
        assert "$" in texts(figure)
    assert any("<b>$m$</b>" in text for text in texts(figure))
    saved(pairs, folder, ".png")
    data = saved(pairs, folder, ".svg")
    assert b"<!DOCTYPE" not in data
    root = ElementTree.fromstring(data)
    tags = [element.tag.rpartition("}") for element in root.iter()]
    assert {name for _, _, name in tags} <= ELEMENTS | {"rect"}
    assert {space for space, _, _ in tags} == {"{http://www.w3.org/2000/svg"}
    for element in root.iter():
        assert not [name for name in element.attrib if name.lower().startswith("on")]
        link = element.get("{http://www.w3.org/1999/xlink}href", "#")
        assert link.startswith(("#", "data:image/png;base64,"))
    title = root.findtext("{http://www.w3.org/2000/svg}title")
    visible = [c for c in caption if c.isprintable() and not c.isspace()]
    assert [c for c in title if c in visible] == visible
    assert b"Type3" not in saved(pairs, folder, ".pdf")


def test_math_is_drawn_as_it_is_written():
    drawn = [pairs_png(made(caption)) for caption in ("$x$", "x", r"\$x\$")]
    assert len(set(drawn)) == 3
    pairs = made("x")
    names = [About(name, "", "") for name in ("$x$", "$ x $", r"$\frac$")]
    drawn = [pairs_png(like(pairs, pairs.compute_all().recorded, about)) for about in names]
    assert len(set(drawn)) == 3


@pytest.mark.slow
@pytest.mark.parametrize("ending", ENDINGS)
def test_the_same_pairs_give_the_same_bytes(ending, folder, monkeypatch):
    pairs = made("a dog and a ball, 犬")
    first = saved(pairs, folder, ending)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    changed = {
        "text.usetex": True, "font.family": ["serif"], "font.size": 30, "path.sketch": (1, 100, 2),
        "svg.fonttype": "none", "svg.hashsalt": "other", "pdf.fonttype": 3, "lines.linewidth": 9,
        "savefig.bbox": "tight", "savefig.transparent": True, "figure.facecolor": "black",
        "image.interpolation": "bicubic", "axes.grid": True, "figure.autolayout": True,
        "patch.linewidth": 5, "figure.dpi": 30, "savefig.dpi": 30, "text.color": "red",
    }  # fmt: skip
    with matplotlib.rc_context(changed):
        before = dict(matplotlib.rcParams)
        assert saved(made("a dog and a ball, 犬"), folder, ending) == first
        assert dict(matplotlib.rcParams) == before
    for secret in (getpass.getuser(), str(Path.home()), str(folder), str(Path.cwd()), "Date"):
        assert secret.encode() not in first or secret == getpass.getuser() == "root"
    assert b"atplotlib" not in first or ending == ".svg"  # ids of groups are named by it


@pytest.mark.slow
def test_four_threads_draw_at_once(folder):
    captions = [f"picture {number} of a dog 犬 $x$" for number in range(2)]
    alone = {(c, e): saved(made(c), folder, e) for c in captions for e in (".png", ".svg")}
    before = dict(matplotlib.rcParams)
    together: dict[tuple[int, str, str], bytes] = {}
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            place = folder / str(number)
            place.mkdir()
            for caption, ending in list(alone)[number:] + list(alone)[:number]:
                together[number, caption, ending] = saved(made(caption), place, ending)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(together) == 4 * len(alone)
    for (_, caption, ending), data in together.items():
        assert data == alone[caption, ending]
    assert dict(matplotlib.rcParams) == before


def test_files_are_what_their_names_say(folder):
    pairs = made("a dog")
    image = Image.open(io.BytesIO(saved(pairs, folder, ".png")))
    assert image.format == "PNG"
    assert round(image.info.pop("dpi")[0]) == 200
    assert not image.info
    assert saved(pairs, folder, ".pdf").startswith(b"%PDF-")
    (folder / "other.PNG").touch()
    save_figure(pairs, str(folder / "other.PNG"))
    assert (folder / "other.PNG").read_bytes() == (folder / "figure.png").read_bytes()
    assert plot(pairs)._repr_png_()[:4] == b"\x89PNG"


@pytest.mark.parametrize("tokens", [[5], [-6], [], ["dog"], "dog", [1.5], 3, [None]])
def test_wrong_tokens_are_told_in_a_sentence(tokens, folder):
    pairs = made("a dog runs")
    calls = {
        "tokens": lambda: pairs.plot(tokens=tokens),
        "rows": lambda: save_figure(pairs, folder / "x.png", tokens),
    }
    for name, call in calls.items():
        with pytest.raises(fp.InputError, match=rf"^`{name}` is .*: pass .* from 0 to 4\.$"):
            call()
    assert not list(folder.iterdir())


def test_wrong_places_are_told_in_a_sentence_before_anything_is_computed(folder):
    known = made("a dog")

    def measure():
        raise AssertionError

    pairs = like(known, measure)
    for name in ("x.jpg", "x", "x.png.txt", ".png/x.html"):
        with pytest.raises(fp.InputError, match=r"^`path` .* \.png, \.svg or \.pdf\.$"):
            save_figure(pairs, folder / name)
    with pytest.raises(fp.InputError, match=r"^`path`.*'none', which is no folder"):
        save_figure(pairs, folder / "none" / "x.png")
    for path in (None, 3, b"x.png"):
        with pytest.raises(fp.InputError, match=r"^`path` "):
            save_figure(pairs, path)
    assert not list(folder.iterdir())


def test_nothing_is_computed_for_a_drawing_of_what_is_known(encoder, picture):
    pairs = fp.attribute(encoder, picture, "a dog and a cat", fp.IntegratedJacobians(steps=3), 1)
    nothing = pairs_png_so_far(pairs)
    assert not pairs.ready.any()
    assert "nodes" not in pairs.provenance()
    pairs.feature_rows([1, 2])
    some = pairs_png_so_far(pairs)
    assert pairs.ready.sum() == 2
    assert len({nothing, some, pairs_png(pairs)}) == 3
    assert pairs_png_so_far(pairs) == pairs_png(pairs)


def test_what_is_missing_is_said_and_has_no_colour():
    from fpattr_widget.drawing._content import cached_content
    from fpattr_widget.drawing._items import shown_items
    from fpattr_widget.drawing._sheet import default_settings, draw

    pairs = made("a dog and a cat, too")
    pairs._ready[[2, 5]] = False
    pairs._ledger = None
    content = cached_content(pairs)
    with default_settings():
        figure = draw(content, shown_items(content), dpi=100)
    assert "4 of 6 words were computed" in texts(figure)
    assert "precompute=True computes all before the view is shown" in texts(figure)
    assert "similarity not computed" in texts(figure)
    assert titles(figure) == ["a", "and", "a", "too"]
    tinted = {a.get_gid() for a in figure.findobj() if a.get_gid()}
    assert {"chip-2", "chip-5"}.isdisjoint(tinted)
    assert {"chip-1", "chip-3"} <= tinted
    assert not [name for name in tinted if name.startswith("ledger")]
    assert not any(text.startswith("pairs: ") for text in texts(figure))


@pytest.mark.slow
def test_pyplot_is_left_alone():
    script = (
        "import sys; from tests.helpers.made_pairs import made; made('a dog').plot(); "
        "assert 'matplotlib.figure' in sys.modules and 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run(forking.program(script), check=True, timeout=120)
