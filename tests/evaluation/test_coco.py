"""COCO's files: words find their boxes, and what is broken is told and left out."""

import json
import pickle
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import fpattr_widget as fp
from fpattr_widget.evaluation.datasets import coco
from fpattr_widget.evaluation.datasets._coco_words import NOT_MEANT, WORDS
from fpattr_widget.evaluation.datasets.coco import _Words

CATEGORIES = [
    {"id": 1, "name": "person", "supercategory": "person"},
    {"id": 18, "name": "dog", "supercategory": "animal"},
    {"id": 58, "name": "hot dog", "supercategory": "food"},
    {"id": 200, "name": "Lemon_Tree"},
]


@pytest.fixture
def files(tmp_path):
    """Return a function that writes the files, changed by keywords, and their paths."""
    images = tmp_path / "val2017"
    images.mkdir()
    for name in ("000000000139.jpg", "000000000285.jpg"):
        Image.new("RGB", (200, 100)).save(images / name)

    def write(instances=None, captions=None, **changed):
        truth = {
            "info": {"year": 2017},
            "images": [
                {"id": 139, "file_name": "000000000139.jpg", "width": 200, "height": 100},
                {"id": 285, "file_name": "000000000285.jpg", "width": 200, "height": 100},
            ],
            "annotations": [
                {"id": 1, "image_id": 139, "category_id": 18, "bbox": [20, 10, 40, 30.5]},
                {"id": 2, "image_id": 139, "category_id": 1, "bbox": [100, 0, 50, 100]},
                {
                    "id": 3,
                    "image_id": 139,
                    "category_id": 1,
                    "iscrowd": 1,
                    "bbox": [-4, 50, 14, 60],
                },
            ],
            "categories": CATEGORIES,
        }
        said = [
            {"id": 37212, "image_id": 139, "caption": "Two people walk a Dog.\n"},
            {"id": 5, "image_id": 285, "caption": "A man sleeps."},
        ]
        truth.update({key: value for key, value in changed.items() if key != "said"})
        paths = tmp_path / "instances.json", tmp_path / "captions.json", images
        text = json.dumps(truth) if instances is None else instances
        paths[0].write_text(text, "utf-8")
        text = json.dumps({"annotations": changed.get("said", said)})
        paths[1].write_text(text if captions is None else captions, "utf-8")
        return paths

    return write


def problems(paths):
    with pytest.warns(UserWarning, match="'coco' has"):
        found = coco(*paths)
    return found, [str(problem) for problem in found.problems]


def test_words_get_the_boxes_of_all_instances(files):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = coco(*files())
    first, second = found
    assert first.name == "000000000139.jpg#37212"
    assert first.caption == "Two people walk a Dog."
    people, dog = first.phrases
    assert first.caption[people.start : people.stop] == "people"
    assert people.label == "person"
    assert people.boxes == ((0.5, 0.0, 0.75, 1.0), (0.0, 0.5, 0.05, 1.0))
    assert first.caption[dog.start : dog.stop] == "Dog"
    assert dog.boxes == ((0.1, 0.1, 0.3, 0.405),)
    # No one is annotated there.
    assert second.phrases == ()
    with Image.open(pickle.loads(pickle.dumps(first)).image) as image:
        assert image.size == (200, 100)


ALL_WORDS = _Words(WORDS)


def said(caption, words=ALL_WORDS):
    return [(caption[a:b], label) for a, b, label in words.find(caption)]


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("A hot dog on a plate", [("hot dog", "hot dog")]),
        ("two Hot-Dogs and a dog", [("Hot-Dogs", "hot dog"), ("dog", "dog")]),
        ("teddy bears hug a bear", [("teddy bears", "teddy bear"), ("bear", "bear")]),
        ("the woman's children", [("woman", "person"), ("children", "person")]),
        ("a man on his bike, on the phone", [
            ("man", "person"), ("bike", "bicycle"), ("phone", "cell phone")]),
        ("a cell\n phone near a television", [
            ("cell\n phone", "cell phone"), ("television", "tv")]),
        ("sofa", [("sofa", "couch")]),
        ("policemen", [("policemen", "person")]),
        ("carthorse boating manly dogged", []),
        ("a dog-shaped balloon, a man-made lake", []),
        ("waiting at the bus stop", []),
        ("a baby elephant", [("baby elephant", "elephant")]),
        ("a stop sign by a parking meter", [("stop sign", "stop sign"), (
            "parking meter", "parking meter")]),
        ("knives, mice, geese and skis", [
            ("knives", "knife"), ("mice", "mouse"), ("geese", "bird"), ("skis", "skis")]),
        ("a \u017fink", []),
    ],
)  # fmt: skip
def test_words_are_whole_and_the_longest_is_meant(caption, expected):
    assert said(caption) == expected


