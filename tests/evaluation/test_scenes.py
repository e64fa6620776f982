"""Scenes as a data set: the same each time, true, and never drawn in training."""

import pickle

import numpy as np
import pytest
from PIL import Image

import fpattr_widget as fp
from fpattr_widget.evaluation.datasets import examples, scenes
from fpattr_widget.evaluation.datasets._sprites import load_sprites
from fpattr_widget.scenes import KINDS, Kind, Scene, Sprites, example_names, render


@pytest.fixture(scope="module")
def drawn():
    return scenes(40)


def test_every_object_is_named_where_it_stands(drawn):
    assert len(drawn) == 40
    assert len({sample.caption for sample in drawn}) == 40
    assert len({sample.name for sample in drawn}) == 40
    counts = set()
    for sample in drawn:
        objects = sample.source.scene.objects
        counts.add(len(objects))
        found = set()
        for phrase in sample.phrases:
            kind = KINDS[phrase.label]
            assert sample.caption[phrase.start : phrase.stop] == (
                kind.name if len(phrase.boxes) == 1 else kind.plural
            )
            assert all(0 <= edge <= 1 for box in phrase.boxes for edge in box)
            found |= {(phrase.label, box) for box in phrase.boxes}
        assert found == {(thing.kind, thing.box) for thing in objects}
    assert counts == {2, 3, 4}


def test_pictures_are_drawn_when_asked_for_and_in_another_process(drawn):
    sample = drawn[0]
    picture = sample.image
    assert picture.size == (128, 128)
    again = pickle.loads(pickle.dumps(sample)).image
    assert np.array_equal(picture, again)
    assert np.array_equal(picture, render(sample.source.scene, Sprites(), 128))
    empty = render(Scene((), sample.source.scene.ground, sample.source.scene.texture), Sprites())
    assert not np.array_equal(picture, empty)


def test_a_seed_says_which_scenes(drawn):
    assert scenes(40).fingerprint() == drawn.fingerprint()
    assert scenes(40, seed=1).fingerprint() != drawn.fingerprint()
    # Numbers of an older version: reports stay comparable.
    assert drawn[0].caption == "a clock, a pineapple with scissors"
    assert drawn[0].phrases[0].boxes[0][0] == pytest.approx(0.3222589888878674)


def test_kinds_and_objects_are_those_asked_for():
    found = scenes(30, kinds=["penguin", KINDS["tractor"], "snake"], objects=[2])
    assert set(found.labels) == {"penguin", "tractor", "snake"}
    assert {len(sample.source.scene.objects) for sample in found} == {2}
    crowded = scenes(1500, objects=[4])  # about four of which lacked the room
    assert {len(sample.source.scene.objects) for sample in crowded} == {4}
    assert scenes(3, kinds="dog", objects=np.array([1])).labels == ("dog",)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"number": 0}, "`number` is 0"),
        ({"number": 2.5}, "`number` is 2.5"),
        ({"number": True}, "`number` is True"),
        ({"seed": -1}, "`seed` is -1"),
        ({"objects": []}, r"`objects` is \[\]"),
        ({"objects": 3}, "`objects` is 3"),
        ({"objects": [5]}, r"`objects` is \[5\]"),
        ({"objects": [0, 1]}, "`objects` is 0"),
        ({"kinds": ["dog", "unicorn"]}, "`kinds` has 'unicorn'"),
        ({"kinds": [Kind("dog", "dogs", "a", "0")]}, "`kinds` has Kind"),
        ({"kinds": 3}, "`kinds` is 3"),
        ({"kinds": [3]}, "`kinds` has 3"),
        ({"kinds": ["dog", "cat", "cat"]}, "`kinds` has 2, too few for scenes of 4"),
        ({"number": 5000, "kinds": ["dog"], "objects": [1]}, "only [0-9]+ different captions"),
    ],
)
def test_wrong_arguments_are_refused(options, message):
    with pytest.raises(fp.InputError, match=message):
        scenes(**{"number": 2, **options})


def test_sprites_come_from_a_folder(tmp_path, monkeypatch):
    with pytest.raises(fp.InputError, match="`sprites`"):
        scenes(2, sprites=tmp_path / "none")
    with pytest.raises(fp.InputError, match=r"`sprites` has no file '1f415\.webp'"):
        scenes(2, sprites=tmp_path)
    (tmp_path / "1f415.webp").write_text("no image")
    with pytest.raises(fp.InputError, match="`sprites` cannot be read"):
        scenes(2, sprites=tmp_path)
    for kind in KINDS.values():
        Image.new("RGBA", (4, 4), "red").save(tmp_path / f"{kind.sprite}.webp", lossless=True)
    monkeypatch.chdir(tmp_path.parent)
    found = scenes(2, sprites=tmp_path.name)
    left, top, right, bottom = found[0].phrases[0].boxes[0]
    middle = (int((left + right) * 64), int((top + bottom) * 64))
    monkeypatch.chdir("/")
    load_sprites.cache_clear()  # as in another process
    assert found[0].image.getpixel(middle) == (255, 0, 0)


def test_the_examples():
    found = examples()
    assert [sample.name for sample in found] == example_names()
    for sample in found:
        picture = pickle.loads(pickle.dumps(sample)).image
        assert picture.size == (384, 384)
        assert sample.phrases
        for phrase in sample.phrases:
            words = sample.caption[phrase.start : phrase.stop]
            assert words in (KINDS[phrase.label].name, KINDS[phrase.label].plural)
    by_name = {sample.name: sample for sample in found}
    assert len(by_name["two-apples"].phrases[0].boxes) == 2
    # There is no horse in it.
    assert [phrase.label for phrase in by_name["wrong-word"].phrases] == ["car"]
