"""Cosines of final states against layer norm and projection, written out."""

import numpy as np
import pytest
import torch
from torch import Tensor

import fpattr_widget as fp
from tests.helpers.clip_by_hand import CAPTION
from tests.helpers.models import Processor, random_encoder


def final_states(encoder, picture) -> tuple[Tensor, Tensor]:
    """Return the projected final states of all tokens and of all image features."""
    model = encoder.model
    ids = encoder.prepare(CAPTION, "text").inputs["input_ids"]
    pixels = encoder.prepare(picture, "image").inputs["pixel_values"]
    with torch.no_grad():
        # The text model normalises its last states itself, the vision model CLS alone.
        text = model.text_model(input_ids=ids).last_hidden_state[0]
        image = model.vision_model(pixel_values=pixels).last_hidden_state[0]
        image = model.vision_model.post_layernorm(image)
        return model.text_projection(text), model.visual_projection(image)


def test_a_feature_alone_is_projected_as_if_it_were_pooled(encoder, picture):
    text, image = final_states(encoder, picture)
    inputs = encoder.prepare(CAPTION, "text").inputs
    seen = encoder.prepare(picture, "image").inputs
    torch.testing.assert_close(encoder.towers["text"].embed_alone(inputs), text)
    torch.testing.assert_close(encoder.towers["image"].embed_alone(seen), image)
    chosen = [7, 2, 3]
    torch.testing.assert_close(encoder.towers["image"].embed_alone(seen, chosen), image[chosen])
    # The pooled feature alone is the embedding.
    torch.testing.assert_close(encoder.towers["text"].embed(inputs)[0], text[-1])
    torch.testing.assert_close(encoder.towers["image"].embed(seen)[0], image[0])


def test_features_alone_leave_later_passes_as_they_were(picture):
    encoder = random_encoder()
    before = encoder.similarity(picture, CAPTION)
    encoder.towers["text"].embed_alone(encoder.prepare(CAPTION, "text").inputs)
    encoder.towers["image"].embed_alone(encoder.prepare(picture, "image").inputs)
    assert encoder.similarity(picture, CAPTION) == before


def test_the_blocks_run_once_for_all_features(picture):
    model = random_encoder().model
    batches: list[int] = []
    model.vision_model.encoder.layers[1].mlp.register_forward_hook(
        lambda _module, _arguments, output: batches.append(len(output))
    )
    encoder = fp.load_encoder(model, processor=Processor(24))
    encoder.towers["image"].embed_alone(encoder.prepare(picture, "image").inputs)
    assert batches == [1]


def test_a_pair_is_a_cosine(encoder, picture):
    text, image = (side / side.norm(dim=1, keepdim=True) for side in final_states(encoder, picture))
    expected = (text @ image.T).numpy()
    pairs = fp.attribute(encoder, picture, CAPTION, "patch_token_similarity")
    np.testing.assert_allclose(pairs.matrix, expected[:, 1:], rtol=0, atol=1e-6)
    np.testing.assert_allclose(pairs.image_special, expected[:, :1], rtol=0, atol=1e-6)
    # EOS and CLS are what the model itself compares.
    similarity = encoder.similarity(picture, CAPTION)
    assert pairs.image_special[-1, 0] == pytest.approx(similarity, abs=1e-6)
    described = pairs.provenance()
    assert (described["layers"], described["nodes"]) == ("at the final states", "cosines")


def test_there_is_no_reference_and_what_is_not_explained_is_left(encoder, picture):
    pairs = fp.attribute(encoder, picture, CAPTION, fp.PatchTokenSimilarity())
    ledger = pairs.ledger
    assert (ledger.caption_only, ledger.image_only, ledger.baseline) == (0, 0, 0)
    everything = pairs.matrix.sum() + pairs.image_special.sum()
    assert ledger.pairs == pytest.approx(everything, abs=1e-4)
    assert ledger.residual == pytest.approx(ledger.similarity - ledger.pairs, abs=1e-12)
