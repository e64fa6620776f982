"""SigLIP 2 with NaFlex: pictures of any proportions, padded patches."""

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor, Siglip2ImageProcessorPil

import fpattr_widget as fp
from fpattr_widget.encoders import ImageTower
from fpattr_widget.encoders._image_files import LONGEST as LONGEST_SIDE
from fpattr_widget.encoders._last_block import attention_head
from fpattr_widget.encoders._twin import Twin
from tests.helpers import family_checks as checks
from tests.helpers import towers_by_hand as by_hand
from tests.helpers.families.siglip2 import CAPTION, MOST_PATCHES, random_encoder
from tests.helpers.sentence_pieces import LONGEST

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def encoder():
    return random_encoder()


def padded(encoder, picture) -> dict[str, torch.Tensor]:
    """Return what the processor gives, with its padding."""
    inputs = encoder.processors["image"](images=picture, return_tensors="pt")
    return {**inputs, "pixel_values": inputs["pixel_values"].double()}


def test_the_ledger_closes_at_every_layer(encoder, picture):
    checks.assert_closes_at_every_layer(encoder, picture, CAPTION, steps=64)


def test_both_last_blocks_are_taken_in_closed_form(picture):
    checks.assert_closed_form_is_differentiation(random_encoder, picture, CAPTION)


def test_similarity_is_the_models_own(encoder, picture):
    """The processor pads the patches, and this package leaves the padding out."""
    checks.assert_reads_are_the_model(
        encoder, picture, CAPTION, padding="max_length", max_length=LONGEST
    )


def test_the_model_is_left_as_it_was_found(encoder, picture):
    checks.assert_left_as_found(
        encoder.model, lambda: fp.attribute(encoder, picture, CAPTION, layer=0).row(0)
    )


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("size", [(40, 30), (30, 70), (200, 9), (16, 16)])
def test_trimmed_is_padded(size, attention):
    """Contributions of the padding are zero, those of the patches the same."""
    encoder = random_encoder(attention=attention)
    twin = Twin(encoder.model)
    model, vision, last = twin.module, twin.module.vision_model, 2
    tower = ImageTower(
        model,
        vision.encoder.layers,
        lambda inputs: model.get_image_features(**inputs).pooler_output,
        patch=4,
        packed=True,
        pooling=vision.post_layernorm,
        last_block=attention_head(vision.post_layernorm, vision.head),
    )
    tower.attach(twin)
    image = encoder.prepare(checks.tiles(5, 4).resize(size), "image")
    inputs = padded(encoder, checks.tiles(5, 4).resize(size))
    count = int(inputs["spatial_shapes"].prod())
    assert image.inputs["pixel_values"].shape[1] == count <= MOST_PATCHES
    np.testing.assert_allclose(tower.embed(image.inputs), tower.embed(inputs), atol=1e-6)

    reference = {**inputs, "pixel_values": torch.zeros_like(inputs["pixel_values"])}
    for layer in (0, last):
        whole = tower.split(inputs, [(1.0, reference)], layer)
        trimmed = encoder.part(image, layer).split("zeros")
        directions = torch.eye(len(whole.embedding), dtype=torch.float64)
        nodes = checks.Quadrature.of("gauss-legendre", 3)
        theirs = checks.PathIntegral(whole, nodes, checks.MEMORY).along(directions)
        ours = checks.PathIntegral(trimmed, nodes, checks.MEMORY).along(directions)
        assert not theirs[:, count:].any()
        # The positions' embeddings are interpolated in float32.
        checks.assert_near(theirs[:, :count], ours, 1e-5)
        if layer == last and attention == "sdpa":
            checks.assert_split_has_closed_form(whole)


def test_image_contributions_are_the_definition(encoder, picture):
    vision, image = encoder.model.vision_model, encoder.prepare(picture, "image")
    with torch.no_grad():
        pixels, shapes = (image.inputs[name] for name in ("pixel_values", "spatial_shapes"))
        states = [vision.embeddings(x, shapes)[0] for x in (pixels, 0 * pixels)]
        states = [by_hand.siglip_block(vision.encoder.layers[0], x) for x in states]

    def head(states):
        return by_hand.siglip_head(vision, by_hand.siglip_block(vision.encoder.layers[1], states))

    measured = fp.IntegratedJacobians(steps=4).measure(encoder.part(image, 1))
    checks.assert_is_the_definition(measured, head, *states, steps=4)


