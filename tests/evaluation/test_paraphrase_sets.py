"""Sets of paraphrases: drawn, written by hand, and read from files; broken lines are told."""

import json
import re
import warnings

import pytest
from PIL import Image

import fpattr_widget as fp
from fpattr_widget.evaluation import Paraphrases
from fpattr_widget.evaluation.datasets._wordings import words_in_common
from fpattr_widget.scenes import KINDS, TRAINED_KINDS
from tests.helpers.meanings import is_true, meaning_of


def said(pair) -> list[tuple[str, str]]:
    return [(pair.query[a:b], pair.paraphrase[c:d]) for (a, b), (c, d) in pair.aligned]


def quietly(read, *arguments, **options) -> Paraphrases:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return read(*arguments, **options)


def test_both_wordings_are_true_of_a_scene_of_their_own():
    found = fp.datasets.scene_paraphrases(40, seed=21)
    assert len(found) == len(found.images) == len(set(found.clusters)) == 40
    for pair, picture in zip(found, found.images, strict=True):
        assert (pair.group, pair.source) == (picture.name, picture.source)
        assert pair.query != pair.paraphrase
        for wording in (pair.query, pair.paraphrase):
            assert is_true(meaning_of(wording), pair.source.scene)
    assert found[7].image.size == (128, 128)
    assert fp.datasets.scene_paraphrases(40, seed=21).items == found.items
    assert fp.datasets.scene_paraphrases(40, seed=22).items != found.items


def test_rewrites_and_kinds_can_be_chosen():
    kinds = [kind.name for kind in TRAINED_KINDS[:5]]
    found = fp.datasets.scene_paraphrases(9, rewrites=["turned"], kinds=kinds, objects=(2, 3))
    for pair in found:
        meaning = meaning_of(pair.query)
        assert meaning_of(pair.paraphrase) == meaning
        assert meaning.relations
        assert {kind for kind, _ in meaning.things} <= set(kinds)
        nouns, turned = ([word for word in re.findall("[a-z]+", wording) if word in KINDS]
                         for wording in (pair.query, pair.paraphrase))  # fmt: skip
        assert turned == nouns[::-1]


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"rewrites": ["turned"], "objects": (3,)}, "rewrites"),
        ({"rewrites": ["tuned"]}, "rewrites"),
        ({"rewrites": []}, "rewrites"),
        ({"kinds": ["wolf"]}, "kinds"),
        ({"seed": -1}, "seed"),
    ],
)
def test_what_cannot_be_drawn_is_told(options, argument):
    with pytest.raises(fp.InputError) as raised:
        fp.datasets.scene_paraphrases(3, **options)
    assert raised.value.argument == argument


# Captions of photographs are read by a grammar of their own: words that mean the same, and
# relations as seen from the other thing.
SAME = {"kitty": "cat", "motorbike": "motorcycle", "bike": "bicycle", "couch": "sofa",
        "bottle of wine": "wine bottle", "next to": "beside", "among": "between",
        "below": "under"}  # fmt: skip
INVERSE = {"behind": "in front of", "above": "under"}
LINK = re.compile(
    r" (in front of|behind|above|under|below|beside|between|on|in|at|playing with|with|and)\b |(,) "
)
OPENING = re.compile(r"^(an?|this|there) (view|photo|photograph|picture|image|is|are)( of)? (?!of)")


def grammar_of(caption: str) -> tuple[frozenset, frozenset]:
    """Return the things that a caption names, and which stand in which relation."""
    text = caption.lower()
    for words, plain in SAME.items():
        text = re.sub(rf"\b{words}\b", plain, text)
    text = OPENING.sub("", text)
    text = re.sub(r"^a close-up (view )?of (.*)|^(.*), close up$", r"close-up \2\3", text)
    # "in the grass are hens", "between trees, a bird": what is told first, last
    fronted = r"^((?:in|at|between)(?: [a-z]+)+?)(?:,| are| there is| there are|(?= a )) (.*)"
    text = re.sub(fronted, r"\2 \1", text)
    text = re.sub(r"(.*) with (.*) on it$", r"\2 on \1", text)
    things, relations = [], set()
    for clause in re.split(", and ", text):
        parts = LINK.split(clause)
        nouns = [re.sub(r"^(an?|the|its) ", "", noun) for noun in parts[::3]]
        things += nouns
        links = [one or other for one, other in zip(parts[1::3], parts[2::3], strict=True)]
        for before, link, after in zip(nouns, links, nouns[1:], strict=False):
            if link in INVERSE:
                relations.add((INVERSE[link], after, nouns[0]))
            elif link == "in front of":  # a camera on a tripod in front of a man
                relations.add((link, nouns[0], after))
            elif link == "at":  # "at night" is of everything
                relations.add((link, after))
            elif link == "beside":
                relations.add((link, *sorted((before, after))))
            elif link not in ("and", ",", "with"):
                relations.add((link, before, after))
    return frozenset(things), frozenset(relations)


