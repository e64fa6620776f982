"""Grad-ECLIP and integrated gradients of a picture, each against its formula, word by word."""

import numpy as np
import pytest
import torch

import fpattr_widget as fp
from fpattr_widget.methods import METHODS
from tests.helpers.clip_heads import image_head, image_states
from tests.helpers.families import siglip
from tests.helpers.families.llip import llip_encoder
from tests.helpers.models import bert_and_vit, encoder_of, random_clip, spelling_encoder
from tests.helpers.sentence_pieces import siglip2_tokenizer

CAPTION = "a dog and a red ball"
WORDS = CAPTION.split()
UNIT = torch.nn.functional.normalize


def words_alone(encoder, words=WORDS) -> torch.Tensor:
    """Return the embedding of each word as a caption of its own, ``(words, K)``."""
    prepared = [encoder.prepare(word, "text").inputs for word in words]
    return UNIT(torch.cat([encoder.towers["text"].embed(inputs) for inputs in prepared]))


def grad_eclip_by_hand(model, pixels, text) -> np.ndarray:
    """Return λ_j Σ_c (∂S / ∂o_c) v_jc of each patch, for a text of unit length."""
    states = image_states(model, pixels)[-1].detach()
    block = model.vision_model.encoder.layers[-1]
    normed = block.layer_norm1(states)
    attention = block.self_attn
    queries, keys, values = (
        project(normed).detach()
        for project in (attention.q_proj, attention.k_proj, attention.v_proj)
    )
    size = queries.shape[1] // attention.num_heads
    mixed = []
    for head in range(attention.num_heads):
        own = slice(head * size, (head + 1) * size)
        scores = queries[0, own] @ keys[:, own].T / size**0.5
        mixed.append(scores.softmax(0) @ values[:, own])
    output = torch.cat(mixed).requires_grad_()
    state = states[0] + attention.out_proj(output)
    state = state + block.mlp(block.layer_norm2(state))
    embedding = model.visual_projection(model.vision_model.post_layernorm(state))
    similarity = UNIT(embedding, dim=0) @ text
    (gradient,) = torch.autograd.grad(similarity, output)
    cosines = torch.nn.functional.cosine_similarity(queries[:1], keys[1:])
    loosened = (cosines - cosines.min()) / (cosines.max() - cosines.min())
    return (loosened * (values[1:] * gradient).sum(1)).numpy()


def test_grad_eclip_is_its_formula_for_each_word(encoder, picture):
    model = encoder.model
    pixels = encoder.prepare(picture, "image").inputs["pixel_values"]
    expected = [grad_eclip_by_hand(model, pixels, text) for text in words_alone(encoder)]
    pairs = fp.attribute(encoder, picture, CAPTION, "grad_eclip")
    np.testing.assert_allclose(pairs.matrix[1:-1], expected, rtol=1e-5, atol=1e-8)
    assert not pairs.matrix[[0, -1]].any()
    assert not pairs.image_special.any()
    assert np.min(expected) < -1e-4  # what speaks against a word is kept
    assert pairs.about.method == "Grad-ECLIP (first order)"
    assert pairs.provenance()["nodes"] == "text 6 words · image 1 gradient"
    # Nothing adds up to the similarity, and the ledger says what is missing.
    ledger = pairs.ledger
    assert ledger.pairs == pytest.approx(np.sum(expected), abs=1e-6)
    assert ledger.residual == pytest.approx(ledger.similarity - ledger.pairs, abs=1e-9)


def integrated_by_hand(model, layer, states, reference, text, nodes) -> np.ndarray:
    """Return the integrated gradients of each feature by the midpoints of many steps."""
    rest = image_head(model, layer)
    change = states - reference
    total = torch.zeros(len(states), dtype=states.dtype)
    for alpha in (np.arange(nodes) + 0.5) / nodes:
        point = (reference + alpha * change).detach().requires_grad_()
        (gradient,) = torch.autograd.grad(UNIT(rest(point), dim=0) @ text, point)
        total += (gradient * change).sum(1) / nodes
    return total.detach().numpy()


