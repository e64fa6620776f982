"""The benchmark of paraphrases counts right."""

import numpy as np
import pytest

import fpattr_widget as fp
from fpattr_widget.training import paraphrases as training
from tests.benchmarks.paraphrases import SETS, Questions, agreement, before_and_after, wordings_of


class Planted:
    """Embeds captions as it was told to."""

    def __init__(self, vectors: dict[str, list[float]]):
        self.vectors = vectors

    def embed_text(self, captions: list[str]) -> np.ndarray:
        return np.array([self.vectors[caption] for caption in captions], np.float32)


def test_agreement_is_of_the_rankings_of_both_wordings():
    encoder = Planted({"one": [1, 0, 0], "other": [0, 1, 0], "far": [-1, 0, 0]})
    gallery = np.array([[0.9, 0.1, 0], [0.5, 0.6, 0], [0.1, 0.9, 0], [-1, 0.2, 0]], np.float32)
    pairs = [("one", "other"), ("one", "one"), ("one", "far")]
    found = agreement(encoder, pairs, [0, 0, 3], gallery)  # 0 1 2 3, and 2 1 3 0, and 3 2 1 0
    first = (0 + 1 / 2 + 2 / 3 + 1) / 4
    last = (0 + 0 + 2 / 3 + 1) / 4
    assert found["average overlap"] == pytest.approx([first, 1, last])
    assert found["jaccard"] == [1, 1, 1]  # all four are among the first ten
    assert found["query finds its picture"] == [1, 1, 0]
    assert found["paraphrase finds its picture"] == [0, 1, 1]


def test_sets_are_of_wordings_and_kinds_that_were_trained_or_not():
    assert len(SETS) == 4
    for name, (rewrites, kinds) in SETS.items():
        trained = "trained wordings" in name
        assert set(training.WITHHELD_REWRITES).isdisjoint(rewrites) == trained
        assert ("trained kinds" in name) == set(training.WITHHELD_KINDS).isdisjoint(kinds)
    drawn = fp.datasets.scene_paraphrases(3, wordings=2, seed=11)
    pairs, own = wordings_of(drawn)
    assert own == sorted(own)
    assert set(own) == {0, 1, 2}
    assert pairs[-1] == (drawn[-1].query, drawn[-1].paraphrase)


def test_questions_are_answered_by_the_model_that_is_asked(scenes_encoder):
    questions = Questions(scenes_encoder, 10, seed=11)
    found = questions.asked(scenes_encoder)
    assert min(np.mean(values) for values in found.values()) >= 0.8
    assert len(found["one word exchanged"]) == len(found["kinds"]) == 10

    class Turned:
        def embed_text(self, captions):
            return -scenes_encoder.embed_text(captions)

    turned = questions.asked(Turned())
    assert max(np.mean(values) for values in turned.values()) <= 0.2


def test_gains_are_on_the_first_and_of_pairs():
    found = {"before": {"overlap": [0.0, 1, 0, 1]}, "after": {"overlap": [1.0, 1, 0, 1]}}
    kept = before_and_after(found, groups=[0, 1, 2, 2])
    assert kept["before"]["overlap"]["mean"] == 0.5
    gained = kept["gained"]["after"]["overlap"]
    assert gained["mean"] == 0.25
    assert gained["low"] < 0.25 < gained["high"]
    assert "values" not in gained
