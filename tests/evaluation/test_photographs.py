"""The bundled photographs: what is said of each against its file, its caption and its size."""

import json
import pickle
import re
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fpattr_widget.evaluation._geometry import seen_boxes
from fpattr_widget.evaluation.datasets import photographs

FOLDER = Path(str(files("fpattr_widget") / "assets" / "pictures"))
INDEX = json.loads((FOLDER / "pictures.json").read_text("utf-8"))
PICTURES = INDEX["pictures"]
BOXES = [
    (name, noun, box)
    for name, entry in PICTURES.items()
    for noun, thing in entry["objects"].items()
    for box in thing["boxes"]
]


@pytest.fixture(scope="module")
def shown():
    return photographs()


def test_there_are_many_in_little_space(shown):
    assert len(shown) == len(PICTURES) >= 20
    assert len(BOXES) >= 50
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 4_000_000
    assert sum(len(sample.phrases) >= 2 for sample in shown) >= 8
    assert sum(len(phrase.boxes) >= 2 for sample in shown for phrase in sample.phrases) >= 5


@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_opens_at_its_size_and_carries_nothing_else(name):
    with Image.open(FOLDER / PICTURES[name]["file"]) as image:
        image.load()
        assert image.format == "WEBP"
        assert list(image.size) == PICTURES[name]["size"]
        assert max(image.size) <= 1024
        assert not {"exif", "icc_profile", "xmp"} & image.info.keys()
        assert np.asarray(image.convert("L")).std() > 20  # there is something to see


def test_the_folder_holds_these_and_no_others():
    named = {entry["file"] for entry in PICTURES.values()}
    assert {path.name for path in FOLDER.glob("*.webp")} == named
    assert len({(FOLDER / file).read_bytes() for file in named}) == len(PICTURES)


def test_proportions_differ():
    ratios = [width / height for width, height in (entry["size"] for entry in PICTURES.values())]
    assert min(ratios) < 0.7
    assert max(ratios) > 1.7
    assert 1.0 in ratios


@pytest.mark.parametrize(("name", "noun", "box"), BOXES)
def test_boxes_lie_in_the_picture(name, noun, box):
    width, height = PICTURES[name]["size"]
    left, top, right, bottom = box
    assert all(type(edge) is int for edge in box)
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    assert (right - left) * (bottom - top) >= 300  # pixels


def test_boxes_of_one_thing_are_not_drawn_twice():
    for entry in PICTURES.values():
        for thing in entry["objects"].values():
            for i, first in enumerate(thing["boxes"]):
                for second in thing["boxes"][i + 1 :]:
                    assert overlap(first, second) < 0.5


def overlap(first, second) -> float:
    """Pixels in both boxes over pixels in either, counted."""
    masks = []
    for left, top, right, bottom in (first, second):
        mask = np.zeros((1024, 1024), bool)
        mask[top:bottom, left:right] = True
        masks.append(mask)
    return (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum()


def test_each_noun_is_named_once_by_its_own_words(shown):
    for sample in shown:
        objects = PICTURES[sample.name]["objects"]
        assert [phrase.label for phrase in sample.phrases] == sorted(
            objects, key=lambda noun: sample.caption.index(noun)
        )
        for phrase in sample.phrases:
            words = sample.caption[phrase.start : phrase.stop]
            assert words in {phrase.label, phrase.label + "s"}
            assert len(re.findall(rf"\b{words}\b", sample.caption)) == 1
            if words == phrase.label and phrase.label != "wool":  # a ball and its loose end
                assert len(phrase.boxes) == 1
            if words != phrase.label:
                assert len(phrase.boxes) > 1


def test_numbers_in_captions_are_those_of_the_boxes(shown):
    numbers = {"two": 2, "three": 3, "four": 4, "five": 5}
    counted = 0
    for sample in shown:
        for phrase in sample.phrases:
            before = sample.caption[: phrase.start].split()[-1:]
            if before and before[0] in numbers:
                assert len(phrase.boxes) == numbers[before[0]]
                counted += 1
    assert counted >= 5


def test_samples_have_the_boxes_of_the_index_and_the_pixels_of_the_files(shown):
    for sample in shown:
        image = pickle.loads(pickle.dumps(sample)).image
        assert image.mode == "RGB"
        for phrase in sample.phrases:
            pixels = [
                [round(edge * side) for edge, side in zip(box, image.size * 2, strict=True)]
                for box in phrase.boxes
            ]
            assert pixels == PICTURES[sample.name]["objects"][phrase.label]["boxes"]


def test_the_bottle_is_half_out_of_a_square_cut_from_the_middle(shown):
    """The seen part of its box against a mask of the picture that is cut and counted."""
    sample = next(sample for sample in shown if sample.name == "drum-and-wine")
    bottle = next(phrase for phrase in sample.phrases if phrase.label == "wine bottle")
    left, top, right, bottom = PICTURES["drum-and-wine"]["objects"]["wine bottle"]["boxes"][0]
    width, height = PICTURES["drum-and-wine"]["size"]
    mask = np.zeros((height, width), bool)
    mask[top:bottom, left:right] = True
    margin = (height - width) / 2
    cut = mask[round(margin) : round(margin) + width]
    assert 0.6 < cut.sum() / mask.sum() < 0.9
    crop = (0.0, margin / height, 1.0, 1 - margin / height)
    ((x1, y1, x2, y2),) = seen_boxes(bottle.boxes, crop)
    rows, columns = np.nonzero(cut)
    assert [x1 * width, y1 * width, x2 * width, y2 * width] == pytest.approx(
        [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], abs=1
    )


def test_other_captions_are_new_and_say_what_to_look_at():
    assert sum(len(entry["others"]) for entry in PICTURES.values()) >= 8
    for entry in PICTURES.values():
        for other in entry["others"]:
            assert other["caption"] != entry["caption"]
            assert re.fullmatch(r"[A-Z][^.]+\.", other["note"])


def test_the_table_names_source_and_licence_of_every_picture():
    rows = {}
    for line in (FOLDER / "README.md").read_text("utf-8").splitlines():
        if row := re.match(r"\| \[([\w-]+)\]\(([\w-]+\.webp)\) \|", line):
            rows[row[1]] = line
    assert rows.keys() == PICTURES.keys()
    for name, entry in PICTURES.items():
        package = INDEX["packages"][entry["package"]]
        for said in (
            entry["file"],
            entry["author"],
            f"[{entry['licence']}]({entry['licence_address']})",
            entry["source"],
            f"{entry['package']} {package['version']}: `{entry['member']}`",
            entry["change"],
        ):
            assert said in rows[name]
        assert all(entry[key].startswith("https://") for key in ("source", "licence_address"))


def test_licences_allow_to_pass_on_and_what_they_ask_for_is_there():
    free = {"CC0-1.0", "public domain", "free to use and publish", "CC-BY-2.0", "CC-BY-4.0"}
    notices = (FOLDER / "NOTICES.md").read_text("utf-8")
    for entry in PICTURES.values():
        if entry["licence"] in {"MIT", "BSD-3-Clause"}:
            assert f"`{entry['file']}`" in notices
            assert entry["author"].lower() in notices.lower()
        else:
            assert entry["licence"] in free | {"CC-BY-SA-3.0"}
