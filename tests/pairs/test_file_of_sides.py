"""Files of any two sides: everything comes back bit for bit, and what a forger wrote is refused."""

import copy
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

import fpattr_widget as fp
from fpattr_widget.encoders import Side
from fpattr_widget.methods import UNITS, LedgerTerm
from fpattr_widget.pairs._file import pack_contents
from tests.helpers.any_sides import COMBINATIONS, SIDES, combined, pairs_of_sides, sentence, sides
from tests.helpers.forged import (
    Forged,
    assert_one_sentence,
    assert_same_sides,
    bomb,
    load,
    png,
    refused,
)
from tests.helpers.models import spelling_encoder


def completed(pairs: fp.FeaturePairs) -> fp.FeaturePairs:
    pairs.compute_all()
    return pairs


@pytest.mark.parametrize(("rows", "columns"), COMBINATIONS)
def test_every_combination_comes_back(rows, columns, tmp_path):
    for sampled in (False, True):
        pairs = combined(rows, columns, sampled=sampled)
        pairs.save(tmp_path / "x")
        loaded = fp.load_pairs(tmp_path / "x")
        assert_same_sides(loaded, pairs)
        assert_same_sides(completed(loaded.words()), completed(pairs.words()))
        assert loaded.rows.folds == pairs.rows.folds
        loaded.save(tmp_path / "again")
        assert (tmp_path / "again").read_bytes() == (tmp_path / "x").read_bytes()


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(
    rows=sides(),
    columns=sides(),
    unit=st.sampled_from(UNITS),
    sampled=st.booleans(),
    seed=st.integers(0, 99),
)
@example(SIDES["mixed"], SIDES["pictures"], "logit", True, 0)
def test_whatever_the_sides_are_they_come_back(tmp_path, rows, columns, unit, sampled, seed):
    pairs = pairs_of_sides(rows, columns, unit=unit, sampled=sampled, seed=seed)
    loaded = load(pack_contents(pairs.compute_all()), tmp_path)
    assert_same_sides(loaded, pairs)
    assert_same_sides(completed(loaded.words()), completed(pairs.words()))


def test_what_a_model_measured_comes_back(encoder, picture, tmp_path):
    """With the words' errors of both sides, where words are of several tokens."""
    spelling, method = spelling_encoder(), fp.Banzhaf(samples=8)
    dog, god, picture = fp.Text("a good dog"), fp.Text("a dog"), fp.Picture(picture)
    turned = fp.Picture(Image.effect_mandelbrot((24, 24), (-2, -1, 1, 1), 9).convert("RGB"))
    measured = {
        "captions": fp.attribute(spelling, dog, god, method),
        "a difference": fp.attribute(spelling, picture, dog - god, method, unit="logit"),
        "pictures": fp.attribute(spelling, picture, turned, method),
        "mixed": fp.attribute(spelling, 0.5 * (dog + picture), dog - turned / 3, method),
        "a mean": fp.attribute(
            encoder, picture, fp.mean([fp.Text(f"a dog {n}") for n in range(80)]),
            fp.IntegratedJacobians(steps=2), unit="cosine",
        ),
    }  # fmt: skip
    for name, pairs in measured.items():
        pairs.save(tmp_path / name)
        pairs.words().save(tmp_path / "words")
        loaded, words = fp.load_pairs(tmp_path / name), fp.load_pairs(tmp_path / "words")
        assert_same_sides(loaded, pairs)
        assert_same_sides(words, completed(pairs.words()))
        assert_same_sides(completed(loaded.words()), completed(pairs.words()))
    error = fp.load_pairs(tmp_path / "captions").words().standard_error
    assert error.shape == (5, 4)
    assert (error[3, 1:3] > 0).all()
    assert len(fp.load_pairs(tmp_path / "a difference").ledger.terms) == 2
    mean = fp.load_pairs(tmp_path / "a mean")
    assert (set(mean.rows.weights), mean.unit_label) == ({1 / 80}, "cosine of the sums")


