"""Scores of many pictures with many captions, of models with a head and without."""

import numpy as np
import pytest

import fpattr_widget as fp
from fpattr_widget.retrieval import scores_of
from tests.helpers.families import llip

CAPTIONS = ("a red dog", "a ball and a red dog", "a ball")


def test_scores_are_those_of_each_pair(encoder, picture):
    pictures = [picture, picture.rotate(90)]
    headed = fp.load_encoder(llip.llip(), processor=llip.processor(), weight_scale=5)
    for model in encoder, headed:
        expected = [[model.similarity(image, text) for text in CAPTIONS] for image in pictures]
        scores = scores_of(model, pictures, CAPTIONS)
        assert scores.dtype == np.float64
        np.testing.assert_allclose(scores, expected, atol=1e-6)
        assert np.ptp(scores) > 0.01


def test_a_head_reads_pictures_and_no_embeddings(encoder, picture):
    headed = fp.load_encoder(llip.llip(), processor=llip.processor(), weight_scale=5)
    vectors = encoder.embed_image([picture])
    pictures = fp.Embeddings(vectors, ("one",), (picture,), "image", "clip", {})
    with pytest.raises(
        fp.InputError, match=r"`images` holds embeddings, but .* by a caption: pass"
    ):
        scores_of(headed, pictures, CAPTIONS)
    with pytest.raises(fp.InputError, match="`images` was made at another image size"):
        scores_of(encoder, pictures, CAPTIONS)
