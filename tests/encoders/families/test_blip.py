"""BLIP's retrieval model, and checkpoints of BLIP that are none."""

import pytest
import torch
from torch import Tensor
from transformers import (
    BlipConfig,
    BlipForConditionalGeneration,
    BlipForImageTextRetrieval,
    BlipImageProcessor,
    BlipProcessor,
)

import fpattr_widget as fp
from tests.encoders.families import checks
from tests.encoders.families.vocabularies import WORD_PIECES, bert_tokenizer

CAPTION = "a playful dog, red balls"


def config() -> BlipConfig:
    text = {
        "vocab_size": len(WORD_PIECES),
        "hidden_size": 24,
        "encoder_hidden_size": 32,
        "intermediate_size": 40,
        "num_hidden_layers": 3,
        "num_attention_heads": 3,
        "max_position_embeddings": 24,
    }
    vision = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "image_size": 24,
        "patch_size": 8,
    }
    return BlipConfig(text_config=text, vision_config=vision, image_text_hidden_size=12)


def blip(dtype: torch.dtype = torch.float64) -> BlipForImageTextRetrieval:
    torch.manual_seed(0)
    return checks.far_from_linear(BlipForImageTextRetrieval(config()), dtype)


def processor() -> BlipProcessor:
    images = BlipImageProcessor(size={"height": 24, "width": 24})
    return BlipProcessor(image_processor=images, tokenizer=bert_tokenizer())


def blip_encoder(dtype: torch.dtype = torch.float64) -> fp.DualEncoder:
    return fp.load_encoder(blip(dtype), processor=processor())


@pytest.fixture(scope="module")
def encoder() -> fp.DualEncoder:
    return blip_encoder()


def test_similarity_is_the_contrastive_head(encoder, picture):
    model = encoder.model

    def forward(inputs: checks.Inputs) -> tuple[Tensor, Tensor]:
        output = model(
            input_ids=inputs["input_ids"], pixel_values=inputs["pixel_values"], use_itm_head=False
        )
        assert encoder.similarity(picture, CAPTION) == pytest.approx(
            float(output.itm_score), abs=1e-6
        )
        return (
            model.text_proj(output.question_embeds[:, 0]),
            model.vision_proj(output.last_hidden_state[:, 0]),
        )

    checks.assert_reads_are_the_model(encoder, picture, CAPTION, forward=forward)


def test_a_captioning_model_is_refused(tmp_path):
    captioner = BlipForConditionalGeneration(config())
    captioner.save_pretrained(tmp_path)
    processor().save_pretrained(tmp_path)
    with pytest.raises(
        fp.InputError,
        match=r"saved as BlipForConditionalGeneration, lacks weights that "
        r"BlipForImageTextRetrieval needs",
    ) as caught:
        fp.load_encoder(tmp_path)
    assert "\n" not in str(caught.value)
    with pytest.raises(fp.InputError, match="not a dual encoder of a known family"):
        fp.load_encoder(captioner)
