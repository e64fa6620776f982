"""FLAVA: the embeddings of its contrastive score."""

import pytest
import torch
from torch import Tensor
from transformers import (
    FlavaForPreTraining,
)

import fpattr_widget as fp
from tests.helpers import family_checks as checks
from tests.helpers.families.flava import CAPTION, config, flava_encoder, processor

pytestmark = pytest.mark.slow


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
