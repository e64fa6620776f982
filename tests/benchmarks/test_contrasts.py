"""The benchmark of contrasts counts right."""

import numpy as np
import pytest

import fpattr_widget as fp
from tests.benchmarks.contrasts import exchanges, map_of, pointing


def test_scenes_before_and_after_differ_in_one_box():
    for one in exchanges(3, seed=11):
        before, after = (np.asarray(picture, float) for picture in (one.before, one.after))
        changed = np.abs(before - after).max(2) > 0
        rows, columns = np.nonzero(changed)
        left, top, right, bottom = (128 * edge for edge in one.box)
        assert left - 2 <= columns.min()
        assert columns.max() <= right + 2
        assert top - 2 <= rows.min()
        assert rows.max() <= bottom + 2
        assert changed.mean() > 0.2 * (right - left) * (bottom - top) / 128**2
        assert one.old != one.new


def test_the_map_of_a_difference_lies_on_what_was_exchanged(scenes_encoder):
    drawn = list(exchanges(2, seed=11))
    found = pointing(scenes_encoder, drawn)
    assert found["after − before × new − old"]["hits"] == [1, 1]
    assert 0.02 < found["chance"] < 0.3
    one = drawn[0]
    pairs = fp.attribute(
        scenes_encoder, fp.Picture(one.after) - fp.Picture(one.before), fp.Text(one.new)
    )
    halves = pairs.matrix.sum(0).reshape(2, 8, 8)
    assert map_of(pairs) == pytest.approx(halves[0] + halves[1], abs=1e-6)
