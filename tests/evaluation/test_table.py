"""One's own files: boxes join, phrases are found, and broken lines are told."""

import csv
import io
import json
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import fpattr_widget as fp
from fpattr_widget.evaluation.datasets import table
from fpattr_widget.evaluation.datasets._reading import UnusableError
from fpattr_widget.evaluation.datasets.table import _span

HEADER = "image,caption,phrase,label,left,top,right,bottom\n"


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a file beside a picture, 40 × 20 pixels."""
    Image.new("RGB", (40, 20)).save(tmp_path / "dog.png")

    def write(content, name="mine.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def quietly(*arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return table(*arguments, **options)


def problems(*arguments, **options):
    with pytest.warns(UserWarning, match="'mine' has"):
        found = table(*arguments, **options)
    return found, [str(problem) for problem in found.problems]


def jsonl(*entries):
    return "".join(json.dumps(entry) + "\n" for entry in entries)


def test_lines_of_the_same_phrase_join(write):
    found = quietly(
        write(
            HEADER
            + 'dog.png,"A dog, a dog",dog,animal,4,2,20,10\n'
            + 'dog.png,"A dog, a dog",dog,animal,20,2,44,10\n'
            + "\n"
            + 'dog.png,"A dog, a dog",a dog,,4,2,20,10\n'
            + "dog.png,the lawn,,,,,,\n"
        )
    )
    first, second = found
    assert (found.name, first.name, second.name) == ("mine", "dog.png#0", "dog.png#1")
    named, other = first.phrases
    assert (named.start, named.stop, named.label) == (2, 5, "animal")
    assert named.boxes == ((0.1, 0.1, 0.5, 0.5), (0.5, 0.1, 1, 0.5))
    assert (other.start, other.stop, other.label) == (7, 12, "a dog")
    assert (second.caption, second.phrases) == ("the lawn", ())
    with Image.open(first.image) as image:
        assert image.size == (40, 20)


def test_start_says_which_one_is_meant(write):
    text = "start,image,caption,phrase,left,top,right,bottom,note\n"
    text += "7,dog.png,A dog a Dog,dog,0,0,1,1,none\n,dog.png,A dog a Dog,dog,0,0,9,9,\n"
    text += "8,dog.png,A dog a Dog,dog,0,0,9,9,\n"
    found, told = problems(write(text))
    assert [(p.start, p.stop) for p in found[0].phrases] == [(2, 5), (8, 11)]
    assert told == ["mine.csv, line 2: the phrase 'dog' does not stand at start"]


def test_json_lines_say_the_same_as_a_table(write):
    entry = {
        "image": "dog.png",
        "caption": "A dog, a dog",
        "phrases": [
            {"phrase": "dog", "label": "animal", "boxes": [[4, 2, 20, 10], [20, 2, 44, 10]]},
            {"start": 7, "stop": 12, "boxes": [[4, 2, 20, 10]]},
        ],
    }
    lines = jsonl(entry, {"image": "dog.png", "caption": "the lawn"})
    rows = 'dog.png,"A dog, a dog",dog,animal,4,2,20,10\n'
    rows += 'dog.png,"A dog, a dog",dog,animal,20,2,44,10\n'
    rows += 'dog.png,"A dog, a dog",a dog,,4,2,20,10\ndog.png,the lawn,,,,,,\n'
    tabled = quietly(write(HEADER + rows))
    assert quietly(write(lines, "mine.jsonl")).fingerprint() == tabled.fingerprint()


def test_fractions_need_no_picture_to_be_opened(write, tmp_path):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "no.png").write_bytes(b"")
    path = write(HEADER + "no.png,a dog,dog,,0.25,-0.5,0.5,1\n")
    (sample,) = quietly(path, tmp_path / "pictures", boxes="fractions")
    assert sample.phrases[0].boxes == ((0.25, 0, 0.5, 1),)
    assert sample.image == tmp_path / "pictures" / "no.png"
    with pytest.raises(fp.InputError, match=r"`path` gives no samples .* cannot be opened"):
        table(path, tmp_path / "pictures")


def test_fractions_that_are_called_pixels_are_refused(write):
    path = write(HEADER + "dog.png,a dog,dog,,0.25,0.5,0.5,1\n")
    with pytest.raises(fp.InputError, match="pass boxes='fractions'"):
        table(path)
    with pytest.raises(fp.InputError, match="`boxes` is 'percent'"):
        table(path, boxes="percent")


def test_pixels_are_those_of_the_upright_picture(write, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20)).save(tmp_path / "turned.jpg", exif=exif)
    (sample,) = quietly(write(HEADER + "turned.jpg,a dog,dog,,0,0,20,20\n"))
    assert sample.phrases[0].boxes == ((0, 0, 1, 0.5),)


def test_pictures_in_other_places(write, tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    Image.new("RGB", (10, 10)).save(inner / "a.png")
    rows = f"inner/a.png,a dog,dog,,0,0,5,5\n{inner / 'a.png'},a dog,dog,,0,0,5,5\n"
    found = quietly(write(HEADER + rows))
    assert [sample.phrases[0].boxes for sample in found] == [((0, 0, 0.5, 0.5),)] * 2


_GOOD = "dog.png,a dog,dog,,4,2,20,10\n"


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("dog.png,a dog,dog\n", "has 3 columns in place of 8"),
        ("dog.png,a dog,cat,,4,2,20,10\n", "the phrase 'cat' does not stand in the caption"),
        ("dog.png,a dog,dog,pet,4,2,20,10\n", "the phrase already has the label 'dog'"),
        ("dog.png,a dog,,,4,2,20,10\n", "phrase is empty"),
        ("dog.png,,dog,,4,2,20,10\n", "caption is empty"),
        (",a dog,dog,,4,2,20,10\n", "image is empty"),
        ("dog.png,a dog,dog,,four,2,20,10\n", "left is missing or no number"),
        ("dog.png,a dog,dog,,4,2,20,\n", "bottom is missing or no number"),
        ("dog.png,a dog,dog,,4,nan,20,10\n", "top is not finite"),
        ("dog.png,a dog,dog,,4,2,1e999,10\n", "right is not finite"),
        ("dog.png,a dog,dog,,4,2,4,10\n", "the box has no area"),
        ("dog.png,a dog,dog,,20,2,4,10\n", "the box has no area"),
        ("dog.png,a dog,dog,,40,2,50,10\n", "the box lies outside the image"),
        ("cat.png,a dog,dog,,4,2,20,10\ncat.png,a cat,,,,,,\n", "there is no image 'cat.png'"),
        ('dog.png,"a" dog,dog,,4,2,20,10\n', "is no CSV"),
        ("dog.png,a caf\udce9 dog,dog,,4,2,20,10\n", "is not UTF-8 text"),
    ],
)
def test_a_broken_line_is_told_and_the_others_are_used(write, row, told):
    text = HEADER + _GOOD + row + _GOOD.replace("4,2", "8,4")
    found, said = problems(write(text.encode(errors="surrogateescape")))
    (sample,) = found
    assert len(sample.phrases[0].boxes) == 2
    assert len(said) == 1
    assert said[0].startswith("mine.csv, line 3: ")
    assert told in said[0]


def test_a_quote_that_never_ends_is_told_where_it_begins(write):
    found, said = problems(write(HEADER + _GOOD + '"dog.png,a dog\n' + _GOOD))
    assert len(found) == 1
    assert said == ["mine.csv, line 3: is no CSV (unexpected end of data)"]


def test_captions_of_two_lines_keep_the_lines_counted(write):
    row = 'dog.png,"a\u2028dog\n on a\nlawn",dog,,4,2,20,10\n'
    found, said = problems(write(HEADER + row + "x\n"))
    assert found[0].phrases[0].start == 2
    assert said == ["mine.csv, line 5: has 1 columns in place of 8"]


_ENTRY = {"image": "dog.png", "caption": "a dog"}
_PHRASE = {"phrase": "dog", "boxes": [[4, 2, 20, 10]]}


@pytest.mark.parametrize(
    ("line", "place", "told"),
    [
        ("{", "line 2", "is no JSON (Expecting property name enclosed in double quotes, line 1"),
        ("[]", "line 2", "is no object"),
        ({"caption": "a dog"}, "line 2", '"image" is missing or no text'),
        ({"image": "dog.png", "caption": ""}, "line 2", '"caption" is empty'),
        ({**_ENTRY, "image": "cat.png"}, "line 2", "there is no image 'cat.png'"),
        ({**_ENTRY, "phrases": {}}, "line 2", '"phrases" is no list'),
        ({**_ENTRY, "phrases": [3]}, "line 2, phrases[0]", "is no object"),
        ({**_ENTRY, "phrases": [{}]}, "line 2, phrases[0]", '"phrase" is missing'),
        ({**_ENTRY, "phrases": [{"phrase": "dog"}]}, "line 2, phrases[0]", '"boxes" is missing'),
        ({**_ENTRY, "phrases": [_PHRASE | {"start": 1}]}, "line 2, phrases[0]", "at start"),
        ({**_ENTRY, "phrases": [_PHRASE | {"start": -3}]}, "line 2, phrases[0]", "no whole"),
        ({**_ENTRY, "phrases": [_PHRASE | {"start": 2.5}]}, "line 2, phrases[0]", "no whole"),
        ({**_ENTRY, "phrases": [_PHRASE | {"stop": 4}]}, "line 2, phrases[0]", '"stop" is not'),
        ({**_ENTRY, "phrases": [_PHRASE | {"label": 3}]}, "line 2, phrases[0]", "label is missing"),
        (
            {**_ENTRY, "phrases": [{"start": 2, "stop": 9, "boxes": []}]},
            "line 2, phrases[0]",
            "do not lie in the caption",
        ),
        (
            {**_ENTRY, "phrases": [{"start": 1, "stop": 2, "boxes": []}]},
            "line 2, phrases[0]",
            "hold no word",
        ),
        (
            {**_ENTRY, "phrases": [_PHRASE | {"boxes": [[4, 2, 20, 10], [1, 2, 3]]}]},
            "line 2, phrases[0].boxes[1]",
            "the box is no list [left, top, right, bottom]",
        ),
        (
            {**_ENTRY, "phrases": [_PHRASE | {"boxes": [[4, 2, None, 10]]}]},
            "line 2, phrases[0].boxes[0]",
            "right is missing or no number",
        ),
    ],
)
def test_a_broken_part_of_a_json_line_is_told(write, line, place, told):
    good = jsonl({**_ENTRY, "phrases": [_PHRASE]})
    broken = line if isinstance(line, str) else json.dumps(line)
    found, said = problems(write(good + broken + "\n", "mine.jsonl"))
    (sample,) = found
    (phrase,) = sample.phrases
    assert phrase.boxes == ((0.1, 0.1, 0.5, 0.5),)
    assert len(said) == 1
    assert said[0].startswith(f"mine.jsonl, {place}: ")
    assert told in said[0]


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        ("", "mine.csv", "`path` has no column 'image'"),
        ("image;caption\n", "mine.csv", "`path` has no column 'image'"),
        (HEADER.replace("left,", ""), "mine.csv", "`path` has no column 'left'"),
        ('"image\n', "mine.csv", "`path` cannot be read: line 1"),
        (HEADER, "mine.csv", "`path` gives no samples \\(nothing is in it"),
        ("", "mine.jsonl", "`path` gives no samples \\(nothing is in it"),
        ("\n{\n", "mine.jsonl", r"`path` gives no samples .*mine\.jsonl, line 2: is no JSON"),
        (HEADER.encode("utf-16"), "mine.csv", "is not UTF-8 but UTF-16"),
        (HEADER, "mine.xlsx", r"`path` ends in '\.xlsx'"),
    ],
)
def test_nothing_to_read_is_refused(write, content, name, message):
    with pytest.raises(fp.InputError, match=message):
        table(write(content, name))


def test_paths_that_name_nothing_are_refused(write, tmp_path):
    with pytest.raises(fp.InputError, match="`path` cannot be read"):
        table(tmp_path / "none.csv")
    with pytest.raises(fp.InputError, match="`images` names no folder"):
        table(write(HEADER + _GOOD), tmp_path / "none")


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(texts, texts, texts)
def test_a_phrase_stands_where_it_is_said_to(before, phrase, after):
    start, stop = _span(before + phrase + after, phrase, None)
    assert (before + phrase + after)[start:stop].lower() == phrase.lower()
    assert _span(before + phrase + after, phrase, float(len(before))) == (
        len(before),
        len(before + phrase),
    )


def test_whole_words_come_first():
    assert _span("category: cat", "cat", None) == (10, 13)
    assert _span("CAT and cat", "cat", None) == (8, 11)
    assert _span("category: Cat", "cat", None) == (10, 13)
    assert _span("一只狗", "狗", None) == (2, 3)
    with pytest.raises(UnusableError):
        _span("a dog", "cat", None)


def test_what_a_spreadsheet_writes_is_read(write):
    buffer = io.StringIO()
    writer = csv.writer(buffer, dialect="excel")
    writer.writerow(["Image", " Caption", "Phrase", "Left", "Top", "Right", "Bottom"])
    writer.writerow(["dog.png", 'a "good" dog, indeed', "dog", 4, 2, 20, 10])
    (sample,) = quietly(write("\ufeff" + buffer.getvalue()))
    assert sample.caption == 'a "good" dog, indeed'
    assert sample.phrases[0].start == 9


def test_a_file_names_nothing_outside_its_folder(tmp_path):
    """A stranger's file would make a report show any picture of the reader's."""
    mine = tmp_path / "secret.png"
    Image.new("RGB", (40, 20)).save(mine)
    folder = tmp_path / "theirs"
    folder.mkdir()
    Image.new("RGB", (40, 20)).save(folder / "dog.png")
    inside = folder / "dog.png"
    lines = [f"{name},a dog,dog,,2,2,9,9" for name in (mine, "../secret.png", inside, "./dog.png")]
    (folder / "table.csv").write_text("\n".join([HEADER.strip(), *lines, ""]))
    entries = [{"image": name, "caption": "a dog"} for name in (str(mine), "a/../../secret.png")]
    entries.append({"image": "dog.png", "caption": "a dog"})
    (folder / "table.jsonl").write_text("\n".join(map(json.dumps, entries)))
    for name, problems, kept in (("table.csv", 2, 2), ("table.jsonl", 2, 1)):
        with pytest.warns(UserWarning, match="lies outside the folder"):
            found = table(folder / name)
        assert [one.source for one in found if one.source.name != "dog.png"] == []
        assert len(found) == kept
        assert len(found.problems) == problems
        assert all("lies outside the folder" in one.message for one in found.problems)
    # Of one's own accord.
    (folder / "table.csv").write_text("\n".join([HEADER.strip(), lines[0], ""]))
    assert [one.source for one in quietly(folder / "table.csv", tmp_path)] == [mine]
