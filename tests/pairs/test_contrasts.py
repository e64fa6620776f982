"""Contrasts on the bundled models: what is for one and against the other lies where it should."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

import fpattr_widget as fp
from fpattr_widget.assets import photograph
from fpattr_widget.scenes import example
from tests.benchmarks.contrasts import map_of


@pytest.fixture(scope="module")
def bundled() -> fp.DualEncoder:
    return fp.load_encoder()


@pytest.fixture(scope="module")
def both() -> Image.Image:
    """Return a dog on the left and a cat on the right."""
    picture = Image.new("RGB", (1024, 512))
    for name, left in (("german-shepherd", 0), ("cat", 512)):
        picture.paste(photograph(name).image.resize((512, 512)), (left, 0))
    return picture


def test_dog_less_cat_is_for_the_dog_and_against_the_cat(bundled, both):
    heat = map_of(fp.contrast(both, "a dog", "a cat", model=bundled).pairs)
    left, right = heat[:, :4], heat[:, 5:]
    assert left[left > 0].sum() > 0.8 * heat[heat > 0].sum()
    assert right[right < 0].sum() < 0.8 * heat[heat < 0].sum()
    turned = map_of(fp.contrast(both, "a cat", "a dog", model=bundled).pairs)
    np.testing.assert_allclose(turned, -heat, atol=1e-7)


def test_two_photographs_of_one_kind_of_thing_light_it_in_both(bundled):
    samples = {sample.name: sample for sample in fp.datasets.photographs()}
    for label, *names in (
        ("building", "building", "domes"),
        ("flower", "flowers", "bee-on-flower"),
        ("cat", "cat", "cat-and-wool"),
    ):
        pictures = [fp.Picture(samples[name].image) for name in names]
        pairs = fp.attribute(bundled, *pictures)
        matrix = pairs.matrix
        for name, heat in zip(names, (matrix.sum(1), matrix.sum(0)), strict=True):
            (phrase,) = (one for one in samples[name].phrases if one.label == label)
            inside = np.zeros((9, 9), bool)
            centres = (np.arange(9) + 0.5) / 9
            for left, top, right, bottom in phrase.boxes:
                rows, columns = (
                    (centres > top) & (centres < bottom),
                    (centres > left) & (centres < right),
                )
                inside |= rows[:, None] & columns
            positive = np.clip(heat.reshape(9, 9), 0, None)
            assert inside.ravel()[heat.argmax()], (label, name)
            assert positive[inside].sum() > 1.05 * inside.mean() * positive.sum(), (label, name)


def test_paraphrases_link_word_with_word(bundled):
    pairs = fp.attribute(
        bundled, fp.Text("a dog on a sofa"), fp.Text("a puppy on the couch")
    ).words()
    rows = [token.text for token in pairs.rows.panels[0].tokens]
    columns = [token.text for token in pairs.columns.panels[0].tokens]
    for one, other in (("dog", "puppy"), ("sofa", "couch")):
        assert columns[pairs.matrix[rows.index(one)].argmax()] == other
        assert rows[pairs.matrix[:, columns.index(other)].argmax()] == one


def test_sentences_of_swapped_words_differ_at_the_words_of_place(scenes_encoder):
    shown = example("left-and-right")
    one, other = "a robot to the left of a guitar", "a guitar to the left of a robot"
    pairs = fp.contrast(shown.image, one, other, model=scenes_encoder).pairs
    assert pairs.ledger.similarity > 0.08
    of_fold = {fold.name: pairs.of_rows(fold.features).sum() for fold in pairs.rows.folds}
    assert max(of_fold, key=of_fold.get) == "robot / guitar"
    assert min(of_fold, key=of_fold.get) == "guitar / robot"
    assert of_fold["left"] > 0.4 * pairs.ledger.pairs


def test_what_did_not_change_contributes_nothing(bundled):
    after = photograph("dog-and-bicycle").image
    before, dog = after.copy(), (133, 222, 308, 540)
    before.paste(after.crop(dog).filter(ImageFilter.GaussianBlur(60)), dog[:2])
    difference = fp.contrast("a dog", fp.Picture(after), fp.Picture(before), model=bundled).pairs
    aligned = fp.explain(after, "a dog", reference=before, model=bundled).pairs
    for pairs in (difference, aligned):
        heat = map_of(pairs)
        assert np.abs(heat[:, 6:]).sum() < 0.03 * np.abs(heat).sum()
        assert heat[3:8, 1:5].sum() > 0.85 * heat.sum()
    change = bundled.similarity(after, "a dog") - bundled.similarity(before, "a dog")
    assert difference.ledger.similarity == pytest.approx(change, abs=1e-4)
    found = aligned.ledger
    assert found.similarity == pytest.approx(bundled.similarity(after, "a dog"), abs=1e-4)
    assert found.pairs + found.columns_only == pytest.approx(change, abs=0.002)
