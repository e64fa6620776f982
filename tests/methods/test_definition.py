"""The attributions against their definition, with every Jacobian written out."""

import numpy as np
import pytest
import torch
from torch import Tensor

import fpattr_widget as fp
from tests.helpers.clip_heads import (
    CAPTION,
    image_head,
    image_states,
    text_head,
    text_states,
)


def contributions(head, states: Tensor, reference: Tensor, nodes, weights) -> Tensor:
    """Sum full Jacobians (K, n, d) over the nodes and multiply them out: (n, K)."""
    change = states - reference
    integrated = sum(
        weight * torch.autograd.functional.jacobian(head, reference + node * change)
        for node, weight in zip(nodes.tolist(), weights.tolist(), strict=True)
    )
    return torch.einsum("knd,nd->nk", integrated, change)


def by_definition(encoder, image, ids, layers, nodes, weights, text_reference):
    model = encoder.model
    pixels = encoder.prepare(image, "image").inputs["pixel_values"]
    end = int((ids[0] == encoder.processors["text"].eos_token_id).nonzero()[0])
    parts = []
    for states, head in (
        ([s[layers[0]] for s in (text_states(model, ids), text_states(model, text_reference))],
         text_head(model, layers[0], end)),
        ([s[layers[1]] for s in (image_states(model, pixels), image_states(model, 0 * pixels))],
         image_head(model, layers[1])),
    ):  # fmt: skip
        with torch.no_grad():
            embedding = head(states[0])
        parts.append((contributions(head, *states, nodes, weights).detach(), embedding))
    (text, text_embedding), (image_part, image_embedding) = parts
    return (text @ image_part.T / text_embedding.norm() / image_embedding.norm()).numpy()


RULES = {
    "right": lambda n: (
        1 - torch.arange(n, dtype=torch.float64) / n,
        torch.full((n,), 1 / n, dtype=torch.float64),
    ),
    "gauss-legendre": lambda n: tuple(
        torch.from_numpy(a)
        for a in (
            (np.polynomial.legendre.leggauss(n)[0] + 1) / 2,
            np.polynomial.legendre.leggauss(n)[1] / 2,
        )
    ),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("layers", [(-1, -1), (0, 0), (2, 1), (1, 2)])
def test_matrix_is_the_definition(encoder, picture, rule, layers):
    ids = encoder.prepare(CAPTION, "text").inputs["input_ids"]
    padded = ids.clone()
    padded[0, 1:-1] = encoder.processors["text"].pad_token_id
    expected = by_definition(
        encoder, picture, ids, [n % 3 for n in layers], *RULES[rule](5), padded
    )
    method = fp.IntegratedJacobians(steps=5, rule=rule)
    text = encoder.prepare(CAPTION, "text")
    image = encoder.prepare(picture, "image")
    layer = encoder.resolve_layers(layers)
    text_side = method.measure(encoder.part(text, layer[0]))
    image_side = method.measure(encoder.part(image, layer[1]))
    scale = float(text_side.embedding.norm() * image_side.embedding.norm())

    # Forward mode on the text, reverse mode on the image …
    rows = image_side.along(text_side.joint(np.eye(len(text.tokens)))) / scale
    np.testing.assert_allclose(rows, expected, rtol=0, atol=1e-9 * np.abs(expected).max())
    # … and the other way round.
    columns = text_side.along(image_side.joint(np.eye(image_side.features))) / scale
    np.testing.assert_allclose(columns.T, expected, rtol=0, atol=1e-9 * np.abs(expected).max())
    # The public face is the same in float32.
    pairs = fp.attribute(encoder, picture, CAPTION, method, layers)
    np.testing.assert_allclose(pairs.matrix, expected[:, 1:], atol=1e-6 * np.abs(expected).max())
    np.testing.assert_allclose(
        pairs.image_special, expected[:, :1], atol=1e-6 * np.abs(expected).max()
    )


def test_exclip_reference_is_bos_a_zero_and_eos(encoder, picture):
    ids = encoder.prepare(CAPTION, "text").inputs["input_ids"]
    reference = torch.zeros_like(ids)
    reference[0, 0] = encoder.processors["text"].bos_token_id
    reference[0, 2] = encoder.processors["text"].eos_token_id
    expected = by_definition(encoder, picture, ids, [1, 1], *RULES["right"](3), reference)
    method = fp.IntegratedJacobians(steps=3, rule="right", text_reference="exclip")
    matrix = fp.attribute(encoder, picture, CAPTION, method, 1).matrix
    np.testing.assert_allclose(matrix, expected[:, 1:], atol=1e-6 * np.abs(expected).max())


def test_completeness_improves_with_nodes(encoder, picture):
    residuals = []
    for steps in (2, 8, 32):
        method = fp.IntegratedJacobians(steps=steps)
        residuals.append(abs(fp.attribute(encoder, picture, CAPTION, method, 0).ledger.residual))
    assert residuals[2] < residuals[0] / 100
    assert residuals[2] < 1e-4


def test_auto_steps_meet_the_tolerance(encoder, picture):
    text = encoder.prepare(CAPTION, "text")
    loose = fp.IntegratedJacobians(tolerance=1e-1).measure(encoder.part(text, 0))
    tight = fp.IntegratedJacobians(tolerance=1e-6).measure(encoder.part(text, 0))
    assert loose.residual <= 1e-1
    assert tight.residual <= 1e-6
    assert loose.steps < tight.steps
    change = tight.embedding - tight.reference
    total = tight.joint(np.ones((1, tight.features)))[0]
    assert float((total - change).norm() / change.norm()) == pytest.approx(tight.residual, rel=1e-3)


def test_a_tolerance_out_of_reach_is_said(encoder, picture):
    with pytest.warns(UserWarning, match=r"reached a residual of .* with \d+ nodes"):
        fp.attribute(
            encoder, picture, "a dog", fp.IntegratedJacobians(rule="right", tolerance=1e-9), 2
        ).row(1)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"steps": 0}, "steps"),
        ({"steps": 2.5}, "steps"),
        ({"steps": True}, "steps"),
        ({"rule": "left"}, "rule"),
        ({"tolerance": 0}, "tolerance"),
    ],
)
def test_wrong_settings_are_named(settings, name):
    with pytest.raises(fp.InputError, match=f"`{name}`"):
        fp.IntegratedJacobians(**settings)
