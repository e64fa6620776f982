"""The ending of a file's name is checked in one way, for figures, reports and the command line."""

from pathlib import Path

import pytest

import fpattr_widget as fp
from fpattr_widget.files import checked_ending


@pytest.mark.parametrize("path", ["a.svg", "A.SVG", Path("in.png/a.svg"), "a.png.svg"])
def test_an_ending_is_returned_in_small_letters(path):
    assert checked_ending(path, (".png", ".svg")) == ".svg"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("a.gif", "`path` ends in '.gif': pass a name that ends in .png, .svg or .pdf."),
        ("a", "`path` has no ending: pass a name that ends in .png, .svg or .pdf."),
        (".svg", "`path` has no ending: pass a name that ends in .png, .svg or .pdf."),
        (3, "`path` is a int: pass the name of a file."),
    ],
)
def test_another_one_is_refused_in_a_sentence(path, message):
    with pytest.raises(fp.InputError) as refused:
        checked_ending(path, (".png", ".svg", ".pdf"))
    assert str(refused.value) == message
    renamed = str(refused.value.renamed("--output"))
    assert renamed == message.replace("`path`", "`--output`")


def test_a_long_ending_is_cut():
    with pytest.raises(fp.InputError, match=r"ends in '\.x{19}'"):
        checked_ending("a." + 1000 * "x", (".png", ".svg"))
