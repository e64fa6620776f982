"""What is measured of foils: on planted maps and similarities, and through a whole evaluation."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import fpattr_widget as fp
from fpattr_widget.evaluation import Dataset, Foil, ScoredFoil
from fpattr_widget.evaluation._plan import _default_metrics
from fpattr_widget.evaluation._report_page import report_page
from fpattr_widget.evaluation.metrics import (
    ClassSensitivity,
    Completeness,
    ForcedExplanation,
    Margin,
    ReferenceAgreement,
    SoftOverlap,
    SwappedWord,
)
from fpattr_widget.evaluation.metrics.agreement import rank_correlation
from fpattr_widget.evaluation.metrics.class_sensitivity import shared_share
from fpattr_widget.evaluation.metrics.soft_overlap import overlap
from tests.helpers.planted import (
    CAPTION,
    NO_LEDGER,
    cell,
    explained,
    explained_by,
    phrase,
    picture,
    sample,
    with_foils,
)

heats = arrays.arrays(np.float32, (3, 3), elements=st.integers(-4, 4).map(float))
masks = arrays.arrays(bool, (3, 3))


def foiled(*foils, caption=CAPTION, phrases=(), name="one", image=None):
    return replace(sample(name, *phrases, caption=caption, image=image), foils=foils)


def judged(metric, one) -> dict[str, list[tuple[float, float | None]]]:
    """Return a metric's values and chance levels by name, in the order of the foils."""
    found: dict[str, list] = {}
    for score in metric.measure(one):
        found.setdefault(score.metric, []).append((score.value, score.chance))
    return found


def heat(**places):
    """Return a map with values at places named by row and column, as in ``r0c2=3``."""
    values = np.zeros((3, 3))
    for place, value in places.items():
        values[int(place[1]), int(place[3])] = value
    return values


# The swapped word


def test_a_swapped_word_is_judged_in_the_picture_and_on_the_box(encoder):
    """On the whole picture the cat is against the match; on the dog it is only less for it."""
    dog = phrase("dog", "dog", cell(0, 0))
    one = explained(
        encoder,
        foiled(Foil("a cat and a red ball"), phrases=[dog, phrase("ball", "ball", cell(2, 2))]),
        {2: heat(r0c0=2)},
    )
    against = heat(r1c1=-1, r0c0=0.5)
    one = with_foils(one, ({2: heat(r0c0=1, r2c2=-3), 1: against, 5: heat(r0c0=-1)}, NO_LEDGER))
    assert judged(SwappedWord(), one) == {
        "swapped_word_negative": [(1, 2 / 5)],
        "swapped_word_lower": [(1, 0.5)],
        "swapped_word_gap": [(4, 0)],
        "swapped_word_negative_on_box": [(0, 1 / 5)],
        "swapped_word_lower_on_box": [(1, 0.5)],
        "swapped_word_gap_on_box": [(1, 0)],
    }


def test_words_that_are_only_in_one_of_the_captions(encoder):
    """An added word is judged alone, words left out and pictures not at all."""
    foils = Foil("a dog and a red cat ball"), Foil("a dog and a ball"), Foil(source=picture(1))
    one = with_foils(
        explained(encoder, foiled(*foils), {}),
        ({6: heat(r0c0=-1)}, NO_LEDGER),
        ({}, NO_LEDGER),
        ({}, NO_LEDGER),
    )
    assert judged(SwappedWord(), one) == {"swapped_word_negative": [(1, 0)]}


def test_several_changes_are_a_mean(encoder):
    one = explained(encoder, foiled(Foil("a cat and a red cup")), {2: heat(r0c0=1)})
    one = with_foils(one, ({2: heat(r0c0=3), 6: heat(r1c1=-2)}, NO_LEDGER))
    found = judged(SwappedWord(), one)
    assert found["swapped_word_negative"] == [(0.5, 0)]
    assert found["swapped_word_lower"] == [(0.5, 0.5)]
    assert found["swapped_word_gap"] == [(0, 0)]


@settings(max_examples=25)
@given(st.lists(heats, min_size=4, max_size=4))
def test_a_bag_of_words_cannot_tell_swapped_words_apart(encoder, maps):
    """Words have maps of their own, wherever they stand."""
    of_word = dict(zip(("a", "dog", "and", "ball"), maps, strict=True))
    captions = "a dog and a ball", "a ball and a dog"
    own, other = (
        {number: of_word[word] for number, word in enumerate(caption.split(), start=1)}
        for caption in captions
    )
    one = explained(encoder, foiled(Foil(captions[1]), caption=captions[0]), own)
    one = with_foils(one, (other, NO_LEDGER))
    found = judged(SwappedWord(), one)
    assert found["swapped_word_lower"][0][0] == 0.5
    assert found["swapped_word_gap"][0][0] == pytest.approx(0, abs=1e-6)
    alike = judged(ClassSensitivity(), one)
    varied = sum(own.values()).std() > 0
    assert alike["class_overlap"][0][0] == pytest.approx(1)
    assert alike["class_correlation"][0][0] == pytest.approx(float(varied))


