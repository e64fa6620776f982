"""Metrics on planted maps, on planted games and against a model masked by hand."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

import fpattr_widget as fp
from fpattr_widget.evaluation._explained import ExplainedSample, PreparedSample
from fpattr_widget.evaluation.metrics import (
    METRICS,
    Agreement,
    Completeness,
    Faithfulness,
    GridPointingGame,
    InsertionDeletion,
    PointingEnergy,
    PointingGame,
    ReferenceAgreement,
    map_agreement,
)
from fpattr_widget.evaluation.metrics.agreement import rank_correlation
from fpattr_widget.evaluation.metrics.faithfulness import correlation, explained_variance, together
from fpattr_widget.evaluation.metrics.grid_pointing_game import masses_right_and_wrong
from fpattr_widget.evaluation.metrics.insertion_deletion import area
from fpattr_widget.evaluation.metrics.pointing_energy import energy
from fpattr_widget.evaluation.metrics.pointing_game import hit
from fpattr_widget.methods import MaskedSimilarity
from fpattr_widget.methods._contributions import ExplicitContributions
from fpattr_widget.methods._game import Game
from tests.helpers.clip_by_hand import ByHand
from tests.helpers.families.llip import llip_encoder
from tests.helpers.planted import (
    CAPTION,
    DOG,
    NO_LEDGER,
    RED_BALL,
    cell,
    explained,
    explained_by,
    phrase,
    picture,
    sample,
    tiny,
)
from tests.helpers.recorded import like, pairs_of, recorded
from tests.helpers.small_align import align, align_image

TOP_LEFT = np.zeros((3, 3), bool)
TOP_LEFT[0, 0] = True
CORNER = np.array([[5, 1, 0], [0, -2, 0], [3, 0, 1]], float)

heats = arrays.arrays(np.float32, (3, 3), elements=st.integers(-4, 4).map(float))
masks = arrays.arrays(bool, (3, 3))


def judged(metric, one: ExplainedSample) -> dict[str, tuple[float, ...]]:
    """Return a metric's values by name."""
    values: dict[str, tuple[float, ...]] = {}
    for score in metric.measure(one):
        values[score.metric] = (*values.get(score.metric, ()), score.value)
    return values


# The pointing games


def test_hit_miss_and_ties():
    assert hit(CORNER, TOP_LEFT) == 1
    assert hit(-CORNER, TOP_LEFT) == 0
    tied = np.where(np.eye(3), 2.0, 1.0)
    assert hit(tied, TOP_LEFT) == pytest.approx(1 / 3)
    assert hit(np.full((3, 3), -1.0), np.eye(3, dtype=bool)) == pytest.approx(1 / 3)


@given(heats, masks)
def test_hit_is_the_mean_over_all_ways_to_break_ties(heat, inside):
    strongest = [place for place in np.ndindex(3, 3) if heat[place] == max(heat.ravel())]
    assert hit(heat, inside) == pytest.approx(np.mean([inside[place] for place in strongest]))


def test_energy_is_the_share_of_positive_mass():
    assert energy(CORNER, TOP_LEFT) == pytest.approx(5 / 10)
    assert energy(CORNER, ~TOP_LEFT) == pytest.approx(5 / 10)
    assert energy(CORNER, np.ones((3, 3), bool)) == 1
    assert energy(CORNER, np.eye(3, dtype=bool)) == pytest.approx(6 / 10)  # −2 is not counted
    assert energy(-np.ones((3, 3)), TOP_LEFT) == 0
    assert energy(np.zeros((3, 3)), TOP_LEFT) == 0


@given(heats, masks)
def test_the_energies_of_inside_and_outside_add_up(heat, inside):
    whole = energy(heat, inside) + energy(heat, ~inside)
    assert whole == pytest.approx(float((heat > 0).any()))


