"""Any vision tower with any language model, in ``VisionTextDualEncoderModel``."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import (
    AlbertConfig,
    AlbertModel,
    SwinConfig,
    SwinModel,
    Swinv2Config,
    Swinv2Model,
)

import fpattr_widget as fp
from fpattr_widget.encoders._last_block import attention_pooling
from tests.helpers import family_checks as checks
from tests.helpers.families.vision_text_dual_encoder import CAPTION, PAIRS, VIT, WIDTHS, Pair, swin
from tests.helpers.vocabularies import (
    WORD_PIECES,
)

pytestmark = pytest.mark.slow

FAST = fp.IntegratedJacobians(steps=2)


@pytest.fixture(scope="module", params=PAIRS)
def pair(request) -> Pair:
    return PAIRS[request.param]


@pytest.fixture(scope="module")
def encoder(pair) -> fp.DualEncoder:
    return pair.encoder()


@pytest.fixture(scope="module")
def vit() -> fp.DualEncoder:
    return VIT.encoder()


def test_closes_at_every_layer(encoder, picture):
    checks.assert_closes_at_every_layer(encoder, picture, CAPTION, steps=64, tolerance=1e-5)


def test_closed_form_is_taken_where_known_and_is_differentiation(pair, encoder, picture):
    if all(pair.closed):
        checks.assert_closed_form_is_differentiation(encoder, picture, CAPTION)
        return
    text, seen = encoder.prepare(CAPTION, "text"), encoder.prepare(picture, "image")
    for measured, closed in (
        (
            FAST.measure(encoder.part(text, encoder.towers["text"].resolve_layer(-1))),
            pair.closed[0],
        ),
        (
            FAST.measure(encoder.part(seen, encoder.towers["image"].resolve_layer(-1))),
            pair.closed[1],
        ),
    ):
        assert measured.describe() == ("2 nodes, closed form" if closed else "2 nodes")
    # What the encoder says of itself is what it does.
    assert repr(encoder).count("in closed form") == sum(pair.closed)


def test_similarity_is_the_models(encoder, picture):
    checks.assert_reads_are_the_model(encoder, picture, CAPTION)


def test_special_positions_are_counted(pair, encoder, picture):
    pairs = fp.attribute(encoder, picture, CAPTION, FAST, 0)
    assert pairs.grid == pair.grid
    assert pairs.image_special_names == pair.special
    assert pairs.image_special.shape[1] == len(pair.special)


def test_a_patch_is_where_the_grid_says(pair, encoder, picture):
    """What one patch of the picture changes is the feature of its row and column."""
    tower, (rows, columns) = encoder.towers["image"], pair.grid
    inputs = encoder.prepare(picture, "image").inputs
    height, width = pair.size[0] // rows, pair.size[1] // columns
    before = tower.features(inputs, 0)
    for row, column in ((0, columns - 1), (rows - 1, 0), (1, 2)):
        pixels = inputs["pixel_values"].clone()
        pixels[:, :, height * row :, width * column :][:, :, :height, :width] += 1
        moved = (tower.features({"pixel_values": pixels}, 0) - before).abs().amax(-1) > 1e-9
        assert moved.nonzero().flatten().tolist() == [len(pair.special) + columns * row + column]


#: A pair of each shape of towers: as most, pooled by attention, and made of stages.
SHAPES = "ViT + BERT", "SigLIP + XLM-R", "Swin + BERT"


@pytest.mark.parametrize("pair", SHAPES, indirect=True)
def test_model_is_left_as_found(encoder, picture):
    checks.assert_left_as_found(
        encoder.model, lambda: fp.attribute(encoder, picture, CAPTION, FAST, 1).matrix
    )


@pytest.mark.parametrize("pair", SHAPES, indirect=True)
def test_loads_from_a_folder(pair, tmp_path, picture):
    model = pair.model(torch.float32)
    checks.assert_loads_from_folder(model, pair.processor(), tmp_path, picture, CAPTION)


def normalise(norm: nn.LayerNorm, values: Tensor) -> Tensor:
    centred = values - values.mean(-1, keepdim=True)
    deviation = (centred.square().mean(-1, keepdim=True) + norm.eps).sqrt()
    return centred / deviation * norm.weight + norm.bias


def linear(module: nn.Linear, values: Tensor) -> Tensor:
    return values @ module.weight.T + module.bias


def dinov2_block(block: nn.Module, states: Tensor) -> Tensor:
    """One block of DINOv2 from its weights alone, for (features, width)."""
    attention, inner = block.attention, normalise(block.norm1, states)
    query, key, value = (
        linear(m, inner).unflatten(1, (3, 8)).transpose(0, 1)
        for m in (attention.q_proj, attention.k_proj, attention.v_proj)
    )
    mixed = (query @ key.transpose(1, 2) / 8**0.5).softmax(-1) @ value
    mixed = linear(attention.o_proj, mixed.transpose(0, 1).flatten(1))
    states = states + block.layer_scale1.lambda1 * mixed
    inner = linear(block.mlp.fc1, normalise(block.norm2, states))
    inner = linear(block.mlp.fc2, nn.functional.gelu(inner))
    return states + block.layer_scale2.lambda1 * inner


@pytest.mark.parametrize("layer", [0, 2])
def test_image_contributions_are_full_jacobians(picture, layer):
    """Against a DINOv2 that is written out here."""
    encoder = PAIRS["DINOv2 + BERT"].encoder()
    model, image = encoder.model, encoder.prepare(picture, "image")
    vision = model.vision_model

    def head(states: Tensor) -> Tensor:
        for block in vision.encoder.layer[layer:]:
            states = dinov2_block(block, states)
        return model.visual_projection.weight @ normalise(vision.layernorm, states)[0]

    pixels = image.inputs["pixel_values"]
    with torch.no_grad():
        entering = [
            vision(some, output_hidden_states=True).hidden_states[layer][0]
            for some in (pixels, 0 * pixels)
        ]
    method = fp.IntegratedJacobians(steps=4)
    measured = method.measure(encoder.part(image, layer))
    checks.assert_is_the_definition(measured, head, *entering, steps=4)


def test_a_wrong_description_is_found_out(vit, picture):
    """Tails without norm or pooler are not trusted, and the numbers stay right."""
    model = vit.model
    wrong = fp.load_encoder(model, processor=VIT.processor())
    text, image = wrong.prepare(CAPTION, "text"), wrong.prepare(picture, "image")
    assert FAST.measure(wrong.part(text, 2)).describe() == "2 nodes, closed form"
    assert FAST.measure(wrong.part(image, 2)).describe() == "2 nodes, closed form"

    def without_norm(state: Tensor) -> Tensor:
        return model.visual_projection(model.vision_model.pooler(state[:, None]))

    wrong.towers["text"].last_block = attention_pooling(
        wrong.towers["text"].blocks[-1], model.text_projection
    )
    wrong.towers["image"].last_block = attention_pooling(
        wrong.towers["image"].blocks[-1], without_norm
    )
    assert FAST.measure(wrong.part(text, 2)).describe() == "2 nodes"
    assert FAST.measure(wrong.part(image, 2)).describe() == "2 nodes"
    every = range(len(text.tokens))
    expected = fp.attribute(vit, image, text, FAST).feature_rows(every)
    rows = fp.attribute(wrong, image, text, FAST).feature_rows(every)
    np.testing.assert_allclose(rows, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


def test_a_tower_of_any_size_takes_the_processors(picture):
    """DINOv2 stretches its positions by itself; a ViT takes its own size alone."""
    wide = replace(PAIRS["DINOv2 + BERT"], size=(32, 48))
    pairs = fp.attribute(wide.encoder(), picture, CAPTION, FAST)
    assert pairs.grid == (4, 6)
    assert pairs.matrix.shape[1] == 24
    with pytest.raises(fp.InputError, match="check the image processor"):
        fp.attribute(replace(VIT, size=(32, 48)).encoder(), picture, CAPTION)


@pytest.mark.parametrize("kind", [(SwinModel, SwinConfig), (Swinv2Model, Swinv2Config)])
def test_stages_have_grids_of_their_own(picture, kind):
    """Where patches merge, the later stage has fewer and larger features."""
    swins = replace(PAIRS["Swin + BERT"], vision=lambda: swin(*kind))
    encoder = swins.encoder()
    for layer, grid in ((0, (8, 8)), (1, (4, 4)), (0, (8, 8))):
        pairs = fp.attribute(encoder, picture, CAPTION, FAST, (0, layer))
        assert pairs.grid == grid
        assert pairs.matrix.shape[1] == grid[0] * grid[1]


def test_layers_that_share_weights_are_refused():
    settings = {"vocab_size": len(WORD_PIECES), "embedding_size": 8}
    shared = replace(VIT, text=lambda: AlbertModel(AlbertConfig(**WIDTHS, **settings)))
    with pytest.raises(fp.InputError, match=r"`model` has a AlbertModel, whose layers share"):
        fp.load_encoder(shared.model())


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    VIT.model(torch.float32).save_pretrained(folder)
    VIT.processor().save_pretrained(folder)
    return folder


def without(saved, folder, weight: str):
    for path in saved.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    weights = load_file(folder / "model.safetensors")
    del weights[weight]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize("weight", ["visual_projection.weight", "text_model.pooler.dense.bias"])
def test_a_weight_that_would_be_random_is_told(saved, tmp_path, weight):
    with pytest.raises(fp.InputError, match=rf"lacks weights .* \({weight}\)") as caught:
        fp.load_encoder(without(saved, tmp_path, weight))
    assert "\n" not in str(caught.value)


def test_the_scale_of_the_logits_is_not_needed(saved, tmp_path, picture):
    whole = fp.load_encoder(saved).similarity(picture, CAPTION)
    part = fp.load_encoder(without(saved, tmp_path, "logit_scale"))
    assert part.similarity(picture, CAPTION) == pytest.approx(whole, abs=1e-7)
