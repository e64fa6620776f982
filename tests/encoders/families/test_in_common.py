"""What must be true of each of these families alike; the rest is in a file for each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch

import fpattr_widget as fp
from tests.encoders.families import checks, test_altclip, test_blip, test_chinese_clip, test_flava


@dataclass(frozen=True)
class Sample:
    """A small model of a family, its processor, a caption, and nodes that suffice."""

    model: Callable[[torch.dtype], Any]
    processor: Callable[[], Any]
    caption: str
    steps: int

    def encoder(self, dtype: torch.dtype = torch.float64) -> fp.DualEncoder:
        return fp.load_encoder(self.model(dtype), processor=self.processor())


SAMPLES = {
    "AltCLIP": Sample(test_altclip.altclip, test_altclip.processor, test_altclip.CAPTION, steps=48),
    "Chinese-CLIP": Sample(
        test_chinese_clip.chinese_clip,
        test_chinese_clip.processor,
        test_chinese_clip.CAPTION,
        steps=48,
    ),
    "BLIP": Sample(test_blip.blip, test_blip.processor, test_blip.CAPTION, steps=64),
    "FLAVA": Sample(test_flava.flava, test_flava.processor, test_flava.CAPTION, steps=64),
}


@pytest.fixture(params=SAMPLES)
def sample(request: pytest.FixtureRequest) -> Sample:
    return SAMPLES[request.param]


def test_closes_at_every_layer(sample, picture):
    checks.assert_closes_at_every_layer(
        sample.encoder(), picture, sample.caption, steps=sample.steps
    )


def test_closed_form_is_differentiation(sample, picture):
    checks.assert_closed_form_is_differentiation(sample.encoder, picture, sample.caption)


def test_model_is_left_as_found(sample, picture):
    encoder, method = sample.encoder(), fp.IntegratedJacobians(steps=2)
    checks.assert_left_as_found(
        encoder.model, lambda: fp.attribute(encoder, picture, sample.caption, method, 1).matrix
    )


def test_loads_from_a_folder(sample, tmp_path, picture):
    model, processor = sample.model(torch.float32), sample.processor()
    checks.assert_loads_from_folder(model, processor, tmp_path, picture, sample.caption)
