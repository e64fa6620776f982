"""Drawings of any two sides, compared with sums of the matrix worked out here."""

import io
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.image import AxesImage
from matplotlib.patches import FancyBboxPatch, Rectangle
from matplotlib.text import Text
from PIL import Image

import fpattr_widget as fp
from fpattr_widget.drawing._figure import pairs_png, pairs_png_so_far, plot, save_figure
from fpattr_widget.drawing._parts import spread, weight_in_words
from fpattr_widget.methods import LedgerTerm
from fpattr_widget.pairs import About
from tests.helpers.made_pairs import made_sides

DOG, CAT = "a dog runs", "a cat runs"  # BOS, three words, EOS
HOSTILE = r"$x^2$ <b> & \frac{"


def images(figure, start: str) -> list[AxesImage]:
    return [one for one in figure.findobj(AxesImage) if (one.get_gid() or "").startswith(start)]


def texts(figure) -> list[str]:
    return [one.get_text() for one in figure.findobj(Text) if one.get_text()]


def size_of(text: Text) -> float:
    return float(text.get_fontsize())


def titles(figure) -> list[str]:
    bold = [one for one in figure.findobj(Text) if one.get_fontweight() == "bold"]
    return [one.get_text() for one in bold if size_of(one) < 20]


def shown_values(image: AxesImage, limit: float) -> np.ndarray:
    """Return the values that a map's colours say."""
    pixels = np.asarray(image.get_array()).astype(float)
    return np.where(pixels[..., 0] > 100, 1, -1) * pixels[..., 3] / 255 / 0.85 * limit


def assert_says(image: AxesImage, values: np.ndarray, limit: float) -> None:
    np.testing.assert_allclose(
        shown_values(image, limit), np.clip(values, -limit, limit), atol=limit / 80
    )


def scale_end(figure, name: str = "patches") -> float:
    """Return the positive end of the scale of this name."""
    found = texts(figure)
    place = found.index(name)
    return float(next(text for text in found[place + 1 :] if text.startswith("+"))[1:])


def term(*parts: float) -> LedgerTerm:
    return LedgerTerm(sum(parts), *parts)


def sum_of(*terms: LedgerTerm, unit_scale: float = 1.0) -> fp.Ledger:
    fields = ("similarity", "pairs", "rows_only", "columns_only", "baseline", "residual")
    totals = {name: sum(getattr(one, name) for one in terms) for name in fields}
    return fp.Ledger(**totals, unit_scale=unit_scale, terms=terms)


# A difference of captions on a picture


@pytest.fixture(scope="module")
def contrast():
    values = np.zeros((10, 1 + 9))
    values[2, 1:] = np.linspace(0, 0.4, 9)  # dog
    values[7, 1:] = np.linspace(-0.3, 0, 9)  # cat, its sign turned
    values[3, 4], values[8, 4] = 0.21, -0.2  # runs: nearly cancels
    values[2, 0] = 0.05  # with CLS
    terms = term(1.9, 0.2, 0.3, 0.1, 0.0), term(-1.5, -0.18, -0.3, -0.1, 0.0)
    ledger = sum_of(*terms, unit_scale=1.0)
    return made_sides({DOG: 1.0, CAT: -1.0}, {(3, 3): 1.0}, values=values, ledger=ledger)


@pytest.fixture(scope="module")
def contrast_figure(contrast):
    return plot(contrast)


def test_a_difference_is_one_map_above_those_of_its_words(contrast, contrast_figure):
    values = contrast.feature_rows(range(10)).astype(float)
    limit = scale_end(contrast_figure)
    assert limit == pytest.approx(0.4, abs=5e-4)
    (whole,) = images(contrast_figure, "whole-")
    assert_says(whole, values[:, 1:].sum(0).reshape(3, 3), limit)
    maps = images(contrast_figure, "map-")
    # The differing words apart; “runs” cancels, and is left out.
    assert titles(contrast_figure) == ["+ dog", "− cat"]
    for image, row in zip(maps, (2, 7), strict=True):
        assert_says(image, values[row, 1:].reshape(3, 3), limit)
    said = texts(contrast_figure)
    assert {"whole difference", "+0.510", "+1.850", "−1.350", "the picture"} <= set(said)
    # The picture as it is stands once, and not above.
    (picture,) = images(contrast_figure, "picture")
    assert picture.get_extent()[3] > whole.get_extent()[2]
    assert "red: for “a dog runs” against “a cat runs” · blue: the reverse" in said
    assert said.count("+") == said.count("−") == 1
    assert "difference of cosines" in said
    assert any(line.endswith(" · difference of cosines") for line in said)


