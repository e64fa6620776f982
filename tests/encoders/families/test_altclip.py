"""AltCLIP: XLM-R, whose positions are numbered past padding, beside CLIP's image tower."""

import pytest
import torch

import fpattr_widget as fp
from tests.helpers import family_checks as checks
from tests.helpers.families.altclip import CAPTION, altclip_encoder

pytestmark = pytest.mark.slow

FAST = fp.IntegratedJacobians(steps=2)


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
