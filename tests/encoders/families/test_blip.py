"""BLIP's retrieval model, and checkpoints of BLIP that are none."""

import pytest
from torch import Tensor
from transformers import (
    BlipForConditionalGeneration,
)

import fpattr_widget as fp
from tests.helpers import family_checks as checks
from tests.helpers.families.blip import CAPTION, blip_encoder, config, processor

pytestmark = pytest.mark.slow


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
