"""Pairs of wordings, and the pictures that both are to find."""

import pickle

import pytest

import fpattr_widget as fp
from fpattr_widget.evaluation import Paraphrase, Paraphrases, Problem


@pytest.fixture
def pairs():
    items = [
        Paraphrase("a dog", "there is a dog", "first", lambda: "opened", (((2, 5), (11, 14)),)),
        Paraphrase("a big cat", "a large cat", "first", "cat.png"),
        Paraphrase("two hens", "2 hens"),
    ]
    return Paraphrases("mine", items, {"dog": len, "cat": "cat.png"}, [Problem("f", "1", "is")])


def test_pairs_keep_their_gallery_whatever_is_taken_of_them(pairs):
    assert len(pairs) == 3
    assert repr(pairs) == "Paraphrases('mine', 3 pairs, 2 images, 1 problems)"
    assert pairs.queries == ("a dog", "a big cat", "two hens")
    assert pairs.paraphrases == ("there is a dog", "a large cat", "2 hens")
    assert pairs.clusters == ("first", "first", "two hens")  # without a group, the query
    for some in (pairs[1:], pairs.shuffled(3)):
        assert [(image.name, image.source) for image in some.images] == [
            ("dog", len),
            ("cat", "cat.png"),
        ]
        assert (some.name, some.problems) == (pairs.name, pairs.problems)
    assert pairs[1:].items == pairs.items[1:]
    assert set(pairs.shuffled(3)) == set(pairs)
    assert pairs.shuffled(3).items == pairs.shuffled(3).items != pairs.items
    assert pickle.loads(pickle.dumps(pairs[1:])).items == pairs[1:].items


def test_a_picture_is_opened_when_it_is_asked_for(pairs):
    assert pairs[0].image == "opened"
    assert pairs[1].image == "cat.png"
    assert pairs[2].image is None
    assert pairs.images[1].image == "cat.png"


@pytest.mark.parametrize(
    ("wordings", "aligned", "argument"),
    [
        ((" ", "a dog"), (), "query"),
        (("a dog", ""), (), "paraphrase"),
        (("a dog", "the dog"), (((2, 5), (4, 8)),), "aligned"),
        (("a dog", "the dog"), (((2, 2), (4, 7)),), "aligned"),
    ],
)
def test_what_is_no_pair_of_wordings_is_refused(wordings, aligned, argument):
    with pytest.raises(fp.InputError) as raised:
        Paraphrase(*wordings, aligned=aligned)
    assert raised.value.argument == argument
