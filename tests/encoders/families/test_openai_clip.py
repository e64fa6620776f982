"""OpenAI's CLIP: its own classes, read from the installed file of the package."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import fpattr_widget as fp
from tests.helpers import family_checks as checks
from tests.helpers.families.openai_clip import (
    CAPTION,
    LENGTH,
    VOCABULARY,
    layout,
    openai_clip,
    openai_encoder,
    processor,
    simple,
)
from tests.helpers.published import (
    random_inputs,
    random_openai_clip,
    to_hugging_face,
)

pytestmark = pytest.mark.slow


def tokenize(caption: str) -> torch.Tensor:
    """Return what ``clip.tokenize`` does, (1, LENGTH)."""
    ids = [VOCABULARY - 2, *simple.encode(caption), VOCABULARY - 1]
    return torch.tensor([ids + [0] * (LENGTH - len(ids))])


@pytest.fixture(scope="module")
def encoder() -> fp.DualEncoder:
    return openai_encoder()


@pytest.fixture(scope="module")
def pixels() -> torch.Tensor:
    return torch.randn(1, 3, 24, 24, generator=torch.Generator().manual_seed(1))


def test_closes_at_every_layer(encoder, picture):
    checks.assert_closes_at_every_layer(encoder, picture, CAPTION, steps=64, tolerance=1e-5)


def test_closed_form_is_differentiation(picture):
    checks.assert_closed_form_is_differentiation(openai_encoder, picture, CAPTION)


@pytest.mark.parametrize("original", [False, True])
def test_similarity_is_the_models(picture, original):
    encoder = openai_encoder(original=original)
    pixels = encoder.prepare(picture, "image").inputs["pixel_values"]
    with torch.no_grad():
        logits, _ = encoder.model(pixels, tokenize(CAPTION))
    cosine = float(logits / encoder.model.logit_scale.exp())
    assert encoder.similarity(picture, CAPTION) == pytest.approx(cosine, abs=1e-6)


def test_a_text_of_fixed_length_gives_what_its_own_tokens_give(encoder, picture):
    original = openai_encoder(original=True)
    checks.assert_closed_form_is_differentiation(original, picture, CAPTION)
    for layer in range(3):
        method = fp.IntegratedJacobians(steps=4)
        pairs, expected = (
            fp.attribute(one, picture, CAPTION, method, layer) for one in (original, encoder)
        )
        np.testing.assert_allclose(pairs.matrix, expected.matrix, atol=1e-7)
        assert len(pairs.tokens) == len(simple.encode(CAPTION)) + 2


def test_a_text_tower_is_the_definition(encoder):
    """Only the caption's own positions are features, though all are run."""
    model, text = encoder.model, encoder.prepare(CAPTION, "text")
    ids = text.inputs["input_ids"]
    count, reference = ids.shape[1], encoder.towers["text"].reference(text, "pad")["input_ids"]
    mask = torch.full((count, count), -torch.inf, dtype=torch.float64).triu(1)

    def head(states):
        states = states[:, None]
        for block in model.transformer.resblocks[1:]:
            normed = block.ln_1(states)
            states = states + block.attn(normed, normed, normed, attn_mask=mask)[0]
            states = states + block.mlp(block.ln_2(states))
        return model.ln_final(states[-1, 0]) @ model.text_projection

    def entering(ids):
        with torch.no_grad():
            states = model.token_embedding(ids) + model.positional_embedding[:count]
            return model.transformer.resblocks[0](states.transpose(0, 1))[:, 0]

    measured = fp.IntegratedJacobians(steps=3).measure(encoder.part(text, 1))
    checks.assert_is_the_definition(measured, head, entering(ids), entering(reference), steps=3)


def test_ids_are_cut_at_the_end_of_the_text(encoder, picture):
    words = fp.attribute(encoder, picture, CAPTION)
    ids = fp.attribute(encoder, picture, tokenize(CAPTION))
    assert [token.text for token in ids.tokens] == [token.text for token in words.tokens]
    np.testing.assert_array_equal(ids.matrix, words.matrix)
    bare = fp.load_encoder(encoder.model)
    seen = encoder.prepare(picture, "image").inputs["pixel_values"]
    np.testing.assert_array_equal(fp.attribute(bare, seen, tokenize(CAPTION)).matrix, words.matrix)


def test_words_of_its_own_tokenizer(encoder, picture):
    caption = "Two Dogs’ naïve antidisestablishmentarianism – 🐕!"
    tokens = encoder.prepare(caption, "text").tokens
    assert [tokens[0].text, tokens[-1].text] == ["BOS", "EOS"]
    assert all(token.special == (token.word is None) for token in tokens)
    words = fp.attribute(encoder, picture, caption).words().tokens
    assert [word.text for word in words if not word.special] == [
        "Two", "Dogs", "’", "naïve", "antidisestablishmentarianism", "–", "🐕", "!",
    ]  # fmt: skip
    with pytest.raises(fp.InputError, match=r"has \d+ tokens and the model reads at most 24"):
        encoder.prepare("a dog " * 20, "text")


def test_a_model_that_is_moved_later_takes_its_weights_along(picture):
    """Packed weights are cut in three; the parts must be those that the model has now."""
    encoder, exact = openai_encoder(), openai_encoder()
    method = fp.IntegratedJacobians(steps=4)
    fp.attribute(encoder, picture, CAPTION, method).ledger  # noqa: B018
    encoder.model.float()
    for layer in (0, -1):
        found = fp.attribute(encoder, picture, CAPTION, method, layer).matrix
        expected = fp.attribute(exact, picture, CAPTION, method, layer).matrix
        np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_the_model_is_left_as_it_was_found(picture):
    model = openai_clip()
    encoder = fp.load_encoder(model, processor=processor())

    def run() -> None:
        assert np.isfinite(fp.attribute(encoder, picture, CAPTION, layer=1).matrix).all()

    checks.assert_left_as_found(model, run)