def test_words_of_all_captions_have_one_scale(contrast, contrast_figure):
    totals = contrast.feature_rows(range(10)).astype(float).sum(1)
    chips = {
        one.get_gid(): one.get_facecolor()
        for one in contrast_figure.findobj(FancyBboxPatch)
        if (one.get_gid() or "").startswith("chip-")
    }
    limit = np.abs(totals).max()
    for feature, colour in ((2, (178, 24, 43)), (7, (33, 102, 172)), (8, (33, 102, 172))):
        alpha = 0.85 * abs(totals[feature]) / limit
        expected = [alpha * channel / 255 + 1 - alpha for channel in colour]
        np.testing.assert_allclose(chips[f"chip-{feature}"][:3], expected, atol=1e-6)
    assert f"words (all patches and CLS) ±{limit:.3f}" in texts(contrast_figure)


def test_what_is_against_can_be_told_without_hue(contrast_figure):
    """Hatching over the clearly negative patches alone, and dashes under such words."""
    limit = scale_end(contrast_figure)
    hatching = [
        one for one in contrast_figure.findobj(LineCollection) if one.get_gid() == "against"
    ]
    (whole,) = images(contrast_figure, "whole-")
    hatched = set()
    for image in (whole, *images(contrast_figure, "map-")):
        left, right, bottom, top = image.get_extent()
        values = shown_values(image, limit)
        for lines in hatching:
            middles = np.array(lines.get_segments()).mean(1)
            inside = (middles > (left, top)).all(1) & (middles < (right, bottom)).all(1)
            for x, y in middles[inside]:
                column = int((x - left) / (right - left) * 3)
                row = int((y - top) / (bottom - top) * 3)
                hatched.add((image.get_gid(), row, column))
                assert values[row, column] <= -0.19 * limit
        for row, column in np.argwhere(values < -0.21 * limit):
            assert (image.get_gid(), row, column) in hatched
    assert {name for name, _, _ in hatched} == {"whole-0", "map-1"}
    dashes = [one for one in contrast_figure.findobj(Rectangle) if one.get_gid() == "against"]
    chip = next(one for one in contrast_figure.findobj(FancyBboxPatch) if one.get_gid() == "chip-7")
    box = chip.get_bbox()
    assert dashes
    for dash in dashes:  # “cat” alone: the other values are weak
        assert box.x0 <= dash.get_x() < dash.get_x() + dash.get_width() <= box.x1
        assert box.y0 < dash.get_y() < box.y1


def test_terms_are_bars_on_the_scale_of_the_whole(contrast, contrast_figure):
    ledger = contrast.ledger
    bars = {
        one.get_gid(): one.get_bbox()
        for one in contrast_figure.findobj(Rectangle)
        if (one.get_gid() or "").startswith(("ledger-", "term-"))
    }
    zero = (bars["ledger-zero"].x0 + bars["ledger-zero"].x1) / 2
    points = bars["ledger-pairs"].width / ledger.pairs
    for number, one in enumerate(ledger.terms):
        for key in ("pairs", "rows_only", "columns_only", "baseline"):
            bar = bars[f"term-{number}-{key}"]
            assert bar.width == pytest.approx(abs(getattr(one, key)) * points, abs=0.1)
            is_left = bar.x1 <= zero + 0.1
            assert is_left == (number == 1), key
    # No bar runs into the names before it, or off the page.
    (name,) = [one for one in contrast_figure.findobj(Text) if one.get_text() == "−2.08"]
    assert all(name.get_position()[0] < bar.x0 and bar.x1 < 500 for bar in bars.values())
    said = texts(contrast_figure)
    assert {"+ a dog runs", "− a cat runs", "2.50", "−2.08"} <= set(said)
    assert {"captions alone 0.02", "image alone 0.00", "baseline 0.00"} <= set(said)