# Class sensitivity


def test_maps_of_a_caption_and_its_foil_are_compared(encoder):
    one = explained(encoder, foiled(Foil("a cat and a red ball"), Foil(source=picture(1))))
    rising = np.arange(9.0).reshape(3, 3)
    shared = {6: heat(r0c0=20)}
    one = replace(one, pairs=explained(encoder, one.prepared.sample, {2: rising, **shared}).pairs)
    one = with_foils(one, ({2: -rising, **shared}, NO_LEDGER), ({}, NO_LEDGER))
    found = judged(ClassSensitivity(strongest=2 / 9), one)
    assert found["class_overlap_of_words"] == [(0, pytest.approx(2 / 9))]
    assert found["class_correlation_of_words"] == [(pytest.approx(-1), 0)]
    both = sum(shared.values()) + rising, sum(shared.values()) - rising
    assert found["class_overlap"] == [(0.5, pytest.approx(2 / 9))]
    assert found["class_correlation"] == [(pytest.approx(rank_correlation(*both)), 0)]
    with pytest.raises(fp.InputError, match="`strongest` is 1"):
        ClassSensitivity(strongest=1)


@given(heats, heats, st.integers(1, 9))
def test_ties_are_shared(first, second, count):
    found = shared_share(first, second, count)
    assert found == pytest.approx(shared_share(second, first, count))
    assert -1e-9 <= found <= 1 + 1e-9
    distinct = [np.argsort(one, axis=None, kind="stable").argsort() for one in (first, second)]
    sets = [set(np.flatnonzero(ranks >= 9 - count)) for ranks in distinct]
    assert shared_share(*distinct, count) == pytest.approx(len(sets[0] & sets[1]) / count)
    assert shared_share(distinct[0], distinct[0], count) == 1
    assert shared_share(np.ones(9), distinct[0], count) == pytest.approx(count / 9)


# Soft overlap


@given(heats, masks)
def test_soft_overlap_is_its_definition(values, inside):
    iou, dice = overlap(values, inside)
    positive = np.maximum(values, 0)
    if not positive.any():
        assert (iou, dice) == (0, 0)
        return
    scaled = positive / positive.max()
    least, most = np.minimum(scaled, inside).sum(), np.maximum(scaled, inside).sum()
    assert iou == pytest.approx(least / most)
    assert dice == pytest.approx(2 * iou / (1 + iou))
    assert overlap(3 * values, inside) == pytest.approx((iou, dice))


def test_maps_that_fill_their_boxes_overlap_most(encoder):
    ball = phrase("ball", "ball", cell(0, 0, 1, 2))
    one = explained(encoder, sample("one", ball), {6: heat(r0c0=3, r0c1=3, r2c2=-9)})
    even = 2 / 9
    assert judged(SoftOverlap(), one) == {
        "soft_iou": [(1, pytest.approx(even))],
        "soft_dice": [(1, pytest.approx(2 * even / (1 + even)))],
    }
    one = explained(encoder, sample("one", ball), {6: heat(r0c0=4, r1c1=2)})
    assert judged(SoftOverlap(), one)["soft_iou"][0][0] == pytest.approx(1 / 2.5)


# Forced explanations


def test_what_is_left_for_a_wrong_caption(encoder):
    ledgers = [replace(NO_LEDGER, pairs=pairs) for pairs in (1.0, -2.0, 9.0)]
    foils = Foil("a cat"), Foil("a cup"), Foil(source=picture(1))
    one = explained(encoder, foiled(*foils), ledger=replace(NO_LEDGER, pairs=3.0))
    one = with_foils(one, *(({}, ledger) for ledger in ledgers))
    assert judged(ForcedExplanation(), one) == {
        "forced_explanation": [(0.25, 0.5), (0, 0.5), (0.75, 0.5)]
    }
    nothing = replace(one, pairs=explained(encoder, one.prepared.sample).pairs)
    nothing = with_foils(nothing, *(({}, ledger) for ledger in ledgers))
    found = [score.foil for score in ForcedExplanation().measure(nothing)]
    assert found == [0, 2]  # neither the second foil nor the caption has a sum above zero


# Margins


def tabled(foils, cosines):
    """Return a sample whose similarities are those of a table, by picture and caption."""

    def similarities(image, captions):
        return np.array([cosines[image, caption] for caption in captions])

    def foil(number):
        return foils[number].caption or "own", foils[number].source

    prepared = SimpleNamespace(
        sample=SimpleNamespace(foils=foils, caption="own"),
        encoder=SimpleNamespace(similarities=similarities),
        text="own",
        image="picture",
        foil=foil,
    )
    return SimpleNamespace(prepared=prepared)


