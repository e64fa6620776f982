"""ALIGN: features are the cells of a feature map, and the last block is their mean."""

import numpy as np
import pytest
import torch
from torch import nn
from transformers import AlignVisionConfig
from transformers.models.align.modeling_align import AlignVisionModel
from transformers.utils import logging

import fpattr_widget as fp
from fpattr_widget.encoders._family import largest_block_list
from tests.helpers import family_checks as checks
from tests.helpers import towers_by_hand as by_hand
from tests.helpers.families.align import (
    CAPTION,
    GRIDS,
    image_processor,
    random_align,
    random_encoder,
)
from tests.helpers.vocabularies import bert_tokenizer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def encoder():
    return random_encoder()


@pytest.fixture(scope="module")
def as_loaded():
    """Return an encoder with the attention that the model chooses itself."""
    return random_encoder(exact=False)


def test_the_ledger_closes_at_every_layer(encoder, picture):
    checks.assert_closes_at_every_layer(encoder, picture, CAPTION, steps=24)


def test_both_last_blocks_are_taken_in_closed_form(picture):
    """To 1e-10 with an attention that does not round to float32, as the eager one does."""
    checks.assert_closed_form_is_differentiation(random_encoder, picture, CAPTION)


def test_eager_attention_rounds_and_no_more(as_loaded, picture):
    assert as_loaded.model.text_model.config._attn_implementation == "eager"
    checks.assert_closed_form_is_differentiation(as_loaded, picture, CAPTION, tolerance=1e-6)
    checks.assert_closes_at_every_layer(as_loaded, picture, CAPTION, steps=24, tolerance=1e-5)


def test_the_closed_form_keeps_a_mask(encoder):
    tower = encoder.towers["text"]
    inputs = dict(encoder.prepare(CAPTION, "text").inputs)
    mask = torch.ones_like(inputs["input_ids"])
    mask[0, [2, 4]] = 0
    reference = {"input_ids": torch.zeros_like(mask), "attention_mask": mask}
    split = tower.split({**inputs, "attention_mask": mask}, [(1.0, reference)], 1)
    checks.assert_split_has_closed_form(split)
    directions = torch.eye(24, dtype=torch.float64)
    nodes = checks.Quadrature.of("gauss-legendre", 2)
    shares = checks.closed_form(split, checks.MEMORY).integrator(nodes).along(directions)
    assert not shares[:, [2, 4]].any()
    assert shares[:, [1, 3]].any()


@pytest.mark.parametrize("options", [{}, {"padding": "max_length", "max_length": 20}])
def test_similarity_is_the_models_own(as_loaded, picture, options):
    """Padding that a processor adds is masked, and so may be left out."""
    checks.assert_reads_are_the_model(as_loaded, picture, CAPTION, **options)


def test_the_model_is_left_as_it_was_found(picture):
    """Batch norms keep their statistics, though the model is in training."""
    encoder = random_encoder()
    checks.assert_left_as_found(
        encoder.model, lambda: fp.attribute(encoder, picture, CAPTION, layer=0).row(0)
    )


def test_a_model_in_training_is_explained_as_it_predicts(encoder, picture):
    method = fp.IntegratedJacobians(steps=2)
    calm = fp.attribute(encoder, picture, CAPTION, method, 1).matrix
    encoder.model.train()
    try:
        again = fp.attribute(encoder, picture, CAPTION, method, 1).matrix
    finally:
        encoder.model.eval()
    np.testing.assert_array_equal(again, calm)


@pytest.mark.parametrize("layer", range(5))
def test_image_contributions_are_the_definition(encoder, picture, layer):
    vision, image = encoder.model.vision_model, encoder.prepare(picture, "image")
    with torch.no_grad():
        pixels = image.inputs["pixel_values"]
        maps = [vision.embeddings(x) for x in (pixels, 0 * pixels)]
        for each in vision.encoder.blocks[:layer]:
            maps = [each(x) for x in maps]
    rows, columns = maps[0].shape[2:]
    assert (rows, columns) == GRIDS[layer]

    def head(states):
        # Cell (row, column) is feature row · columns + column.
        x = torch.stack(
            [states[row * columns : (row + 1) * columns].T for row in range(rows)], dim=1
        )[None]
        for each in vision.encoder.blocks[layer:]:
            x = each(x)
        return x.mean((2, 3))[0]

    states = [
        torch.stack([x[0, :, r, c] for r in range(rows) for c in range(columns)]) for x in maps
    ]
    measured = fp.IntegratedJacobians(steps=2).measure(encoder.part(image, layer))
    checks.assert_is_the_definition(measured, head, *states, steps=2)


