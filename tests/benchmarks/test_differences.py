"""The benchmark of differences counts right."""

import numpy as np
import pytest

import fpattr_widget as fp
from fpattr_widget.scenes import TRAINED_KINDS
from tests.benchmarks.differences import (
    by_change,
    comparative,
    confused,
    contents,
    in_known_words,
    right,
    signs,
)


def test_prompts_move_by_what_sets_kinds_apart():
    prompts, told = np.eye(3, 4), np.eye(1, 4, 3)
    moved = comparative(prompts, [(0, 2)], told, 0.75)
    expected = 0.75 * prompts[2] + 0.25 * (prompts[0] - told[0])
    np.testing.assert_allclose(moved[2], expected / np.linalg.norm(expected))
    np.testing.assert_array_equal(moved[:2], prompts[:2])
    # Of several the mean; and with all the weight on its own prompt a kind stays.
    both = comparative(prompts, [(0, 2), (1, 2)], np.zeros((2, 4)), 0.5)
    np.testing.assert_allclose(both[2], np.array([1, 1, 2, 0]) / 6**0.5)
    np.testing.assert_allclose(comparative(prompts, [(0, 2)], told, 1.0), prompts)


def test_kinds_are_confused_both_ways():
    names = [kind.name for kind in TRAINED_KINDS]
    scores = np.eye(len(names))[[3, 5, 3, 5, 8, 8]]
    shown = [names[number] for number in (5, 3, 5, 5, 9, 8)]
    assert confused(scores, shown, 1) == [(3, 5), (5, 3)]
    assert confused(scores, shown, 5) == [(3, 5), (5, 3), (8, 9), (9, 8)]


def test_sentences_are_read_and_signs_counted():
    dataset = fp.datasets.differences(12)
    assert right(np.array([0.2, -0.1, 0.0])).tolist() == [1, 0, 0.5]
    for sample in dataset:
        first, second = contents(sample)
        known = in_known_words(sample.caption)
        assert first in known
        assert known.endswith(second)
        assert not {"first", "second", "instead", "while"} & set(known.split())
    first = np.array([sample.name.startswith("size") for sample in dataset], float)
    found = by_change(dataset, first)
    assert found["size"]["mean"] == 1
    assert found["place"]["mean"] == 0
    assert found["all"] == {"mean": pytest.approx(2 / 12, abs=1e-4), "count": 12} | {
        key: found["all"][key] for key in ("low", "high")
    }
    encoder = fp.load_encoder("scenes")
    said = signs({"model": encoder}, 12)["signs"]["model"]
    assert said["first less second"]["all"]["mean"] > 0.9
    # Of embeddings turned round, nearly none is right.
    embed = encoder.embed_text
    encoder.embed_text = lambda captions: -embed(captions)
    said = signs({"model": encoder}, 12)["signs"]["model"]
    assert said["first less second"]["all"]["mean"] < 0.1
