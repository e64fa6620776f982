"""Boxes and texts that readers let through."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fpattr_widget.checks import quoted
from fpattr_widget.evaluation.datasets._reading import (
    ProblemLog,
    UnusableError,
    as_box,
    as_number,
    as_text,
)

finite = st.floats(allow_nan=False, allow_infinity=False)
sides = st.floats(1, 1e6)


@given(st.tuples(finite, finite, finite, finite), sides, sides)
def test_a_box_lies_in_the_image_or_is_refused(edges, width, height):
    try:
        left, top, right, bottom = as_box(edges, width, height)
    except UnusableError:
        # Nothing is refused that shows at least a millionth.
        inside = [
            min(max(edge / side, 0), 1)
            for edge, side in zip(edges, [width, height] * 2, strict=True)
        ]
        assert inside[2] - inside[0] <= 1e-6 or inside[3] - inside[1] <= 1e-6
    else:
        assert 0 <= left < right <= 1
        assert 0 <= top < bottom <= 1


def test_a_box_is_cut_off_where_the_image_ends():
    assert as_box((-1, 5, 50, 200), 100, 50) == (0, 0.1, 0.5, 1)


@pytest.mark.parametrize("value", [True, None, "1", [], math.nan, -math.inf, 10**999])
def test_no_numbers(value):
    with pytest.raises(UnusableError, match=r"^it is "):
        as_number(value, "it")


@given(st.one_of(st.text(), st.text(st.characters(categories=["Cs"])), st.integers()))
def test_what_is_quoted_is_short_and_can_be_printed(value):
    said = quoted(value)
    assert len(said) <= 40
    assert "\n" not in said
    said.encode()


def test_texts():
    assert as_text(" a ", "it") == " a "
    for value in ("", "\n ", None, 3, "\udcff"):
        with pytest.raises(UnusableError, match=r"^it "):
            as_text(value, "it")


def test_problems_can_be_printed():
    log = ProblemLog()
    log.add("a\udcff", "line 3", "is wrong")
    with log.catching("b", ""):
        raise UnusableError("is worse")
    assert list(map(str, log.problems)) == ["a\\udcff, line 3: is wrong", "b: is worse"]
