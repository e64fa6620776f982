"""Flickr30k Entities: phrases stand where they did, and get the boxes of their ids."""

import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import fpattr_widget as fp
from fpattr_widget.evaluation.datasets import flickr30k_entities
from fpattr_widget.evaluation.datasets._reading import UnusableError
from fpattr_widget.evaluation.datasets.flickr30k_entities import parse_sentence

SENTENCES = """\
[/EN#283585/people A young boy] wearing [/EN#283586/clothing/other a blue shirt] .
[/EN#0/notvisual Each other] sees [/EN#283587/scene a park] and [/EN#283588/other the  ball ] .
"""

ANNOTATION = """\
<annotation>
  <filename>7.jpg</filename>
  <size><width>200</width><height>100</height><depth>3</depth></size>
  <object>
    <name>283585</name>
    <bndbox><xmin>1</xmin><ymin>11</ymin><xmax>100</xmax><ymax>60</ymax></bndbox>
  </object>
  <object>
    <name>283585</name><name>283586</name>
    <bndbox><xmin>101</xmin><ymin>1</ymin><xmax>201</xmax><ymax>100</ymax></bndbox>
  </object>
  <object><name>283587</name><scene>1</scene><nobndbox>0</nobndbox></object>
  <object><name>283588</name><scene>0</scene><nobndbox>1</nobndbox></object>
</annotation>
"""


@pytest.fixture
def folders(tmp_path):
    """Return a function that writes an image's files, and the folders' paths."""
    paths = [tmp_path / name for name in ("Sentences", "Annotations", "flickr30k-images")]
    for path in paths:
        path.mkdir()

    def write(identity="7", sentences=SENTENCES, annotation=ANNOTATION):
        for path, ending, text in zip(paths, ("txt", "xml"), (sentences, annotation), strict=False):
            if text is not None:
                content = text if isinstance(text, bytes) else text.encode()
                (path / f"{identity}.{ending}").write_bytes(content)
        Image.new("RGB", (200, 100)).save(paths[2] / f"{identity}.jpg")
        return paths

    return write


def problems(*paths):
    with pytest.warns(UserWarning, match="'flickr30k_entities' has"):
        found = flickr30k_entities(*paths)
    return found, [str(problem) for problem in found.problems]


def test_phrases_get_the_boxes_of_their_ids(folders):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, second = flickr30k_entities(*folders())
    assert (first.name, second.name) == ("7.jpg#0", "7.jpg#1")
    assert first.caption == "A young boy wearing a blue shirt ."
    boy, shirt = first.phrases
    assert first.caption[boy.start : boy.stop] == "A young boy"
    assert boy.label == "people"
    # Pixels are counted from 1, and the last one belongs to the box.
    assert boy.boxes == ((0, 0.1, 0.5, 0.6), (0.5, 0, 1, 1))
    assert first.caption[shirt.start : shirt.stop] == "a blue shirt"
    assert shirt.label == "clothing"
    assert shirt.boxes == ((0.5, 0, 1, 1),)
    assert second.caption == "Each other sees a park and the  ball  ."
    assert second.phrases == ()
    with Image.open(first.image) as image:
        assert image.size == (200, 100)


words = st.text(st.characters(exclude_characters="[]", exclude_categories=["Cs"])).filter(str.strip)
parts = st.lists(st.tuples(st.booleans(), words, st.integers(0, 10**6)))


@given(parts)
def test_the_markup_goes_and_the_phrases_stay(parts):
    line = "".join(f"[/EN#{i}/people {text}]" if marked else text for marked, text, i in parts)
    caption, named = parse_sentence(line)
    assert caption == "".join(text for _, text, _ in parts)
    spans = [caption[one.start : one.stop] for one in named]
    assert spans == [text.strip() for marked, text, _ in parts if marked]
    assert [int(one.identity) for one in named] == [i for marked, _, i in parts if marked]


@pytest.mark.parametrize(
    "line",
    [
        "[/EN#1/people A man walks .",
        "A man] walks .",
        "[/EN#1/people A man [/EN#2/other a hat] ]",
        "[/EN#1 A man]",
        "[EN#1/people A man]",
        "[/EN#1/people ]",
        "[/EN#1/people]",
    ],
)
def test_markup_that_is_not_balanced_is_refused(line):
    with pytest.raises(UnusableError, match=r"bracket is left over|has no text"):
        parse_sentence(line)


def test_a_split_chooses_images(folders, tmp_path):
    folders("8")
    split = tmp_path / "test.txt"
    split.write_text("8.jpg\n\n7\r\n")
    found = flickr30k_entities(*folders(), split)
    assert [sample.name for sample in found] == ["8.jpg#0", "8.jpg#1", "7.jpg#0", "7.jpg#1"]
    split.write_text("8\n9\n8\n../8\n\xe9\n", "latin-1")
    found, told = problems(*folders(), split)
    assert len(found) == 2
    assert told == [
        "test.txt, line 2: there are no sentences for the image id '9'",
        "test.txt, line 3: the image id '8' is there twice",
        "test.txt, line 4: there are no sentences for the image id '../8'",
        "test.txt, line 5: there are no sentences for the image id '\\udce9'",
    ]