def test_a_category_that_is_not_coco_s_is_known_by_its_name_and_plural():
    names = ["Lemon_Tree", "sea-horse", "berry", "Büste", "()"]
    assert said("lemon trees, sea horse berries, büsten büste", _Words(names)) == [
        ("lemon trees", "Lemon_Tree"),
        ("sea horse", "sea-horse"),
        ("berries", "berry"),
        ("büste", "Büste"),
    ]


def test_the_table_of_words_is_whole_and_says_nothing_twice():
    assert len(WORDS) == 80
    every = [word for words in WORDS.values() for word in words] + list(NOT_MEANT)
    assert len(every) == len(set(every))
    for category, words in WORDS.items():
        assert category in words
        for word in words:
            assert word == " ".join(word.lower().split())
            assert said(f"see the {word} there") == [(word, category)]


@given(st.text(), st.lists(st.sampled_from([w for words in WORDS.values() for w in words])))
def test_words_stand_where_they_are_said_to(noise, words):
    caption = f" {noise} ".join(["", *words, ""])
    found = list(ALL_WORDS.find(caption))
    stops = [0, *(stop for _, stop, _ in found)]
    for (start, stop, category), before in zip(found, stops, strict=False):
        assert before <= start < stop
        assert " ".join(caption[start:stop].lower().replace("-", " ").split()) in WORDS[category]


_IMAGE = {"id": 139, "file_name": "000000000139.jpg", "width": 200, "height": 100}
_BOX = {"image_id": 139, "category_id": 18, "bbox": [20, 10, 40, 30]}
_CAPTION = {"id": 1, "image_id": 139, "caption": "a dog"}


@pytest.mark.parametrize(
    ("key", "bad", "place", "message"),
    [
        ("images", _IMAGE, "images[1]", "the image id 139 is there twice"),
        ("images", {"id": 7}, "images[1]", '"file_name" is missing or no text'),
        ("images", {**_IMAGE, "id": True}, "images[1]", '"id" is missing or no id'),
        ("images", {**_IMAGE, "id": 7, "width": 0}, "images[1]", '"width" is not above 0'),
        ("images", {**_IMAGE, "id": 7, "file_name": "no.jpg"}, "images[1]", "there is no image"),
        ("images", {**_IMAGE, "id": 7, "file_name": "a\0"}, "images[1]", "there is no image"),
        ("images", {**_IMAGE, "id": 7, "file_name": "../captions.json"}, "images[1]", "outside"),
        ("images", "x", "images[1]", "is no object"),
        ("annotations", {**_BOX, "image_id": 8}, "annotations[1]", "no image with the id 8"),
        ("annotations", {**_BOX, "category_id": 99}, "annotations[1]", "no category with the id"),
        ("annotations", {"image_id": 139}, "annotations[1]", '"category_id" is missing'),
        ("annotations", {**_BOX, "bbox": None}, "annotations[1]", '"bbox" is no list [x, y, w'),
        ("annotations", {**_BOX, "bbox": [1, 2, 3]}, "annotations[1]", '"bbox" is no list'),
        ("annotations", {**_BOX, "bbox": [1, 2, "3", 4]}, "annotations[1]", "no number"),
        ("annotations", {**_BOX, "bbox": [1, 2, float("nan"), 4]}, "annotations[1]", "not finite"),
        ("annotations", {**_BOX, "bbox": [1, 2, 10**400, 4]}, "annotations[1]", "not finite"),
        ("annotations", {**_BOX, "bbox": [1, 2, 0, 4]}, "annotations[1]", "has no area"),
        ("annotations", {**_BOX, "bbox": [1, 2, -3, 4]}, "annotations[1]", "has no area"),
        ("annotations", {**_BOX, "bbox": [200, 2, 3, 4]}, "annotations[1]", "outside the image"),
        ("categories", {"id": 18, "name": "cat"}, "categories[4]", "category id 18 is there twice"),
        ("categories", {"id": 19}, "categories[4]", '"name" is missing'),
        ("said", {**_CAPTION, "caption": " "}, "annotations[1]", '"caption" is empty'),
        ("said", {**_CAPTION, "id": 2, "caption": 3}, "annotations[1]", "no text"),
        ("said", _CAPTION, "annotations[1]", "caption id 1 is there twice"),
        ("said", {**_CAPTION, "id": 2, "image_id": 9}, "annotations[1]", "no image with the id 9"),
        ("said", {"id": 2, "image_id": [9]}, "annotations[1]", '"image_id" is missing or no id'),
        ("said", {**_CAPTION, "id": 2, "caption": "\ud800 dog"}, "annotations[1]", "not UTF-8"),
    ],
)
def test_what_is_broken_is_told_and_the_rest_is_used(files, key, bad, place, message):
    good = {
        "images": [_IMAGE],
        "annotations": [_BOX],
        "categories": CATEGORIES,
        "said": [_CAPTION],
    }
    found, told = problems(files(**good | {key: [*good[key], bad]}))
    file = "captions.json" if key == "said" else "instances.json"
    assert len(told) == 1
    assert told[0].startswith(f"{file}, {place}: ")
    assert message in told[0]
    (sample,) = found
    assert sample.phrases[0].boxes == ((0.1, 0.1, 0.3, 0.4),)


