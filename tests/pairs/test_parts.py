"""Parts of pairs whose score a head makes, and its read-outs: asked for, derived, and in files."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

import fpattr_widget as fp
from fpattr_widget.encoders import ReadOut
from fpattr_widget.methods._mixed_partials import MixedPartials
from fpattr_widget.pairs._file import pack_contents
from tests.helpers.families import flair, llip
from tests.helpers.forged import Forged, assert_same_sides, load, refused
from tests.helpers.models import spelling_encoder

pytestmark = pytest.mark.slow

METHOD = fp.IntegratedJacobians(steps=3)
CAPTION = "a dog"


@pytest.fixture(scope="module")
def encoder() -> fp.DualEncoder:
    return llip.llip_encoder(weight_scale=0.5)


@pytest.fixture(scope="module")
def saved(encoder, picture) -> bytes:
    return pack_contents(fp.attribute(encoder, picture, CAPTION, METHOD).compute_all())


def same(one: ReadOut, other: ReadOut) -> None:
    for name in ("routes", "places", "grid", "constant", "similarity", "compared"):
        assert getattr(one, name) == getattr(other, name), name
    for name in ("weights", "nowhere", "contributions", "products"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_parts_are_measured_once(encoder, picture, monkeypatch):
    counted: dict[str, int] = {"measured": 0, "rows": 0}

    def counts(name: str, function: Any) -> Any:
        def counting(*values: Any) -> Any:
            counted[name] += 1
            return function(*values)

        return counting

    monkeypatch.setattr(MixedPartials, "__init__", counts("measured", MixedPartials.__init__))
    monkeypatch.setattr(MixedPartials, "rows", counts("rows", MixedPartials.rows))
    pairs = fp.attribute(encoder, picture, CAPTION, METHOD)
    assert pairs.parts == ("match", "routing", "mixture 1", "mixture 2", "mixture 3")
    assert pairs.part("") is pairs
    assert pairs.match is pairs.part("match")
    whole, match = pairs.matrix, pairs.match.matrix
    np.testing.assert_allclose(match + pairs.routing.matrix, whole, atol=1e-6)
    assert counted == {"measured": 1, "rows": 3}
    pairs.compute_all()
    assert pairs.complete
    again = fp.FeaturePairs.from_contents(pairs.compute_all())
    assert again.parts == ("match", "routing")
    np.testing.assert_array_equal(again.match.matrix, match)
    np.testing.assert_array_equal(again.routing.matrix, whole - match)
    # Also of pairs that are complete before a part is asked for.
    late = fp.attribute(encoder, picture, CAPTION, METHOD)
    late.ledger  # noqa: B018
    np.testing.assert_array_equal(late.matrix, whole)
    assert late.complete
    np.testing.assert_array_equal(late.match.matrix, match)
    np.testing.assert_allclose(late.through("mixture 2").matrix, pairs.through(1).matrix)
    assert counted["measured"] == 2


def test_parts_of_words_and_over_another_picture(picture):
    letters = spelling_encoder().tokenizer, llip.processor().image_processor
    encoder = fp.load_encoder(llip.llip(), processor=letters, weight_scale=0.5)
    pairs = fp.attribute(encoder, picture, CAPTION, METHOD)
    assert len(pairs.words().tokens) < len(pairs.tokens)
    blank = Image.new("RGB", pairs.picture.size)
    expected = pairs.routing.words().matrix
    for one in (pairs.words(), pairs.over(blank).words(), pairs.words().over(blank)):
        assert one.parts == pairs.parts
        np.testing.assert_array_equal(one.routing.matrix, expected)
        assert one.routing.ledger == pairs.routing.ledger
        same(one.read_out, pairs.read_out)
        assert one.part("mixture 3").matrix.shape == expected.shape
    assert pairs.over(blank).match.picture.getcolors() == [(np.prod(blank.size), (0, 0, 0))]
    words = fp.FeaturePairs.from_contents(pairs.words().compute_all())
    np.testing.assert_array_equal(words.match.matrix, pairs.match.words().matrix)


def test_parts_and_read_outs_come_back_from_files(encoder, picture, tmp_path):
    pairs = fp.attribute(encoder, picture, CAPTION, METHOD)
    other = fp.attribute(
        flair.flair_encoder(), picture, fp.Text("a dog") - fp.Text("a cat"), METHOD
    )
    for one in (pairs, other):
        one.save(tmp_path / "x")
        loaded = fp.load_pairs(tmp_path / "x")
        assert_same_sides(loaded, one)
        assert loaded.ledger == one.ledger
        assert loaded.parts == ("match", "routing")
        np.testing.assert_array_equal(loaded.match.matrix, one.match.matrix)
        assert loaded.match.ledger.pairs == one.ledger.match
        assert loaded.routing.ledger.left_out == one.ledger.match
        for ours, theirs in zip(loaded.read_outs, one.read_outs, strict=True):
            same(ours, theirs)
    assert len(loaded.read_outs) == len(loaded.ledger.terms) == 2
    first, second = loaded.read_outs
    assert first.similarity - second.similarity == pytest.approx(loaded.ledger.similarity)
    same(pairs.read_out, encoder.read_out(picture, CAPTION))
    occluded = fp.attribute(encoder, picture, CAPTION, fp.Occlusion(tokens="reference"))
    same(occluded.read_out, pairs.read_out)
    assert occluded.parts == ()


CHANGES = {
    "two read-outs": (("read_outs",), lambda many: many * 2, "read-outs are of other inputs"),
    "a place less": (("read_outs", 0, "places"), lambda names: names[1:], "wrong shape or type"),
    "no places": (("read_outs", 0, "places"), [], "wrong shape or type"),
    "no weights": (("read_outs", 0, "arrays"), ["contributions"], "read-outs are not in order"),
    "other arrays": (("read_outs", 0, "arrays"), ["weights", "contributions", "x"], "not in order"),
    "more arrays": (
        ("read_outs", 0, "arrays"),
        ["weights", "contributions", "nowhere"],
        "its arrays are not those that belong",
    ),
    "a grid too": (("read_outs", 0, "grid"), [1, 3], "its read-outs are not in order"),
    "no number": (("read_outs", 0, "compared"), {"x": "1"}, "read-outs hold what is no finite"),
    "no parts": (("ledger", "match"), None, "one of two parts"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_wrong_read_outs_are_refused(saved, tmp_path, what):
    (*path, last), value, said = CHANGES[what]
    forged = Forged(saved)
    part = forged.document
    for key in path:
        part = part[key]
    part[last] = value(part[last]) if callable(value) else value
    refused(forged.sealed(), tmp_path, said)


def test_wrong_arrays_of_parts_are_refused(saved, tmp_path):
    for name, said in (("match", "match hold invalid"), ("read_0_weights", "not in order")):
        forged = Forged(saved)
        forged.tensors[name] = np.full_like(forged.tensors[name], np.nan)
        refused(forged.sealed(), tmp_path, said)
    forged = Forged(saved)
    forged.document["ledger"].update(match=None, routing=None)
    refused(forged.sealed(), tmp_path, "its arrays are not those that belong")
    assert load(saved, tmp_path).parts


def test_parts_that_are_not_there_are_told(encoder, picture):
    pairs = fp.attribute(encoder, picture, CAPTION, METHOD)
    for place in (3, -1, "mixture 4", True, 1.0, None):
        with pytest.raises(fp.InputError, match=r"`place` is .*: pass a number from 0 to 2, or a"):
            pairs.through(place)
    with pytest.raises(fp.InputError, match=r"`place` is 'matches'"):
        pairs.part("matches")
    with pytest.raises(fp.InputError, match="`pairs` have no part 'match', which derivatives"):
        pairs.match.part("match")
    frozen = fp.attribute(encoder, picture, CAPTION, METHOD, reading="frozen")
    assert frozen.parts == ("mixture 1", "mixture 2", "mixture 3")
    plain = fp.attribute(spelling_encoder(), picture, CAPTION, METHOD)
    assert (plain.parts, plain.read_outs) == ((), ())
    for one in (frozen, plain):
        with pytest.raises(fp.InputError, match="`pairs` have no part 'routing'"):
            one.routing  # noqa: B018
    with pytest.raises(fp.InputError, match="`pairs` go through no places that a model reads"):
        plain.through(0)
    with pytest.raises(fp.InputError, match="`pairs` have no read-out: pass a model that has one"):
        plain.read_out  # noqa: B018
    patches = fp.attribute(flair.flair_encoder(), picture, CAPTION, METHOD)
    assert patches.parts == ("match", "routing")
    assert patches.through(8).about.method.endswith("frozen routing, through patch 8")
    with pytest.raises(fp.InputError, match=r"`place` is 'patch 8': pass a number from 0 to 8\.$"):
        patches.through("patch 8")
    several = fp.attribute(encoder, picture, fp.Text("a") - fp.Text("b"), METHOD)
    with pytest.raises(fp.InputError, match="`pairs` have 2 read-outs: ask for `read_outs`"):
        several.read_out  # noqa: B018
    taken = fp.attribute(encoder, picture, CAPTION, fp.PatchTokenSimilarity(), reading="frozen")
    with pytest.raises(fp.InputError, match="`pairs` go through no places"):
        taken.through(0)