def test_the_file_of_sides_is_safetensors(tmp_path):
    """As the format's own library reads it."""
    pairs = combined("mixed", "pictures", sampled=True)
    data = pack_contents(pairs.compute_all())
    tensors = safetensors.numpy.load(data)
    document = Forged(data).document
    assert [panel["kind"] for panel in document["rows"]] == ["sentence", "picture"]
    assert [panel["weight"] for panel in document["rows"]] == [0.7, -1 / 3]
    assert len(document["ledger"]["terms"]) == 4
    crops = [pairs.rows.panels[1], *pairs.columns.panels]
    for number, crop in enumerate(crops):
        with Image.open(io.BytesIO(tensors[f"picture_{number}"].tobytes())) as picture:
            assert picture.tobytes() == crop.picture.tobytes()
    assert len(tensors) == 3 + len(crops)


def test_all_pictures_are_stripped(tmp_path):
    pairs = combined("mixed", "pictures")
    pairs.save(tmp_path / "x", strip_image=True)
    loaded = fp.load_pairs(tmp_path / "x")
    crops = [loaded.rows.panels[1], *loaded.columns.panels]
    assert [crop.picture.size for crop in crops] == [(24, 16)] * 3
    for crop in crops:
        assert crop.picture.getcolors() == [(24 * 16, (128, 128, 128))]
    np.testing.assert_array_equal(loaded.matrix, pairs.matrix)
    assert pairs.columns.panels[0].picture.getcolors() != crops[1].picture.getcolors()


# What a forger could write, with a true checksum.


@pytest.fixture(scope="module")
def whole() -> bytes:
    return pack_contents(combined("mixed", "pictures", sampled=True).compute_all())


TERM = dict.fromkeys(
    ("similarity", "pairs", "rows_only", "columns_only", "baseline", "residual", "left_out"), 0.1
)
CHANGES = {
    "a weight that is no number": (("rows", 0, "weight"), float("nan"), "its weights hold"),
    "an endless weight": (("rows", 0, "weight"), float("inf"), "its weights hold"),
    "a whole weight": (("rows", 0, "weight"), 1, "its weights hold"),
    "no inputs": (("rows",), [], "no inputs, or too many"),
    "too many inputs": (("rows",), lambda rows: rows[:1] * 129, "no inputs, or too many"),
    "an input that is none": (("rows", 1), "x", "unknown kinds"),
    "another kind": (("rows", 1, "kind"), "tones", "unknown kinds"),
    "a kind that is none": (("rows", 1, "kind"), ["picture"], "unknown kinds"),
    "a kind of the other fields": (("rows", 1, "kind"), "sentence", "missing or unknown fields"),
    "another unit": (("about", "unit"), "kilograms", "its unit is unknown"),
    "a term less": (("ledger", "terms"), lambda terms: terms[1:], "terms of other inputs"),
    "a term more": (("ledger", "terms"), lambda terms: [*terms, TERM], "terms of other inputs"),
    "a term that is none": (("ledger", "terms", 1), 3, "its ledger has missing or unknown"),
    "a term with more": (("ledger", "terms", 1), {**TERM, "x": 0.1}, "its ledger has missing"),
    "terms without end": (("ledger", "terms", 1), {**TERM, "pairs": float("inf")}, "no finite"),
    "one part of two": (("ledger", "match"), 0.1, "one of two parts"),
    "a part left out without end": (("ledger", "left_out"), float("nan"), "no finite number"),
    "a name that is none": (("ledger", "left_out_name"), 3, "its texts are none"),
    "no scale": (("ledger", "unit_scale"), 0.0, "a scale that is not positive"),
    "a picture less": (("columns",), lambda inputs: inputs[:1], "of other inputs"),
    "a picture turned": (("columns", 0, "grid"), [1, 7], "its values have the wrong shape"),
    "a patch more": (("columns", 0, "grid"), [2, 4], "its values have the wrong shape"),
    "many patches": (("columns", 0, "grid"), [1 << 10, 1 << 10], "too many features"),
    "trillions of patches": (("columns", 0, "grid"), [1 << 24, 1 << 24], "too many features"),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_wrong_sides_are_refused(whole, tmp_path, what):
    (*path, last), value, said = CHANGES[what]
    forged = Forged(whole)
    part = forged.document
    for key in path:
        part = part[key]
    part[last] = value(copy.deepcopy(part[last])) if callable(value) else value
    refused(forged.sealed(), tmp_path, said)


#: Two captions that are folded, and two that are too long.
LONG = [["ab " * words, "ab " * words] for words in (200, 300)]


def test_long_captions_of_a_file_are_not_aligned(monkeypatch):
    """A view would wait for hours for what a file of a few megabytes can hold."""
    short, long = (Side(tuple(map(sentence, captions))) for captions in LONG)
    assert len(short.folds) == 202
    monkeypatch.setattr("fpattr_widget.encoders._side.SequenceMatcher", None)
    assert long.folds == ()


def test_terms_of_single_inputs_are_refused(tmp_path):
    forged = Forged(pack_contents(combined("caption", "picture").compute_all()))
    forged.document["ledger"]["terms"] = [TERM]
    refused(forged.sealed(), tmp_path, "its ledger has terms of other inputs")


def test_pictures_that_do_not_belong_are_refused(whole, tmp_path):
    wrong = {
        "fewer": lambda tensors: tensors.pop("picture_2"),
        "more": lambda tensors: tensors.update(picture_3=tensors["picture_2"]),
        "another name": lambda tensors: tensors.update(picture=tensors.pop("picture_0")),
        "no errors of words": lambda tensors: tensors.pop("error_of_words"),
        "no errors of features": lambda tensors: tensors.pop("standard_error"),
    }
    for change in wrong.values():
        forged = Forged(whole)
        change(forged.tensors)
        refused(forged.sealed(), tmp_path, "its arrays are not those that belong")
    forged = Forged(whole)
    forged.tensors["picture_1"] = forged.tensors["picture_1"][:40].copy()
    refused(forged.sealed(), tmp_path, "its picture cannot be decoded")


@pytest.mark.filterwarnings("error")
def test_bombs_are_refused_undecoded(whole, tmp_path, monkeypatch):
    """A picture that is too large, many that are small enough alone, one that lies of its size."""
    forged = Forged(whole)
    forged.tensors["picture_2"] = bomb(5000)
    refused(forged.sealed(), tmp_path, "its picture is too large")

    many = Forged(pack_of_many(5))
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("decoded"))
    for number in range(5):
        many.tensors[f"picture_{number}"] = bomb(4000)
    refused(many.sealed(), tmp_path, "its pictures are too large")

    forged = Forged(whole)
    forged.tensors["picture_0"] = twice_announced((8, 8), (3000, 3000))
    refused(forged.sealed(), tmp_path, "its picture is of another kind")


