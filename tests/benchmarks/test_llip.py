"""The benchmark of the Llip of drawn scenes counts right."""

from dataclasses import replace

import numpy as np
import pytest

import fpattr_widget as fp
from tests.benchmarks.llip import crossed, distance, pairs_of_things, readings, said, told_apart


@pytest.fixture(scope="module")
def llip() -> fp.DualEncoder:
    return fp.load_encoder("llip")


def test_weights_are_as_far_apart_as_they_share_nothing():
    one = np.array([[1.0, 0, 0], [0.5, 0.5, 0]])
    other = np.array([[0.0, 1, 0], [0, 0.5, 0.5]])
    assert distance(one, one) == 0
    assert distance(one, other) == pytest.approx(0.75)


def test_pairs_are_of_two_things_and_read_each_other_s_way(llip):
    drawn = list(pairs_of_things(3, seed=11))
    assert len(drawn) == 3
    for pair in drawn:
        kinds = [thing.kind for thing in pair.scene.objects]
        assert kinds.count(pair.first.kind) == kinds.count(pair.second.kind) == 1
        assert pair.first.kind != pair.second.kind
        cosines = crossed(llip, pair)
        captions = [said(pair.first), said(pair.second)]
        expected = llip.similarities(pair.picture, captions)
        np.testing.assert_allclose(cosines.diagonal(), expected, atol=1e-5)
        turned = crossed(llip, replace(pair, first=pair.second, second=pair.first))
        np.testing.assert_allclose(turned, cosines[::-1, ::-1], atol=1e-5)
        # Read alike by all captions, the rows are the same: nothing is told.
        alike = crossed(fp.load_encoder("llip", weight_scale=float("inf")), pair)
        np.testing.assert_allclose(alike[0], alike[1], atol=1e-6)
    found = readings(llip, drawn)
    assert {len(values) for values in found.values()} == {6}


def test_what_is_shown_leads_what_is_not(llip):
    drawn = list(pairs_of_things(2, seed=11))
    found = told_apart(llip, drawn)
    assert min(found["things shown"]) > 0.9
    # Of scores turned round, what is not shown leads.
    turned = fp.load_encoder("llip")
    similarities = turned.similarities
    turned.similarities = lambda picture, asked: -similarities(picture, asked)
    assert max(told_apart(turned, drawn)["things shown"]) < 0.1