def test_phrases_are_judged_by_the_sum_of_their_tokens_rows(encoder):
    """Each token alone points elsewhere; only together do they point to the middle."""
    heat = np.zeros((3, 3, 3))
    for token, place in enumerate([(0, 0), (0, 2), (2, 0)]):
        heat[token][place], heat[token][1, 1] = 3, 2
    one = explained(
        encoder,
        sample(
            "one", phrase("red ball", "ball", cell(1, 1)), phrase("a red ball", "ball", cell(1, 1))
        ),
        dict(zip(RED_BALL, heat, strict=True)),
    )
    expected = np.array([heat[1:].sum(0), heat.sum(0)])
    np.testing.assert_allclose(one.maps, expected)
    assert judged(PointingGame(), one) == {"pointing_game": (1, 1)}
    assert judged(PointingEnergy(), one)["pointing_energy"] == pytest.approx((4 / 10, 6 / 15))


def test_any_of_several_boxes_is_right_and_unseen_phrases_are_left_out(encoder):
    """In the middle third of a wide picture; boxes are fractions of all of it."""
    middle_top, middle_bottom = (1 / 3, 0, 2 / 3, 1 / 3), (1 / 3, 2 / 3, 2 / 3, 1)
    one = explained(
        encoder,
        sample(
            "wide",
            phrase("red", "red", (0.0, 0.0, 0.3, 1.0)),
            phrase("dog", "dog", middle_top, middle_bottom, (0.7, 0.0, 1.0, 1.0)),
            phrase("ball", "ball", middle_top),
            image=picture(size=(72, 24)),
        ),
        {
            2: [[0, 0, 0], [0, 0, 0], [0, 0, 1]],
            5: np.ones((3, 3)),
            6: [[0, 0, 0], [0, 0, 0], [0, 0, 1]],
        },
    )
    assert [target.number for target in one.targets] == [1, 2]
    for metric in (PointingGame(), PointingEnergy()):
        scores = metric.measure(one)
        assert [(score.phrase, score.value) for score in scores] == [(1, 1), (2, 0)]
        assert [score.chance for score in scores] == pytest.approx([6 / 9, 3 / 9])


def test_a_map_of_no_meaning_is_at_chance(encoder):
    one = explained(
        encoder,
        sample(
            "one", phrase("dog", "dog", cell(0, 0, 2, 1)), phrase("ball", "ball", cell(0, 0, 3, 2))
        ),
        {2: np.ones((3, 3)), 6: np.full((3, 3), 0.3)},
    )
    for metric in (PointingGame(), PointingEnergy()):
        scores = metric.measure(one)
        assert [score.chance for score in scores] == pytest.approx([2 / 9, 6 / 9])
        assert [score.value for score in scores] == pytest.approx([2 / 9, 6 / 9])


def test_samples_without_phrases_are_judged_as_a_whole_alone(encoder):
    one = explained(encoder, sample())
    assert PointingGame().measure(one) == GridPointingGame().measure(one) == ()
    assert judged(Completeness(), one) == {"completeness_residual": (0,)}


def test_grid_pointing_game_counts_both_signs():
    quadrant = np.zeros((4, 4), bool)
    quadrant[:2, :2] = True
    perfect = np.where(quadrant, 3.0, -1.0)
    assert masses_right_and_wrong(perfect, quadrant) == (24, 0)
    assert masses_right_and_wrong(-perfect, quadrant) == (0, 24)
    assert masses_right_and_wrong(np.zeros((4, 4)), quadrant) == (0, 0)
    # Three wrong of strength one beside four right of strength two.
    some = np.where(quadrant, 2.0, 0.0)
    some[2, :3] = 1
    assert masses_right_and_wrong(some, quadrant) == (8, 3)


def test_random_signs_reach_one_half_in_the_grid_pointing_game(encoder):
    generator = np.random.default_rng(0)
    quadrant = np.zeros((40, 40), bool)
    quadrant[:20, :20] = True
    signs = generator.choice([-1.0, 1.0], (40, 40)) * generator.random((40, 40))
    right, wrong = masses_right_and_wrong(signs, quadrant)
    assert right / (right + wrong) == pytest.approx(0.5, abs=0.03)
    one = explained(encoder, sample("one", phrase("dog", "dog", cell(0, 0))), {2: CORNER})
    words, picture_ = GridPointingGame().measure(one)
    assert (words.phrase, picture_.phrase) == (0, None)
    assert words.value == picture_.value == pytest.approx(7 / 12)
    assert words.chance == picture_.chance == 0.5


