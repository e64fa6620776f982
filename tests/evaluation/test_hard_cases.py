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
