"""Boxes against crops and grids: by counting, and by what a model is shown."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fpattr_widget.evaluation._explained import PreparedSample
from fpattr_widget.evaluation._geometry import patches_across, patches_in_boxes, seen_boxes
from tests.helpers.planted import phrase, sample

ALL = (0.0, 0.0, 1.0, 1.0)
grids = st.tuples(st.integers(1, 9), st.integers(1, 9))


@st.composite
def intervals(draw):
    low, high = sorted(draw(st.lists(st.integers(0, 60), min_size=2, max_size=2, unique=True)))
    return low / 60, high / 60


@st.composite
def some_boxes(draw):
    (left, right), (top, bottom) = draw(intervals()), draw(intervals())
    return left, top, right, bottom


# Crops


@pytest.mark.parametrize(
    ("box", "seen"),
    [
        ((0.3, 0.1, 0.4, 0.2), (0.1, 0.1, 0.3, 0.2)),  # within
        ((0.0, 0.0, 0.5, 1.0), (0.0, 0.0, 0.5, 1.0)),  # cut at the left
        ((0.5, 0.2, 1.0, 0.4), (0.5, 0.2, 1.0, 0.4)),  # cut at the right
        (ALL, ALL),
    ],
)
def test_boxes_are_cut_at_the_crop(box, seen):
    assert seen_boxes([box], (0.25, 0.0, 0.75, 1.0)) == (pytest.approx(seen),)


def test_what_the_crop_leaves_nothing_of_is_left_out():
    beside = [(0.0, 0.0, 0.2, 1.0), (0.8, 0.0, 1.0, 1.0), (0.3, 0.0, 0.6, 0.1)]
    touching = [(0.0, 0.0, 0.25, 1.0), (0.75, 0.0, 1.0, 1.0)]
    flat = [(0.4, 0.5, 0.4, 0.6), (0.4, 0.5, 0.5, 0.5)]
    crop = (0.25, 0.2, 0.75, 0.8)
    assert seen_boxes([*beside, *touching, *flat], crop) == ()
    kept = (0.3, 0.3, 0.4, 0.4)
    assert seen_boxes([*beside, kept, *flat], crop) == seen_boxes([kept], crop) != ()


@given(some_boxes(), some_boxes(), st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_a_point_of_the_crop_is_in_a_seen_box_as_in_the_box(box, crop, across, down):
    x = crop[0] + across * (crop[2] - crop[0])
    y = crop[1] + down * (crop[3] - crop[1])
    if any(
        abs(edge - at) < 1e-9 for edges, at in ((box[::2], x), (box[1::2], y)) for edge in edges
    ):
        return
    truly = box[0] < x < box[2] and box[1] < y < box[3]
    seen = seen_boxes([box], crop)
    assert truly == any(one[0] < across < one[2] and one[1] < down < one[3] for one in seen)
    assert all(0 <= edge <= 1 for one in seen for edge in one)


# Grids


def by_counting(boxes, grid) -> np.ndarray:
    """Each patch, one by one."""
    rows, columns = grid
    found = np.zeros(grid, bool)
    for left, top, right, bottom in boxes:
        own = np.zeros(grid, bool)
        for row, column in itertools.product(range(rows), range(columns)):
            x, y = (column + 0.5) / columns, (row + 0.5) / rows
            own[row, column] = left <= x < right and top <= y < bottom
        if not own.any():
            x, y = (left + right) / 2, (top + bottom) / 2
            own[min(int(y * rows), rows - 1), min(int(x * columns), columns - 1)] = True
        found |= own
    return found


@given(st.lists(some_boxes(), max_size=3), grids)
def test_patches_are_those_whose_centres_lie_in_a_box(boxes, grid):
    assert (patches_in_boxes(boxes, grid) == by_counting(boxes, grid)).all()


@given(some_boxes(), grids)
def test_every_box_has_a_patch(box, grid):
    assert patches_in_boxes([box], grid).any()
    assert patches_in_boxes([ALL], grid).all()
    assert not patches_in_boxes([], grid).any()


@given(st.lists(some_boxes(), min_size=1, max_size=3), grids)
def test_several_boxes_are_their_union(boxes, grid):
    union = np.any([patches_in_boxes([box], grid) for box in boxes], axis=0)
    assert (patches_in_boxes(boxes, grid) == union).all()


@given(some_boxes(), grids, st.sampled_from([3, 5]))
def test_a_finer_grid_has_the_centre_of_each_patch_that_a_coarse_one_has(box, grid, times):
    coarse = patches_in_boxes([box], grid)
    rows, columns = grid
    x, y = (np.arange(columns) + 0.5) / columns, (np.arange(rows) + 0.5) / rows
    edges = [(box[::2], x), (box[1::2], y)]
    if any(np.abs(np.subtract.outer(ends, at)).min() < 1e-9 for ends, at in edges):
        return
    fine = patches_in_boxes([box], (times * rows, times * columns))
    middles = fine[times // 2 :: times, times // 2 :: times]
    if middles.any():  # else the box holds no centre of a coarse patch
        assert (middles == coarse).all()


@pytest.mark.parametrize(
    ("box", "place"),
    [
        ((0.0, 0.0, 0.01, 0.01), (0, 0)),
        ((0.99, 0.99, 1.0, 1.0), (3, 3)),
        ((0.30, 0.55, 0.33, 0.57), (2, 1)),
        ((0.0, 0.9, 1.0, 1.0), None),  # wide, and yet below all centres
    ],
)
def test_a_box_without_a_centre_has_the_patch_around_its_own(box, place):
    inside = patches_in_boxes([box], (4, 4))
    assert inside.sum() == (1 if place else inside[3].sum())
    assert inside[place or (3, 2)]


def test_borders_belong_to_one_side_alone():
    """Centres of four patches lie at eighths; a box reaches up to its far edge, not onto it."""
    left, right = (0.0, 0.0, 0.375, 1.0), (0.375, 0.0, 1.0, 1.0)
    halves = [patches_in_boxes([box], (4, 4)) for box in (left, right)]
    assert [half[0].tolist() for half in halves] == [
        [True, False, False, False],
        [False, *[True] * 3],
    ]


# From an image to what the model sees of it


@pytest.mark.parametrize("size", [(144, 48), (96, 48), (48, 48), (48, 120), (75, 50)])
@pytest.mark.parametrize("white", [(0, 0, 2, 1), (1, 1, 3, 3), (1, 0, 2, 3), (0, 2, 1, 3)])
def test_inside_is_where_the_model_is_shown_the_box(encoder, size, white):
    """A white box on black, that may reach beyond the middle which the model sees."""
    width, height = size
    side = min(size)
    x, y = (width - side) / 2, (height - side) / 2
    edges = [x + white[0] * side / 3, y + white[1] * side / 3]
    edges += [x + white[2] * side / 3, y + white[3] * side / 3]
    # Box edges at the border of what is seen go on to the image's own.
    left, top = (0 if at == 0 else edge for at, edge in zip(white[:2], edges[:2], strict=True))
    right = width if white[2] == 3 else edges[2]
    bottom = height if white[3] == 3 else edges[3]
    image = Image.new("RGB", size)
    image.paste((255, 255, 255), (round(left), round(top), round(right), round(bottom)))
    box = (left / width, top / height, right / width, bottom / height)
    prepared = PreparedSample(encoder, sample("one", phrase("dog", "dog", box), image=image))
    (target,) = prepared.targets((3, 3))
    shown = prepared.image.inputs["pixel_values"][0].mean(0).numpy()
    bright = shown.reshape(3, 8, 3, 8).mean((1, 3)) > 0
    assert (target.inside == bright).all()
    assert bright.any()
    assert not bright.all()


def test_boxes_that_the_model_does_not_see_are_no_targets(encoder, picture):
    image = picture.resize((144, 48))
    unseen, cut = (0.0, 0.0, 0.3, 1.0), (0.2, 0.0, 0.45, 1.0)
    prepared = PreparedSample(
        encoder,
        sample(
            "one",
            phrase("dog", "dog", unseen),
            phrase("red ball", "ball", unseen, cut),
            phrase("red", "red"),
            image=image,
        ),
    )
    (target,) = prepared.targets((3, 3))
    assert (target.number, target.phrase.label, target.tokens) == (1, "ball", (5, 6))
    assert target.inside.tolist() == [[True, False, False]] * 3


def test_tokens_are_those_that_share_characters_with_the_phrase(encoder):
    whole = (0.0, 0.0, 1.0, 1.0)
    asked = ["a dog", "og a", "d", "red ball", " "]
    prepared = PreparedSample(
        encoder, sample("one", *(phrase(words, "x", whole) for words in asked))
    )
    tokens = [target.tokens for target in prepared.targets((3, 3))]
    assert tokens == [(1, 2), (2, 3), (2,), (5, 6)]  # a blank alone is no word


def in_sixtieths(start: float, stop: float) -> tuple[Fraction, Fraction]:
    return Fraction(round(60 * start), 60), Fraction(round(60 * stop), 60)


@given(some_boxes(), grids)
def test_patches_across_are_those_that_a_box_cuts(box, grid):
    """Each patch, one by one, in fractions."""
    (left, right), (top, bottom) = in_sixtieths(*box[::2]), in_sixtieths(*box[1::2])
    rows, columns = grid
    expected = np.zeros(grid, bool)
    for row, column in itertools.product(range(rows), range(columns)):
        high = min(Fraction(row + 1, rows), bottom) - max(Fraction(row, rows), top)
        wide = min(Fraction(column + 1, columns), right) - max(Fraction(column, columns), left)
        share = max(high, 0) * max(wide, 0) * rows * columns
        expected[row, column] = 0 < share < 1
    np.testing.assert_array_equal(patches_across([box], grid), expected)


@given(st.lists(some_boxes(), max_size=3), grids)
def test_patches_across_any_of_several_boxes(boxes, grid):
    expected = np.any([np.zeros(grid, bool), *(patches_across([b], grid) for b in boxes)], axis=0)
    np.testing.assert_array_equal(patches_across(boxes, grid), expected)


def test_the_seams_of_an_odd_grid_are_no_quadrants():
    top_left = [(0.0, 0.0, 0.5, 0.5)]
    assert not patches_across(top_left, (8, 6)).any()
    odd = patches_across(top_left, (7, 7))
    expected = np.zeros((7, 7), bool)
    expected[3, :4] = expected[:4, 3] = True
    np.testing.assert_array_equal(odd, expected)