def test_chosen_words_and_patches(contrast):
    figure = contrast.plot(rows=contrast.rows.find("cat"), columns=[1, 2])
    assert titles(figure) == ["− cat"]
    outlines = [one for one in figure.findobj(LineCollection) if one.get_gid() == "region"]
    assert len(outlines) == 2 * 3  # dark and light: over the whole, the picture and the word
    with pytest.raises(fp.InputError, match=r"^`pairs` have a sentence and a sentence where"):
        contrast.plot(tokens=[1])
    with pytest.raises(fp.InputError, match=r"^`tokens` is another name of `rows`: pass one"):
        contrast.plot(rows=[1], tokens=[1])
    with pytest.raises(fp.InputError, match=r"^`columns` is \[10\]: .* from 0 to 9\.$"):
        contrast.plot(columns=[10])


# Many captions, many pictures


def test_aligned_words_of_many_captions_have_one_map():
    captions = [f"a {word} dog" for word in ("red", "big", "old", "wet")]
    pairs = made_sides(dict.fromkeys(captions, 0.25), {(2, 2): 1.0})
    values = pairs.feature_rows(range(20)).astype(float)
    figure = plot(pairs)
    assert set(titles(figure)) <= {"a", "red / big / old / …", "dog"}
    limit = scale_end(figure)
    for title, image in zip(titles(figure), images(figure, "map-"), strict=True):
        word = {"a": 1, "dog": 3}.get(title, 2)
        assert_says(image, values[word::5, 1:].sum(0).reshape(2, 2), limit)
    assert texts(figure).count("¼ ×") == 4
    assert "all captions" in texts(figure)
    assert "weighted sum of cosines" in texts(figure)
    # Without a common wording, equal words are together.
    unlike = ["dog", "look what a dog that is", "my old dog and nothing else here"]
    pairs = made_sides(dict.fromkeys(unlike, 1 / 3), {(2, 2): 1.0})
    assert not pairs.rows.folds
    dogs = [feature for part in range(3) for feature in pairs.rows.find("dog", part=part)]
    values = np.zeros((len(pairs.rows.features), 5))
    values[dogs, 1] = 0.2, 0.1, 0.1
    figure = plot(made_sides(dict.fromkeys(unlike, 1 / 3), {(2, 2): 1.0}, values=values))
    assert titles(figure) == ["dog"]
    assert "+0.400" in texts(figure)


def test_a_hundred_parts_are_counted():
    signs = [0.02] * 50 + [-0.02] * 50
    captions = [(f"word{number} object", sign) for number, sign in enumerate(signs)]
    figure = plot(made_sides(captions, [((2, 2), 1 / 9)] * 9))
    said = texts(figure)
    assert {"and 94 more captions", "and 5 more pictures", "the sum of 900 terms"} <= set(said)
    assert {"word0", "word2", "word50", "word52"} <= set(said)  # some of either sign
    assert {"word3", "word53"}.isdisjoint(said)
    assert said.count("1/9 ×") == 0  # with its picture's name
    assert [text for text in said if text.startswith("1/9 ×")] == [
        f"1/9 × picture {number}" for number in (1, 2, 3, 4)
    ]
    assert figure.get_size_inches()[1] < 11
    assert spread("+++++−", 4) == [0, 1, 2, 5]
    assert spread("+−−−−−", 4) == [0, 1, 2, 3]
    assert spread("−−", 4) == [0, 1]