def test_integrated_gradients_are_a_riemann_sum_and_complete(picture):
    model = random_clip(layers=2)
    encoder = encoder_of(model)
    pixels = encoder.prepare(picture, "image").inputs["pixel_values"]
    layer = 1
    states, reference = (
        image_states(model, one)[layer].detach() for one in (pixels, torch.zeros_like(pixels))
    )
    texts = words_alone(encoder, ["dog", "red"])
    expected = integrated_by_hand(model, layer, states, reference, texts[0], 400)
    pairs = fp.attribute(
        encoder, picture, "dog red", fp.IntegratedGradients(steps=24), layer=(0, layer)
    )
    rows = np.concatenate([pairs.image_special, pairs.matrix], 1)
    np.testing.assert_allclose(rows[1], expected, rtol=0, atol=2e-6)
    # Complete for the picture: each word's map adds up to what the picture adds to its cosine.
    ends = [UNIT(image_head(model, layer)(one), dim=0) for one in (states, reference)]
    gained = texts @ (ends[0] - ends[1])
    np.testing.assert_allclose(rows[1:-1].sum(1), gained.detach().numpy(), rtol=0, atol=1e-6)
    ledger = pairs.ledger
    (caption,) = words_alone(encoder, ["dog red"])
    assert ledger.caption_only == pytest.approx(float((caption @ ends[1]).detach()), abs=1e-6)
    # What the words alone lack of the caption is told.
    lacking = (caption - texts.sum(0)) @ (ends[0] - ends[1])
    assert ledger.residual == pytest.approx(float(lacking.detach()), abs=1e-6)
    assert abs(ledger.residual) > 1e-3


def test_a_word_of_several_tokens_is_one_text(picture):
    encoder = spelling_encoder()
    pairs = fp.attribute(encoder, picture, "a good dog", "grad_eclip")
    good = pairs.matrix[2:6]
    np.testing.assert_array_equal(good, np.broadcast_to(good[0], good.shape))
    pixels = encoder.prepare(picture, "image").inputs["pixel_values"]
    (text,) = words_alone(encoder, ["good"])
    expected = grad_eclip_by_hand(encoder.model, pixels, text)
    np.testing.assert_allclose(good.sum(0), expected, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("kind", ["CLIP", "BERT and ViT", "SigLIP"])
def test_a_word_alone_is_embedded_as_a_caption(encoder, kind):
    """A SigLIP's captions are always padded, and its tokenizer tells words by their spaces."""
    if kind == "BERT and ViT":
        encoder = encoder_of(bert_and_vit())
    if kind == "SigLIP":
        encoder = siglip.random_encoder(siglip2_tokenizer())
    text = encoder.prepare("a dog left of a ball", "text")
    (number,) = [n for n, token in enumerate(text.tokens) if token.text.strip() == "dog"]
    tower = encoder.towers["text"]
    alone = UNIT(tower.embed(tower.alone(text, [number])))
    torch.testing.assert_close(alone, words_alone(encoder, [" dog"]))


def test_what_has_no_pooled_position_is_refused_in_one_sentence(picture):
    encoder = siglip.random_encoder(siglip2_tokenizer())
    with pytest.raises(fp.InputError) as refused:
        fp.attribute(encoder, picture, "a dog", "grad_eclip").matrix  # noqa: B018
    assert str(refused.value).startswith("`method` is Grad-ECLIP, which explains the attention")
    assert str(refused.value).count(".") == 1
    found = fp.attribute(encoder, picture, "a dog", "integrated_gradients")
    assert np.abs(found.matrix).max() > 0
    encoder.towers["image"].last_block = None
    with pytest.raises(fp.InputError, match="which explains the attention of one pooled position"):
        fp.attribute(encoder, picture, "a dog", "grad_eclip")


@pytest.mark.parametrize("name", ["grad_eclip", "integrated_gradients"])
def test_a_score_that_a_head_makes_has_no_first_order_pairs(picture, name):
    encoder = llip_encoder()
    with pytest.raises(fp.InputError, match="explains products of two embeddings"):
        fp.attribute(encoder, picture, "a red dog", name)


def test_settings_are_checked():
    with pytest.raises(fp.InputError, match="`steps` is 0"):
        fp.IntegratedGradients(steps=0)
    with pytest.raises(fp.InputError, match="`image_reference`"):
        fp.IntegratedGradients(image_reference="grey")
    labels = [METHODS[name]().label for name in ("grad_eclip", "integrated_gradients")]
    assert all(label.endswith("(first order)") for label in labels)