def test_margins_of_captions_and_of_pictures():
    foils = Foil("near"), Foil("far"), Foil(source="elsewhere")
    cosines = {
        ("picture", "own"): 0.5,
        ("picture", "near"): 0.75,
        ("picture", "far"): 0.25,
        ("elsewhere", "own"): 0.125,
    }
    found = judged(Margin(), tabled(foils, cosines))
    assert found["margin"] == [(-0.25, 0), (0.25, 0), (0.375, 0)]
    assert found["margin_accuracy"] == [(0, 0.5), (1, 0.5), (1, 0.5)]
    assert found["above_all_foils"] == [(0, 1 / 4)]
    cosines["picture", "near"] = 0.5  # a tie is no win
    found = judged(Margin(), tabled(foils[:1], cosines))
    assert found == {"margin": [(0, 0)], "margin_accuracy": [(0, 0.5)]}
    assert judged(Margin(), tabled((), cosines)) == {}


@given(st.lists(st.integers(0, 3), min_size=4, max_size=4))
def test_winogrounds_scores_are_their_definitions(values):
    order = [(image, caption) for image in ("picture", "other") for caption in ("own", "theirs")]
    cosines = dict(zip(order, map(float, values), strict=True))
    (i0c0, i0c1, i1c0, i1c1) = values
    found = judged(Margin(), tabled((Foil("theirs", "other"),), cosines))
    text, image = i0c0 > i0c1 and i1c1 > i1c0, i0c0 > i1c0 and i1c1 > i0c1
    assert found == {
        "margin": [(i0c0 - i0c1, 0)],
        "margin_accuracy": [(i0c0 > i0c1, 0.5)],
        "text_score": [(text, 1 / 4)],
        "image_score": [(image, 1 / 4)],
        "group_score": [(text and image, 1 / 6)],
    }


# First-order baselines


def test_what_first_order_maps_lack_is_not_hidden(encoder):
    one = explained_by(encoder, sample("one", phrase("dog", "dog", cell(0, 0))), fp.GradECLIP())
    ledger = one.pairs.ledger
    residual = abs(ledger.similarity - ledger.pairs)
    assert judged(Completeness(), one) == {
        "completeness_residual": [(pytest.approx(residual), None)]
    }
    assert residual > 0.01
    assert ReferenceAgreement().measure(one) == ()  # it has no reference
    integrated = replace(one, method=fp.IntegratedGradients(steps=2))
    integrated = explained_by(encoder, one.prepared.sample, fp.IntegratedGradients(steps=2))
    (moved,) = ReferenceAgreement().measure(integrated)
    assert moved.metric == "agreement with reference: blurred"
    assert -1 <= moved.value < 1


# Through the front door

OPTIONS = {
    "methods": fp.GradientTimesInput(),
    "metrics": ["margin", "swapped_word", "class_sensitivity", "forced_explanation"],
    "progress": False,
}


@pytest.fixture(scope="module")
def dataset():
    dog = phrase("dog", "dog", cell(0, 0, 2, 2))
    return Dataset(
        "hard",
        [
            foiled(Foil("a cat and a red ball", kind="replace"), phrases=[dog], name="s0"),
            foiled(
                Foil("a red dog and a ball", kind="swap"),
                Foil("a ball and a red dog", picture(3), "swap"),
                Foil(source=picture(4)),
                name="s1",
                image=picture(2),
            ),
        ],
    )


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    return tmp_path_factory.mktemp("scores") / "scores.jsonl"


@pytest.fixture(scope="module")
def report(encoder, dataset, scores):
    return fp.evaluate(encoder, dataset, scores=scores, **OPTIONS)


def test_pairs_of_foils(encoder, dataset):
    """A caption is explained on the sample's picture, a picture by the sample's caption."""
    one = explained_by(encoder, dataset[1], fp.GradientTimesInput(), name="one")
    expected = [
        (picture(2), "a red dog and a ball"),
        (picture(2), "a ball and a red dog"),
        (picture(4), CAPTION),
    ]
    for pairs, (image, caption) in zip(one.foil_pairs, expected, strict=True):
        alone = fp.attribute(encoder, image, caption, "gradient_times_input")
        np.testing.assert_allclose(pairs.matrix, alone.matrix, rtol=0, atol=1e-6)
        assert pairs.about == alone.about
    released: list[bool] = []
    vars(one)["foil_pairs"] = (SimpleNamespace(release=lambda: released.append(True)),)
    one.release()
    assert released == [True]