def test_pictures_beside_one_another_have_one_scale():
    values = np.zeros((5, (1 + 4) + (1 + 6)))
    values[2, 1:5] = 0.1, 0.2, 0.0, 0.0
    values[2, 5], values[2, 6:] = 0.03, -np.arange(6) / 10
    pairs = made_sides({"a dog runs": 1.0}, [((2, 2), 1.0), ((2, 3), -1.0)], values=values)
    figure = plot(pairs)
    limit = scale_end(figure)
    first, second = images(figure, "whole-")
    for image, some in ((first, values[:, 1:5]), (second, values[:, 6:])):
        rows, columns = np.asarray(image.get_array()).shape[:2]
        assert_says(image, some.sum(0).reshape(rows, columns), limit)
    assert first.get_extent()[1] < second.get_extent()[0]
    assert first.get_extent()[2:] == pytest.approx(second.get_extent()[2:])
    said = texts(figure)
    assert {"+ picture 1", "− picture 2", "whole caption"} <= set(said)
    assert "red: for picture 1 against picture 2 · blue: the reverse" in said
    # A word's maps over both, with what each adds; its title has the sum.
    (left, right), dog = images(figure, "map-"), -1.5 + 0.3 + 0.03
    assert_says(left, values[2, 1:5].reshape(2, 2), limit)
    assert_says(right, values[2, 6:].reshape(2, 3), limit)
    assert {"dog", f"−{-dog:.3f}"} <= set(said)
    assert said.count("+0.300") == said.count("−1.470") == 2  # of all words, and of this one
    assert {"caption alone 0.10", "images alone −0.10"} <= set(said)


# Two sentences


def matrix_texts(figure) -> dict[tuple[float, float], str]:
    """Return the numbers in the cells of the matrix, by their places from 0 to 1."""
    blocks = images(figure, "matrix-")
    found = {}
    for one in figure.findobj(Text):
        x, y = one.get_position()
        for block in blocks:
            left, right, bottom, top = block.get_extent()
            if left < x < right and top < y < bottom:
                rows, columns = np.asarray(block.get_array()).shape[:2]
                row = int((y - top) / (bottom - top) * rows)
                column = int((x - left) / (right - left) * columns)
                found[block.get_gid(), row, column] = one.get_text()
    return found


def test_two_sentences_are_a_matrix_of_words():
    values = np.random.default_rng(3).normal(0, 0.1, (5, 6))
    values[0] *= 30  # special positions do not stretch the scale
    pairs = made_sides({DOG: 1.0}, {"a cat sleeps here": 1.0}, values=values, unit="cosine")
    figure = plot(pairs)
    (matrix,) = images(figure, "matrix-")
    limit = scale_end(figure, "words × words")
    assert limit == pytest.approx(np.abs(values[1:-1, 1:-1]).max(), abs=5e-4)
    assert_says(matrix, values, limit)
    cells = matrix_texts(figure)
    assert len(cells) == 30
    for (_, row, column), text in cells.items():
        assert float(text.replace("−", "-")) == pytest.approx(values[row, column], abs=0.06)
    said = texts(figure)
    assert {"first", "second", "first caption alone 0.10", "second caption alone −0.10"} <= set(
        said
    )
    assert said.count("dog") == said.count("sleeps") == 2  # in the sentence, and at the matrix
    assert not images(figure, "picture")
    # Rows to the left, columns above, each at its cells.
    left, right, bottom, top = matrix.get_extent()
    rows = [one for one in figure.findobj(Text) if one.get_text() == "dog"]
    columns = [one for one in figure.findobj(Text) if one.get_text() == "sleeps"]
    assert rows[-1].get_position()[0] < left
    assert top + 2 / 5 * (bottom - top) < rows[-1].get_position()[1] < top + 3 / 5 * (bottom - top)
    assert columns[-1].get_position()[1] < top
    middle = left + 3.5 / 6 * (right - left)
    assert columns[-1].get_position()[0] == pytest.approx(middle, abs=0.1)


def test_sums_of_sentences_are_blocks_with_their_weights():
    pairs = made_sides({DOG: 1.0, CAT: -1.0}, {"two birds": 1.0, "one": -0.5})
    values = pairs.feature_rows(range(10)).astype(float)
    figure = plot(pairs)
    limit = scale_end(figure, "words × words")
    blocks = images(figure, "matrix-")
    assert len(blocks) == 4
    for number, image in enumerate(blocks):
        rows, columns = divmod(number, 2)
        part = values[5 * rows : 5 * rows + 5, 4 * columns : 4 + 3 * columns]
        assert_says(image, part, limit)
    said = texts(figure)
    assert said.count("− ½ ×") == 2  # at the sentence, and at the block
    assert said.count("+") == 4
    assert "red adds to the score, blue takes from it" in said
    bold = plot(pairs, rows=[2]).findobj(lambda one: isinstance(one, Text) and one.get_text())
    assert [one.get_text() for one in bold if one.get_fontweight() == "bold"][1:] == ["dog"]


