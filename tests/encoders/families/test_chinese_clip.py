"""Chinese-CLIP: BERT over Chinese characters, pooled at CLS, beside CLIP's image tower."""

import pytest
import torch
from torch import Tensor, nn

import fpattr_widget as fp
from tests.helpers import family_checks as checks
from tests.helpers.families.chinese_clip import (
    CAPTION,
    chinese_clip_encoder,
)

pytestmark = pytest.mark.slow

FAST = fp.IntegratedJacobians(steps=2)


@pytest.fixture(scope="module")
def encoder() -> fp.DualEncoder:
    return chinese_clip_encoder()


def test_similarity_is_the_models(encoder, picture):
    checks.assert_reads_are_the_model(encoder, picture, CAPTION)


def attend(layer: nn.Module, states: Tensor) -> Tensor:
    """One BERT block from its weights alone, for (features, width)."""
    own, size = layer.attention.self, len(states[0]) // 3
    query, key, value = (
        (states @ m.weight.T + m.bias).unflatten(1, (3, size)).transpose(0, 1)
        for m in (own.query, own.key, own.value)
    )
    mixed = (query @ key.transpose(1, 2) / size**0.5).softmax(-1) @ value
    out = layer.attention.output
    states = normalise(out.LayerNorm, states + linear(out.dense, mixed.transpose(0, 1).flatten(1)))
    inner = nn.functional.gelu(linear(layer.intermediate.dense, states))
    return normalise(layer.output.LayerNorm, states + linear(layer.output.dense, inner))


def linear(module: nn.Module, values: Tensor) -> Tensor:
    return values @ module.weight.T + module.bias


def normalise(norm: nn.Module, values: Tensor) -> Tensor:
    centred = values - values.mean(-1, keepdim=True)
    deviation = (centred.square().mean(-1, keepdim=True) + norm.eps).sqrt()
    return centred / deviation * norm.weight + norm.bias


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_text_contributions_are_full_jacobians(encoder, layer):
    """Against a BERT that is written out here."""
    model = encoder.model
    text = encoder.prepare(CAPTION, "text")
    ids = text.inputs["input_ids"]
    reference = ids.clone()
    reference[0, 1:-1] = 0  # [PAD]

    def head(states: Tensor) -> Tensor:
        for block in model.text_model.encoder.layer[layer:]:
            states = attend(block, states)
        return model.text_projection.weight @ states[0]

    with torch.no_grad():
        entering = [
            model.text_model(some, output_hidden_states=True).hidden_states[layer][0]
            for some in (ids, reference)
        ]
    checks.assert_is_the_definition(
        fp.IntegratedJacobians(steps=4).measure(encoder.part(text, layer)),
        head,
        *entering,
        steps=4,
    )


def test_every_character_is_a_word(encoder, picture):
    pairs = fp.attribute(encoder, picture, CAPTION, FAST)
    shown = [(token.text, token.special) for token in pairs.words().tokens]
    assert shown == [
        ("CLS", True), ("一", False), ("只", False), ("Red", False), ("dog", False),
        ("和", False), ("红", False), ("球", False), ("SEP", True),
    ]  # fmt: skip