def test_they_say_the_same_of_the_same_photograph():
    found = fp.datasets.photograph_paraphrases()
    captions = {sample.name: sample for sample in fp.datasets.photographs()}
    known = set(fp.load_encoder("bundled").processors["text"].get_vocab())
    assert [image.name for image in found.images] == list(captions)
    assert len(found) == 2 * len(captions)
    for pair in found:
        sample = captions[pair.group]
        assert pair.query == sample.caption != pair.paraphrase
        assert pair.source == sample.source
        assert grammar_of(pair.paraphrase) == grammar_of(pair.query), pair
        words, own = (
            set(re.findall(r"\w+", wording.lower())) for wording in (pair.paraphrase, pair.query)
        )
        assert words <= known | own
        for phrase in sample.phrases:
            assert any(
                start <= phrase.start and phrase.stop <= stop for start, stop in covered(pair)
            ), (pair, phrase)


def covered(pair) -> list[tuple[int, int]]:
    """Return where the query's aligned words are, those side by side as one."""
    spans: list[tuple[int, int]] = []
    for (start, stop), _ in pair.aligned:
        if spans and not pair.query[spans[-1][1] : start].strip():
            start = spans.pop()[0]
        spans.append((start, stop))
    return spans


def test_the_grammar_tells_things_and_relations_apart():
    assert grammar_of("a bench behind a motorbike") == grammar_of(
        "a motorcycle in front of a bench"
    )
    for one, other in (
        ("a bench behind a motorcycle", "a motorcycle behind a bench"),
        ("two dogs", "three dogs"),
        ("a bird on a tree", "a bird with a tree on it"),
        ("in the grass are hens", "on the grass are hens"),
        ("a castle above dry grass", "a castle below dry grass"),
    ):
        assert grammar_of(one) != grammar_of(other)


def test_words_that_stand_once_are_aligned():
    pair = "A dog left of a cat", "a cat right of a dog"
    aligned = words_in_common(*pair)
    assert [(pair[0][a:b], pair[1][c:d]) for (a, b), (c, d) in aligned] == [
        ("dog", "dog"),
        ("of", "of"),
        ("cat", "cat"),
    ]
    aligned = words_in_common(
        "a wine bottle", "a bottle of wine", {"wine bottle": "bottle of wine"}
    )
    assert aligned == (((0, 1), (0, 1)), ((2, 13), (2, 16)))


@pytest.fixture
def write(tmp_path):
    (tmp_path / "pictures").mkdir()
    for name in ("pets.png", "pictures/car.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)

    def write(content: str | bytes):
        path = tmp_path / "mine.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_two_columns_are_enough(write):
    path = write('paraphrase,Query\n"a cat, and a dog",a dog and a cat\n\na car , an auto\n')
    found = quietly(fp.datasets.paraphrase_table, path)
    assert (found.name, found.images) == ("mine", ())
    assert found.queries == ("a dog and a cat", "an auto")
    assert found.paraphrases == ("a cat, and a dog", "a car")
    assert found.clusters == found.queries
    assert ("dog", "dog") in said(found[0])


def test_images_make_the_gallery_and_groups(write, tmp_path):
    path = write(
        "query,paraphrase,image,group\n"
        "a dog,there is a dog,pets.png,\n"
        "a cat,there is a cat,pets.png,cats\n"
        "a car,an auto,,\n"
    )
    found = quietly(fp.datasets.paraphrase_table, path)
    assert found.clusters == ("pets.png", "cats", "a car")
    assert [(one.name, one.source) for one in found.images] == [("pets.png", tmp_path / "pets.png")]
    assert [pair.source for pair in found] == [tmp_path / "pets.png"] * 2 + [None]
    elsewhere = quietly(
        fp.datasets.paraphrase_table,
        write("query,paraphrase,image\na car,an auto,car.png\n"),
        images=tmp_path / "pictures",
    )
    assert elsewhere.images[0].source == tmp_path / "pictures" / "car.png"


def test_broken_lines_are_told_with_file_and_line(write):
    path = write(
        b"query,paraphrase,image\n"
        b"a dog,there is a dog,pets.png\n"
        b"a dog\n"
        b"a dog, ,pets.png\n"
        b"a dog,A  dog,pets.png\n"
        b"a dog,there is a dog,pets.png\n"
        b"a dog,a hound,../secret.png\n"
        b"a dog,a hound,wolf.png\n"
        b"a \xff,a hound,pets.png\n"
        b'a "dog,"a hound"s,pets.png\n'
    )
    with pytest.warns(UserWarning, match=r"'mine' has 8 problems") as warned:
        found = fp.datasets.paraphrase_table(path)
    assert warned[0].filename == __file__
    assert found.queries == ("a dog",)
    told = {problem.place: problem.message for problem in found.problems}
    assert {problem.file for problem in found.problems} == {"mine.csv"}
    expected = {
        "line 3": "has 1 columns in place of 3",
        "line 4": "paraphrase is empty",
        "line 5": "the paraphrase is the query itself",
        "line 6": "the pair is there twice",
        "line 7": "lies outside the folder",
        "line 8": "there is no image 'wolf.png'",
        "line 9": "is not UTF-8 text",
        "line 10": "is no CSV",
    }
    assert told.keys() == expected.keys()
    for place, message in expected.items():
        assert message in told[place]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("query,other\na,b\n", "no column 'paraphrase'"),
        ("query,paraphrase\n", "gives no pairs"),
        ("query,paraphrase\na,a\n", "the paraphrase is the query itself"),
    ],
)
def test_nothing_usable_is_one_sentence(write, content, problem):
    with pytest.raises(fp.InputError, match=problem) as raised:
        fp.datasets.paraphrase_table(write(content))
    assert raised.value.argument == "path"
    assert str(raised.value).count("\n") == 0