def test_long_sentences_stay_legible():
    words = [f"remarkable{number}" for number in range(30)]
    figure = plot(made_sides({" ".join(words): 1.0}, {" ".join(words): 1.0}))
    labels = [one for one in figure.findobj(Text) if one.get_rotation() == 90 and one.get_text()]
    assert len(labels) == 32
    assert min(map(size_of, labels)) > 4.5
    assert not matrix_texts(figure)  # no room: what is against is hatched
    hatching = [one for one in figure.findobj(LineCollection) if one.get_gid() == "against"]
    top = images(figure, "matrix-")[0].get_extent()[3]
    assert [one for one in hatching if np.concatenate(one.get_segments()).min(0)[1] >= top]
    many = plot(made_sides({"word " * 100: 1.0}, {"a dog": 1.0}))
    assert "rows: 24 of 102 words are not shown" in texts(many)
    assert images(many, "matrix-")[0].get_array().shape[0] == 78


# Pictures with pictures, and mixed sides


def test_two_pictures_show_what_each_met_in_the_other():
    values = np.random.default_rng(5).normal(0, 1e-4, (1 + 25, 1 + 36))
    strong = np.zeros((5, 5), int)
    strong[3:, 1:3] = 1
    rows = 1 + np.flatnonzero(strong)
    values[np.ix_(rows, [20, 21])] = 0.02
    pairs = made_sides({(5, 5): 1.0}, {(6, 6): 1.0}, values=values, unit="cosine")
    figure = plot(pairs)
    limit = scale_end(figure, "patches, whole")
    first, second = images(figure, "whole-")
    assert_says(first, values[1:].sum(1).reshape(5, 5), limit)
    assert_says(second, values.sum(0)[1:].reshape(6, 6), limit)
    said = texts(figure)
    assert {"first picture", "second picture", "first image alone 0.10"} <= set(said)
    assert "parts of the first picture, over the second picture" in said
    numbers = [title for title in titles(figure) if title.isdigit()]
    maps = images(figure, "map-")
    assert len(numbers) == 2 * len(maps)  # at the parts, and above their maps
    sums = [shown_values(image, 1.0).max() for image in maps]
    assert max(sums) == pytest.approx(1.0, abs=0.01)  # the strongest ends the scale
    end = scale_end(figure, "patches, parts")
    assert end == pytest.approx(0.02, abs=2e-3)
    (strongest,) = [image for image in maps if shown_values(image, end).max() > 0.9 * end]
    assert_says(strongest, values[1 + np.flatnonzero(part_of(figure, strongest))].sum(0)[1:]
                .reshape(6, 6), end)  # fmt: skip
    assert part_of(figure, strongest)[3:, 1:3].any()


def part_of(figure, image: AxesImage) -> np.ndarray:
    """Return which patches of the first picture the outline of a map's number is around."""
    number = int(image.get_gid().removeprefix("map-"))
    outlines = [one for one in figure.findobj(LineCollection) if one.get_gid() == "region"]
    corners = np.concatenate(outlines[2 * number].get_segments())
    (picture, *_) = images(figure, "picture")
    left, right, bottom, top = picture.get_extent()
    x0, y0 = (corners.min(0) - (left, top)) / ((right - left) / 5, (bottom - top) / 5)
    x1, y1 = (corners.max(0) - (left, top)) / ((right - left) / 5, (bottom - top) / 5)
    inside = np.zeros((5, 5), bool)
    inside[round(y0) : round(y1), round(x0) : round(x1)] = True
    return inside