@pytest.mark.parametrize(("sign", "reached"), [(-1, 0.75), (1, 0.25)])
def test_maps_of_one_sign_are_far_from_one_half_in_the_grid_pointing_game(sign, reached):
    quadrant = np.zeros((8, 8), bool)
    quadrant[:4, 4:] = True
    right, wrong = masses_right_and_wrong(np.full((8, 8), 0.1 * sign), quadrant)
    assert right / (right + wrong) == pytest.approx(reached)


def test_words_weigh_by_their_mass_where_the_grid_pointing_game_pools_them(encoder):
    """A strong word that is wholly wrong beside a weak one that is wholly right."""
    corners = [[0, 0, 6], [0, 0, 0], [0, 0, 0]]
    one = explained(
        encoder,
        sample("one", phrase("dog", "dog", cell(0, 0)), phrase("red ball", "ball", cell(0, 0))),
        {2: corners, 5: [[1, 0, 0], [0, 0, 0], [0, 0, 0]], 6: [[1, 0, 0], [0, 0, 0], [0, 0, 0]]},
    )
    found = judged(GridPointingGame(), one)
    assert found == {"grid_pointing_game": (0, 1), "grid_pointing_game_pooled": (2 / 8,)}


def test_patches_of_two_quadrants_are_left_out(encoder):
    """Of three by three patches, a quadrant has one whole and shares three with others."""
    one = explained(
        encoder,
        sample("one", phrase("dog", "dog", (0.0, 0.0, 0.5, 0.5))),
        {2: [[4, 9, -1], [-9, 9, -1], [1, -1, 0]]},
    )
    assert judged(GridPointingGame(), one)["grid_pointing_game"] == pytest.approx(
        ((4 + 1 + 1 + 1) / 8,)
    )


# Insertion and deletion


@pytest.fixture(scope="module")
def by_hand(encoder):
    return ByHand(encoder, picture(4))


@pytest.fixture(scope="module")
def one(encoder):
    """Return a sample of which only the images and captions matter."""
    return explained(encoder, sample("one", image=picture(4)))


@pytest.mark.parametrize(("steps", "moved"), [(3, [0, 3, 6, 9]), (9, range(10)), (99, range(10))])
def test_curves_are_those_of_the_model_masked_by_hand(by_hand, one, steps, moved):
    heat = np.random.default_rng(steps).permutation(9).reshape(3, 3) / 9
    order = sorted(range(9), key=lambda patch: -heat.ravel()[patch])
    deletion, insertion = InsertionDeletion(steps).curves(one, heat)
    assert deletion == pytest.approx(
        [by_hand.cosine(hidden_patches=order[:count]) for count in moved]
    )
    assert insertion == pytest.approx(
        [by_hand.cosine(hidden_patches=order[count:]) for count in moved]
    )
    # All there and nothing there are the two ends of both.
    assert deletion[[0, -1]] == pytest.approx(insertion[[-1, 0]])
    assert np.ptp(deletion) > 0.01


def test_areas_are_means_over_the_share_of_patches(by_hand, encoder):
    """Nine patches in four pieces, which differ: two, two, three and two."""
    heat = np.random.default_rng(7).permutation(9).reshape(3, 3) - 2.0
    whole = sample("one", phrase("dog", "dog", cell(0, 0)), image=picture(4))
    found = judged(InsertionDeletion(4), explained(encoder, whole, {2: heat}))
    order = sorted(range(9), key=lambda patch: -heat.ravel()[patch])

    def expected(hidden) -> float:
        counts = [round(9 * step / 4) for step in range(5)]
        curve = [by_hand.cosine(hidden_patches=hidden(count)) for count in counts]
        return float(np.interp(np.linspace(0, 9, 901), counts, curve)[:-1].mean())

    deletion = expected(lambda count: order[:count])
    assert found["deletion"] == pytest.approx((deletion,), abs=2e-3)
    assert found["insertion"] == pytest.approx((expected(lambda count: order[count:]),), abs=2e-3)
    last_first = expected(lambda count: order[::-1][:count])
    assert found["deletion_gap"] == pytest.approx((last_first - deletion,), abs=4e-3)