def test_what_is_measured_unless_one_chooses(dataset):
    plain = sample("one", phrase("dog", "dog", cell(0, 0)))
    bare = foiled(Foil("a cat"))
    of_foils = ("margin", "swapped_word", "completeness")
    of_phrases = ("pointing_game", "pointing_energy", "completeness")
    for samples, expected in (
        ([bare], of_foils),
        (dataset.samples, (*of_foils, *of_phrases[:2])),
        ([plain], of_phrases),
        ([sample("one")], of_phrases),
    ):
        assert _default_metrics(Dataset("mine", samples)) == expected


def test_margins_are_those_of_the_ledgers(encoder, dataset, report):
    frame = report.to_dataframe()
    margins = frame[frame["metric"] == "margin"]
    first, second = dataset

    def similarity(image, caption):
        return fp.attribute(encoder, image, caption, "gradient_times_input").ledger.similarity

    expected = [
        *(
            similarity(one.source, one.caption) - similarity(one.source, foil.caption)
            for one, foil in ((first, first.foils[0]), *((second, f) for f in second.foils[:2]))
        ),
        similarity(second.source, CAPTION) - similarity(picture(4), CAPTION),
    ]
    assert margins["value"].tolist() == pytest.approx(expected, abs=1e-6)
    assert margins["label"].tolist() == ["replace", "swap", "swap", "foil"]
    captions = [first.foils[0].caption, *(foil.caption for foil in second.foils)]
    assert [None if caption != caption else caption for caption in margins["foil"]] == captions
    forced = frame[frame["metric"] == "forced_explanation"]
    sums = [
        max(0.0, fp.attribute(encoder, image, caption, "gradient_times_input").ledger.pairs)
        for image, caption in (
            (first.source, CAPTION),
            (first.source, first.foils[0].caption),
        )
    ]
    if sum(sums):
        assert forced["value"].iloc[0] == pytest.approx(sums[1] / sum(sums), abs=1e-6)


def test_a_report_shows_foils_by_their_kind(report):
    assert report.labels == ("foil", "replace", "swap")
    table = report.classes("margin")
    assert table.columns[:3] == ("class", "foils", "margin")
    assert {row[0]: row[1] for row in table.rows} == {"foil": 1, "replace": 1, "swap": 2}
    assert "Means over all phrases, foils or samples." in repr(report)
    assert "1 of 2" not in report._repr_html_()
    worst = report.worst(9, "margin")
    assert [type(one) for one in worst] == [ScoredFoil] * 4
    values = [one.value for one in worst]
    assert values == sorted(values)
    titles = report.browse(9, "margin", label="swap").titles
    assert any(title.startswith(f"“{CAPTION}”, not “a red dog and a ball”: ") for title in titles)
    (elsewhere,) = report.worst(label="foil")
    assert elsewhere.title == f"“{CAPTION}”, on another picture"
    same = report.change(report, "margin")
    assert same.rows[-1][:2] == ("all classes", 4)
    assert same.rows[-1][4] == 0
    page = report_page("one & two", report.comparison(), None, worst)
    assert "<h1>Are captions told from their foils?</h1>" in page
    assert "<p>one &amp; two</p>" in page


def test_a_foil_opens_as_a_contrast_with_its_changed_words_pinned(report):
    (replaced,) = report.worst(1, "margin", label="replace")
    assert (replaced.label, replaced.foil.caption) == ("replace", "a cat and a red ball")
    pairs = replaced.pairs()
    assert pairs.ledger.similarity == pytest.approx(replaced.value, abs=1e-6)
    view = replaced.widget()
    pinned = [pairs.rows.features[number].label for number in view.selected_rows]
    assert pinned == ["dog", "cat"]
    view.close()
    (elsewhere,) = report.worst(1, "margin", label="foil")
    assert elsewhere.pairs().ledger.similarity == pytest.approx(elsewhere.value, abs=1e-6)


def test_scores_of_foils_are_resumed_and_damage_is_told(encoder, dataset, report, scores):
    again = fp.evaluate(encoder, dataset, scores=scores, **OPTIONS)
    assert again.scores().rows == report.scores().rows
    lines = scores.read_text().splitlines()
    entry = json.loads(lines[1])
    assert {score.get("foil") for score in entry["scores"]} == {0}
    entry["scores"][0]["foil"] = "0"
    damaged = scores.with_name("damaged.jsonl")
    damaged.write_text("\n".join([lines[0], json.dumps(entry), ""]))
    with pytest.raises(fp.InputError, match="damaged in line 2"):
        fp.evaluate(encoder, dataset, scores=damaged, **OPTIONS)


def test_a_foil_that_cannot_be_read_is_told_and_the_rest_is_measured(encoder, dataset):
    broken = Dataset("mine", [*dataset.samples, foiled(Foil(" "), name="s2")])
    found = fp.evaluate(encoder, broken, methods="occlusion", metrics="margin", progress=False)
    assert [one.sample for one in found.skipped] == ["s2"]
    assert found.summary("margin").count == 4
