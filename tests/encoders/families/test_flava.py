"""FLAVA: the embeddings of its contrastive score."""

import pytest
import torch
from torch import Tensor
from transformers import (
    FlavaConfig,
    FlavaForPreTraining,
    FlavaImageProcessor,
    FlavaModel,
    FlavaProcessor,
)

import fpattr_widget as fp
from tests.encoders.families import checks
from tests.encoders.families.vocabularies import WORD_PIECES, bert_tokenizer

CAPTION = "a playful dog, red balls"


def config() -> FlavaConfig:
    text = {
        "vocab_size": len(WORD_PIECES),
        "hidden_size": 24,
        "intermediate_size": 40,
        "num_hidden_layers": 3,
        "num_attention_heads": 3,
        "max_position_embeddings": 24,
    }
    image = {
        "hidden_size": 24,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 3,
        "image_size": 24,
        "patch_size": 8,
        "vocab_size": 8,
    }
    multimodal = {
        "hidden_size": 24,
        "intermediate_size": 24,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    codebook = {"hidden_size": 4, "num_groups": 4, "num_blocks_per_group": 1}
    return FlavaConfig(
        text_config=text,
        image_config=image,
        multimodal_config=multimodal,
        image_codebook_config=codebook,
        hidden_size=24,
        projection_dim=12,
    )


def flava(dtype: torch.dtype = torch.float64) -> FlavaModel:
    torch.manual_seed(0)
    return checks.far_from_linear(FlavaModel(config()), dtype)


def processor() -> FlavaProcessor:
    size = {"height": 24, "width": 24}
    images = FlavaImageProcessor(size=size, crop_size=size)
    return FlavaProcessor(image_processor=images, tokenizer=bert_tokenizer())


def flava_encoder(dtype: torch.dtype = torch.float64) -> fp.DualEncoder:
    return fp.load_encoder(flava(dtype), processor=processor())


@pytest.fixture(scope="module")
def encoder() -> fp.DualEncoder:
    return flava_encoder()


def test_similarity_is_the_contrastive_score(encoder, picture):
    """The score that FLAVA is trained with."""
    model = FlavaForPreTraining(config()).double().eval()
    model.flava = encoder.model
    scale = float(encoder.model.logit_scale.detach().exp())

    def forward(inputs: checks.Inputs) -> tuple[Tensor, Tensor]:
        output = model(
            input_ids=inputs["input_ids"],
            pixel_values=inputs["pixel_values"],
            input_ids_masked=inputs["input_ids"],
            return_loss=False,
        )
        score = float(output.contrastive_logits_per_image) / scale
        assert encoder.similarity(picture, CAPTION) == pytest.approx(score, abs=1e-6)
        return (
            encoder.model.text_projection(output.text_embeddings[:, 0]),
            encoder.model.image_projection(output.image_embeddings[:, 0]),
        )

    checks.assert_reads_are_the_model(encoder, picture, CAPTION, forward=forward)


def test_loads_from_a_pretraining_folder(tmp_path, picture):
    """As the published checkpoint is saved."""
    whole = checks.far_from_linear(FlavaForPreTraining(config()), torch.float32)
    whole.save_pretrained(tmp_path)
    processor().save_pretrained(tmp_path)
    loaded = fp.load_encoder(tmp_path)
    own = fp.load_encoder(whole.flava, processor=processor())
    assert loaded.similarity(picture, CAPTION) == pytest.approx(
        own.similarity(picture, CAPTION), abs=1e-6
    )
