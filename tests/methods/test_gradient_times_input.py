"""Gradient × input against full Jacobians at the input."""

import numpy as np
import pytest
import torch

import fpattr_widget as fp
from tests.helpers.clip_heads import CAPTION, image_head, image_states, text_head, text_states


def by_definition(encoder, picture, layers) -> np.ndarray:
    model = encoder.model
    ids = encoder.prepare(CAPTION, "text").inputs["input_ids"]
    padded = ids.clone()
    padded[0, 1:-1] = encoder.processors["text"].pad_token_id
    pixels = encoder.prepare(picture, "image").inputs["pixel_values"]
    sides = []
    for head, states, reference in (
        (
            text_head(model, layers[0], ids.shape[1] - 1),
            text_states(model, ids)[layers[0]],
            text_states(model, padded)[layers[0]],
        ),
        (
            image_head(model, layers[1]),
            image_states(model, pixels)[layers[1]],
            image_states(model, 0 * pixels)[layers[1]],
        ),
    ):
        jacobian = torch.autograd.functional.jacobian(head, states)
        sides.append((torch.einsum("knd,nd->nk", jacobian, states - reference), head(states)))
    (text, text_embedding), (image, image_embedding) = sides
    scale = text_embedding.norm() * image_embedding.norm()
    return (text @ image.T / scale).detach().numpy()


@pytest.mark.parametrize(
    ("layers", "nodes"),
    [
        ((-1, -1), "1 node, closed form"),
        ((0, 0), "1 node"),
        ((1, 2), "text 1 node · image 1 node, closed form"),
    ],
)
def test_it_is_the_jacobian_at_the_input(encoder, picture, layers, nodes):
    expected = by_definition(encoder, picture, [layer % 3 for layer in layers])
    pairs = fp.attribute(encoder, picture, CAPTION, fp.GradientTimesInput(), layers)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(pairs.matrix, expected[:, 1:], rtol=0, atol=1e-6 * scale)
    np.testing.assert_allclose(pairs.image_special, expected[:, :1], rtol=0, atol=1e-6 * scale)
    assert pairs.provenance()["nodes"] == nodes


def test_it_is_one_node_at_the_end_of_the_path(encoder, picture):
    pairs = fp.attribute(encoder, picture, CAPTION, "gradient_times_input", 0)
    same = fp.attribute(encoder, picture, CAPTION, fp.IntegratedJacobians(steps=1, rule="right"), 0)
    np.testing.assert_array_equal(pairs.matrix, same.matrix)
    assert pairs.about.method == "gradient × input"
    assert pairs.standard_error is None


def test_the_reference_is_a_setting(encoder, picture):
    own = fp.attribute(encoder, picture, CAPTION, fp.GradientTimesInput(), 1)
    other = fp.attribute(
        encoder, picture, CAPTION, fp.GradientTimesInput(text_reference="exclip"), 1
    )
    assert np.abs(own.matrix - other.matrix).max() > 1e-4


@pytest.mark.parametrize("method", [fp.GradientTimesInput, fp.IntegratedJacobians])
@pytest.mark.parametrize("settings", [{"text_reference": "mean"}, {"image_reference": "blur"}])
def test_an_unknown_reference_is_named_before_anything_is_computed(
    encoder, picture, method, settings
):
    (name,) = settings
    with pytest.raises(fp.InputError, match=f"`{name}` is"):
        fp.attribute(encoder, picture, CAPTION, method(**settings))