def test_a_chosen_region_of_a_picture_has_its_map_over_the_other():
    values = np.random.default_rng(7).normal(0, 4e-4, (10, 5))
    pairs = made_sides({(3, 3): 1.0}, {(2, 2): 1.0}, values=values)
    figure = plot(pairs, rows=[1, 2])
    assert "region" in titles(figure)
    (image,) = images(figure, "map-")
    # The floor of the scale is that of a whole map in proportion to the region's features.
    assert scale_end(figure, "patches, parts") == pytest.approx(0.01 * 2 / 10)
    assert_says(image, values[1:3].sum(0)[1:].reshape(2, 2), 0.002)


def test_mixed_sides_show_all_that_they_have():
    pairs = made_sides([("a dog", 1.0), ((2, 2), -1.0)], [((3, 3), 1.0), ("a bird", 1.0)])
    values = pairs.feature_rows(range(9)).astype(float)
    figure = plot(pairs)
    said = texts(figure)
    limit = scale_end(figure)
    first, second = images(figure, "whole-")
    assert_says(first, values[5:].sum(1).reshape(2, 2), limit)
    assert_says(second, values[:, 1:10].sum(0).reshape(3, 3), limit)
    (matrix,) = images(figure, "matrix-")
    assert_says(matrix, values[:4, 10:], scale_end(figure, "words × words"))
    assert {"first side alone 0.10", "second side alone −0.10"} <= set(said)
    assert {"first − picture", "second + picture"} <= set(said)
    named = dict(zip(titles(figure)[2:], images(figure, "map-"), strict=True))
    assert_says(named["+ dog"], values[2, 1:10].reshape(3, 3), limit)
    assert_says(named["+ bird"], values[5:, 12].reshape(2, 2), limit)


# In common


def test_numbers_of_a_unit_have_their_digits():
    terms = term(5.3, 1.0, -0.5, 0.2, 0.0), term(-17.3, -1.0, 0.3, 0.0, 0.0)
    pairs = made_sides(
        {DOG: 1.0, CAT: -1.0}, {(2, 2): 1.0}, unit="logit", ledger=sum_of(*terms, unit_scale=100.0)
    )
    said = texts(plot(pairs))
    assert {"−12.00", "difference of logits", "6.00", "−18.00"} <= set(said)
    # A scale ends no lower than a cosine that matters, in logits.
    assert f"words (all patches and CLS) ±{1:.3f}" in said
    small = term(0.5, 0.1, 0.0, 0.0, 0.0), term(-0.4971, -0.1, 0.0, 0.0, 0.0)
    pairs = made_sides({DOG: 1.0, CAT: -1.0}, {(2, 2): 1.0}, ledger=sum_of(*small))
    assert {"0.0029", "pairs 0.0029", "0.6000", "−0.5971"} <= set(texts(plot(pairs)))
    single = made_sides({DOG: 1.0}, {(2, 2): 1.0}, unit="logit")
    assert "logit" in texts(plot(single))


@pytest.mark.parametrize(
    ("weight", "words"),
    [(1, "+"), (-1, "−"), (0.5, "½ ×"), (-1 / 3, "− ⅓ ×"), (1 / 80, "1/80 ×"), (0.35, "0.35 ×"),
     (-2, "− 2 ×"), (0, "0 ×")],
)  # fmt: skip
def test_weights_in_words(weight, words):
    assert weight_in_words(weight) == words


COMBINATIONS = {
    "difference": ({DOG: 1.0, CAT: -1.0}, {(3, 3): 1.0}),
    "long": ({f"{DOG} {'over the hills ' * 9}": 0.5, CAT: -1.5}, {(3, 4): 1.0}),
    "pictures": ({DOG: 1.0}, [((3, 3), 1.0), ((3, 2), -1.0)]),
    "many pictures": ({DOG: 1.0}, [((3, 3), 1.0), ((1, 9), -0.123), ((9, 1), 1.0), ((2, 2), 1.0)]),
    "pictures with pictures": ({(5, 5): 1.0}, {(6, 3): 1.0}),
    "sums of pictures": ([((3, 3), 1.0), ((4, 4), -1.0), ((2, 2), 1.0)], [((3, 3), 1.0)] * 3),
    "sentences": ({DOG: 1.0}, {f"{CAT} {HOSTILE}": 1.0}),
    "sums of sentences": (
        {DOG: 1.0, CAT: -1.0, HOSTILE: 1.0}, {f"{n} {DOG}": 0.2 for n in "abcde"},
    ),
    "mixed": ([(DOG, 1.0), ((3, 3), -1.0)], [((3, 4), 0.3), (HOSTILE, 1.0)]),
    "empty": ({"": 1.0, " ": -1.0}, {(1, 1): 1.0}),
    "empty sentences": ({"": 1.0}, {"": 1.0}),
}  # fmt: skip