#: In the form of ``captions_val2017.json``.
CAPTIONS = {
    "info": {"year": 2017},
    "licenses": [],
    "images": [
        {"id": 139, "file_name": "000000000139.jpg", "width": 640, "height": 426},
        {"id": 285, "file_name": "000000000285.jpg", "width": 586, "height": 640},
        {"id": 632, "file_name": "000000000632.jpg", "width": 640, "height": 483},
    ],
    "annotations": [
        {"image_id": 139, "id": 37212, "caption": "A woman stands in the dining area.\n"},
        {"image_id": 139, "id": 37215, "caption": "A room with chairs."},
        {"image_id": 285, "id": 17191, "caption": "A big burly grizzly bear."},
        {"image_id": 632, "id": 99, "caption": "A bedroom."},
        {"image_id": 5, "id": 100, "caption": "A car."},
    ],
}


@pytest.fixture
def files(tmp_path):
    for name in ("000000000139.jpg", "000000000285.jpg"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    (tmp_path / "captions.json").write_text(json.dumps(CAPTIONS))

    def files(paraphrases: str):
        (tmp_path / "paraphrases.csv").write_text(paraphrases)
        return tmp_path / "captions.json", tmp_path / "paraphrases.csv", tmp_path

    return files


def test_captions_meet_their_paraphrases(files):
    with pytest.warns(UserWarning, match="'coco_paraphrases' has") as warned:
        found = fp.datasets.coco_paraphrases(
            *files(
                "caption_id,paraphrase\n"
                "17191,A large grizzly bear.\n"
                "37212,A lady is standing in the dining area.\n"
                "37212,In the dining area stands a woman.\n"
                "99,A room to sleep in.\n"
                "7,A plane.\n"
                "37215,a room with chairs.\n"
            )
        )
    assert warned[0].filename == __file__
    assert found.queries == (
        "A big burly grizzly bear.",
        "A woman stands in the dining area.",
        "A woman stands in the dining area.",
    )
    assert found.clusters == ("000000000285.jpg", "000000000139.jpg", "000000000139.jpg")
    assert found[0].source.name == "000000000285.jpg"
    assert ("bear", "bear") in said(found[0])
    assert [one.name for one in found.images] == ["000000000139.jpg", "000000000285.jpg"]
    told = [(one.file, one.place, one.message) for one in found.problems]
    assert told == [
        ("captions.json", "images[2]", "there is no image '000000000632.jpg'"),
        ("captions.json", "annotations[4]", "there is no image with the id 5"),
        ("paraphrases.csv", "line 6", "there is no caption with the id '7'"),
        ("paraphrases.csv", "line 7", "the paraphrase is the query itself"),
    ]


def test_files_that_are_no_such_ones_are_told(files, tmp_path):
    captions, paraphrases, images = files("id,paraphrase\n1,a\n")
    with pytest.raises(fp.InputError, match="no column 'caption_id'") as raised:
        fp.datasets.coco_paraphrases(captions, paraphrases, images)
    assert raised.value.argument == "paraphrases"
    captions.write_text('{"annotations": []}')
    with pytest.raises(fp.InputError, match='no list "images"') as raised:
        fp.datasets.coco_paraphrases(captions, paraphrases, images)
    assert raised.value.argument == "captions"
