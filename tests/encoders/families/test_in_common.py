"""What must be true of each of these families alike; the rest is in a file for each."""

import pytest
import torch

import fpattr_widget as fp
from tests.helpers import family_checks as checks
from tests.helpers.families.samples import SAMPLES, Sample

pytestmark = pytest.mark.slow


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
