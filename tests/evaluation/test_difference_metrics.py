"""Metrics of differences, on planted maps and against the definition written out."""

from dataclasses import replace

import numpy as np
import pytest

import fpattr_widget as fp
from fpattr_widget.evaluation import Dataset, Phrase, Sample
from fpattr_widget.evaluation._explained import ExplainedSample, PreparedSample
from fpattr_widget.evaluation.metrics import (
    DifferencePointing,
    DifferenceSign,
    Order,
    PointingGame,
    ReferenceAgreement,
)
from tests.helpers.planted import NO_LEDGER, cell, explained_by, phrase, picture, sample
from tests.helpers.recorded import like, recorded

CAPTION = "a red dog and a ball"
RED_DOG, BALL = (1, 2, 3), (5, 6)  # with their articles
CONTENTS = (0, 9), (14, 20)
ORDERS = "a ball and a red dog"


def two(name: str = "two", *phrases: Phrase, contents=CONTENTS, caption: str = CAPTION) -> Sample:
    return Sample(name, picture(1), caption, phrases, picture(2), contents)


def named(words: str, label: str, part: int, *boxes) -> Phrase:
    return replace(phrase(words, label, *boxes, caption=CAPTION), picture=part)


def planted(encoder, one: Sample, maps) -> ExplainedSample:
    """Return a sample as if its pairs were these maps of tokens, one for each picture."""
    real = explained_by(encoder, one, fp.Occlusion())
    values = np.zeros((len(real.pairs.rows.features), 2 * (1 + 9)), np.float32)
    values[:, [0, 10]] = 99  # special positions, which no map shows
    for token, both in maps.items():
        values[token, 1:10], values[token, 11:] = np.reshape(both, (2, 9))
    return replace(real, pairs=like(real.pairs, recorded(values, NO_LEDGER)))


def by_name(metric, one: ExplainedSample) -> dict[str, list[tuple[float, float | None]]]:
    found: dict[str, list[tuple[float, float | None]]] = {}
    for score in metric.measure(one):
        found.setdefault(score.metric, []).append((score.value, score.chance))
    return found


def spot(row: int, column: int, value: float = 1.0) -> np.ndarray:
    heat = np.zeros((3, 3))
    heat[row, column] = value
    return heat


def test_a_phrase_points_where_its_own_picture_is_positive(encoder):
    """The dog in the first picture's corner; the ball in the second's, and not in the first's."""
    corner = cell(0, 0)
    one = two("two", named("red dog", "exchange", 0, corner), named("ball", "exchange", 1, corner))
    dog = spot(0, 0), spot(0, 0, -5)
    ball = spot(0, 0, -2), spot(0, 0, 3) + spot(2, 2, 1)
    found = by_name(DifferencePointing(), planted(encoder, one, {2: dog, 3: dog, 6: ball}))
    assert found["difference_pointing"] == found["clause_pointing"] == [(1, 1 / 18), (1, 1 / 18)]
    assert found["difference_energy"] == found["clause_energy"] == [(1, 1 / 18), (3 / 4, 1 / 18)]
    assert found["first_clause_energy"] == found["second_clause_energy"] == [(1, 0.5)]
    # A model of captions has the ball's patch in the second picture speak against the difference.
    dog, ball = (spot(1, 1), spot(0, 0, 2)), (spot(2, 2), spot(0, 0, -3))
    found = by_name(DifferencePointing(), planted(encoder, one, {2: dog, 6: ball}))
    assert [value for value, _ in found["difference_pointing"]] == [0, 0]
    assert [value for value, _ in found["difference_energy"]] == [0, 0]
    assert found["first_clause_energy"] == [(pytest.approx(1 / 3), 0.5)]
    assert found["second_clause_energy"] == [(0, 0.5)]


def test_a_clause_has_the_word_that_turns_the_sign(encoder):
    """``and`` stands for ``instead of``: it belongs to the second clause, the ball's."""
    one = two("two", named("dog", "size", 0, cell(0, 0)), named("ball", "size", 1, cell(1, 1)))
    ball, turned = (np.zeros((3, 3)), spot(1, 1, -1)), (spot(2, 0), spot(1, 1, 5))
    found = by_name(DifferencePointing(), planted(encoder, one, {4: turned, 6: ball}))
    assert found["difference_pointing"][1][0] == pytest.approx(0)
    assert found["difference_energy"][1][0] == 0
    assert found["clause_pointing"][1][0] == 1
    assert found["clause_energy"][1][0] == pytest.approx(4 / 5)
    assert found["second_clause_energy"][0][0] == pytest.approx(4 / 5)
    assert found["first_clause_energy"][0][0] == 0


