"""The command line: what it writes is what Python computes."""

import csv
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

import fpattr_widget as fp
from fpattr_widget.cli import main
from fpattr_widget.scenes import example

pytestmark = pytest.mark.slow

CAPTION = "a dog next to a ball"


@pytest.fixture(scope="module")
def pairs() -> fp.FeaturePairs:
    return fp.attribute(fp.load_encoder("scenes"), example("dog-and-ball").image, CAPTION)


@pytest.fixture
def photo(tmp_path, monkeypatch) -> str:
    monkeypatch.chdir(tmp_path)
    example("dog-and-ball").image.save("photo.png")
    return "photo.png"


def test_words_that_the_model_has_never_seen_are_told(photo, capsys):
    assert main(["explain", photo, "a dog and a zxq", "-o", "it.csv"]) == 0
    assert (
        "The model has never seen “zxq”: to it that is an unknown word." in capsys.readouterr().err
    )
    assert main(["explain", photo, "a dog and a ball", "-o", "it.csv"]) == 0
    assert "never seen" not in capsys.readouterr().err


def test_the_ending_says_what_is_written(photo, pairs, tmp_path, capsys):
    for ending in ("html", "png", "svg", "pdf", "npz", "csv", "fpattr"):
        assert main(["explain", photo, CAPTION, "-o", f"it.{ending}"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "attributing" in err
    assert f"similarity {pairs.ledger.similarity:.3f}, written to it.html" in err

    assert CAPTION in Path("it.html").read_text()
    with Image.open("it.png") as image:
        image.load()
    assert ElementTree.parse("it.svg").getroot().tag.endswith("svg")
    assert Path("it.pdf").read_bytes().startswith(b"%PDF")
    with np.load("it.npz", allow_pickle=False) as arrays:
        np.testing.assert_allclose(arrays["matrix"], pairs.matrix, atol=1e-6)
        assert tuple(arrays["grid"]) == pairs.grid
        assert list(arrays["tokens"]) == [token.text for token in pairs.tokens]
        assert arrays["ledger_pairs"] == pytest.approx(pairs.ledger.pairs)
    table = pairs.to_dataframe()
    with open("it.csv", newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert list(lines[0]) == list(table.columns)
    assert len(lines) == len(table)
    for name in ("text", "feature"):
        assert [line[name] for line in lines] == list(table[name])
    for name in ("token", "row", "column", "attribution"):
        np.testing.assert_allclose([float(line[name]) for line in lines], table[name], atol=1e-6)
    # All digits of the file of the same run, which holds the very bits.
    values = [np.float32(line["attribution"]) for line in lines if line["row"] != "-1"]
    np.testing.assert_array_equal(values, fp.load_pairs("it.fpattr").matrix.ravel())
    np.testing.assert_allclose(fp.load_pairs("it.fpattr").matrix, pairs.matrix, atol=1e-6)
    assert not [path for path in tmp_path.iterdir() if path.stem not in ("it", "photo")]


def test_model_method_and_layer_are_chosen(photo, saved_model, capsys):
    chosen = ["--method", "occlusion", "--model", str(saved_model)]
    assert main(["explain", photo, "a dog", "-o", "a.fpattr", *chosen]) == 0
    assert fp.load_pairs("a.fpattr").about.method == "occlusion"
    assert fp.load_pairs("a.fpattr").about.model == saved_model.name
    for text, layer in (("0,2", (0, 2)), ("-1", -1)):
        assert main(["explain", photo, "a dog", "-o", "b.fpattr", "--layer", text]) == 0
        expected = fp.attribute(
            fp.load_encoder("scenes"), example("dog-and-ball").image, "a dog", layer=layer
        )
        np.testing.assert_allclose(fp.load_pairs("b.fpattr").matrix, expected.matrix, atol=1e-6)


def test_the_picture_can_be_left_out(photo, pairs):
    assert main(["explain", photo, CAPTION, "-o", "it.fpattr", "--strip-image"]) == 0
    loaded = fp.load_pairs("it.fpattr")
    assert np.ptp(np.asarray(loaded.picture)) == 0
    np.testing.assert_allclose(loaded.matrix, pairs.matrix, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["photo.png", CAPTION, "-o", "it.docx"], "`--output` ends in '.docx'"),
        (["photo.png", CAPTION, "-o", "nowhere/it.html"], "nowhere"),
        (["nothing.png", CAPTION], "`image`"),
        (["photo.png", ""], "`caption`"),
        (["photo.png", CAPTION, "--layer", "17"], "`layer`"),
        (["photo.png", CAPTION, "--model", "no/such/model"], "`model`"),
    ],
)
def test_what_cannot_be_used_is_told_and_nothing_is_written(
    photo, tmp_path, capsys, arguments, says
):
    assert main(["explain", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err
    assert "Traceback" not in err
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]


def test_it_is_installed_as_a_program(photo):
    program = Path(sys.executable).with_name("fpattr-widget")
    done = subprocess.run(
        [program, "explain", photo, CAPTION, "-o", "it.npz"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert Path("it.npz").exists()
    wrong = subprocess.run([program, "explain"], capture_output=True, text=True)
    assert wrong.returncode == 2
    assert "usage: fpattr-widget explain" in wrong.stderr


def test_evaluate_tells_and_writes_what_python_measures(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments = ["evaluate", "scenes", "--number", "3", "--seed", "2", "--layer", "0,2"]
    arguments += ["--metric", "pointing_game", "--metric", "pointing_energy"]
    for ending in ("md", "csv", "html"):
        output = ["-o", f"it.{ending}", "--scores", "scores.jsonl", "--examples", "1"]
        assert main([*arguments, *output]) == 0
    out, err = capsys.readouterr()
    assert err.count("written to it.") == 3
    expected = fp.evaluate(
        "bundled",
        fp.datasets.scenes(3, seed=2),
        metrics=["pointing_game", "pointing_energy"],
        layers=(0, 2),
        progress=False,
    )
    assert out.count(str(expected.comparison())) == 3
    with open("it.csv", newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [float(line["value"]) for line in lines] == pytest.approx(
        [row[9] for row in expected.scores().rows]
    )
    assert expected.classes().to_markdown() in Path("it.md").read_text()
    page = Path("it.html").read_text()
    worst = expected.worst(1)[0]
    assert f"“{worst.words}” in “{worst.sample.caption}”" in page
    assert page.count("data-fpattr><script") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["coco", "a.json"], "INSTANCES.json CAPTIONS.json IMAGES"),
        (["coco", "a.json", "b.json", "c"], "a.json"),
        (["scenes", "-o", "it.txt"], ".html"),
        (["scenes", "-o", "nowhere/it.html"], "`--output` lies in 'nowhere'"),
        (["scenes", "--number", "0"], "number"),
        (["table", "nothing.csv"], "nothing.csv"),
    ],
)
def test_evaluate_says_what_is_wrong(arguments, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("fpattr-widget: ")
    assert said in error


def test_no_word_becomes_a_formula(photo):
    assert main(["explain", photo, "a dog =ball @cat -", "-o", "it.csv"]) == 0
    with open("it.csv", newline="", encoding="utf-8") as file:
        texts = list(dict.fromkeys(line["text"] for line in csv.DictReader(file)))
    assert {"'=", "'@", "'-"} <= set(texts)
    assert not [text for text in texts if text[0] in "=+-@"]


def test_a_limit_draws_samples_at_random(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = "evaluate scenes --number 20 --seed 4 --limit 2 --metric completeness --layer=-1"
    assert main([*command.split(), "-o", "it.csv"]) == 0
    with open("it.csv", newline="", encoding="utf-8") as file:
        names = [line["sample"] for line in csv.DictReader(file)]
    scenes = fp.datasets.scenes(20, seed=4)
    assert names == [sample.name for sample in scenes.shuffled(4)[:2]]
    assert set(names) != {sample.name for sample in scenes[:2]}


def test_an_interrupted_evaluation_is_told_and_gone_on_from(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments = ["evaluate", "examples", "--limit", "3", "--scores", "scores.jsonl"]
    prepare = fp.DualEncoder.prepare
    captions = []

    def interrupt(encoder, value, tower):
        if isinstance(value, str) and tower == "text":  # else it is prepared already
            captions.append(value)
            if len(captions) == 2:
                raise KeyboardInterrupt
        return prepare(encoder, value, tower)

    with monkeypatch.context() as patch:
        patch.setattr(fp.DualEncoder, "prepare", interrupt)
        assert main(arguments) == 130
    out, err = capsys.readouterr()
    assert "1 of 3 samples" in out
    assert "run the same again to go on" in err
    assert main(arguments) == 0
    assert "3 of 3 samples" in capsys.readouterr().out
    assert len(Path("scores.jsonl").read_text().splitlines()) == 4
