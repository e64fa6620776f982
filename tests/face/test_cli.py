"""The command line: what it writes is what Python computes."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image

import fpattr_widget as fp
from fpattr_widget.cli import main
from fpattr_widget.encoders import Side
from fpattr_widget.pairs import title_of
from fpattr_widget.scenes import example
from tests.helpers.any_sides import COMBINATIONS, combined, pairs_of_sides, sentence
from tests.helpers.families import llip

pytestmark = pytest.mark.slow

CAPTION = "a dog next to a ball"
SCENES = ("--model", "scenes")


@pytest.fixture(scope="module")
def pairs() -> fp.FeaturePairs:
    return fp.attribute(fp.load_encoder("scenes"), example("dog-and-ball").image, CAPTION)


@pytest.fixture
def photo(tmp_path, monkeypatch) -> str:
    monkeypatch.chdir(tmp_path)
    example("dog-and-ball").image.save("photo.png")
    return "photo.png"


def test_words_that_the_model_has_never_seen_are_told(photo, capsys):
    assert main(["explain", photo, "a dog and a zxq", "-o", "it.csv", *SCENES]) == 0
    assert (
        "The model has never seen “zxq”: to it that is an unknown word." in capsys.readouterr().err
    )
    assert main(["explain", photo, "a dog and a ball", "-o", "it.csv", *SCENES]) == 0
    assert "never seen" not in capsys.readouterr().err


def test_the_ending_says_what_is_written(photo, pairs, tmp_path, capsys):
    for ending in ("html", "png", "svg", "pdf", "npz", "csv", "fpattr"):
        assert main(["explain", photo, CAPTION, "-o", f"it.{ending}", *SCENES]) == 0
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
        assert str(arrays["unit"]) == "cosine similarity"
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


@pytest.fixture
def photos(photo) -> tuple[str, str]:
    example("farm").image.save("farm.png")
    return photo, "farm.png"


def test_another_picture_is_the_reference(photos):
    one, two = photos
    assert main(["explain", one, "a dog", "--reference", two, "-o", "it.fpattr", *SCENES]) == 0
    expected = fp.attribute("scenes", one, "a dog", reference=two)
    np.testing.assert_allclose(fp.load_pairs("it.fpattr").matrix, expected.matrix, atol=1e-5)


def test_any_two_sides_are_explained(photos, capsys):
    """Each command computes what Python does, whatever the kinds of its inputs."""
    one, two = photos
    text, picture = fp.Text, fp.Picture
    commands = {
        ("explain", one, "a dog", "--minus", "a cat", "--plus", "a ball", "--minus=-"): (
            picture(one), text("a dog") - text("a cat") + text("a ball") - text("-"), None,
        ),
        ("explain", "--texts", "a dog", "a cat", "--unit", "logit"): (
            text("a dog"), text("a cat"), "logit",
        ),
        ("explain", "--pictures", one, two, "--plus", one, "--unit", "cosine"): (
            picture(one), picture(two) + picture(one), "cosine",
        ),
        ("contrast", one, "a dog", "a" * 300): (
            picture(one), text("a dog") - text("a" * 300), None,
        ),
        ("contrast", "a dog", one, two): (text("a dog"), picture(one) - picture(two), None),
        ("contrast", "--texts", "a dog", "a cat", "a ball"): (
            text("a dog"), text("a cat") - text("a ball"), None,
        ),
        ("contrast", "--pictures", one, one, two): (
            picture(one), picture(one) - picture(two), None,
        ),
    }  # fmt: skip
    encoder = fp.load_encoder("scenes")
    for command, (first, second, unit) in commands.items():
        layer = "--layer=-1"
        assert main([*command, layer, "-o", "it.fpattr", *SCENES]) == 0
        loaded = fp.load_pairs("it.fpattr")
        expected = fp.attribute(encoder, first, second, layer=-1, unit=unit)
        np.testing.assert_allclose(loaded.matrix, expected.matrix, atol=1e-5)
        assert (loaded.rows, loaded.columns) == (expected.rows, expected.columns)
        assert loaded.about == expected.about
        said = f"{expected.unit_label} {expected.ledger.similarity:.3f}, written to it.fpattr"
        assert said in capsys.readouterr().err


def test_models_that_read_by_the_caption_are_told_how(photo, monkeypatch, capsys):
    asked = []

    def load(name: str, weight_scale: float | None = None) -> fp.DualEncoder:
        asked.append((name, weight_scale))
        return encoder

    encoder = llip.llip_encoder(weight_scale=0.5)
    monkeypatch.setattr(fp, "load_encoder", load)
    own = ("--model", "llip.pt", "--weight-scale", "0.5", "--layer=-1", "-o", "it.fpattr")
    difference = fp.Text("a dog") - fp.Text("a cat")
    commands = {
        ("explain", photo, "a dog"): ("a dog", {}),
        ("explain", photo, "a dog", "--reading", "match", "--norms", "moving"): (
            "a dog", {"reading": "match", "norms": "moving"},
        ),
        ("contrast", photo, "a dog", "a cat", "--reading", "frozen"): (
            difference, {"reading": "frozen"},
        ),
    }  # fmt: skip
    for command, (second, how) in commands.items():
        assert main([*command, *own]) == 0
        expected = fp.attribute(encoder, fp.Picture(photo), second, layer=-1, **how)
        loaded = fp.load_pairs("it.fpattr")
        np.testing.assert_allclose(loaded.matrix, expected.matrix, atol=1e-5)
        assert loaded.about == expected.about
        explained = (
            fp.contrast(photo, "a dog", "a cat", model=encoder, layer=-1, **how)
            if (second is difference)
            else fp.explain(photo, "a dog", model=encoder, layer=-1, **how)
        )
        np.testing.assert_array_equal(explained.pairs.matrix, expected.matrix)
        ledger, said = expected.ledger, capsys.readouterr().err
        parts = (
            f"change of routing {ledger.left_out:.3f}"
            if second is difference
            else f"match {ledger.match:.3f}, routing {ledger.routing:.3f}"
        )
        assert f"{ledger.similarity:.3f}, {parts}, written to" in said
    assert asked == [("llip.pt", 0.5)] * 3
    assert main(["explain", photo, "a dog", *own[:-1], "it.npz"]) == 0
    with np.load("it.npz", allow_pickle=False) as arrays:
        whole = fp.attribute(encoder, photo, "a dog", layer=-1).ledger
        assert arrays["ledger_match"] == pytest.approx(whole.match)
        assert arrays["ledger_left_out"] == 0
        assert str(arrays["ledger_left_out_name"]) == ""


def test_a_llip_asks_for_its_scale(photo, tmp_path, capsys):
    llip.saved(tmp_path, llip.llip(torch.float32).state_dict())
    command = ["explain", photo, "a dog", "--model", str(tmp_path / "llip.pt"), "-o", "it.csv"]
    assert main(command) == 2
    assert "`weight_scale` is missing" in capsys.readouterr().err
    assert main([*command, *SCENES, "--weight-scale", "5"]) == 2
    assert "`weight_scale` is given, but 'scenes' has no scale" in capsys.readouterr().err
    assert main(["evaluate", "scenes", *SCENES, "--weight-scale", "5"]) == 2
    assert "`weight_scale` is given, but 'scenes' has no scale" in capsys.readouterr().err


@pytest.fixture
def recorded_pairs(monkeypatch) -> Callable[[fp.FeaturePairs], None]:
    """Return what puts complete pairs in the place of those that a model would explain."""

    def put(pairs: fp.FeaturePairs) -> None:
        monkeypatch.setattr(fp, "attribute", lambda *_, **__: pairs)
        monkeypatch.setattr(fp, "load_encoder", lambda _, **__: None)

    return put


WRITTEN = ["explain", "--texts", "a", "b", "-o"]


@pytest.mark.parametrize(("rows", "columns"), COMBINATIONS)
def test_numbers_of_any_two_sides_are_written(rows, columns, tmp_path, monkeypatch, recorded_pairs):
    monkeypatch.chdir(tmp_path)
    pairs = combined(rows, columns)
    recorded_pairs(pairs)
    for ending in ("npz", "csv", "fpattr"):
        assert main([*WRITTEN, f"it.{ending}"]) == 0
    np.testing.assert_array_equal(fp.load_pairs("it.fpattr").matrix, pairs.matrix)
    table = pairs.to_dataframe()
    with open("it.csv", newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert list(lines[0]) == list(table.columns)
    for name, column in table.items():
        said = [line[name] for line in lines]
        assert said == [str(value) for value in column] or np.array_equal(
            np.array(said, column.dtype), column
        )
    with np.load("it.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["matrix"], pairs.matrix)
        assert str(arrays["unit"]) == pairs.unit_label
        assert arrays["ledger_rows_only"] == pairs.ledger.rows_only
        if (rows, columns) != ("caption", "picture"):
            for name, side in (("row", pairs.rows), ("column", pairs.columns)):
                assert tuple(arrays[f"{name}_feature"]) == side.visible
                features = [side.features[number] for number in side.visible]
                assert [*arrays[f"{name}_label"]] == [feature.label for feature in features]
                weights = [side.weights[feature.part] for feature in features]
                assert [*arrays[f"{name}_weight"]] == weights
        terms = pairs.ledger.terms
        assert ("terms_pairs" in arrays) == bool(terms)
        if terms:
            assert arrays["terms_pairs"].shape == (
                len(pairs.rows.panels),
                len(pairs.columns.panels),
            )
            assert list(arrays["terms_residual"].flat) == [term.residual for term in terms]


@pytest.mark.parametrize(
    ("rows", "columns"), [("captions", "pictures"), ("caption", "other caption")]
)
def test_any_two_sides_are_shown(rows, columns, tmp_path, monkeypatch, recorded_pairs):
    monkeypatch.chdir(tmp_path)
    pairs = combined(rows, columns)
    recorded_pairs(pairs)
    for ending in ("html", "png", "svg", "pdf"):
        assert main([*WRITTEN, f"it.{ending}", "--strip-image"]) == 0
    page = Path("it.html").read_text()
    assert f"<h1>{title_of(pairs.rows, pairs.columns)}</h1>" in page
    with Image.open("it.png") as image:
        image.load()
    assert "a dog runs" in Path("it.svg").read_text()
    assert Path("it.pdf").read_bytes().startswith(b"%PDF")


def test_no_word_of_either_side_becomes_a_formula(tmp_path, monkeypatch, recorded_pairs):
    monkeypatch.chdir(tmp_path)
    recorded_pairs(pairs_of_sides(Side((sentence("=dog"),)), Side((sentence("a -cat"),))))
    assert main([*WRITTEN, "it.csv"]) == 0
    with open("it.csv", newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert {line["row_label"] for line in lines} == {"BOS", "'=", "dog", "EOS"}
    assert {line["column_label"] for line in lines} == {"BOS", "a", "'-", "cat", "EOS"}
    assert not any(line["attribution"].startswith("'") for line in lines)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["contrast", "nothing.png", "a dog", "a cat"],
            "`contrast` cannot tell captions from images (files: 0 of 3)",
        ),
        (
            ["contrast", "photo.png", "photo.png", "a cat"],
            "`contrast` cannot tell captions from images (files: 2 of 3)",
        ),
        (
            ["contrast", "photo.png", "photo.png", "photo.png"],
            "`contrast` cannot tell captions from images (files: 3 of 3)",
        ),
        (
            ["contrast", "a dog", "photo.png", "nothing.png"],
            "`contrast` cannot tell captions from images (files: 1 of 3)",
        ),
        (["contrast", "photo.png", "a dog", ""], "`caption` (part 2 of 2)"),
        (["explain", "--pictures", "photo.png", "nothing.png"], "`image`"),
        (["explain", "photo.png", "a dog", "--minus", "a dog", "--unit", "cosine"], "`unit`"),
        (["explain", "photo.png", "a dog", *["--plus", "a"] * 128], "129 inputs"),
    ],
)
def test_sides_that_cannot_be_used_are_told(photo, tmp_path, capsys, arguments, says):
    assert main([*arguments, *SCENES]) == 2
    err = capsys.readouterr().err.splitlines()[-1]
    assert says in err
    assert err.startswith("fpattr-widget: `")
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]


def test_model_method_and_layer_are_chosen(photo, saved_model, capsys):
    chosen = ["--method", "occlusion", "--model", str(saved_model)]
    assert main(["explain", photo, "a dog", "-o", "a.fpattr", *chosen]) == 0
    assert fp.load_pairs("a.fpattr").about.method == "occlusion"
    assert fp.load_pairs("a.fpattr").about.model == saved_model.name
    for text, layer in (("0,2", (0, 2)), ("-1", -1)):
        assert main(["explain", photo, "a dog", "-o", "b.fpattr", "--layer", text, *SCENES]) == 0
        expected = fp.attribute(
            fp.load_encoder("scenes"), example("dog-and-ball").image, "a dog", layer=layer
        )
        np.testing.assert_allclose(fp.load_pairs("b.fpattr").matrix, expected.matrix, atol=1e-6)


def test_the_picture_can_be_left_out(photo, pairs):
    assert main(["explain", photo, CAPTION, "-o", "it.fpattr", "--strip-image", *SCENES]) == 0
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
    with np.load("it.npz", allow_pickle=False) as arrays:
        assert np.isfinite(arrays["matrix"]).all()
    wrong = subprocess.run([program, "explain"], capture_output=True, text=True)
    assert wrong.returncode == 2
    assert "usage: fpattr-widget explain" in wrong.stderr


def test_evaluate_tells_and_writes_what_python_measures(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments = ["evaluate", "scenes", "--number", "3", "--seed", "2", "--layer", "0,2", *SCENES]
    arguments += ["--metric", "pointing_game", "--metric", "pointing_energy"]
    for ending in ("md", "csv", "html"):
        output = ["-o", f"it.{ending}", "--scores", "scores.jsonl", "--examples", "1"]
        assert main([*arguments, *output]) == 0
    out, err = capsys.readouterr()
    assert err.count("written to it.") == 3
    expected = fp.evaluate(
        "scenes",
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


def test_evaluate_judges_hard_cases_by_their_margins(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    scene = example("dog-and-ball")
    scene.image.save("dog.png")
    foil = scene.caption.replace("dog", "cat")
    entry = {"filename": "dog.png", "caption": scene.caption, "negative_caption": foil}
    Path("replace_obj.json").write_text(json.dumps({"0": entry}))
    command = "evaluate sugarcrepe replace_obj.json . --layer=-1 -o it.csv"
    assert main([*command.split(), *SCENES]) == 0
    assert "1 of 1 samples of sugarcrepe replace_obj." in capsys.readouterr().out
    with open("it.csv", newline="", encoding="utf-8") as file:
        found = {line["metric"]: line for line in csv.DictReader(file)}
    (margin,) = (float(line["value"]) for name, line in found.items() if name == "margin")
    model = fp.load_encoder("scenes")
    expected = model.similarities(scene.image, [scene.caption, foil])
    assert margin == pytest.approx(expected[0] - expected[1], abs=1e-6)
    assert (found["margin"]["label"], found["margin"]["foil"]) == ("replace_obj", foil)
    assert {"swapped_word_lower", "completeness_residual"} < set(found)
    assert "pointing_game" not in found


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
    assert main(["explain", photo, "a dog =ball @cat -", "-o", "it.csv", *SCENES]) == 0
    with open("it.csv", newline="", encoding="utf-8") as file:
        texts = list(dict.fromkeys(line["text"] for line in csv.DictReader(file)))
    assert {"'=", "'@", "'-"} <= set(texts)
    assert not [text for text in texts if text[0] in "=+-@"]


def test_a_limit_draws_samples_at_random(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = "evaluate scenes --number 20 --seed 4 --limit 2 --metric completeness --layer=-1"
    assert main([*command.split(), "-o", "it.csv", *SCENES]) == 0
    with open("it.csv", newline="", encoding="utf-8") as file:
        names = [line["sample"] for line in csv.DictReader(file)]
    scenes = fp.datasets.scenes(20, seed=4)
    assert names == [sample.name for sample in scenes.shuffled(4)[:2]]
    assert set(names) != {sample.name for sample in scenes[:2]}


def test_an_interrupted_evaluation_is_told_and_gone_on_from(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments = ["evaluate", "examples", "--limit", "3", "--scores", "scores.jsonl", *SCENES]
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
