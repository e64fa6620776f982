"""Banzhaf interactions against their definition, and their error against what it promises."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import fpattr_widget as fp
from fpattr_widget.methods import SideInputs, indicators, measure
from fpattr_widget.methods.banzhaf import (
    all_coalitions,
    exact_banzhaf,
    paired_coalitions,
    sampled_banzhaf,
)
from tests.helpers.clip_by_hand import CAPTION, ByHand
from tests.helpers.models import random_encoder


@pytest.fixture(scope="module")
def cosines(encoder, picture) -> np.ndarray:
    """Return the cosine of every subset of tokens with every subset of patches, (64, 512)."""
    by_hand = ByHand(encoder, picture)
    return by_hand.all_texts() @ by_hand.all_images().T


def expected_difference(values: np.ndarray, player: int, p: float) -> np.ndarray:
    """Return ``E[v(S ∪ i) − v(S ∖ i)]`` over the first axis, whose numbers are subsets."""
    players = len(values).bit_length() - 1
    result = np.zeros(values.shape[1:])
    for subset in range(len(values)):
        if not subset >> player & 1:
            others = subset.bit_count()
            chance = p**others * (1 - p) ** (players - 1 - others)
            result += chance * (values[subset | 1 << player] - values[subset])
    return result


def interactions(cosines: np.ndarray, p: float) -> np.ndarray:
    """Return the weighted Banzhaf interaction of each token with each patch, (6, 9)."""
    by_patch = [expected_difference(cosines.T, patch, p) for patch in range(9)]  # (9, 64)
    return np.array([expected_difference(np.array(by_patch).T, token, p) for token in range(6)])


@pytest.mark.parametrize("p", [0.5, 0.3, 0.9])
def test_all_masks_give_the_interaction_of_the_cosine(encoder, picture, cosines, p):
    pairs = fp.attribute(encoder, picture, CAPTION, fp.Banzhaf(p=p, samples=512))
    expected = interactions(cosines, p)
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(pairs.matrix[1:-1], expected, rtol=0, atol=1e-6)
    assert not pairs.matrix[[0, -1]].any()
    assert not pairs.image_special.any()
    assert pairs.standard_error is None
    assert pairs.provenance()["nodes"] == "text exact, 64 masks · image exact, 512 masks"
    assert pairs.provenance()["layers"] == "at the input"


@pytest.mark.slow
@pytest.mark.parametrize("p", [0.5, 0.3])
def test_sampled_values_are_within_their_error(encoder, picture, cosines, p):
    """Over all pairs and many seeds, about 95 % within two standard errors; neither is idle."""
    expected = interactions(cosines, p)
    deviations, errors = [], []
    for seed in range(20):
        pairs = fp.attribute(encoder, picture, CAPTION, fp.Banzhaf(p=p, samples=48, seed=seed))
        assert pairs.standard_error.shape == (8, 9)
        assert pairs.standard_error.dtype == np.float32
        assert not pairs.standard_error[[0, -1]].any()
        deviations.append(pairs.matrix[1:-1] - expected)
        errors.append(pairs.standard_error[1:-1])
    deviation, error = np.array(deviations), np.array(errors)
    assert 0.88 < (np.abs(deviation) <= 2 * error).mean() < 0.99
    assert np.square(error).mean() / np.square(deviation).mean() == pytest.approx(1, abs=0.35)
    # No pair is off in the mean over seeds by more than chance: 4.5 of its standard errors.
    assert (np.abs(deviation.mean(0)) < 4.5 * deviation.std(0) / 20**0.5).all()


def test_an_exact_tower_leaves_the_other_ones_error(encoder, picture, cosines):
    """64 masks enumerate the caption; the image is sampled."""
    method = fp.Banzhaf(samples=64)
    pairs = fp.attribute(encoder, picture, CAPTION, method)
    pairs.row(2)
    words = pairs.provenance()["nodes"]
    assert words.startswith("text exact, 64 masks · image 64 masks · standard error 0.0")
    text = method.measure(encoder.part(encoder.prepare(CAPTION, "text"), 0))
    image = method.measure(encoder.part(encoder.prepare(picture, "image"), 0))
    assert (text.sampled, image.sampled) == (False, True)
    spread = image.standard_error(np.eye(10), text.joint(np.eye(8)))
    np.testing.assert_allclose(pairs.standard_error, spread[:, 1:], rtol=1e-4, atol=1e-9)


def test_more_samples_make_the_error_smaller(encoder, picture):
    sizes = [
        np.square(
            fp.attribute(encoder, picture, CAPTION, fp.Banzhaf(samples=n)).standard_error
        ).mean()
        for n in (16, 32, 256)
    ]
    assert sizes[0] > 1.5 * sizes[1] > 3 * sizes[2]


def test_two_samples_say_nothing_of_their_error(encoder, picture):
    pairs = fp.attribute(encoder, picture, CAPTION, fp.Banzhaf(samples=3))
    assert np.isfinite(pairs.matrix).all()
    assert np.isinf(pairs.standard_error[1:-1]).all()
    assert pairs.provenance()["nodes"].endswith("2 masks · standard error inf")


def test_the_seed_is_all_that_is_random(encoder, picture):
    def matrix(seed: int) -> np.ndarray:
        method = fp.Banzhaf(samples=32, seed=seed)
        return fp.attribute(random_encoder(), picture, CAPTION, method).matrix

    np.testing.assert_array_equal(matrix(1), matrix(1))
    assert np.abs(matrix(1) - matrix(2)).max() > 1e-4


def test_the_towers_draw_apart(encoder, picture):
    """Else their errors were not independent; there are nine players on either side."""
    method = fp.Banzhaf(samples=32)
    text = encoder.prepare("a dog and a red ball and a cat", "text")
    sides = (
        method.measure(encoder.part(text, 0)),
        method.measure(encoder.part(encoder.prepare(picture, "image"), 0)),
    )
    factors = [side._estimate.factors for side in sides]
    assert factors[0].shape == factors[1].shape == (16, 2, 9)
    assert abs(np.corrcoef(factors[0][:, 0].ravel(), factors[1][:, 0].ravel())[0, 1]) < 0.4


def test_an_input_on_both_sides_is_drawn_for_twice(encoder):
    text = encoder.prepare(CAPTION, "text")
    sides = SideInputs((text,)), SideInputs((text,))
    both = measure(encoder, fp.Banzhaf(samples=32), sides, (0, 0))
    first, second = both._first._estimate.factors, both._second._estimate.factors
    assert first.shape == second.shape
    assert not np.array_equal(first, second)


def test_inputs_of_one_side_are_drawn_for_apart(encoder):
    texts = tuple(
        encoder.prepare(text, "text") for text in (CAPTION, CAPTION.replace("dog", "cat"))
    )
    sides = SideInputs(texts, (1.0, -1.0)), SideInputs(texts[:1])
    of_side = measure(encoder, fp.Banzhaf(samples=32), sides, (0, 0), "difference")._first
    first, second = (part._estimate.factors for part in of_side.parts)
    assert first.shape == second.shape
    assert not np.array_equal(first, second)


def test_the_error_of_words_counts_what_their_tokens_share(encoder):
    """The variance of a sum, from the covariance of everything that was drawn."""
    contributions = fp.Banzhaf(samples=40).measure(
        encoder.part(encoder.prepare(CAPTION, "text"), 0)
    )
    estimate = contributions._estimate
    said = np.einsum("dti,dtk->dik", estimate.factors, estimate.residuals)
    draws = said.reshape(len(said), -1)
    covariance = np.cov(draws.T) / len(draws)
    directions = np.random.default_rng(0).normal(size=(3, 12))
    groups = [[0], [1, 2, 3], [4], [5, 6], [7]]
    expected = []
    for direction, group in itertools.product(directions, groups):
        weights = np.isin(np.arange(1, 7), group).astype(float)
        along = np.outer(weights, direction).ravel()
        expected.append((along @ covariance @ along) ** 0.5)
    spread = contributions.standard_error(indicators(groups, 8), torch.from_numpy(directions))
    np.testing.assert_allclose(spread.ravel(), expected, rtol=1e-6, atol=1e-12)


# The estimators alone, on games whose values are planted.


@settings(deadline=None, max_examples=40)
@given(
    players=st.integers(0, 6),
    p=st.floats(0.05, 0.95),
    data=st.data(),
)
def test_a_game_of_products_has_the_values_of_its_products(players, p, data):
    """``v(S) = Σ_T a_T Π_T z`` gives ``Σ_{T ∋ i} a_T p^(|T| − 1)``."""
    subsets = data.draw(
        st.dictionaries(
            st.frozensets(st.integers(0, max(0, players - 1)), max_size=players),
            st.floats(-2, 2),
            max_size=8,
        )
    )
    subsets = {members: size for members, size in subsets.items() if players or not members}
    kept = all_coalitions(players)
    values = np.zeros((len(kept), 1))
    expected = np.zeros((players, 1))
    for members, size in subsets.items():
        chosen = sorted(members)
        values[:, 0] += size * kept[:, chosen].all(1)
        expected[chosen, 0] += size * p ** (len(chosen) - 1)
    np.testing.assert_allclose(exact_banzhaf(kept, values, p).values, expected, atol=1e-9)


@pytest.mark.parametrize("p", [0.5, 0.25])
@pytest.mark.parametrize("pairs", [1, 2, 3, 12])
def test_few_samples_are_unbiased(p, pairs):
    """However few, and fewer than players: the mean over many seeds is the exact value."""
    players, repeats = 5, 3000
    game = np.random.default_rng(0).normal(size=(2**players, 2))
    exact = exact_banzhaf(all_coalitions(players), game, p).values
    generator = np.random.default_rng([1, pairs])
    estimates = np.empty((repeats, players, 2))
    for repeat in range(repeats):
        kept = paired_coalitions(generator, pairs, players, p)
        values = game[kept @ (1 << np.arange(players))]
        estimates[repeat] = sampled_banzhaf(kept, values, p).values
    error = estimates.std(0) / repeats**0.5
    assert (np.abs(estimates.mean(0) - exact) < 4.5 * error).all()


@pytest.mark.parametrize("p", [0.5, 0.3])
@pytest.mark.parametrize(("players", "pairs"), [(30, 12), (30, 30), (30, 90), (4, 90)])
def test_the_fit_never_costs_and_mostly_gains(p, players, pairs):
    """Against the plain inner product, with pairs fewer and more than players; and calibrated."""
    generator = np.random.default_rng(5)
    linear = generator.normal(size=(players, 1))
    couples = generator.normal(size=(players, players)) / players**0.5

    def game(kept: np.ndarray) -> np.ndarray:
        z = kept.astype(float)
        return z @ linear + ((z @ couples) * z).sum(1, keepdims=True)

    mixed = couples + couples.T - 2 * np.diag(np.diag(couples))
    exact = linear[:, 0] + np.diag(couples) + p * mixed.sum(1)
    plain, fitted, promised = [], [], []
    for _ in range(400):
        kept = paired_coalitions(generator, pairs, players, p)
        estimate = sampled_banzhaf(kept, game(kept), p)
        scores = (kept - p) / (p * (1 - p))
        plain.append(np.square((scores * game(kept)).mean(0) - exact).mean())
        fitted.append(np.square(estimate.values[:, 0] - exact).mean())
        promised.append(np.square(estimate.standard_error(np.eye(players), np.ones((1, 1)))).mean())
    assert np.mean(fitted) < (1.05 if pairs < players else 0.7) * np.mean(plain)
    assert np.mean(promised) == pytest.approx(np.mean(fitted), rel=0.2)


def test_coalitions_are_drawn_with_their_antitheses():
    kept = paired_coalitions(np.random.default_rng(0), 4000, 5, 0.3)
    assert kept.shape == (8000, 5)
    np.testing.assert_allclose(kept.mean(0), 0.3, atol=0.02)
    np.testing.assert_allclose(np.cov(kept.T.astype(float)), 0.21 * np.eye(5), atol=0.02)
    assert not (kept[::2] & kept[1::2]).any()  # below one half they never share a player
    halves = paired_coalitions(np.random.default_rng(0), 100, 5, 0.5)
    np.testing.assert_array_equal(halves[::2], ~halves[1::2])


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"p": 0}, "p"),
        ({"p": 1.0}, "p"),
        ({"p": float("nan")}, "p"),
        ({"p": "half"}, "p"),
        ({"samples": 1}, "samples"),
        ({"samples": 64.0}, "samples"),
        ({"samples": True}, "samples"),
        ({"seed": -1}, "seed"),
        ({"seed": None}, "seed"),
        ({"tokens": "drop"}, "tokens"),
        ({"patches": "mean"}, "patches"),
    ],
)
def test_wrong_settings_are_named(settings, name):
    with pytest.raises(fp.InputError, match=f"`{name}` is"):
        fp.Banzhaf(**settings)
