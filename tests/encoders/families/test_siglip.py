"""SigLIP, and SigLIP 2 of fixed resolution, which has SigLIP's towers."""

import numpy as np
import pytest
import torch
from transformers.utils.import_utils import BACKENDS_MAPPING

import fpattr_widget as fp
from tests.helpers import family_checks as checks
from tests.helpers import towers_by_hand as by_hand
from tests.helpers.families.siglip import CAPTION, image_processor, random_encoder, random_siglip
from tests.helpers.sentence_pieces import LONGEST, siglip2_tokenizer, siglip_tokenizer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return siglip_tokenizer(tmp_path_factory.mktemp("siglip"))


@pytest.fixture(scope="module")
def encoder(tokenizer):
    return random_encoder(tokenizer)


def test_the_ledger_closes_at_every_layer(encoder, picture):
    checks.assert_closes_at_every_layer(encoder, picture, CAPTION, steps=64)


def test_both_last_blocks_are_taken_in_closed_form(tokenizer, picture):
    checks.assert_closed_form_is_differentiation(
        lambda dtype: random_encoder(tokenizer, dtype), picture, CAPTION
    )


def test_the_closed_form_keeps_a_mask(encoder):
    tower = encoder.towers["text"]
    inputs = dict(encoder.prepare(CAPTION, "text").inputs)
    mask = torch.ones_like(inputs["input_ids"])
    mask[0, [2, 5]] = 0
    reference = {"input_ids": torch.ones_like(mask), "attention_mask": mask}
    split = tower.split({**inputs, "attention_mask": mask}, [(1.0, reference)], 1)
    checks.assert_split_has_closed_form(split)


def test_similarity_is_the_models_own(encoder, picture):
    checks.assert_reads_are_the_model(
        encoder, picture, CAPTION, padding="max_length", max_length=LONGEST
    )


def test_the_model_is_left_as_it_was_found(encoder, picture):
    checks.assert_left_as_found(
        encoder.model, lambda: fp.attribute(encoder, picture, CAPTION, layer=0).row(0)
    )


def test_attention_by_hand_is_torchs():
    """The definitions stand on the hand-written attention."""
    torch.manual_seed(0)
    query, keys, values = torch.randn(3, 5, 12, dtype=torch.float64)
    heads = [x.unflatten(-1, (3, 4)).movedim(1, 0) for x in (query, keys, values)]
    expected = torch.nn.functional.scaled_dot_product_attention(*heads).movedim(0, 1).flatten(1)
    torch.testing.assert_close(by_hand.attend(query, keys, values, 3), expected)


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_image_contributions_are_the_definition(encoder, picture, layer):
    vision, image = encoder.model.vision_model, encoder.prepare(picture, "image")
    with torch.no_grad():
        pixels = image.inputs["pixel_values"]
        states = [vision.embeddings(x)[0] for x in (pixels, 0 * pixels)]
        for each in vision.encoder.layers[:layer]:
            states = [by_hand.siglip_block(each, x) for x in states]

    def head(states):
        for each in vision.encoder.layers[layer:]:
            states = by_hand.siglip_block(each, states)
        return by_hand.siglip_head(vision, states)

    measured = fp.IntegratedJacobians(steps=4).measure(encoder.part(image, layer))
    checks.assert_is_the_definition(measured, head, *states, steps=4)


@pytest.mark.parametrize("layer", [0, 1])
def test_text_contributions_are_the_definition(encoder, layer):
    tower, prepared = encoder.model.text_model, encoder.prepare(CAPTION, "text")
    ids = prepared.inputs["input_ids"]
    with torch.no_grad():
        # This tokenizer's padding is the end: the reference is an empty caption.
        states = [tower.embeddings(x)[0] for x in (ids, torch.ones_like(ids))]
        for each in tower.encoder.layers[:layer]:
            states = [by_hand.siglip_block(each, x) for x in states]

    def head(states):
        for each in tower.encoder.layers[layer:]:
            states = by_hand.siglip_block(each, states)
        return tower.head(tower.final_layer_norm(states)[-1])

    measured = fp.IntegratedJacobians(steps=4).measure(encoder.part(prepared, layer))
    checks.assert_is_the_definition(measured, head, *states, steps=4)


def test_padding_is_reported_and_carries_mass(encoder, picture):
    method = fp.IntegratedJacobians(steps=16)
    first = fp.attribute(encoder, picture, "a dog", method, 0)
    assert [token.text for token in first.tokens] == ["a", "dog", "EOS", *["PAD"] * (LONGEST - 3)]
    assert [token.special for token in first.tokens] == [False] * 2 + [True] * (LONGEST - 2)
    # Before the first block padding is what the reference has there, later no more.
    assert not first.matrix[2:].any()
    second = np.abs(fp.attribute(encoder, picture, "a dog", method, 1).matrix).sum(1)
    assert (second[2:] > second.max() / 1000).all()


