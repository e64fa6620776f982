"""``fpattr-widget rank``: it prints and writes what Python ranks."""

import csv
from pathlib import Path

import numpy as np
import pytest

import fpattr_widget as fp
from fpattr_widget.cli import main
from fpattr_widget.scenes import example

pytestmark = pytest.mark.slow

SCENES = ("--model", "scenes")
QUERY = "a pig next to a tree"
EXAMPLES = ("dog-and-ball", "farm", "fruit")


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = Path("pictures")
    folder.mkdir()
    for name in EXAMPLES:
        example(name).image.save(folder / f"{name}.png")
    (folder / "broken.png").write_bytes(b"")
    return folder


def test_it_prints_the_first_and_writes_all(folder, capsys):
    expected = fp.rank(folder, QUERY, model="scenes")
    assert main(["rank", "pictures", QUERY, *SCENES]) == 0
    out, err = capsys.readouterr()
    assert out == f"{expected}\n"
    assert "left out: broken.png: cannot be read" in err
    assert main(["rank", "pictures", QUERY, "-o", "r.csv", "--top", "2", *SCENES]) == 0
    with open("r.csv", newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [line["name"] for line in lines] == list(expected.names[:2])
    np.testing.assert_allclose([float(line["score"]) for line in lines], expected.scores[:2])
    assert "written to r.csv" in capsys.readouterr().err

    options = ["--explained", "1", "--method", "occlusion"]
    assert main(["rank", "pictures", "a zxq", "-o", "r.html", *options, *SCENES]) == 0
    page = Path("r.html").read_text("utf-8")
    assert page.count("data-fpattr>") == 1
    assert "occlusion" in page
    assert "never seen “zxq”" in capsys.readouterr().err
    for query in (QUERY, "a dog"):
        assert main(["rank", "pictures", query, "--store", "s.npz", *SCENES]) == 0
    assert len(fp.load_embeddings("s.npz")) == 3
    picture = f"pictures/{expected.names[2]}"
    assert main(["rank", "pictures", picture, "--layer=-1", *SCENES]) == 0
    assert f"1  {expected.names[2]}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere", QUERY], "`images` names no folder (nowhere): pass a folder that exists."),
        ([".", QUERY, "-o", "r.png"], "`--output` ends in '.png': pass a name that ends in .html"),
        ([".", QUERY, "-o", "no/r.csv"], "`--output` lies in 'no', which is no folder"),
        (["empty", QUERY, *SCENES], "`images` names a folder without pictures (empty)"),
        (["pictures", " ", *SCENES], "`query` is empty: write what the image may show."),
        (["pictures", QUERY, "--top", "0", *SCENES], "`top` is 0: pass a whole number from 1."),
        (["pictures", QUERY, "--layer=9", *SCENES], "`layer` is 9"),
        (
            ["pictures", QUERY, "-o", "r.html", "--explained=-1", *SCENES],
            "`explained` is -1: pass a whole number from 0.",
        ),
    ],
)
def test_what_cannot_be_used_is_told_and_nothing_is_written(folder, capsys, arguments, says):
    Path("empty").mkdir()
    assert main(["rank", *arguments]) == 2
    error = capsys.readouterr().err
    assert f"fpattr-widget: {says}" in error
    assert sorted(path.name for path in Path().iterdir()) == ["empty", "pictures"]


def test_an_interrupt_writes_nothing(folder, monkeypatch, capsys):
    def stop(*_values):
        raise KeyboardInterrupt

    monkeypatch.setattr(fp.DualEncoder, "embed_readable", stop)
    assert main(["rank", "pictures", QUERY, "-o", "r.html", *SCENES]) == 130
    assert "stopped, nothing was written" in capsys.readouterr().err
    assert [path.name for path in Path().iterdir()] == ["pictures"]