def test_text_contributions_are_the_definition(encoder):
    tower, prepared = encoder.model.text_model, encoder.prepare(CAPTION, "text")
    ids = prepared.inputs["input_ids"]
    reference = torch.zeros_like(ids)  # padding
    reference[0, 6] = 1  # the end stays where it is
    assert ids[0, 6] == 1
    with torch.no_grad():
        states = [tower.embeddings(x)[0] for x in (ids, reference)]
        states = [by_hand.siglip_block(tower.encoder.layers[0], x) for x in states]

    def head(states):
        return tower.head(
            tower.final_layer_norm(by_hand.siglip_block(tower.encoder.layers[1], states))[-1]
        )

    measured = fp.IntegratedJacobians(steps=4).measure(encoder.part(prepared, 1))
    checks.assert_is_the_definition(measured, head, *states, steps=4)


@pytest.mark.parametrize(
    ("tiles", "grid"), [((6, 6), (3, 3)), ((10, 5), (2, 4)), ((4, 9), (5, 2)), ((6, 10), (4, 3))]
)
def test_the_picture_is_all_that_the_model_sees(encoder, tiles, grid):
    image = checks.tiles(*tiles)
    seen = encoder.prepare(image, "image")
    assert encoder.panel(seen, 0).grid == grid
    checks.assert_picture_is_what_the_tower_sees(encoder, image)
    # A mapping that the processor returned gives the same, at the model's resolution.
    other = encoder.prepare(padded(encoder, image), "image")
    torch.testing.assert_close(other.inputs["pixel_values"], seen.inputs["pixel_values"])
    assert other.picture.size == (8 * grid[1], 8 * grid[0])
    shown = np.asarray(seen.picture.resize(other.picture.size, Image.Resampling.BOX), float)
    assert np.corrcoef(shown.ravel(), np.asarray(other.picture, float).ravel())[0, 1] > 0.95


def test_a_large_picture_is_shown_smaller(encoder):
    assert max(encoder.prepare(checks.tiles(100, 80), "image").picture.size) == LONGEST_SIDE
    assert max(encoder.prepare(checks.tiles(4, 3), "image").picture.size) == 64


def test_a_folder_loads_like_a_hub_model(encoder, picture, tmp_path):
    encoder.model.save_pretrained(tmp_path)
    encoder.processors["text"].save_pretrained(tmp_path)
    encoder.processors["image"].save_pretrained(tmp_path)
    assert isinstance(AutoImageProcessor.from_pretrained(tmp_path), Siglip2ImageProcessorPil)
    loaded = fp.load_encoder(tmp_path)
    method = fp.IntegratedJacobians(steps=2)
    np.testing.assert_allclose(
        fp.attribute(loaded, picture, CAPTION, method).matrix,
        fp.attribute(encoder, picture, CAPTION, method).matrix,
        atol=1e-6,
    )


@pytest.mark.parametrize(
    "image",
    [
        torch.zeros(1, 3, 24, 24),
        {"pixel_values": torch.zeros(1, 4, 192)},
        {"pixel_values": torch.zeros(1, 4, 192), "spatial_shapes": torch.tensor([[3, 2]])},
        {"pixel_values": torch.zeros(1, 4, 192), "spatial_shapes": torch.tensor([[0, 2]])},
        {"pixel_values": torch.zeros(1, 4, 192), "spatial_shapes": torch.tensor([[-2, -2]])},
        {"pixel_values": torch.zeros(1, 4, 100), "spatial_shapes": torch.tensor([[2, 2]])},
        {"pixel_values": torch.zeros(2, 4, 192), "spatial_shapes": torch.tensor([[2, 2], [2, 2]])},
        {"pixel_values": torch.zeros(1, 4, 192).int(), "spatial_shapes": torch.tensor([[2, 2]])},
    ],
)
def test_patches_that_do_not_fit_are_told(encoder, image):
    with pytest.raises(fp.InputError, match=r"takes patches \(1, patches, 192\)"):
        encoder.prepare(image, "image")
