"""Captions beside their foils: which words changed, and files of the real formats."""

import json
import pickle
import re
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import fpattr_widget as fp
from fpattr_widget.evaluation import Dataset, Foil, Sample
from fpattr_widget.evaluation._foil import changed_words

WORDS = ("a", "A", "red", "blue", "dog", "man's")


def words_of(caption, foil):
    """Return the words that changed, of both captions."""
    return [
        (caption[slice(*of_caption)], foil[slice(*of_foil)])
        for of_caption, of_foil in changed_words(caption, foil)
    ]


@pytest.mark.parametrize(
    ("caption", "foil", "changes"),
    [
        (
            "A girl with a green shirt brushing her teeth with a blue toothbrush.",
            "A girl with a blue shirt brushing her teeth with a green toothbrush.",
            [("green", "blue"), ("blue", "green")],
        ),
        ("A display window full of cakes.", "a display window full of pies", [("cakes", "pies")]),
        ("A man sits.", "A man in a hat sits.", [("", "in a hat")]),
        ("a big dog", "a dog", [("big", "")]),
        ("the man's hat", "the man's hats, red", [("hat", "hats, red")]),
        ("A dog", "A dog!", []),
        (
            "an old man kisses a boy",
            "a boy kisses an old man",
            [("", "a boy kisses"), ("kisses a boy", "")],
        ),
    ],
)
def test_words_that_changed(caption, foil, changes):
    assert words_of(caption, foil) == changes


@given(st.lists(st.sampled_from(WORDS), min_size=1), st.lists(st.sampled_from(WORDS), min_size=1))
def test_a_caption_becomes_its_foil_where_words_are_changed(words, other):
    caption, foil = f"“{', '.join(words)}.”", " ".join(other)
    rewritten, done = "", 0
    for (start, stop), (first, last) in changed_words(caption, foil):
        rewritten += f"{caption[done:start]} {foil[first:last]} "
        done = stop
    rewritten += caption[done:]
    found = re.findall(r"[\w']+", rewritten)
    assert [word.lower() for word in found] == [word.lower() for word in other]


def test_a_foil_knows_what_changed():
    said = Foil("a cat here", changed=((2, 5), (2, 5)))
    assert said.changes("a dog") == (((2, 5), (2, 5)),)
    assert Foil("a cat here").changes("a dog") == (((2, 5), (2, 10)),)
    assert Foil(source="x.png").changes("a dog") == ()
    assert Foil(source=lambda: "a picture").image == "a picture"
    with pytest.raises(fp.InputError, match="`foils` holds one without a caption and a picture"):
        Foil()
    with pytest.raises(fp.InputError, match="`changed` holds characters 2 to 9 of a caption of 5"):
        Foil("a cat", changed=((2, 5), (2, 9)))
    with pytest.raises(fp.InputError, match="`changed` holds characters 2 to 5 of a caption of 3"):
        Sample("one", "x.png", "dog", foils=(said,))


def test_foils_are_part_of_a_data_set_and_change_nothing_without_them():
    plain, foiled, other = (
        Dataset("mine", [Sample("one", "x.png", "a dog", foils=foils)])
        for foils in ((), (Foil("a cat"),), (Foil("a cow"),))
    )
    # Files of scores that were begun before there were foils name this one.
    assert plain.fingerprint() == (
        "40e83104a818191da017e1280e3e02935a060823b250b359a0dc1ba82b4cc257"
    )
    assert len({plain.fingerprint(), foiled.fingerprint(), other.fingerprint()}) == 3
    assert repr(foiled) == "Dataset('mine', 1 samples, 0 phrases, 0 labels, 1 foils)"