def test_the_reference_is_the_empty_caption(encoder, tokenizer):
    text = encoder.prepare("a dog", "text")
    empty = tokenizer("", padding="max_length", max_length=LONGEST, return_tensors="pt")
    expected = encoder.towers["text"].embed({"input_ids": empty["input_ids"]})[0]
    measured = fp.IntegratedJacobians(steps=1).measure(encoder.part(text, 0))
    torch.testing.assert_close(measured.reference, expected, rtol=0, atol=1e-12)


def test_token_ids_say_what_their_text_says(encoder, picture):
    ids = encoder.prepare(CAPTION, "text").inputs["input_ids"]
    one = fp.attribute(encoder, picture, CAPTION, fp.IntegratedJacobians(steps=2))
    for form in (ids, {"input_ids": ids, "attention_mask": torch.ones_like(ids)}):
        other = fp.attribute(encoder, picture, form, fp.IntegratedJacobians(steps=2))
        np.testing.assert_array_equal(one.matrix, other.matrix)
        assert [t.special for t in one.tokens] == [t.special for t in other.tokens]
        assert [t.text for t in one.tokens] == [t.text for t in other.tokens]


def test_a_folder_loads_like_a_hub_model(encoder, tokenizer, picture, tmp_path):
    encoder.model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    encoder.processors["image"].save_pretrained(tmp_path)
    loaded = fp.load_encoder(tmp_path)
    assert type(loaded.processors["text"]) is type(tokenizer)
    method = fp.IntegratedJacobians(steps=2)
    np.testing.assert_allclose(
        fp.attribute(loaded, picture, CAPTION, method).matrix,
        fp.attribute(encoder, picture, CAPTION, method).matrix,
        atol=1e-6,
    )


def test_a_missing_package_is_told(encoder, tokenizer, tmp_path, monkeypatch):
    encoder.model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    absent = (lambda: False, "{0} requires protobuf. Install it.")
    monkeypatch.setitem(BACKENDS_MAPPING, "protobuf", absent)
    with pytest.raises(
        fp.InputError, match=r"cannot be loaded \(SiglipTokenizer requires protobuf\): "
    ):
        fp.load_encoder(tmp_path)


def test_siglip_2_of_fixed_resolution(picture, tmp_path):
    tokenizer = siglip2_tokenizer()
    model = random_siglip(tokenizer)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    image_processor().save_pretrained(tmp_path)
    encoder = fp.load_encoder(tmp_path)
    checks.assert_closes_at_every_layer(encoder, picture, "a Dog", steps=128)
    tokens = encoder.prepare("a Dog", "text").tokens
    assert [t.text for t in tokens] == ["a", "Dog", "EOS", *["PAD"] * (LONGEST - 3)]


def test_a_model_without_a_head_is_refused(tokenizer):
    with pytest.raises(fp.InputError, match="`model` has no pooling head"):
        fp.load_encoder(random_siglip(tokenizer, vision_use_head=False))


@pytest.mark.parametrize(("side", "patch"), [(24, 8), (38, 7)])
def test_the_picture_ends_where_the_patches_end(tokenizer, side, patch):
    """Patches of 7 pixels leave a margin of a picture of 38, as 14 do of 384."""
    model = random_siglip(tokenizer, image_size=side, patch_size=patch)
    processor = checks.Processor(tokenizer, image_processor(side))
    encoder = fp.load_encoder(model, processor=processor)
    image = checks.tiles(10, 10)
    assert encoder.panel(encoder.prepare(image, "image"), 0).grid == (side // patch,) * 2
    checks.assert_picture_is_what_the_tower_sees(encoder, image)
    pixels = encoder.prepare(image, "image").inputs["pixel_values"]
    shown = encoder.prepare(pixels, "image").picture
    assert shown.size == (side // patch * patch,) * 2


def test_a_picture_of_another_size_is_told(encoder):
    for shape in ((1, 3, 32, 32), (1, 9, 192), (2, 3, 24, 24), (1, 1, 24, 24)):
        with pytest.raises(fp.InputError, match=r"floats of shape \(1, 3, 24, 24\)"):
            encoder.prepare(torch.zeros(shape, dtype=torch.float64), "image")


def test_a_caption_too_long_is_told(encoder, picture):
    with pytest.raises(fp.InputError, match=f"the model reads at most {LONGEST}"):
        fp.attribute(encoder, picture, "a dog " * LONGEST)
    with pytest.raises(fp.InputError, match="no word that the tokenizer keeps"):
        fp.attribute(encoder, picture, "!?")
