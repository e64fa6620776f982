"""What features bring by themselves, and joint maps of several spans."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fpattr_widget as fp
from tests.helpers.clip_by_hand import CAPTION, CONTENT, PATCHES, ByHand
from tests.helpers.planted import picture

METHOD = fp.IntegratedJacobians(steps=4)
IMAGE = picture(4)


def fresh(encoder, method=METHOD) -> fp.FeaturePairs:
    return fp.attribute(encoder, IMAGE, CAPTION, method)


def test_first_orders_sum_up_to_the_ledgers_sides(encoder):
    pairs = fresh(encoder, fp.IntegratedJacobians(steps=48))
    tokens, patches = pairs.first_order()
    ledger = pairs.ledger
    assert tokens.shape == (8,)
    assert patches.shape == (10,)
    room = abs(ledger.residual) + 1e-5
    assert tokens.sum() == pytest.approx(ledger.caption_only, abs=room)
    assert patches.sum() == pytest.approx(ledger.image_only, abs=room)
    assert room < 0.05 * min(abs(ledger.caption_only), abs(ledger.image_only))


def test_first_orders_of_occlusion_are_differences_beside_nothing(encoder):
    tokens, patches = fresh(encoder, fp.Occlusion()).first_order()
    by_hand = ByHand(encoder, IMAGE)
    for token in CONTENT:
        change = by_hand.cosine((), PATCHES) - by_hand.cosine([token], PATCHES)
        assert tokens[token] == pytest.approx(change, abs=1e-6)
    for patch in PATCHES:
        change = by_hand.cosine(CONTENT) - by_hand.cosine(CONTENT, [patch])
        assert patches[1 + patch] == pytest.approx(change, abs=1e-6)
    assert tokens[[0, 7]].tolist() == [0, 0]
    assert patches[0] == 0
    assert np.ptp(tokens) > 0.01 < np.ptp(patches)


def test_first_orders_are_the_same_after_some_rows(encoder):
    pairs = fresh(encoder)
    before = pairs.first_order()
    pairs.of_tokens([2, 3])
    pairs.row(5)
    for now, then in zip(pairs.first_order(), before, strict=True):
        np.testing.assert_allclose(now, then)


def test_first_orders_never_come_too_late_but_are_not_in_files(encoder, tmp_path):
    before = fresh(encoder).first_order()
    pairs = fresh(encoder)
    pairs.save(tmp_path / "one.fpattr")
    assert pairs.complete
    for now, then in zip(pairs.first_order(), before, strict=True):
        np.testing.assert_allclose(now, then, atol=1e-7)
    words = pairs.words().first_order()
    assert words[0].sum() == pytest.approx(before[0].sum(), abs=1e-6)
    with pytest.raises(fp.InputError, match=r"`pairs` come from a file, which does not contain"):
        fp.load_pairs(tmp_path / "one.fpattr").first_order()


@pytest.fixture(scope="module")
def whole(encoder):
    pairs = fresh(encoder)
    pairs.matrix  # noqa: B018 - computes
    return pairs


spans = st.lists(st.lists(st.integers(-8, 7), min_size=1, max_size=4), max_size=4)


@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
@given(asked=spans, first=st.lists(st.integers(0, 7), max_size=3))
def test_joint_maps_are_sums_of_rows(encoder, whole, asked, first):
    """Whatever is there already, with tokens in several spans, or named twice in one."""
    pairs = fresh(encoder)
    if first:
        pairs.feature_rows(first)
    expected = [whole.matrix[sorted({token % 8 for token in span})].sum(0) for span in asked]
    expected = np.reshape(expected, (len(asked), 3, 3))
    room = 2e-6 * np.abs(whole.matrix).max()
    for one in (pairs, whole):
        found = one.of_spans(asked)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=room)


def test_spans_of_several_tokens_leave_their_rows_uncomputed(encoder):
    pairs = fresh(encoder)
    pairs.of_spans([[1, 2], [4, 5, 6], [3]])
    assert np.flatnonzero(pairs.ready).tolist() == [3]


@pytest.mark.parametrize("asked", [[[]], [[1], [8]], [[1, 2], [-9]]])
def test_wrong_spans_are_named(encoder, whole, asked):
    for pairs in (fresh(encoder), whole):
        with pytest.raises(fp.InputError, match="`tokens`"):
            pairs.of_spans(asked)