# Files


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Return a folder with a few pictures, 40 × 20 pixels."""
    folder = tmp_path_factory.mktemp("images")
    for name in ("000000544519.jpg", "000000057597.jpg", "ex_0_img_0.png", "ex_0_img_1.jpg"):
        Image.new("RGB", (40, 20)).save(folder / name)
    return folder


def written(folder, name, content):
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content, indent=4))
    return path


def quietly(read, *arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = read(*arguments, **options)
    # Samples may be sent to other processes.
    assert pickle.loads(pickle.dumps(found.samples)) == found.samples
    return found


def with_problems(read, *arguments, **options):
    with pytest.warns(UserWarning, match="has .* problem"):
        found = read(*arguments, **options)
    return found, [str(problem) for problem in found.problems]


SWAPPED = {
    "filename": "000000544519.jpg",
    "caption": "A girl with a green shirt and a blue toothbrush. ",
    "negative_caption": "A girl with a blue shirt and a green toothbrush.",
}


def test_sugarcrepe(images, tmp_path):
    path = written(tmp_path, "swap_att.json", {"0": SWAPPED})
    (sample,) = found = quietly(fp.datasets.sugarcrepe, path, images)
    assert (found.name, sample.name) == ("sugarcrepe swap_att", "swap_att#0")
    assert sample.caption == SWAPPED["caption"].strip()
    assert sample.image == images / SWAPPED["filename"]
    assert sample.foils == (Foil(SWAPPED["negative_caption"], kind="swap_att"),)
    written(tmp_path, "add_obj.json", {"0": {**SWAPPED, "filename": "000000057597.jpg"}})
    both = quietly(fp.datasets.sugarcrepe, tmp_path, images)
    assert [sample.name for sample in both] == ["add_obj#0", "swap_att#0"]
    assert both.name == "sugarcrepe"


def test_broken_entries_of_sugarcrepe_are_told_and_the_rest_is_used(images, tmp_path):
    content = {
        "0": SWAPPED,
        "1": {**SWAPPED, "filename": "nowhere.jpg"},
        "2": {**SWAPPED, "filename": "../secret.jpg"},
        "3": {**SWAPPED, "negative_caption": SWAPPED["caption"]},
        "4": {**SWAPPED, "negative_caption": ""},
        "5": {"filename": "000000544519.jpg"},
        "6": [SWAPPED],
        "\ud800": SWAPPED,
    }
    path = written(tmp_path, "swap_att.json", content)
    found, told = with_problems(fp.datasets.sugarcrepe, path, images)
    assert [sample.name for sample in found] == ["swap_att#0"]
    assert told == [
        "swap_att.json, entry '1': there is no image 'nowhere.jpg'",
        "swap_att.json, entry '2': the image '../secret.jpg' lies outside the folder",
        "swap_att.json, entry '3': the two captions are the same",
        "swap_att.json, entry '4': \"negative_caption\" is empty",
        "swap_att.json, entry '5': \"caption\" is missing or no text",
        "swap_att.json, entry '6': is no object",
        r"swap_att.json, entry '\ud800': the key '\ud800' is not UTF-8 text",
    ]
    written(tmp_path, "more.json", "[]")
    written(tmp_path, "torn.json", '{"0": ')
    found, told = with_problems(fp.datasets.sugarcrepe, tmp_path, images)
    assert told[0] == "more.json: the content is no object"
    assert told[-1] == "torn.json: is no JSON (Expecting value, line 1, column 7)"
    with pytest.raises(fp.InputError, match=r"`path` cannot be read \(.*line 1, column 7"):
        fp.datasets.sugarcrepe(tmp_path / "torn.json", images)
    with pytest.raises(fp.InputError, match="`path` holds no object"):
        fp.datasets.sugarcrepe(tmp_path / "more.json", images)


KISS = {
    "id": 0,
    "image_0": "ex_0_img_0",
    "image_1": "ex_0_img_1",
    "caption_0": "an old person kisses a young person",
    "caption_1": "a young person kisses an old person",
    "tag": "Adjective-Age",
    "secondary_tag": "",
    "num_main_preds": 1,
    "collapsed_tag": "Object",
}


def lines(*entries):
    return "".join(
        f"{entry if isinstance(entry, str) else json.dumps(entry)}\n" for entry in entries
    )


def test_winoground(images, tmp_path):
    path = written(tmp_path, "examples.jsonl", lines(KISS))
    (sample,) = found = quietly(fp.datasets.winoground, path, images)
    assert (found.name, sample.name) == ("examples", "examples#0")
    assert (sample.image, sample.caption) == (images / "ex_0_img_0.png", KISS["caption_0"])
    (foil,) = sample.foils
    assert foil == Foil(KISS["caption_1"], images / "ex_0_img_1.jpg", "Object")
    assert words_of(sample.caption, foil.caption) == [("an old", "a young"), ("a young", "an old")]


def test_broken_lines_of_winoground_are_told_and_the_rest_is_used(images, tmp_path):
    content = lines(
        "{",
        {**KISS, "id": None},
        {**KISS, "image_1": "ex_1_img_1"},
        "",
        {**KISS, "caption_1": 3},
        {**KISS, "collapsed_tag": [], "tag": 7},
        {**KISS, "id": "b", "collapsed_tag": ""},
        {**KISS, "id": "b"},
    )
    path = written(tmp_path, "examples.jsonl", content)
    found, told = with_problems(fp.datasets.winoground, path, images)
    assert [(sample.name, sample.foils[0].kind) for sample in found] == [
        ("examples#b", "Adjective-Age")
    ]
    assert told == [
        "examples.jsonl, line 1: is no JSON (Expecting property name enclosed in double quotes, "
        "line 1, column 2)",
        'examples.jsonl, line 2: "id" is missing or no id',
        "examples.jsonl, line 3: there is no image 'ex_1_img_1'",
        'examples.jsonl, line 5: "caption_1" is missing or no text',
        'examples.jsonl, line 6: "tag" is missing or no text',
        "examples.jsonl: two samples have the name 'examples#b'",
    ]


EATING = {
    "image_id": "544519",
    "image_path": "000000544519.jpg",
    "true_caption": "the horse is eating the grass",
    "false_caption": "the grass is eating the horse",
    "relation_name": "eating",
    "bbox_x": 10,
    "bbox_y": 5,
    "bbox_w": 20,
    "bbox_h": 40,
}
WHITE = {
    **{key: value for key, value in EATING.items() if key != "relation_name"},
    "true_caption": "the open door and the crouched man",
    "false_caption": "the crouched door and the open man",
    "attributes": ["open", "crouched"],
    "obj1_name": "door",
    "obj2_name": "man",
}


def test_aro(images, tmp_path):
    path = written(tmp_path, "visual_genome_relation.json", [EATING, WHITE])
    found = quietly(fp.datasets.aro, path, images)
    assert [sample.name for sample in found] == ["000000544519.jpg#0", "000000544519.jpg#1"]
    assert [sample.foils for sample in found] == [
        (Foil(EATING["false_caption"], kind="eating"),),
        (Foil(WHITE["false_caption"], kind="open and crouched"),),
    ]
    assert found[0].image.size == (20, 15)  # cut off where the picture ends
    assert found[0].phrases == ()
    (whole, _) = quietly(fp.datasets.aro, path, images, crop=False)
    assert whole.image == images / EATING["image_path"]
    (told,) = whole.phrases
    assert (told.start, told.stop, told.label) == (0, len(whole.caption), "eating")
    assert told.boxes == ((0.25, 0.25, 0.75, 1),)


def test_captions_in_another_order(images, tmp_path):
    options = [
        "a dog on grass",
        "a grass on dog",
        "grass on a dog",
        "on a dog grass",
        "a dog on grass",
    ]
    case = {"image": "000000544519.jpg", "caption_options": options}
    few = {"image": "000000544519.jpg", "caption_options": options[:2]}
    path = written(tmp_path, "coco_order.json", [case, few])
    found, told = with_problems(fp.datasets.aro, path, images)
    assert [(foil.caption, foil.kind) for foil in found[0].foils] == [
        ("a grass on dog", "nouns and adjectives"),
        ("grass on a dog", "all but nouns and adjectives"),
        ("on a dog grass", "within trigrams"),
    ]
    assert [foil.kind for foil in found[1].foils] == ["order"]
    assert told == ["coco_order.json, [0].caption_options[4]: the two captions are the same"]


def test_broken_entries_of_aro_are_told_and_the_rest_is_used(images, tmp_path):
    content = [
        EATING,
        None,
        {**EATING, "bbox_w": 0},
        {**EATING, "bbox_x": "1"},
        {**EATING, "relation_name": None},
        {**WHITE, "attributes": "open"},
        {**EATING, "image_path": "x.jpg"},
        {"image": "000000544519.jpg", "caption_options": ["a"]},
    ]
    path = written(tmp_path, "mine.json", content)
    found, told = with_problems(fp.datasets.aro, path, images)
    assert len(found) == 1
    assert told == [
        "mine.json, [1]: is no object",
        "mine.json, [2]: the box has no area",
        'mine.json, [3]: "bbox_x" is missing or no number',
        'mine.json, [4]: "relation_name" is missing or no text',
        'mine.json, [5]: "attributes" is no list',
        "mine.json, [6]: there is no image 'x.jpg'",
        'mine.json, [7]: "caption_options" is no list of two or more',
    ]
    with pytest.raises(fp.InputError, match="`path` holds no list"):
        fp.datasets.aro(written(tmp_path, "other.json", {}), images)


def boxed(**objects):
    """Return objects as HNC writes them, with left, top, width and height in pixels."""
    return {
        str(number): {"name": name, "bbox": dict(zip("xywh", edges, strict=True))}
        for number, (name, edges) in enumerate(objects.items())
    }


def right(caption, kind, bboxes=None):
    return {
        "caption": caption,
        "label": 1,
        "type": kind,
        "textual_label": None,
        "bboxes": bboxes,
        "ambiguity": None,
        "noisy": None,
        "replaced": None,
        "cpt_p_id": None,
    }


def wrong(caption, kind, of, replaced=None):
    return {**right(caption, kind), "label": 0, "replaced": replaced, "cpt_p_id": of}


def test_hnc(images, tmp_path):
    flag, tree = (8, 5, 16, 10), (20, 0, 100, 20)
    captions = {
        "0": right("The flag is red.", "attribute", boxed(flag=flag)),
        "1": wrong("The flag is blue.", "attribute", 0, ["red", "blue"]),
        "2": right(
            "The tall tree is near the flag.", "attribute_subg", boxed(tree=tree, flag=flag)
        ),
        "3": wrong("The short tree is near the flag.", "attribute_subg", 2, ["tall", "short"]),
        # What the file says was replaced does not make this caption of the other one.
        "4": wrong("The tall poles are near the flag.", "relation_subj", 2, ["tree", "poles"]),
        "5": right("There are two birds.", "obj_count"),
    }
    content = {"000000544519": {"captions": captions}, "000000057597.jpg": {"0": captions["5"]}}
    found = quietly(fp.datasets.hnc, written(tmp_path, "hnc_val.json", content), images)
    first, second, third, fourth = found
    assert [sample.name for sample in found] == [
        *(f"000000544519.jpg#{number}" for number in (0, 2, 5)),
        "000000057597.jpg#0",
    ]
    assert first.foils == (Foil("The flag is blue.", None, "attribute", ((12, 15), (12, 16))),)
    where = (0.2, 0.25, 0.6, 0.75)
    assert [(p.label, p.start, p.boxes) for p in first.phrases] == [
        ("flag", 4, (where,)),
        ("red", 12, (where,)),
    ]
    edge = (0.5, 0, 1, 1)
    assert [(p.label, p.boxes) for p in second.phrases] == [
        ("tall", (edge,)),
        ("tree", (edge,)),
        ("flag", (where,)),
    ]
    assert [foil.changed is None for foil in second.foils] == [False, True]
    assert words_of(second.caption, second.foils[1].caption) == [("tree is", "poles are")]
    assert (third.phrases, third.foils, fourth.foils) == ((), (), ())


def test_broken_captions_of_hnc_are_told_and_the_rest_is_used(images, tmp_path):
    flag = "The flag is red."
    captions = {
        "0": right(flag, "attribute", {"1": {"name": "flag", "bbox": [1, 2, 3, 4]}}),
        "1": right(flag, "attribute"),
        "2": {**right(flag, "attribute"), "label": None},
        "3": wrong("The flag is blue.", "attribute", None),
        "4": wrong("The flag is blue.", "attribute", 9),
        "5": wrong(flag, "attribute", 1),
        "6": [],
        "7": wrong("The flag is green.", "attribute", "1", ["red", None]),
    }
    content = {"000000544519": {"captions": captions}, "2": {"captions": captions}, "3": 4}
    found, told = with_problems(fp.datasets.hnc, written(tmp_path, "hnc.json", content), images)
    (sample,) = found
    assert sample.foils == (Foil("The flag is green.", kind="attribute"),)
    place = "hnc.json, image '000000544519', caption "
    assert told == [
        f"{place}'2': \"label\" is neither 0 nor 1",
        f"{place}'3': \"cpt_p_id\" is missing or no id",
        f"{place}'6': is no object",
        f"{place}'4': there is no right caption '9'",
        f"{place}'0': \"bbox\" is no object",
        f"{place}'5': it is the same as the right caption",
        "hnc.json, image '2': there is no image '2.jpg'",
        "hnc.json, image '3': is no object",
    ]