def pack_of_many(pictures: int) -> bytes:
    """Return the file of a caption and as many pictures."""
    side = replace(SIDES["pictures"], panels=(SIDES["picture"].panels[0],) * pictures, weights=())
    return pack_contents(pairs_of_sides(SIDES["caption"], side).compute_all())


def twice_announced(first: tuple[int, int], second: tuple[int, int]) -> np.ndarray:
    """Return a PNG file with two announcements of its size."""
    one, two = png(first).tobytes(), png(second).tobytes()
    return np.frombuffer(one[:33] + two[8:], np.uint8)


def test_parts_that_are_too_much_are_not_saved(tmp_path):
    """With the reason that a reader would give."""
    contents = combined("mixed", "pictures").compute_all()
    ledger = contents.recorded.totals
    wrong = {
        "its weights hold": replace(contents, rows=replace(contents.rows, weights=(1.0, np.nan))),
        "no finite number": replace(
            contents,
            recorded=replace(
                contents.recorded,
                totals=replace(ledger, terms=(LedgerTerm(*[float("nan")] * 6), *ledger.terms[1:])),
            ),
        ),
        "its picture is too large": contents.with_pictures([Image.new("L", (4097, 4097))] * 3),
    }
    for said, broken in wrong.items():
        with pytest.raises(fp.InputError) as caught:
            fp.FeaturePairs.from_contents(broken).save(tmp_path / "x")
        assert_one_sentence(caught, said, named="`pairs` cannot be saved")
    assert not list(Path(tmp_path).iterdir())


def test_a_file_of_many_inputs_stays_small(tmp_path):
    """The limits leave room for what is explained: 128 captions of 77 tokens."""
    captions = tuple(
        replace(SIDES["caption"].panels[0], tokens=SIDES["caption"].panels[0].tokens * 15)
        for _ in range(128)
    )
    side = replace(SIDES["captions"], panels=captions, weights=(1 / 128,) * 128)
    data = pack_contents(pairs_of_sides(side, SIDES["picture"]).compute_all())
    assert len(json.loads(Forged(data).metadata["pairs"])["rows"]) == 128
    assert load(data, tmp_path).rows == side
