"""Pairs of scenes that differ in one thing: the sentences are true, and false the other way."""

import pickle

import numpy as np
import pytest

import fpattr_widget as fp
from fpattr_widget.evaluation import Dataset, Phrase, Sample
from fpattr_widget.evaluation.datasets import differences, scenes
from fpattr_widget.scenes import CHANGES, GROUNDS, KINDS, Scene, example

PLURALS = {kind.plural: kind.name for kind in KINDS.values()}
NUMBERS = {"two": 2, "three": 3}
PLACES = {
    "on the left": lambda x, y: x < 0.5,
    "on the right": lambda x, y: x > 0.5,
    "at the top": lambda x, y: y < 0.5,
    "at the bottom": lambda x, y: y > 0.5,
}


@pytest.fixture(scope="module")
def drawn() -> Dataset:
    return differences(240)


def is_true(words: str, scene: Scene) -> bool:
    """Judge what is said of a scene by the words alone."""
    if words in GROUNDS.values():
        return GROUNDS[scene.ground] == words
    place = next((place for place in PLACES if words.endswith(place)), None)
    rest = words.removesuffix(place or "").split()
    name = PLURALS.get(rest[-1], rest[-1]) if rest[0] in NUMBERS else rest[-1]
    found = [thing for thing in scene.objects if thing.kind == name]
    if rest[0] == "no":
        return not found
    count = NUMBERS.get(rest[0], 1)
    if {"big", "large"} & set(rest):
        found = [thing for thing in found if thing.extent >= 0.4]
    if {"small", "little"} & set(rest):
        found = [thing for thing in found if thing.extent < 0.25]
    if place:
        found = [thing for thing in found if PLACES[place](*thing.centre)]
    return len(found) == count


def test_what_is_said_of_each_picture_is_true_of_it_and_false_of_the_other(drawn):
    assert len(drawn) == 240
    for sample in drawn:
        pictures = [sample.source.scene, sample.second.scene]
        told = [sample.caption[start:stop] for start, stop in sample.contents]
        for words, own, other in zip(told, pictures, pictures[::-1], strict=True):
            assert is_true(words, own)
            assert not is_true(words, other)
        first, second = told
        verb = "is" if sample.name.startswith("ground") else "has"
        clauses = f"the first picture {verb} {first}, while the second picture {verb} {second}"
        assert sample.caption in (f"{first} instead of {second}", clauses)


def test_pictures_differ_in_one_thing_and_phrases_say_where(drawn):
    assert {sample.name.split("-")[0] for sample in drawn} == set(CHANGES)
    for sample in drawn:
        first, second = sample.source.scene, sample.second.scene
        change = sample.name.split("-")[0]
        assert (first.ground == second.ground) is (change != "ground")
        assert first.texture == second.texture
        changed = [set(one.objects) - set(two.objects)
                   for one, two in ((first, second), (second, first))]  # fmt: skip
        most = {"presence": (1, 0), "ground": (0, 0), "number": (2, 0)}.get(change, (1, 1))
        assert sorted(map(len, changed), reverse=True) <= list(most)
        for phrase in sample.phrases:
            assert phrase.label == change
            scene = (first, second)[phrase.picture]
            boxes = {thing.box for thing in scene.objects}
            assert set(phrase.boxes) <= boxes
            assert {thing.box for thing in changed[phrase.picture]} <= set(phrase.boxes)
            start, stop = sample.contents[phrase.picture]
            assert start <= phrase.start < phrase.stop == stop
            words = sample.caption[phrase.start : phrase.stop].split()
            assert words[0] not in ("a", "an", "no")
        pictures = {phrase.picture for phrase in sample.phrases}
        assert len(pictures) == {"ground": 0, "presence": 1}.get(change, 2)