def test_half_precision_as_it_is_shipped(pixels, picture):
    """Weights in float16, norms and embeddings in float32."""
    single = openai_clip(torch.float32)
    half = openai_clip(torch.float32)
    layout.convert_weights(half)
    assert {weight.dtype for weight in half.parameters()} == {torch.float16, torch.float32}
    exact, rough = fp.load_encoder(single), fp.load_encoder(half)
    ids = tokenize(CAPTION)
    with torch.no_grad():
        shipped = nn.functional.cosine_similarity(half.encode_text(ids), half.encode_image(pixels))
    assert rough.similarity(pixels, ids) == pytest.approx(float(shipped), abs=2e-3)
    for layer in (0, 2):
        method = fp.IntegratedJacobians(steps=8)
        expected = fp.attribute(exact, pixels, ids, method, layer).matrix
        matrix = fp.attribute(rough, pixels, ids, method, layer).matrix
        assert np.abs(matrix - expected).max() < 0.05 * np.abs(expected).max()
    described = fp.attribute(rough, pixels, ids)
    assert described.ledger.residual < 0.05
    assert described.provenance()["nodes"].endswith("closed form")


def test_a_resnet_is_explained_cell_by_cell():
    model = openai_clip(resnet=True)
    encoder = fp.load_encoder(model)
    pixels = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    assert len(encoder.towers["image"].blocks) == 6  # five bottlenecks and the pooling
    method = fp.IntegratedJacobians(steps=16)
    sides = []
    for layer in range(6):
        pairs = fp.attribute(encoder, pixels, tokenize(CAPTION), method, (2, layer))
        sides.append(pairs.grid)
        assert pairs.image_special_names == ()
        scale = abs(pairs.ledger.image_only) + abs(pairs.ledger.pairs)
        assert abs(pairs.ledger.residual) < 0.02 * scale
    assert sides == [(16, 16), (16, 16), (8, 8), (4, 4), (4, 4), (2, 2)]
    # The pooling, by its definition.
    seen = encoder.prepare(pixels, "image")
    visual, kept = model.visual, []
    hook = visual.attnpool.register_forward_pre_hook(lambda _, given: kept.append(given[0]))
    with torch.no_grad():
        visual(seen.inputs["pixel_values"])
        visual(0 * seen.inputs["pixel_values"])
    hook.remove()
    states, reference = (cells[0].flatten(1).T for cells in kept)

    def head(cells):
        return visual.attnpool(cells.T.unflatten(1, (2, 2))[None])[0]

    measured = fp.IntegratedJacobians(steps=3).measure(encoder.part(seen, 5))
    checks.assert_is_the_definition(measured, head, states, reference, steps=3)


def test_the_same_weights_in_hugging_faces_layout_give_the_same():
    model = random_openai_clip("tiny")
    image, ids = random_inputs("tiny", 8, 1)
    method = fp.IntegratedJacobians(steps=8)
    ours, theirs = (
        fp.attribute(fp.load_encoder(one), image, ids, method)
        for one in (model, to_hugging_face(model))
    )
    assert ours.about.layers == theirs.about.layers
    largest = np.abs(theirs.matrix).max()
    assert largest > 1e-4
    np.testing.assert_allclose(ours.matrix, theirs.matrix, atol=1e-6, rtol=0)
    np.testing.assert_allclose(ours.image_special, theirs.image_special, atol=1e-6, rtol=0)


def test_a_plain_function_is_refused():
    with pytest.raises(fp.InputError, match=r"`processor` has a tokenizer of type function"):
        fp.load_encoder(openai_clip(), processor=checks.Processor(tokenize))


def test_a_transform_is_an_image_processor(encoder, picture):
    """A callable from a PIL image to a tensor, as ``clip.load`` returns it."""
    mean, std = (np.array([0.48, 0.46, 0.41]), np.array([0.27, 0.26, 0.28]))

    def transform(image: Image.Image) -> torch.Tensor:
        small = np.asarray(image.resize((32, 24)).crop((4, 0, 28, 24)), np.float32) / 255
        return torch.from_numpy(((small - mean) / std).transpose(2, 0, 1).astype(np.float32))

    other = fp.load_encoder(encoder.model, processor=checks.Processor(simple, transform))
    seen = other.prepare(picture, "image")
    torch.testing.assert_close(seen.inputs["pixel_values"][0].float(), transform(picture))
    # The crop that it takes is found: of 40 × 30 pixels the middle 30 × 30.
    expected = picture.crop((5, 0, 35, 30)).resize(seen.picture.size)
    gap = np.abs(np.asarray(seen.picture, float) - np.asarray(expected, float))
    assert gap.mean() < 6
    assert np.isfinite(fp.attribute(other, picture, CAPTION).matrix).all()
    np.testing.assert_allclose(other.processors["image"].image_mean, mean, atol=1e-5)
    for wrong in (lambda image: np.zeros((3, 8, 8), np.float32), lambda image: np.asarray(image)):
        with pytest.raises(fp.InputError, match="`processor` has an image_processor that"):
            fp.load_encoder(encoder.model, processor=checks.Processor(simple, wrong))
