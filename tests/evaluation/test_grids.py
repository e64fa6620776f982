"""The grid pointing game: what is named lies in its quadrant."""

import os
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fpattr_widget as fp
from fpattr_widget.evaluation.datasets import grids
from fpattr_widget.evaluation.datasets.grids import _article
from fpattr_widget.scenes import Sprites, sample_quarters
from fpattr_widget.scenes._render import render_joined

COLOURS = {"red_fox": "red", "owl": "lime", "grapes": "blue", "unicycle": "yellow", "ape": "white"}


@pytest.fixture
def folder(tmp_path):
    """Return a folder with two pictures in one colour for each class."""
    for label, colour in COLOURS.items():
        (tmp_path / label).mkdir()
        Image.new("RGB", (60, 30), colour).save(tmp_path / label / "1.png")
        Image.new("RGB", (30, 90), colour).save(tmp_path / label / "2.png")
    (tmp_path / "about.txt").write_text("five colours")
    (tmp_path / "owl" / ".hidden").write_text("")
    return tmp_path


def quietly(*arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return grids(*arguments, **options)


@pytest.mark.parametrize("objects", [1, 2, 3, 4])
def test_each_name_points_to_its_picture(folder, objects):
    found = quietly(folder, 12, objects=objects, size=32)
    assert len({sample.name for sample in found}) == 12
    for sample in found:
        assert len(sample.phrases) == objects
        picture = sample.image
        assert picture.size == (32, 32)
        for phrase in sample.phrases:
            assert sample.caption[phrase.start : phrase.stop] == phrase.label
            ((left, top, right, bottom),) = phrase.boxes
            assert (right - left, bottom - top) == (0.5, 0.5)
            quadrant = picture.crop([int(32 * edge) for edge in phrase.boxes[0]])
            colour = Image.new("RGB", (1, 1), COLOURS[phrase.label.replace(" ", "_")])
            assert quadrant.getcolors() == [(256, colour.getpixel((0, 0)))]
        assert len(picture.getcolors()) == 4


def test_captions_are_english(folder):
    found = quietly(folder, 600, objects=3)
    said = {sample.caption for sample in found}
    assert "a red fox, grapes and an owl" in said
    assert all("  " not in caption and not caption.startswith(" ") for caption in said)
    assert _article("hour glass") == _article("Umbrella") == _article("eagle") == "an"
    assert _article("European fire salamander") == _article("one-armed bandit") == "a"


def test_quadrants_and_order_are_left_to_chance(folder):
    found = quietly(folder, 200, objects=2)
    boxes = {tuple(phrase.boxes[0] for phrase in sample.phrases) for sample in found}
    assert len(boxes) == 12


def test_the_middle_of_a_picture_is_shown(folder):
    stripes = np.zeros((10, 30, 3), np.uint8)
    stripes[:, 10:20] = 255
    Image.fromarray(stripes).save(folder / "ape" / "1.png")
    (folder / "ape" / "2.png").unlink()
    for sample in quietly(folder, 8, objects=4, size=16):
        for phrase in sample.phrases:
            if phrase.label == "ape":
                quadrant = sample.image.crop([int(16 * edge) for edge in phrase.boxes[0]])
                assert np.asarray(quadrant).min() > 240


def test_grids_are_the_same_each_time_and_in_another_process(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    relative = quietly(folder.name, 6)
    monkeypatch.chdir("/")
    absolute = quietly(folder, 6)
    assert relative.fingerprint() == absolute.fingerprint()
    assert relative.fingerprint() != quietly(folder, 6, seed=1).fingerprint()
    sample = pickle.loads(pickle.dumps(relative[0]))
    assert sample.image.size == (448, 448)
    assert np.array_equal(sample.image, absolute[0].image)


def test_grids_of_scenes():
    found = quietly("scenes", 10, objects=4)
    assert len({sample.name for sample in found}) == 10
    for sample in found:
        assert sample.image.size == (128, 128)
        assert np.array_equal(sample.image, render_joined(sample.source.quarters, Sprites(), 128))
        kinds = [quarter.objects[0].kind for quarter in sample.source.quarters]
        for phrase in sample.phrases:
            assert sample.caption[phrase.start : phrase.stop] == phrase.label
            left, top = phrase.boxes[0][:2]
            assert kinds[int(2 * left + 4 * top)] == phrase.label
    # A stream of their own: training draws from 0, held-out scenes are of 1.
    own = sample_quarters(np.random.default_rng([2, 0]), Sprites().aspect_ratios)
    assert found[0].source.quarters == tuple(own)
    copy = pickle.loads(pickle.dumps(found[0]))
    assert np.array_equal(copy.image, found[0].image)
    assert quietly("scenes", 1, size=64)[0].image.size == (64, 64)
    assert grids("scenes", 10, objects=4, seed=1).fingerprint() != found.fingerprint()
    assert grids("scenes", 10, objects=4, size=64).fingerprint() != found.fingerprint()


def test_what_is_no_picture_is_told_and_not_used(folder):
    (folder / "owl" / "1.png").write_text("no picture")
    (folder / "ape" / "inner").mkdir()
    for name in ("1.png", "2.png"):
        (folder / "ape" / name).write_bytes(b"")
    os.mkdir(os.fsencode(folder) + b"/caf\xe9")
    with pytest.warns(UserWarning, match=f"'grids of {folder.name}, 448 pixels' has 5 problems"):
        found = grids(folder, 30, objects=4)
    assert [str(problem) for problem in found.problems] == [
        "ape/1.png: is no image that can be opened",
        "ape/2.png: is no image that can be opened",
        "ape/inner: is no image that can be opened",
        f"{folder.name}/caf\\udce9: the label 'caf\\udce9' is not UTF-8 text",
        "owl/1.png: is no image that can be opened",
    ]
    assert found.labels == ("grapes", "owl", "red fox", "unicycle")
    assert {
        Path(file).name for one in found for file in one.source.files if "owl" in str(file)
    } == {"2.png"}


def test_folders_of_the_same_class_are_one(folder):
    (folder / "red fox").mkdir()
    Image.new("RGB", (9, 9), "red").save(folder / "red fox" / "3.png")
    found = quietly(folder, 60, objects=4)
    assert len(found.labels) == 5
    assert {file.name for one in found for file in one.source.files} == {"1.png", "2.png", "3.png"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"number": 0}, "`number` is 0"),
        ({"objects": 5}, "`objects` is 5"),
        ({"objects": 0}, "`objects` is 0"),
        ({"seed": "x"}, "`seed` is 'x'"),
        ({"size": 33}, "`size` is 33: pass an even number"),
        ({"size": 0}, "`size` is 0"),
        ({"source": "nowhere"}, "`source` names no folder"),
        ({"source": None}, "`source` is a NoneType"),
        ({"source": "scenes", "sprites": "nowhere"}, "`sprites`"),
    ],
)
def test_wrong_arguments_are_refused(folder, options, message):
    with pytest.raises(fp.InputError, match=message):
        grids(**{"source": folder, "number": 2, **options})


def test_fewer_than_four_classes_are_refused(folder):
    for name in ("owl", "ape"):
        (folder / name / "1.png").unlink()
        (folder / name / "2.png").write_text("no picture")
    with pytest.raises(fp.InputError, match=r"`source` has pictures of 3 classes \(ape/2\.png: is"):
        grids(folder, 2)
