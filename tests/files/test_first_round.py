"""Files of version 0.1.0 are read as that version read them."""

from dataclasses import asdict

import numpy as np
import pytest
from matplotlib.image import AxesImage
from matplotlib.text import Text

import fpattr_widget as fp
from tests.helpers.first_round import FOLDER, read_truth

TRUTH = read_truth()


@pytest.mark.parametrize("name", ["pairs", "sampled"])
def test_a_file_says_what_it_said(name):
    truth = TRUTH[name]
    pairs = fp.load_pairs(FOLDER / f"{name}.fpattr")
    assert pairs.complete
    assert pairs.caption == truth["caption"]
    for token, then in zip(pairs.tokens, truth["tokens"], strict=True):
        assert asdict(token) == {**then, "unknown": False}  # that version did not tell
    for term, value in truth["ledger"].items():
        assert getattr(pairs.ledger, term) == value, term
    assert pairs.picture.size == (96, 96)
    assert len(np.unique(np.asarray(pairs.picture).reshape(-1, 3), axis=0)) > 100
    np.testing.assert_allclose(pairs.matrix, truth["matrix"], rtol=1e-5)
    np.testing.assert_allclose(pairs.image_special, truth["image_special"], rtol=1e-5)
    words = pairs.words()
    assert [token.text for token in words.tokens] == truth["words"]
    np.testing.assert_allclose(words.matrix, truth["words_matrix"], rtol=1e-4, atol=1e-8)
    if "standard_error" in truth:
        np.testing.assert_allclose(pairs.standard_error, truth["standard_error"], rtol=1e-5)
    else:
        assert pairs.standard_error is None


@pytest.mark.parametrize("name", ["pairs", "sampled"])
def test_it_is_drawn_with_the_same_maps_and_numbers(name):
    truth = TRUTH[name]
    figure = fp.load_pairs(FOLDER / f"{name}.fpattr").plot(tokens=[4, 8])
    texts = {text.get_text() for text in figure.findobj(Text)}
    # The words, the similarity and its parts; later versions say more beside them.
    assert {*truth["words"][1:-1], *truth["drawn"][:6]} <= texts
    maps = [np.asarray(image.get_array()) for image in figure.findobj(AxesImage)]
    maps = [heat.astype(int) for heat in maps if heat.shape == (8, 8, 4)]
    for token, heat in zip((4, 8), maps, strict=True):
        values, alpha = np.array(truth["matrix"][token]), heat[:, :, 3].ravel()
        assert alpha.max() > 40
        assert (np.diff(alpha[np.argsort(np.abs(values))]) >= 0).all()
        visible = alpha > 30
        redder = (heat[:, :, 0] > heat[:, :, 2]).ravel()
        assert (redder == (values > 0))[visible].all()


def test_it_is_saved_again_without_a_loss(tmp_path):
    for name in ("pairs", "sampled"):
        first = fp.load_pairs(FOLDER / f"{name}.fpattr")
        first.save(tmp_path / "again.fpattr")
        again = fp.load_pairs(tmp_path / "again.fpattr")
        assert np.array_equal(again.matrix, first.matrix)
        assert (again.tokens, again.ledger, again.about) == (
            first.tokens,
            first.ledger,
            first.about,
        )