@pytest.mark.parametrize("layer", [0, 1])
def test_text_contributions_are_the_definition(encoder, layer):
    model, prepared = encoder.model, encoder.prepare(CAPTION, "text")
    text, ids = model.text_model, prepared.inputs["input_ids"]
    reference = torch.zeros_like(ids)  # padding, between the same CLS and SEP
    reference[0, [0, -1]] = ids[0, [0, -1]]

    def block(layer, states):
        attention, output = layer.attention.self, layer.attention.output
        maps = (attention.query, attention.key, attention.value)
        mixed = by_hand.attend(*(each(states) for each in maps), attention.num_attention_heads)
        states = output.LayerNorm(output.dense(mixed) + states)
        inner = layer.output.dense(nn.functional.gelu(layer.intermediate.dense(states)))
        return layer.output.LayerNorm(inner + states)

    with torch.no_grad():
        states = [text.embeddings(x)[0] for x in (ids, reference)]
        for each in text.encoder.layer[:layer]:
            states = [block(each, x) for x in states]

    def head(states):
        for each in text.encoder.layer[layer:]:
            states = block(each, states)
        return model.text_projection(states[0])

    measured = fp.IntegratedJacobians(steps=4).measure(encoder.part(prepared, layer))
    checks.assert_is_the_definition(measured, head, *states, steps=4)


def test_the_grid_depends_on_the_layer(encoder):
    image = checks.tiles(12, 10)
    for layer, grid in enumerate(GRIDS):
        pairs = fp.attribute(encoder, image, "a dog", fp.IntegratedJacobians(steps=2), (1, layer))
        assert pairs.grid == grid
        assert pairs.image_special_names == ()
        assert pairs.row(1).shape == grid
    # A tensor of other proportions has another grid.
    pixels = torch.zeros(1, 3, 24, 64, dtype=torch.float64)
    assert encoder.panel(encoder.prepare(pixels, "image"), 4).grid == (6, 16)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"include_top": False},
        {"do_center_crop": False},
        {"rescale_factor": 1 / 127.5, "rescale_offset": True, "do_normalize": False},
    ],
)
def test_the_picture_is_the_crop_that_the_model_sees(options):
    processor = checks.Processor(bert_tokenizer(), image_processor(**options))
    encoder = fp.load_encoder(random_align(), processor=processor)
    checks.assert_picture_is_what_the_tower_sees(encoder, checks.tiles(12, 10))


def test_maximum_pooling_is_differentiated(picture):
    encoder = random_encoder(pooling="max")
    assert encoder.towers["image"].last_block is None
    image = encoder.prepare(picture, "image")
    measured = fp.IntegratedJacobians(steps=256).measure(encoder.part(image, 4))
    assert measured.describe() == "256 nodes"
    assert measured.residual < 1e-2


def test_blocks_of_the_real_proportions_are_found():
    """Of the real configuration, on paper: no other list of modules may be taken for it."""
    with torch.device("meta"):
        vision = AlignVisionModel(AlignVisionConfig())
    assert list(largest_block_list(vision.encoder)) == list(vision.encoder.blocks)
    assert len(vision.encoder.blocks) == vision.config.num_hidden_layers == 55


def test_padding_in_a_reference_raises_no_doubts(as_loaded, caplog):
    """The model would advise, once, to mask it."""
    logging.warning_once.cache_clear()
    logger = logging.get_logger("transformers")
    logger.addHandler(caplog.handler)
    try:
        text = as_loaded.prepare("a red dog", "text")
        fp.IntegratedJacobians(steps=1, text_reference="exclip").measure(as_loaded.part(text, 0))
    finally:
        logger.removeHandler(caplog.handler)
    assert "attention_mask" not in caplog.text


def test_a_folder_loads_like_a_hub_model(as_loaded, picture, tmp_path):
    as_loaded.model.save_pretrained(tmp_path)
    as_loaded.processors["text"].save_pretrained(tmp_path)
    as_loaded.image_processor.save_pretrained(tmp_path)
    loaded = fp.load_encoder(tmp_path)
    method = fp.IntegratedJacobians(steps=2)
    np.testing.assert_allclose(
        fp.attribute(loaded, picture, CAPTION, method).matrix,
        fp.attribute(as_loaded, picture, CAPTION, method).matrix,
        atol=1e-6,
    )
