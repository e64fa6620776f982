"""Labels with their probabilities, and the view of why one and not another."""

import numpy as np
import pytest

import fpattr_widget as fp

LABELS = ["dog", "cat", "<b>kite</b>", "ball"]


@pytest.fixture(scope="module")
def shown(encoder, picture):
    view = fp.classify(picture, LABELS, template="a {}", model=encoder, signs="for")
    yield view
    view.close()


def test_the_first_is_explained_against_the_second(shown):
    found = shown.classification
    assert sorted(found.labels) == sorted(LABELS)
    assert (shown.label, shown.other) == found.labels[:2]
    odds = np.log(found.probabilities[0] / found.probabilities[1])
    assert shown.pairs.ledger.similarity == pytest.approx(odds, rel=1e-3, abs=1e-4)
    assert shown.pairs.unit_label == "difference of logits"
    assert shown.view.signs == "for"
    captions = [panel.caption for panel in shown.pairs.rows.panels]
    assert captions == [f"a {label}" for label in found.labels[:2]]


def test_labels_are_text_and_the_bars_their_probabilities(shown):
    html = shown.children[0].value
    assert "&lt;b&gt;kite&lt;/b&gt;" in html
    assert "<b>" not in html
    for probability in shown.classification.probabilities:
        assert f"width: {100 * probability:.2f}%" in html


def test_menus_and_traits_choose_any_two_labels(shown):
    found = shown.classification
    first, second = shown.children[1].children[1::2]
    first.value = found.labels[3]
    assert shown.label == found.labels[3]
    assert shown.pairs.rows.panels[0].caption == f"a {found.labels[3]}"
    shown.other = "the rest"
    assert second.value == "the rest"
    assert shown.pairs.rows.weights == pytest.approx((1, -1 / 3, -1 / 3, -1 / 3))
    rest = found.logits[3] - found.logits[:3].mean()
    assert shown.pairs.ledger.similarity == pytest.approx(rest, rel=1e-3, abs=1e-4)
    before = shown.pairs
    shown.other = found.labels[3]  # of a label with itself nothing is to be said
    assert shown.pairs is before
    problem = shown.children[2]
    assert "pass another label" in problem.value
    assert problem.layout.display is None
    shown.other = found.labels[0]
    assert problem.layout.display == "none"
    assert shown.pairs.rows.panels[1].caption == f"a {found.labels[0]}"


def test_it_is_saved_and_shared_as_its_view_is(shown, tmp_path):
    assert shown.explanations() == (shown.pairs,)
    assert shown.kept_state()["signs"] == "for"
    fp.save_html(tmp_path / "labels.html", shown)
    assert "a dog" in (tmp_path / "labels.html").read_text(encoding="utf-8")
    assert "cat" in repr(shown)
    bundle = shown._repr_mimebundle_()
    assert "image/png" in (bundle[0] if isinstance(bundle, tuple) else bundle)


def test_many_labels_are_summed_up(encoder, picture):
    labels = [f"dog {letter}" for letter in "abcdefghijklmnop"]
    view = fp.classify(picture, labels, model=encoder)
    assert "8 more, together" in view.children[0].value
    view.close()


@pytest.mark.parametrize(
    ("sides", "kinds"),
    [
        (("photo.png", "a dog", "a cat"), (["sentence", "sentence"], ["picture"])),
        (("a dog", "photo.png", "other.png"), (["sentence"], ["picture", "picture"])),
        ((fp.Text("a dog"), fp.Text("a cat"), fp.Text("a kite")), (["sentence"], ["sentence"] * 2)),
    ],
)
def test_a_contrast_knows_pictures_from_captions(
    encoder, picture, tmp_path, monkeypatch, sides, kinds
):
    monkeypatch.chdir(tmp_path)
    picture.save("photo.png")
    picture.rotate(90).save("other.png")
    shown = fp.contrast(*sides, model=encoder)
    pairs = shown.pairs
    assert [[panel.kind for panel in side.panels] for side in (pairs.rows, pairs.columns)] == [
        *kinds
    ]
    difference = pairs.rows if pairs.rows.is_sum else pairs.columns
    assert difference.weights == (1, -1)
    shown.close()


def test_a_missing_picture_is_no_caption(encoder):
    with pytest.raises(fp.InputError, match=r"`image` names no file: check the path no\.png"):
        fp.contrast("no.png", "a dog", "a cat", model=encoder)