def test_area_by_hand():
    assert area(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == 0.5
    assert area(np.array([1.0, 1.0, 0.0]), np.array([0.0, 0.5, 1.0])) == 0.75
    assert area(np.array([1.0, 1.0, 0.0]), np.array([0.0, 0.2, 1.0])) == pytest.approx(0.6)


@pytest.mark.parametrize("steps", [1, 2, 4, 9, 16])
def test_the_gap_turns_its_sign_with_the_ranking(encoder, steps):
    heat = np.random.default_rng(1).permutation(9).reshape(3, 3) - 4.0
    whole = sample("one", phrase("dog", "dog", cell(0, 0)), phrase("ball", "ball", cell(0, 0)))
    found = judged(InsertionDeletion(steps), explained(encoder, whole, {2: heat, 6: -heat}))
    gap, turned = found["deletion_gap"]
    assert gap == pytest.approx(-turned, abs=1e-7)
    assert abs(gap) > 1e-3 or steps == 1


def test_a_map_without_ranks_has_no_gap(encoder):
    whole = sample("one", phrase("dog", "dog", cell(0, 0)))
    for heat in (np.zeros((3, 3)), np.ones((3, 3))):
        found = judged(InsertionDeletion(), explained(encoder, whole, {2: heat}))
        assert found["deletion_gap"] == pytest.approx((0,), abs=1e-9)


# Faithfulness


def watched(game: Game, asked: list[np.ndarray]) -> None:
    """Note which coalitions a game is asked for."""
    values = game.values

    def noting(kept: np.ndarray) -> torch.Tensor:
        asked.append(kept)
        return values(kept)

    game.values = noting


@pytest.mark.parametrize(
    "method",
    [
        fp.Occlusion(),
        fp.Banzhaf(samples=64),
        fp.IntegratedJacobians(steps=4),
        fp.Occlusion(tokens="reference"),
        fp.Banzhaf(samples=64, tokens="reference"),
    ],
    ids=repr,
)
def test_points_are_double_sums_over_survivors_and_cosines_of_masked_inputs(encoder, method):
    whole = sample("one", image=picture(4))
    one = explained_by(encoder, whole, method)
    texts, images = [], []
    watched(one.masked.rows, texts)
    watched(one.masked.columns, images)
    said, foretold = Faithfulness(masks=4, kept=0.6).points(one)
    kept_tokens, kept_patches = texts[-1], images[-1]
    assert kept_tokens.shape == (4, 6)
    assert kept_patches.shape == (4, 9)
    again = fp.attribute(encoder, picture(4), CAPTION, method)
    of_tokens, of_patches = again.first_order()
    specials, matrix, ledger = again.image_special, again.matrix, again.ledger
    by_hand = ByHand(encoder, picture(4), getattr(method, "tokens", "mask"))
    expected_said, expected = [], []
    for tokens in kept_tokens:
        surviving = [0, *(1 + np.flatnonzero(tokens)), 7]
        for patches in kept_patches:
            total = ledger.baseline + of_patches[0]
            for token in surviving:
                total += of_tokens[token] + specials[token, 0]
                total += sum(matrix[token, patch] for patch in np.flatnonzero(patches))
            total += sum(of_patches[1 + patch] for patch in np.flatnonzero(patches))
            expected.append(total)
            hidden = 1 + np.flatnonzero(~tokens), np.flatnonzero(~patches)
            expected_said.append(by_hand.cosine(*hidden))
    assert said.ravel() == pytest.approx(expected_said, abs=1e-6)
    assert foretold.ravel() == pytest.approx(expected, abs=1e-4 * float(np.abs(expected).max()))
    assert np.ptp(said) > 0.01


def bilinear(*, varies: bool = True):
    """Return a sample whose embeddings are sums, so that pairs tell all there is to tell."""
    generator = np.random.default_rng(3)
    text, image = generator.normal(size=(6, 5)), generator.normal(size=(9, 5))
    if not varies:
        text, image = 0 * text, 0 * image
    base = generator.normal(size=(2, 5))

    def game(vectors, start, players, features) -> Game:
        def value(kept: torch.Tensor) -> torch.Tensor:
            return kept.double() @ torch.from_numpy(vectors) + torch.from_numpy(start)

        return Game(value, players, features)

    games = game(text, base[0], np.arange(1, 7), 8), game(image, base[1], np.arange(1, 10), 10)
    matrix, of_tokens, of_patches = np.zeros((8, 10)), np.zeros(8), np.zeros(10)
    matrix[1:7, 1:] = text @ image.T
    of_tokens[1:7], of_patches[1:] = text @ base[1], image @ base[0]
    ledger = dataclasses.replace(NO_LEDGER, baseline=float(base[0] @ base[1]))
    pairs = pairs_of(
        recorded(matrix, ledger),
        caption=CAPTION,
        tokens=[fp.Token("", None, None, None, True)] * 8,
        picture=picture(),
        grid=(3, 3),
    )
    return SimpleNamespace(
        pairs=pairs,
        masked=MaskedSimilarity(*games),
        first_order=(of_tokens, of_patches),
    )


def test_pairs_of_a_bilinear_model_foretell_all():
    found = judged(Faithfulness(), bilinear())
    assert found["faithfulness_r2"] == pytest.approx((1,), abs=1e-9)
    assert found["faithfulness_pairs_r2"] == pytest.approx((1,), abs=1e-9)
    assert found["faithfulness_correlation"] == pytest.approx((1,))


def test_parts_of_one_side_alone_do_not_count_for_pairs():
    """Whatever captions and images bring by themselves; the pairs are right, then doubled."""
    one = bilinear()
    one.first_order = tuple(part + 1 for part in one.first_order)
    found = judged(Faithfulness(), one)
    assert found["faithfulness_pairs_r2"] == pytest.approx((1,), abs=1e-9)
    assert found["faithfulness_r2"][0] < 0.9
    doubled = 2 * one.pairs.feature_rows(range(8))
    one.pairs = like(one.pairs, recorded(doubled, one.pairs.ledger))
    # As far off as if nothing had been foretold.
    assert judged(Faithfulness(), one)["faithfulness_pairs_r2"] == pytest.approx((0,), abs=1e-6)


def test_banzhaf_is_not_punished_for_where_its_slopes_are_taken(encoder):
    """Its pairs are the best there are about half of the features, not from the references."""
    whole = sample("one", image=picture(4))
    one = explained_by(encoder, whole, fp.Banzhaf())
    found = judged(Faithfulness(masks=64), one)
    assert found["faithfulness_pairs_r2"][0] > found["faithfulness_r2"][0] + 0.05
    assert found["faithfulness_pairs_r2"][0] > 0.5


def test_what_pairs_add_by_hand():
    values = np.add.outer([1.0, 2.0, 5.0], [0.5, 7.0, -3.0])
    assert together(values).tolist() == np.zeros((3, 3)).tolist()
    product = np.outer([1.0, -1.0, 0.0], [2.0, -3.0, 1.0])
    assert together(values + product) == pytest.approx(product)


def test_a_wrong_scale_is_seen_by_r2_alone():
    one = bilinear()
    halved = one.pairs.feature_rows(range(8)) / 2
    ledger = dataclasses.replace(NO_LEDGER, baseline=one.pairs.ledger.baseline / 2 - 3)
    one.pairs = like(one.pairs, recorded(halved, ledger))
    one.first_order = tuple(part / 2 for part in one.first_order)
    found = judged(Faithfulness(), one)
    assert found["faithfulness_correlation"] == pytest.approx((1,))
    said, foretold = Faithfulness().points(one)
    r2 = 1 - ((said - foretold) ** 2).sum() / ((said - said.mean()) ** 2).sum()
    assert found["faithfulness_r2"] == pytest.approx((r2,))
    assert r2 < 0.9


def test_what_never_changes_is_foretold_by_nobody():
    found = judged(Faithfulness(), bilinear(varies=False))
    assert found == dict.fromkeys(found, (0,))
    assert len(found) == 3


def test_what_float32_rounds_off_is_no_change():
    noise = np.random.default_rng(0).normal(size=50)
    for level in (0.3, 0.0):
        flat = level + 1e-8 * level * noise
        assert correlation(flat, noise) == correlation(noise, flat) == 0
        assert explained_variance(flat, noise) == 0
    assert correlation(1e-8 * noise, noise) == pytest.approx(1)


def test_the_seed_draws_the_masks():
    points = [Faithfulness(seed=seed).points(bilinear())[0].tolist() for seed in (0, 0, 1)]
    assert points[0] == points[1] != points[2]
    assert np.shape(points[0]) == (24, 24)


@given(arrays.arrays(np.float64, (2, 6), elements=st.integers(-9, 9).map(float)))
def test_correlation_and_r2_against_numpy(both):
    said, foretold = both
    if np.ptp(said) and np.ptp(foretold):
        assert correlation(said, foretold) == pytest.approx(np.corrcoef(said, foretold)[0, 1])
    else:
        assert correlation(said, foretold) == 0
    if np.ptp(said):
        rest = np.var(said - foretold) + np.mean(said - foretold) ** 2
        assert explained_variance(said, foretold) == pytest.approx(1 - rest / np.var(said))
        assert explained_variance(said, said) == 1
        assert explained_variance(said, np.full(6, said.mean())) == pytest.approx(0, abs=1e-9)


# Completeness and agreement


@pytest.mark.parametrize("residual", [-0.25, 0.0, 0.5])
def test_completeness_is_the_absolute_residual(encoder, residual):
    ledger = fp.Ledger(1, 2, 3, 4, 5, residual)
    one = explained(encoder, sample(), ledger=ledger)
    assert judged(Completeness(), one) == {"completeness_residual": (abs(residual),)}


def test_integrated_jacobians_leave_less_than_one_step_does(encoder):
    def residual(steps: int) -> float:
        method = fp.IntegratedJacobians(steps=steps)
        one = explained_by(encoder, sample("one", image=picture(4)), method, (1, 1))
        (value,) = judged(Completeness(), one)["completeness_residual"]
        assert value == abs(one.pairs.ledger.residual)
        return value

    assert 0 < residual(32) < residual(1) / 10


@given(arrays.arrays(np.float64, (2, 12), elements=st.integers(-3, 3).map(float)))
def test_rank_correlation_is_scipys(both):
    first, second = both
    if np.ptp(first) and np.ptp(second):
        expected = stats.spearmanr(first, second).statistic
        assert rank_correlation(first, second) == pytest.approx(expected)
        assert rank_correlation(first, first) == pytest.approx(1)
        assert rank_correlation(first, -first) == pytest.approx(-1)
        assert rank_correlation(first, np.exp(first)) == pytest.approx(1)
    else:
        assert rank_correlation(first, second) == 0


def test_agreement_looks_at_words_and_patches_alone(encoder):
    generator = np.random.default_rng(0)
    maps = {token: generator.normal(size=(3, 3)) for token in range(8)}
    others = {token: generator.normal(size=(3, 3)) for token in range(8)}
    own = explained(encoder, sample(), maps)
    ends = explained(encoder, sample(), {**maps, 0: others[0], 7: others[7]}, name="ends")
    other = explained(encoder, sample(), others, name="other")
    own = dataclasses.replace(own, beside=(ends, other))
    ends, other = Agreement().measure(own)
    assert (ends.metric, ends.value) == ("agreement with ends", pytest.approx(1))
    flat = [np.concatenate([one[token].ravel() for token in range(1, 7)]) for one in (maps, others)]
    assert other.metric == "agreement with other"
    assert other.value == pytest.approx(stats.spearmanr(*flat).statistic, abs=1e-6)
    assert other.chance == 0


@dataclasses.dataclass(frozen=True)
class MovesWithTheReference:
    """A method whose maps are known for each reference: the tokens' vectors are orthogonal."""

    maps: SimpleNamespace = dataclasses.field(compare=False)
    image_reference: object = "zeros"
    label, reads_at = "planted", "nowhere"

    def check(self, encoder):
        """Do nothing."""

    def cheaper_alternative(self, encoder, layers):
        return ""

    def measure(self, part):
        vectors = torch.eye(8)
        if part.tower.name == "image":
            known = self.maps.zeros if self.image_reference == "zeros" else self.maps.other
            maps = torch.from_numpy(known.reshape(8, 9).T.astype(np.float32))
            vectors = torch.cat([torch.zeros(1, 8), maps])
        return ExplicitContributions(vectors, torch.ones(8), torch.zeros(8), "")


def test_agreement_of_references_is_that_of_each_phrases_map(encoder):
    generator = np.random.default_rng(0)
    own, other = generator.normal(size=(2, 8, 3, 3))
    other[2] = np.exp(own[2])  # the dog's patches keep their order
    method = MovesWithTheReference(SimpleNamespace(zeros=own, other=other))
    scene = sample("one", phrase("dog", "dog", cell(0, 0)), phrase("red ball", "ball", cell(1, 1)))
    pictured = fp.Picture(picture(1))
    metric = ReferenceAgreement(("zeros", "blurred", pictured, picture(2)))
    scores = metric.measure(explained_by(encoder, scene, method))
    names = ["blurred", "another picture (3)", "another picture (4)"]
    assert [score.metric for score in scores[::2]] == [
        f"agreement with reference: {name}" for name in names
    ]
    dog, ball = scores[:2]
    assert (dog.phrase, ball.phrase) == (0, 1)

    def correlated(first, second):
        return stats.spearmanr(first.ravel(), second.ravel()).statistic

    assert dog.value == pytest.approx(1)
    expected = correlated(own[5] + own[6], other[5] + other[6])
    assert ball.value == pytest.approx(expected, abs=1e-6)
    # By chance: with the caption's other tokens.
    unrelated = [correlated(own[2], other[token]) for token in (1, 3, 4, 5, 6)]
    assert dog.chance == pytest.approx(np.mean(unrelated), abs=1e-6)
    unrelated = [correlated(own[5] + own[6], other[token]) for token in (1, 2, 3, 4)]
    assert ball.chance == pytest.approx(np.mean(unrelated), abs=1e-6)
    # Of two explanations, token by token.
    first, second = (
        fp.attribute(encoder, scene.image, CAPTION, method, reference=reference)
        for reference in (None, "blurred")
    )
    by_token = [correlated(*maps) for maps in zip(own, other, strict=True)]
    np.testing.assert_allclose(map_agreement(first, second), by_token, atol=1e-6)
    shorter = fp.attribute(encoder, scene.image, "a dog", fp.Occlusion())
    with pytest.raises(fp.InputError, match="`second` has a matrix of 4 × 9, and the first one of"):
        map_agreement(first, shorter)


def test_real_maps_move_with_the_reference(encoder):
    """Through the front door; methods without a reference have no such number."""
    blurred = fp.IntegratedJacobians(steps=2, image_reference="blurred")
    pictured = fp.Occlusion(patches=fp.Picture(picture(1)))
    methods = [fp.IntegratedJacobians(steps=2), blurred, pictured, fp.PatchTokenSimilarity()]
    metrics = ["reference_agreement", Faithfulness(masks=2)]  # whose masks show the picture
    report = fp.evaluate(encoder, tiny(1), methods=methods, metrics=metrics, progress=False)
    assert report.skipped == ()
    runs = [run.method for run in report.runs]
    assert runs[:2] == ["integrated Jacobians", "integrated Jacobians, reference: blurred"]
    scores = report.to_dataframe()
    scores = scores[scores["metric"].str.startswith("agreement")].sort_values("phrase")
    by_run = {run: scores[scores["method"] == run] for run in runs}
    assert [set(own["metric"]) for own in by_run.values()] == [
        {"agreement with reference: blurred"},
        {"agreement with reference: zeros"},
        {"agreement with reference: blurred", "agreement with reference: zeros"},
        set(),
    ]
    maps = [
        fp.attribute(encoder, picture(0), CAPTION, method).of_spans([DOG[1:], RED_BALL[1:]])
        for method in methods[:2]
    ]
    expected = [rank_correlation(*each) for each in zip(*maps, strict=True)]
    for run in runs[:2]:
        np.testing.assert_allclose(by_run[run]["value"], expected, atol=1e-6)
    assert (scores["value"].abs() < 1).all()


# Settings, and towers whose grid depends on the layer


@pytest.mark.parametrize(
    ("metric", "setting"),
    [
        (InsertionDeletion, {"steps": 0}),
        (Faithfulness, {"kept": 0.0}),
        (Faithfulness, {"kept": 1.0}),
        (Faithfulness, {"masks": 1}),
        (ReferenceAgreement, {"references": ()}),
    ],
)
def test_settings_out_of_range_are_named(metric, setting):
    with pytest.raises(fp.InputError, match=f"`{next(iter(setting))}`"):
        metric(**setting)


def test_what_is_good_when_small_is_told():
    found = set().union(*(METRICS[name]().less_is_better for name in METRICS))
    alike = {f"class_{name}{of}" for name in ("overlap", "correlation") for of in ("", "_of_words")}
    assert found == {"deletion", "completeness_residual", "forced_explanation", *alike}


def test_layers_share_a_game_where_they_have_the_same_patches():
    whole = sample("one", image=align_image(), caption=torch.tensor([[2, 5, 6, 3]]))
    prepared = PreparedSample(align(), whole)
    early, again, late = (prepared.masked((0, layer), None) for layer in (0, 0, 2))
    assert early.columns is again.columns
    assert early.rows is late.rows
    assert len(early.columns.players) > len(late.columns.players)


def test_masks_are_scored_by_the_model_s_head():
    encoder = llip_encoder()
    image = np.random.default_rng(0).integers(0, 255, (24, 24, 3), np.uint8)
    prepared = PreparedSample(encoder, sample("one", image=image, caption="a red dog"))
    masked = prepared.masked((0, 0), None)
    rows, columns = (
        np.ones((2, len(game.players)), bool) for game in (masked.rows, masked.columns)
    )
    rows[1], columns[1] = False, False
    pixels, ids = prepared.image.inputs["pixel_values"], prepared.text.inputs["input_ids"]
    others = encoder.towers["text"].reference(prepared.text, "pad")["input_ids"]
    expected = [
        [encoder.similarity(seen, read) for seen in (pixels, torch.zeros_like(pixels))]
        for read in (ids, others)
    ]
    np.testing.assert_allclose(masked.table(rows, columns), expected, atol=1e-6)


@pytest.mark.parametrize("layer", [0, 2])
def test_masks_are_cut_on_the_grid_of_the_pairs(layer):
    """Of a convolutional tower, whose feature map shrinks from block to block."""
    torch.manual_seed(0)
    encoder = align()
    ids = torch.tensor([[2, 5, 6, 7, 8, 9, 10, 3]])
    whole = sample("one", image=align_image(), caption=ids)
    one = explained_by(encoder, whole, fp.GradientTimesInput(), (0, layer))
    heat = np.arange(one.pairs.grid[0] * one.pairs.grid[1]).reshape(one.pairs.grid)
    assert heat.size > 1
    deletion, insertion = InsertionDeletion(2).curves(one, heat)
    assert deletion[0] == pytest.approx(one.pairs.ledger.similarity, abs=1e-6)
    assert deletion.shape == insertion.shape == (3,)
    texts, images = [], []
    watched(one.masked.rows, texts)
    watched(one.masked.columns, images)
    said, foretold = Faithfulness(masks=3).points(one)
    expected = np.zeros((3, 3))
    pixels = one.prepared.image.inputs["pixel_values"]
    rows, columns = one.pairs.grid
    height, width = (
        side // count for side, count in zip(pixels.shape[2:], (rows, columns), strict=True)
    )
    for i, tokens in enumerate(texts[-1]):
        mask = torch.ones_like(ids)
        mask[0, 1:-1] = torch.from_numpy(tokens)
        for j, patches in enumerate(images[-1]):
            assert len(patches) == rows * columns
            seen = pixels.clone()
            for patch in np.flatnonzero(~patches):
                top, left = height * (patch // columns), width * (patch % columns)
                seen[:, :, top : top + height, left : left + width] = 0
            with torch.no_grad():
                found = encoder.model(input_ids=ids, attention_mask=mask, pixel_values=seen)
            expected[i, j] = torch.cosine_similarity(found.text_embeds, found.image_embeds)
    assert said == pytest.approx(expected, abs=1e-6)
    assert np.ptp(said, axis=0).min() > 1e-5 < np.ptp(said, axis=1).min()
    rest = np.square(said - foretold).sum() / np.square(said - said.mean()).sum()
    assert judged(Faithfulness(masks=3), one)["faithfulness_r2"] == pytest.approx((1 - rest,))
