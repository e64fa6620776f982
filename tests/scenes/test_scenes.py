"""Scenes: the boxes are true, the captions are true, contradictions are not."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fpattr_widget.scenes import (
    KINDS,
    TRAINED_KINDS,
    WITHHELD_KINDS,
    Scene,
    Sprites,
    contradict,
    describe,
    example,
    example_names,
    held_out,
    render,
    sample_scene,
)
from fpattr_widget.scenes._captions import locate, misplace
from fpattr_widget.scenes._layout import GROUNDS, join, mirror, sample_quarters
from fpattr_widget.scenes._render import render_joined
from fpattr_widget.training._model import new_tokenizer


@pytest.fixture(scope="module")
def sprites() -> Sprites:
    return Sprites()


@settings(deadline=None, max_examples=30, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**31))
def test_an_object_is_drawn_in_its_box_and_nowhere_else(sprites, seed):
    scene = sample_scene(np.random.default_rng(seed), sprites.aspect_ratios, count=1)
    empty = Scene((), scene.ground, scene.texture)
    difference = np.abs(
        np.asarray(render(scene, sprites, 128), int) - np.asarray(render(empty, sprites, 128), int)
    ).max(axis=2)
    y, x = np.nonzero(difference > 12)
    left, top, right, bottom = (edge * 128 for edge in scene.objects[0].box)
    assert x.min() == pytest.approx(left, abs=4)
    assert x.max() + 1 == pytest.approx(right, abs=4)
    assert y.min() == pytest.approx(top, abs=4)
    assert y.max() + 1 == pytest.approx(bottom, abs=4)


def test_the_ground_does_not_depend_on_the_objects(sprites):
    """Each ground is as likely under each kind."""
    generator = np.random.default_rng(0)
    scenes = [sample_scene(generator, sprites.aspect_ratios, count=1) for _ in range(6000)]
    kinds = [kind.name for kind in TRAINED_KINDS]
    grounds = sorted({scene.ground for scene in scenes})
    table = np.zeros((len(kinds), len(grounds)))
    for scene in scenes:
        table[kinds.index(scene.objects[0].kind), grounds.index(scene.ground)] += 1
    expected = table.sum(1, keepdims=True) * table.sum(0) / table.sum()
    freedom = (len(kinds) - 1) * (len(grounds) - 1)
    assert ((table - expected) ** 2 / expected).sum() < freedom + 4 * np.sqrt(2 * freedom)


PLACES = {"left", "right", "above", "below", "over", "under", "top", "bottom"}


def truth(text: str, scene: Scene) -> bool:
    """Judge a caption of one relation or place by its words alone."""
    words = text.split()
    place = {thing.kind: thing.centre for thing in scene.objects}
    nouns = [word for word in words if word in KINDS]
    if any(noun not in place for noun in nouns):
        return False
    x1, y1 = place[nouns[0]]
    x2, y2 = place[nouns[1]] if len(nouns) > 1 else (0.5, 0.5)
    checks = {"left": x1 < x2, "right": x1 > x2, "above": y1 < y2, "over": y1 < y2,
              "below": y1 > y2, "under": y1 > y2, "top": y1 < y2, "bottom": y1 > y2}  # fmt: skip
    return all(checks[word] for word in words if word in checks)


@settings(deadline=None, max_examples=200, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**31))
def test_captions_are_true_and_contradictions_are_not(sprites, seed):
    generator = np.random.default_rng(seed)
    scene = sample_scene(generator, sprites.aspect_ratios)
    caption = describe(scene, generator)
    known = set(new_tokenizer().get_vocab())
    assert set(caption.text.replace(",", " ,").split()) <= known
    for mention in caption.mentions:
        noun = caption.text[mention.start : mention.stop]
        kinds = {scene.objects[i].kind for i in mention.objects}
        assert len(kinds) == 1
        kind = KINDS[kinds.pop()]
        assert noun == (kind.plural if len(mention.objects) > 1 else kind.name)
        alike = [i for i, thing in enumerate(scene.objects) if thing.kind == kind.name]
        assert list(mention.objects) == alike
    false = contradict(scene, caption, generator)
    assert false != caption.text
    changed = [(a, b) for a, b in zip(caption.text.split(), false.split(), strict=True) if a != b]
    assert len(changed) == 1
    relation = PLACES & set(caption.text.split())
    if relation and not {"big", "small", "large", "little"} & set(caption.text.split()):
        assert truth(caption.text, scene)
        assert not truth(false, scene)


@settings(deadline=None, max_examples=200, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**31))
def test_what_is_said_of_places_is_true_and_turned_round_it_is_not(sprites, seed):
    generator = np.random.default_rng(seed)
    scene = sample_scene(generator, sprites.aspect_ratios)
    located = locate(scene, generator)
    if located is None:
        lone = [thing for thing in scene.objects if abs(thing.centre[0] - 0.5) > 0.1]
        kinds = [thing.kind for thing in scene.objects]
        assert all(kinds.count(thing.kind) > 1 for thing in lone)
        return
    caption, false = located
    changed = [(a, b) for a, b in zip(caption.text.split(), false.split(), strict=True) if a != b]
    assert len(changed) == 1
    assert set(changed[0]) <= PLACES
    assert truth(caption.text, scene)
    assert not truth(false, scene)
    for mention in caption.mentions:
        (index,) = mention.objects
        assert caption.text[mention.start : mention.stop] == scene.objects[index].kind


def test_a_mirrored_scene_is_the_mirrored_picture(sprites):
    generator = np.random.default_rng(4)
    for _ in range(5):
        scene = sample_scene(generator, sprites.aspect_ratios)
        flipped = np.asarray(render(scene, sprites, 128))[:, ::-1].astype(int)
        twin = mirror(scene)
        drawn = np.asarray(render(twin, sprites, 128)).astype(int)
        for thing in twin.objects:
            left, top, right, bottom = (round(edge * 128) for edge in thing.box)
            down = slice((3 * top + bottom) // 4, (top + 3 * bottom) // 4)
            difference = [  # edges are rounded to pixels, in either picture
                np.abs(drawn[down, middle] - flipped[down, middle.start + shift :][:, :length])
                for middle in [slice((3 * left + right) // 4, (left + 3 * right) // 4)]
                for length in [middle.stop - middle.start]
                for shift in (-1, 0, 1)
            ]
            assert min(one.mean() for one in difference) < 10


def test_four_scenes_are_put_together_in_reading_order(sprites):
    quarters = sample_quarters(np.random.default_rng(6), sprites.aspect_ratios)
    assert len({quarter.objects[0].kind for quarter in quarters}) == 4
    joined, picture = join(quarters), np.asarray(render_joined(quarters, sprites, 128))
    for index, (quarter, thing) in enumerate(zip(quarters, joined.objects, strict=True)):
        row, column = divmod(index, 2)
        part = picture[64 * row : 64 * row + 64, 64 * column : 64 * column + 64]
        np.testing.assert_array_equal(part, render(quarter, sprites, 64))
        left, top, right, bottom = thing.box
        assert column / 2 <= left < right <= (column + 1) / 2
        assert row / 2 <= top < bottom <= (row + 1) / 2
        assert max(right - left, bottom - top) >= 0.22  # of the whole picture's side
        assert thing.kind == quarter.objects[0].kind


def test_complete_captions_name_every_object(sprites):
    generator = np.random.default_rng(1)
    for _ in range(50):
        scene = sample_scene(generator, sprites.aspect_ratios)
        named = {i for m in describe(scene, generator, complete=True).mentions for i in m.objects}
        assert named == set(range(len(scene.objects)))


def test_held_out_scenes_are_of_a_stream_that_training_does_not_draw_from(sprites):
    """Training draws from stream 0, whose further zeros are none to numpy: [0, 3] is [0, 3, 0]."""

    def first(stream: int) -> Scene:
        generator = np.random.default_rng([stream, 3])
        count = int(generator.choice([1, 2, 3, 4]))
        return sample_scene(generator, sprites.aspect_ratios, count=count)

    ((scene, _),) = held_out(1, sprites.aspect_ratios, seed=3)
    assert scene == first(1)
    assert len({first(stream).texture for stream in (0, 1, 2)}) == 3


def test_withheld_kinds_are_never_trained_but_have_words(sprites):
    assert len(TRAINED_KINDS) >= 60
    assert len(WITHHELD_KINDS) >= 4
    words = set(new_tokenizer().get_vocab())
    assert {kind.name for kind in WITHHELD_KINDS} <= words
    generator = np.random.default_rng(2)
    shown = {
        thing.kind
        for _ in range(500)
        for thing in sample_scene(generator, sprites.aspect_ratios).objects
    }
    assert not shown & {kind.name for kind in WITHHELD_KINDS}


def test_the_same_seed_gives_the_same_scene(sprites):
    def draw() -> bytes:
        return render(
            sample_scene(np.random.default_rng(9), sprites.aspect_ratios), sprites
        ).tobytes()

    assert draw() == draw()


@pytest.mark.parametrize("name", example_names())
def test_examples_have_pictures_captions_and_boxes(name):
    scene = example(name)
    assert scene.image.size == (384, 384)
    assert scene.objects
    assert scene.mentions
    for thing in scene.objects:
        left, top, right, bottom = thing.box
        assert 0 <= left < right <= 1
        assert 0 <= top < bottom <= 1
    for mention in scene.mentions:
        word = scene.caption[mention.start : mention.stop]
        for kind in (KINDS[scene.objects[i].kind] for i in mention.objects):
            assert word in (kind.name, kind.plural)


def test_missing_sprites_are_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="npm install"):
        Sprites(tmp_path / "nothing")


@settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**31))
def test_a_ground_is_exchanged_for_one_that_is_not_there(sprites, seed):
    generator = np.random.default_rng(seed)
    scene = sample_scene(generator, sprites.aspect_ratios)
    caption = describe(scene, generator)
    phrases = [phrase for phrase in GROUNDS.values() if phrase]
    told = [phrase for phrase in phrases if caption.text.endswith(phrase)]
    found = misplace(scene, caption, generator)
    if not told:
        assert found is None
        return
    (own,) = told
    assert own == GROUNDS[scene.ground]
    (other,) = [phrase for phrase in phrases if found.endswith(phrase)]
    assert other != own
    assert found.removesuffix(other) == caption.text.removesuffix(own)
