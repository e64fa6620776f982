"""MetaCLIP 2: CLIP's towers behind a tokenizer of many languages."""

import numpy as np
import pytest
import torch

import fpattr_widget as fp
from tests.helpers import family_checks as checks
from tests.helpers import towers_by_hand as by_hand
from tests.helpers.families.metaclip2 import CAPTION, random_encoder

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def encoder():
    return random_encoder()


def test_the_ledger_closes_at_every_layer(encoder, picture):
    checks.assert_closes_at_every_layer(encoder, picture, CAPTION, steps=96)


def test_both_last_blocks_are_taken_in_closed_form(picture):
    checks.assert_closed_form_is_differentiation(random_encoder, picture, CAPTION)


@pytest.mark.parametrize("options", [{}, {"padding": "max_length", "max_length": 24}])
def test_similarity_is_the_models_own(encoder, picture, options):
    checks.assert_reads_are_the_model(encoder, picture, CAPTION, **options)


def test_the_model_is_left_as_it_was_found(encoder, picture):
    checks.assert_left_as_found(
        encoder.model, lambda: fp.attribute(encoder, picture, CAPTION, layer=0).row(0)
    )


def test_the_picture_is_what_the_model_sees(encoder):
    checks.assert_picture_is_what_the_tower_sees(encoder, checks.tiles(12, 8))


def test_the_end_is_id_2_and_yet_the_end(encoder):
    """An EOS of id 2 makes CLIP look for the highest id instead; MetaCLIP 2 does not."""
    assert encoder.processors["text"].eos_token_id == 2
    ids = encoder.prepare(CAPTION, "text").inputs["input_ids"]
    assert encoder.towers["text"].end({"input_ids": ids}) == ids.shape[1] - 1
    assert int(ids[0].argmax()) < ids.shape[1] - 1


def test_text_contributions_are_the_definition(encoder):
    """Causal attention of the last block, written out at the end alone."""
    model, prepared = encoder.model, encoder.prepare(CAPTION, "text")
    text, ids = model.text_model, prepared.inputs["input_ids"]
    reference = torch.full_like(ids, encoder.processors["text"].pad_token_id)
    reference[0, [0, -1]] = ids[0, [0, -1]]
    with torch.no_grad():
        count = ids.shape[1]
        mask = torch.full((count, count), -torch.inf, dtype=torch.float64).triu(1)[None, None]
        states = [text.embeddings(input_ids=x) for x in (ids, reference)]
        states = [text.encoder.layers[0](x, attention_mask=mask)[0] for x in states]

    def head(states):
        block = text.encoder.layers[1]
        attention, normed = block.self_attn, block.layer_norm1(states)
        mixed = by_hand.attend(
            attention.q_proj(normed[-1:]),
            attention.k_proj(normed),
            attention.v_proj(normed),
            attention.num_heads,
        )
        last = states[-1:] + attention.out_proj(mixed)
        last = last + block.mlp(block.layer_norm2(last))
        return model.text_projection(text.final_layer_norm(last))[0]

    measured = fp.IntegratedJacobians(steps=4).measure(encoder.part(prepared, 1))
    checks.assert_is_the_definition(measured, head, *states, steps=4)


def test_tokens_after_the_end_get_nothing(encoder, picture):
    ids = encoder.processors["text"](CAPTION, padding="max_length", max_length=20)["input_ids"]
    reference = {"input_ids": torch.ones(1, 20, dtype=torch.long)}
    with_padding = encoder.towers["text"].split(
        {"input_ids": torch.tensor([ids])}, [(1.0, reference)], 1
    )
    checks.assert_split_has_closed_form(with_padding)
    nodes = checks.Quadrature.of("gauss-legendre", 2)
    form = checks.closed_form(with_padding, checks.MEMORY).integrator(nodes)
    shares = form.along(torch.eye(12, dtype=torch.float64))
    end = ids.index(2)
    assert not shares[:, end + 1 :].any()
    assert shares[:, : end + 1].any(0).all()
    # A user's padded ids are read up to the end.
    assert len(encoder.prepare([ids], "text").tokens) == end + 1


def test_words_of_other_languages(encoder):
    tokens = encoder.prepare("le chien Rouge 红球", "text").tokens
    words = {}
    for token in tokens:
        if not token.special:
            words.setdefault(token.word, []).append((token.start, token.stop))
    caption = "le chien Rouge 红球"
    spans = [(min(a for a, _ in w), max(b for _, b in w)) for w in words.values()]
    assert [caption[a:b] for a, b in spans] == ["le", "chien", "Rouge", "红", "球"]


def test_a_folder_loads_like_a_hub_model(encoder, picture, tmp_path):
    encoder.model.save_pretrained(tmp_path)
    encoder.processors["text"].save_pretrained(tmp_path)
    encoder.processors["image"].save_pretrained(tmp_path)
    loaded = fp.load_encoder(tmp_path)
    method = fp.IntegratedJacobians(steps=2)
    np.testing.assert_allclose(
        fp.attribute(loaded, picture, CAPTION, method).matrix,
        fp.attribute(encoder, picture, CAPTION, method).matrix,
        atol=1e-6,
    )