def test_both_pictures_are_drawn_and_travel(drawn):
    sample = pickle.loads(pickle.dumps(drawn[0]))
    first, second = np.asarray(sample.image, int), np.asarray(sample.second_image, int)
    differing = np.abs(first - second).max(2) > 12
    inside = np.zeros_like(differing)
    for phrase in sample.phrases:
        for left, top, right, bottom in np.array(phrase.boxes) * 128:
            inside[int(top) - 1 : int(bottom) + 2, int(left) - 1 : int(right) + 2] = True
    assert differing.any()
    assert not (differing & ~inside).any()


def test_training_and_evaluation_share_no_change_of_the_same_things(drawn):
    def contents(dataset: Dataset) -> set[tuple[str, frozenset[str]]]:
        return {
            (sample.name.split("-")[0], frozenset(words))
            for sample in dataset
            for words in [
                {PLURALS.get(word, word) for word in sample.caption.split(",")[0].split()
                 + sample.caption.replace(",", "").split()} & (set(KINDS) | {"grass", "sand",
                 "snow", "water", "sky", "night", "road"})
            ]
        }  # fmt: skip

    trained = contents(differences(900, withheld=False, seed=1))
    assert not contents(drawn) & trained
    # The same things are shown, but for other changes.
    assert {kinds for _, kinds in contents(drawn)} & {kinds for _, kinds in trained}


def test_scenes_can_be_passed(drawn):
    own = scenes(12)
    found = differences(own, changes="exchange", wordings="instead", kinds=["penguin", "snake"])
    assert len(found) == 12
    for before, after in zip(own, found, strict=True):
        assert before.source.scene in (after.source.scene, after.second.scene)
        assert " instead of " in after.caption
        assert {"penguin", "snake"} & set(after.caption.split())
    assert (
        differences([s.source.scene for s in own], seed=3).fingerprint()
        == differences(own, seed=3).fingerprint()
    )
    assert differences(240).fingerprint() == drawn.fingerprint()
    assert differences(240, seed=1).fingerprint() != drawn.fingerprint()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scenes": 0}, "`scenes` is 0"),
        ({"scenes": 2.5}, "`scenes` is 2.5"),
        ({"scenes": []}, r"`scenes` is \[\]"),
        ({"scenes": "dog"}, "`scenes` holds 'd', which is no drawn scene"),
        ({"scenes": [example("farm")]}, "which is no drawn scene"),
        ({"changes": []}, "`changes` is empty"),
        ({"changes": ["exchange", "colour"]}, "`changes` is 'colour'"),
        ({"wordings": "riddle"}, "`wordings` is 'riddle'"),
        ({"kinds": ["dog"], "objects": [1], "changes": "exchange"}, "of which 200 scenes allow"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(fp.InputError, match=message):
        differences(**{"scenes": 2, **arguments})


def test_a_sample_of_two_pictures_is_checked_and_others_keep_their_fingerprint():
    one = Sample("one", "a.png", "a dog", (Phrase(2, 5, "dog", ((0.0, 0.0, 1.0, 1.0),)),))
    # Of the version that knew no second picture.
    expected = "da827be8000ea5e29e16d6afb5d6b149"
    assert Dataset("set", [one]).fingerprint()[:32] == expected
    two = Sample(
        "two", "a.png", "a dog instead of a cat", second="b.png", contents=((0, 5), (17, 22))
    )
    assert two.second_image == "b.png"
    assert one.second_image is None
    others = [
        two,
        Sample("two", "a.png", two.caption, second="b.png"),
        Sample("two", "a.png", two.caption),
    ]
    kept = {Dataset("set", [sample]).fingerprint() for sample in others}
    assert len(kept) == 3
    with pytest.raises(fp.InputError, match="`contents` of 'two' is"):
        Sample("two", "a", two.caption, second="b", contents=((17, 22), (0, 5)))
    with pytest.raises(fp.InputError, match="`contents` of 'two' holds characters 17 to 99"):
        Sample("two", "a", two.caption, second="b", contents=((0, 5), (17, 99)))
    with pytest.raises(fp.InputError, match="`second` of 'two' is missing"):
        Sample("two", "a", two.caption, contents=two.contents)
    with pytest.raises(fp.InputError, match="`picture` of 'dog' is 2"):
        Phrase(2, 5, "dog", (), 2)
