"""AltCLIP: XLM-R, whose positions are numbered past padding, beside CLIP's image tower."""

import pytest
import torch
from transformers import AltCLIPConfig, AltCLIPModel, AltCLIPProcessor, CLIPImageProcessor

import fpattr_widget as fp
from tests.encoders.families import checks
from tests.encoders.families.vocabularies import UNIGRAMS, xlm_roberta_tokenizer

CAPTION = "un chien rouge, playing balls"
FAST = fp.IntegratedJacobians(steps=2)


def altclip(dtype: torch.dtype = torch.float64) -> AltCLIPModel:
    torch.manual_seed(0)
    text = {
        "vocab_size": len(UNIGRAMS),
        "hidden_size": 24,
        "intermediate_size": 40,
        "num_hidden_layers": 3,
        "num_attention_heads": 3,
        "max_position_embeddings": 26,
        "project_dim": 20,
    }
    vision = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "image_size": 24,
        "patch_size": 8,
    }
    model = AltCLIPModel(AltCLIPConfig(text_config=text, vision_config=vision, projection_dim=12))
    return checks.far_from_linear(model, dtype, scale=0.2)


def processor() -> AltCLIPProcessor:
    images = CLIPImageProcessor(size={"shortest_edge": 24}, crop_size={"height": 24, "width": 24})
    return AltCLIPProcessor(image_processor=images, tokenizer=xlm_roberta_tokenizer())


def altclip_encoder(dtype: torch.dtype = torch.float64) -> fp.DualEncoder:
    return fp.load_encoder(altclip(dtype), processor=processor())


@pytest.fixture(scope="module")
def encoder() -> fp.DualEncoder:
    return altclip_encoder()


def test_similarity_is_the_models(encoder, picture):
    checks.assert_reads_are_the_model(encoder, picture, CAPTION)


def test_reference_leaves_every_position_its_number(encoder):
    """Padding in the reference would move what stands behind it."""
    text = encoder.prepare(CAPTION, "text")
    reference = encoder.towers["text"].reference(text, "pad")
    tokenizer = encoder.processors["text"]
    ids = reference["input_ids"][0].tolist()
    assert ids == [
        tokenizer.bos_token_id,
        *[tokenizer.mask_token_id] * (len(ids) - 2),
        tokenizer.eos_token_id,
    ]
    ends = [0, len(ids) - 1]
    own = encoder.towers["text"].features(text.inputs, 0)
    other = encoder.towers["text"].features(reference, 0)
    torch.testing.assert_close(own[ends], other[ends], rtol=0, atol=0)
    assert not torch.allclose(own[1:-1], other[1:-1])


def test_longest_caption_leaves_room_for_numbers_past_padding(encoder, picture):
    """The table has 26 rows; the first two are for padding and never for a token."""
    fits = " ".join(["dog"] * 22)
    pairs = fp.attribute(encoder, picture, fits, FAST)
    assert len(pairs.tokens) == 24
    assert pairs.matrix.shape == (24, 9)
    with pytest.raises(fp.InputError, match="has 25 tokens and the model reads at most 24"):
        fp.attribute(encoder, picture, fits + " dog", FAST)
    too_many = torch.tensor([[0, *[6] * 23, 2]])
    with pytest.raises((IndexError, RuntimeError)):
        encoder.model.get_text_features(input_ids=too_many)