def test_ties_are_shared_and_sentences_may_have_no_clauses(encoder):
    one = two("two", named("dog", "size", 0, cell(0, 0, 3, 1)))
    flat = planted(encoder, one, {3: np.ones((2, 9)), 1: (spot(0, 0, 18), np.zeros((3, 3)))})
    found = by_name(DifferencePointing(), flat)
    assert found["difference_pointing"] == [(pytest.approx(3 / 18), pytest.approx(3 / 18))]
    assert found["first_clause_energy"] == [(pytest.approx((18 + 9) / 36), 0.5)]
    assert found["second_clause_energy"] == [(0, 0.5)]  # no word of it has a value
    bare = replace(one, contents=())
    found = by_name(DifferencePointing(), planted(encoder, bare, {}))
    assert set(found) == {"difference_pointing", "difference_energy"}


def test_the_sign_is_that_of_the_cosine_with_the_difference_of_embeddings(encoder):
    told = {CAPTION: CONTENTS, ORDERS: ((0, 6), (11, 20)), "a dog": (), "red ball and red": ()}
    signs = set()
    for number, (caption, contents) in enumerate(told.items()):
        one = Sample("two", picture(number), caption, (), picture(number + 9), contents)
        apart = np.subtract(*encoder.embed_image([one.source, one.second]).astype(float))
        texts = encoder.embed_text([caption, ORDERS if caption == CAPTION else CAPTION])
        score, turned = texts.astype(float) @ apart / np.linalg.norm(apart)
        explained = explained_by(encoder, one, fp.Occlusion())
        assert by_name(DifferenceSign(), explained) == {"difference_sign": [(score > 0, 0.5)]}
        order = {"order": [(score * turned < 0, 0.5)]} if contents else {}
        assert by_name(Order(), explained) == order
        similarity = explained.pairs.ledger.similarity
        assert similarity == pytest.approx(texts[0] @ apart, abs=1e-6)
        signs.add(score > 0)
    assert len(signs) == 2
    same = Sample("same", picture(1), CAPTION, second=picture(1), contents=CONTENTS)
    explained = explained_by(encoder, same, fp.Occlusion())
    assert by_name(DifferenceSign(), explained) == {"difference_sign": [(0.5, 0.5)]}
    assert by_name(Order(), explained) == {"order": [(0, 0.5)]}


@pytest.mark.parametrize(("turns", "value"), [(-1, 1), (1, 0), (0, 0)])
def test_order_asks_for_the_exchanged_sentence(encoder, monkeypatch, turns, value):
    explained = explained_by(encoder, two(), fp.Occlusion())
    asked = []

    def contrast(_prepared, captions):
        asked.extend(captions)
        return np.array([-0.2, -0.2 * turns])[: len(captions)]

    monkeypatch.setattr(PreparedSample, "contrast", contrast)
    assert by_name(Order(), explained) == {"order": [(value, 0.5)]}
    assert asked == [CAPTION, ORDERS]
    asked.clear()
    assert by_name(DifferenceSign(), explained) == {"difference_sign": [(0, 0.5)]}


def test_each_metric_says_how_many_pictures_it_needs(encoder):
    pair, single = (
        explained_by(encoder, one, fp.Occlusion())
        for one in (two("two", named("dog", "dog", 0, cell(0, 0))), sample())
    )
    for metric in (DifferencePointing(), DifferenceSign()):
        with pytest.raises(fp.InputError, match="the sample has one"):
            metric.measure(single)
    for metric in (PointingGame(), ReferenceAgreement()):
        with pytest.raises(fp.InputError, match="the sample is a difference of two"):
            metric.measure(pair)


def test_differences_are_evaluated_by_their_own_metrics(encoder):
    phrases = named("dog", "size", 0, cell(0, 0)), named("ball", "place", 1, cell(1, 1))
    dataset = Dataset("set", [two(f"s{number}", *phrases) for number in range(2)])
    report = fp.evaluate(encoder, dataset, methods="occlusion", progress=False)
    assert not report.skipped
    assert set(report.metrics) == {
        "difference_sign",
        "order",
        "difference_pointing",
        "difference_energy",
        "clause_pointing",
        "clause_energy",
        "first_clause_energy",
        "second_clause_energy",
        "completeness_residual",
    }
    assert report.labels == ("place", "size")
    view = report.worst(1, "difference_energy", label="place")[0].widget()
    first, second = (panel.picture for panel in view.pairs.columns.panels)
    plain = report.worst(1, "difference_energy", label="place")[0].pairs().columns.panels
    assert np.array_equal(first, plain[0].picture)
    assert not np.array_equal(second, plain[1].picture)  # outlined
    assert view.selected_rows == [6]
    view.close()