def test_a_missing_image_is_told_once_and_its_captions_are_left_out(files):
    paths = files()
    (paths[2] / "000000000139.jpg").unlink()
    found, told = problems(paths)
    assert told == ["instances.json, images[0]: there is no image '000000000139.jpg'"]
    assert [sample.name for sample in found] == ["000000000285.jpg#5"]


def test_names_that_would_be_the_same_are_told(files):
    said = [_CAPTION, {**_CAPTION, "id": "1"}]
    found, told = problems(files(said=said))
    assert [sample.name for sample in found] == ["000000000139.jpg#1"]
    assert told == ["captions.json: two samples have the name '000000000139.jpg#1'"]


def test_without_categories_nothing_is_named(files):
    found, told = problems(files(categories=[], annotations=[]))
    assert [sample.phrases for sample in found] == [(), ()]
    assert told == ["instances.json, categories: no category can be read"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"instances": "{\n  nonsense"}, r"`instances` .*line 2, column 3"),
        ({"instances": "[" * 100_000}, "`instances` .*no JSON that can be read"),
        ({"instances": "[1" + "0" * 5000 + "]"}, "`instances` .*no JSON that can be read"),
        ({"instances": "[]"}, '`instances` has no list "images"'),
        ({"captions": '{"annotations": {}}'}, '`captions` has no list "annotations"'),
        ({"captions": '{"annotations": []}'}, "`captions` gives no samples \\(nothing is in it"),
        ({"captions": '{"annotations": [1]}'}, r"`captions` .*annotations\[0\]: is no object"),
    ],
)
def test_nothing_to_read_is_refused(files, wrong, message):
    with pytest.raises(fp.InputError, match=message):
        coco(*files(**wrong))


def test_paths_that_name_nothing_are_refused(files, tmp_path):
    instances, captions, images = files()
    with pytest.raises(fp.InputError, match=r"`instances` cannot be read.*No such file"):
        coco(tmp_path / "none.json", captions, images)
    with pytest.raises(fp.InputError, match=r"`captions` cannot be read.*Is a directory"):
        coco(instances, images, images)
    with pytest.raises(fp.InputError, match="`images` names no folder"):
        coco(instances, captions, captions)
    with pytest.raises(fp.InputError, match="`captions` is a int"):
        coco(instances, 3, images)
    with pytest.raises(fp.InputError, match="`images` is '', which names nothing"):
        coco(instances, captions, "")


def test_other_encodings(files):
    instances, captions, images = files(said=[_CAPTION])
    captions.write_bytes(b"\xef\xbb\xbf" + captions.read_bytes())  # with a byte order mark
    assert len(coco(instances, captions, images)) == 1
    latin = {**_CAPTION, "id": 2, "caption": "a caf\xe9 dog"}
    text = json.dumps({"annotations": [_CAPTION, latin]}, ensure_ascii=False)
    captions.write_bytes(text.encode("latin-1"))
    found, told = problems((instances, captions, images))
    assert len(found) == 1
    assert told[0].startswith("captions.json, annotations[1]: ")
    captions.write_text(text, "utf-16")
    with pytest.raises(fp.InputError, match="is not UTF-8 but UTF-16"):
        coco(instances, captions, images)