@pytest.fixture(scope="module", params=COMBINATIONS)
def combination(request):
    rows, columns = COMBINATIONS[request.param]
    about = About(f"a/{HOSTILE}", "integrated Jacobians", "block 1", "difference")
    return made_sides(rows, columns, about=about)


def test_nothing_overlaps_and_all_is_on_the_page(combination):
    figure = plot(combination)
    width, height = figure.bbox.size
    written = [one for one in figure.findobj(Text) if one.get_text()]
    assert not any(one.get_parse_math() or one.get_usetex() for one in written)
    boxes = []
    for one in written:
        box = one.get_window_extent()
        assert box.x0 >= 0, one
        assert box.x1 <= width, one
        assert box.y0 >= 0, one
        assert box.y1 <= height, one
        boxes.append((box, one))
    for number, (box, one) in enumerate(boxes):
        for other, another in boxes[:number]:
            across = min(box.x1, other.x1) - max(box.x0, other.x0)
            down = min(box.y1, other.y1) - max(box.y0, other.y0)
            assert across < 1.5 or down < 2.5, (one, another)  # lines touch
    photographs = [*images(figure, "under"), *images(figure, "picture"), *images(figure, "matrix")]
    frames = [one.get_window_extent() for one in photographs]
    for number, box in enumerate(frames):
        assert not any(box.overlaps(other) and _cover(box, other) > 2 for other in frames[:number])
        for text, one in boxes:
            is_label = one.get_text().isdigit() or photographs[number] in images(figure, "matrix")
            assert is_label or _cover(box, text) < 2, one


def _cover(one, other) -> float:
    """Return the smaller side of what two boxes share."""
    return min(
        min(one.x1, other.x1) - max(one.x0, other.x0), min(one.y1, other.y1) - max(one.y0, other.y0)
    )


def test_files_are_the_same_each_time(tmp_path):
    pairs = made_sides(*COMBINATIONS["mixed"])
    data = []
    for name in ("one.svg", "two.svg"):
        save_figure(pairs, tmp_path / name)
        data.append((tmp_path / name).read_bytes())
    assert data[0] == data[1]
    root = ElementTree.fromstring(data[0])
    title = root.findtext("{http://www.w3.org/2000/svg}title")
    assert title == f"+ {DOG} − picture × 0.3 × picture + {HOSTILE}"
    assert Image.open(io.BytesIO(pairs_png(pairs))).width == 770


def test_what_is_computed_so_far_has_no_map_of_the_whole():
    pairs = made_sides({DOG: 1.0, CAT: -1.0}, {(3, 3): 1.0})
    whole = pairs_png_so_far(pairs)
    assert whole == pairs_png(pairs)
    from fpattr_widget.drawing._content import cached_content
    from fpattr_widget.drawing._items import shown_items
    from fpattr_widget.drawing._sheet import default_settings, draw

    pairs._ready[2:] = False
    content = replace(cached_content(pairs), ledger=None)
    with default_settings():
        figure = draw(content, shown_items(content), dpi=100)
    assert not images(figure, "whole-")
    assert len(images(figure, "picture")) == 1
    assert {"1 of 6 words were computed", "similarity not computed"} <= set(texts(figure))
    pictures = made_sides({(2, 2): 1.0}, {(2, 2): 1.0})
    pictures._ready[3:] = False
    content = cached_content(pictures)
    with default_settings():
        figure = draw(content, shown_items(content), dpi=100)
    assert not images(figure, "whole-")
    assert "2 of 4 patches were computed" in texts(figure)