_WITHOUT_XMAX = ANNOTATION.replace("<xmax>100</xmax>", "")


@pytest.mark.parametrize(
    ("annotation", "told", "boxes"),
    [
        (_WITHOUT_XMAX, "line 4: xmax is missing or no number", 1),
        (ANNOTATION.replace(">100</xmax>", ">wide</xmax>"), "line 4: xmax is missing or no", 1),
        (ANNOTATION.replace(">100</xmax>", ">inf</xmax>"), "line 4: xmax is not finite", 1),
        (ANNOTATION.replace(">100</xmax>", ">0</xmax>"), "line 4: the box has no area", 1),
        (ANNOTATION.replace("<xmin>101<", "<xmin>201<"), "line 8: the box lies outside", 1),
        (ANNOTATION.replace("<name>283588</name>", ""), "line 13: the object has no name", 2),
    ],
)
def test_a_broken_object_is_told_with_its_line(folders, annotation, told, boxes):
    sentence = "[/EN#283585/people A boy] runs"
    found, said = problems(*folders(annotation=annotation, sentences=sentence))
    assert len(said) == 1
    assert said[0].startswith(f"7.xml, {told}")
    assert len(found[0].phrases[0].boxes) == boxes


@pytest.mark.parametrize(
    ("annotation", "told"),
    [
        (None, ": cannot be opened"),
        ("", ", line 1: is no XML"),
        (ANNOTATION.replace("</object>", ""), ", line 14: is no XML (mismatched tag)"),
        (b"\xff" + ANNOTATION.encode(), ", line 1: is no XML"),
        ("<?xml version='1.0' encoding='klingon'?>\n<a/>", ""),
        (ANNOTATION.replace("<width>200</width>", ""), ", line 3: width is missing"),
        (ANNOTATION.replace(">100</height>", ">0</height>"), ", line 3: height is not above 0"),
        ("<annotation/>", ": width is missing"),
    ],
)
def test_an_image_without_annotation_is_left_out(folders, annotation, told):
    folders("8", annotation=annotation)
    found, said = problems(*folders())
    assert [sample.name for sample in found] == ["7.jpg#0", "7.jpg#1"]
    assert len(said) == 1
    assert said[0].startswith(f"8.xml{told}")


def test_xml_says_itself_what_it_is_written_in(folders):
    assert len(flickr30k_entities(*folders(annotation=ANNOTATION.encode("utf-16")))) == 2


def test_nothing_from_outside_is_read_into_an_annotation(folders, tmp_path):
    (tmp_path / "secret").write_text("283585")
    entity = f"<!DOCTYPE a [<!ENTITY x SYSTEM '{(tmp_path / 'secret').as_uri()}'>]>"
    annotation = entity + ANNOTATION.replace("<name>283585</name>", "<name>&x;</name>")
    found, said = problems(*folders(annotation=annotation, sentences="[/EN#283585/people A boy]"))
    assert found[0].phrases == ()
    assert "does not have the id" in said[-1]


def test_broken_lines_are_told_and_the_others_are_used(folders):
    sentences = (
        b"[/EN#283585/people A boy runs .\n\nCaf\xe9 .\n"
        b"[/EN#5/people A girl] and [/EN#283585/people a boy] .\r\n"
    )
    found, told = problems(*folders(sentences=sentences))
    (sample,) = found
    assert sample.name == "7.jpg#3"
    assert sample.caption == "A girl and a boy ."
    assert [(p.start, p.stop) for p in sample.phrases] == [(11, 16)]
    assert told[0] == "7.txt, line 1: the markup is not balanced: a bracket is left over"
    assert told[1].startswith("7.txt, line 3: the sentence ")
    assert told[1].endswith(" is not UTF-8 text")
    assert told[2] == "7.txt, line 4: 7.xml does not have the id '5'"


def test_a_missing_image_and_unreadable_sentences_are_told_once(folders):
    paths = folders("8")
    (paths[2] / "8.jpg").unlink()
    folders("9", sentences="\ufeff".encode("utf-16"))
    found, told = problems(*folders())
    assert len(found) == 2
    assert told == ["8.jpg: there is no image '8.jpg'", "9.txt: is not UTF-8 but UTF-16"]


def test_nothing_to_read_is_refused(folders, tmp_path):
    sentences, annotations, images = folders(sentences="")
    with pytest.raises(fp.InputError, match="`sentences` gives no samples \\(nothing is in it"):
        flickr30k_entities(sentences, annotations, images)
    with pytest.raises(fp.InputError, match="`split` cannot be read"):
        flickr30k_entities(sentences, annotations, images, tmp_path / "none.txt")
    with pytest.raises(fp.InputError, match="`annotations` names no folder"):
        flickr30k_entities(sentences, tmp_path / "none", images)
    (annotations / "7.xml").unlink()
    with pytest.raises(fp.InputError, match=r"`sentences` .*first problem of 1 is 7\.xml: cannot"):
        flickr30k_entities(sentences, annotations, images)
