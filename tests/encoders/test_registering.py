"""A model from outside, made known by its towers."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from transformers import BertConfig, BertModel

import fpattr_widget as fp
from fpattr_widget.encoders import Arrangement
from fpattr_widget.encoders import _registry as registry
from fpattr_widget.training._model import new_tokenizer
from tests.helpers.anybodys_encoder import IDS, PAGE, Mine, towers
from tests.helpers.family_checks import assert_closes_at_every_layer, far_from_linear

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("families_as_before")]


def load(model: nn.Module | None = None, processor: object = None, **said: dict) -> fp.DualEncoder:
    """Register the family with what is said of its towers, and load a model of it.

    What is said may be a function of the model that the towers are made of.
    """

    def own(model: nn.Module) -> tuple[fp.TextTower, fp.ImageTower]:
        each = {name: one(model) if callable(one) else one for name, one in said.items()}
        return towers(model, **each)

    family = fp.Family("mine", lambda m: isinstance(m, Mine), own)
    fp.register_family(family)
    torch.manual_seed(0)
    return fp.load_encoder(far_from_linear(model or Mine()), processor=processor)


def test_a_model_from_outside_is_explained_at_every_layer(pixels):
    encoder = load()
    assert repr(encoder).count("3 text blocks (the last by automatic differentiation)") == 1
    assert repr(encoder).count("3 image blocks (the last by automatic differentiation)") == 1
    assert_closes_at_every_layer(encoder, pixels, IDS, tolerance=1e-4)
    with torch.no_grad():
        cosine = nn.functional.cosine_similarity(
            encoder.model.embed_text(torch.tensor(IDS)), encoder.model.embed_image(pixels.double())
        )
    assert encoder.similarity(pixels, IDS) == pytest.approx(float(cosine), abs=1e-6)
    pairs = fp.attribute(encoder, pixels, IDS)
    assert pairs.grid == (2, 3)
    assert pairs.image_special_names == ()


def test_tokens_are_not_hidden_by_a_mask_that_is_not_taken(pixels):
    encoder = load()
    with pytest.raises(fp.InputError, match="takes no attention mask"):
        fp.attribute(encoder, pixels, IDS, fp.Occlusion())
    pairs = fp.attribute(encoder, pixels, IDS, fp.Occlusion(tokens="reference"))
    assert np.abs(pairs.matrix).max() > 0


def test_it_takes_a_tokenizer_and_text(pixels):
    processor = SimpleNamespace(tokenizer=new_tokenizer(), image_processor=None)
    encoder = load(Mine(tokens=len(processor.tokenizer)), processor)
    pairs = fp.attribute(encoder, pixels, "a dog and a ball", layer=2)
    assert [token.text for token in pairs.tokens][1:-1] == ["a", "dog", "and", "a", "ball"]
    assert np.isfinite(pairs.matrix).all()


def test_the_one_registered_last_is_asked_first_and_replaces_its_namesake():
    first = fp.Family("mine", lambda m: isinstance(m, Mine), towers)
    second = fp.Family("other", lambda m: isinstance(m, Mine), towers)
    fp.register_family(first)
    fp.register_family(second)
    model = Mine()
    assert registry.family_of_module(model) is second
    third = fp.Family("other", lambda m: False, towers)
    fp.register_family(third)
    assert registry.family_of_module(model) is first
    assert [f.name for f in registry._FAMILIES].count("other") == 1
    with pytest.raises(fp.InputError, match="`family` is a function: pass"):
        fp.register_family(towers)


def test_an_unknown_model_is_told_what_was_looked_for():
    with pytest.raises(fp.InputError) as caught:
        fp.load_encoder(Mine())
    message = str(caught.value)
    assert message.startswith("`model` is a Mine, not a dual encoder of a known family")
    for word in ("CLIP", "SigLIP", "OpenCLIP", "fpattr_widget.register_family", "README.md"):
        assert word in message
    bert = BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, vocab_size=9)
    with pytest.raises(fp.InputError, match="`model` is a BertModel"):
        fp.load_encoder(BertModel(bert))
    with pytest.raises(fp.InputError, match=r"`model` is compiled by TorchScript.*jit=False"):
        fp.load_encoder(torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)))


# What one who registers a model may get wrong


def unpooled(model: Mine):
    return lambda inputs: model.words(inputs["input_ids"])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (unpooled, r"`encode` of the text tower returned a tensor \(1, 5, 24\)"),
        (lambda model: lambda inputs: (1, 2), "`encode` of the text tower returned a tuple"),
        (
            lambda model: lambda inputs: model.embed_text(inputs["input_ids"])[0],
            r"`encode` of the text tower returned a tensor \(12,\)",
        ),
    ],
)
def test_an_encode_that_returns_no_embedding_is_told(pixels, wrong, message):
    model = Mine()
    encoder = load(model, text={"encode": wrong(model)})
    with pytest.raises(fp.InputError, match=message):
        encoder.similarity(pixels, IDS)
    with pytest.raises(fp.InputError, match=message):
        fp.attribute(encoder, pixels, IDS).row(1)


def test_a_block_of_another_model_is_told():
    other = Mine()
    with pytest.raises(fp.InputError, match="that is no part of `model`: make the towers of the"):
        load(Mine(), text={"blocks": other.text_layers})


def test_towers_that_share_no_space_are_told(pixels):
    encoder = load(Mine(shared=16))
    with pytest.raises(fp.InputError, match="spaces of 12 and 16 dimensions"):
        fp.attribute(encoder, pixels, IDS).row(1)


def test_a_block_that_never_runs_or_runs_twice_is_told(pixels):
    model = Mine()
    never = load(model, text=lambda m: {"blocks": [*m.text_layers, m.spare]})
    with pytest.raises(fp.InputError, match="text tower has a block 3 that `encode` runs 0 times"):
        fp.attribute(never, pixels, IDS).row(1)

    def twice(model):
        def encode(inputs):
            return model.embed_text(inputs["input_ids"]) + model.embed_text(inputs["input_ids"])

        return {"encode": encode}

    again = load(model, text=twice)
    with pytest.raises(fp.InputError, match="text tower has a block 2 that `encode` runs 2 times"):
        fp.attribute(again, pixels, IDS).row(1)


def test_blocks_out_of_order_or_with_a_way_around_them_are_told(pixels):
    model = Mine()
    reverse = load(model, image=lambda m: {"blocks": list(m.image_layers)[::-1]})
    with pytest.raises(fp.InputError, match="`blocks` of the image tower, run from block 2"):
        fp.attribute(reverse, pixels, IDS).row(1)

    def around(model):
        def encode(inputs):
            states = model.patches(inputs["pixel_values"]).flatten(2).transpose(1, 2)
            first = model.image_layers[0](states)
            return model.image_head((first + model.image_layers[1](first)).mean(1))

        return {"blocks": list(model.image_layers)[:2], "encode": encode}

    bypassed = load(model, image=around)
    with pytest.raises(fp.InputError, match="where no path leads around them"):
        fp.attribute(bypassed, pixels, IDS).row(1)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"patch": 4}, "makes 4 × 6 patches, and `special` names 0 more positions, but 6 enter"),
        ({"patch": 16, "special": None}, "makes 1 × 1 patches, and leaves 5 positions over"),
        ({"special": ("CLS",)}, "`special` names 1 more positions, but 6 enter block 2"),
    ],
)
def test_a_wrong_patch_is_told(pixels, said, message):
    encoder = load(image=said)
    with pytest.raises(fp.InputError, match=message):
        fp.attribute(encoder, pixels, IDS).row(1)


def test_a_wrong_vocabulary_is_told(pixels):
    ids = [[1, 7, 150, 2]]
    larger = load(text={"vocabulary": 200})
    with pytest.raises(fp.InputError, match="ids up to 150: correct its `vocabulary` of 200"):
        fp.attribute(larger, pixels, ids).row(1)
    with pytest.raises(fp.InputError, match="`caption` holds token ids outside 0 to 99"):
        fp.attribute(load(), pixels, ids)
    processor = SimpleNamespace(tokenizer=new_tokenizer(), image_processor=None)
    with pytest.raises(fp.InputError, match="`processor` has a tokenizer that gives the token id"):
        fp.attribute(load(Mine(tokens=3), processor), pixels, "a dog")


def test_states_that_lie_otherwise_are_told_and_can_be_arranged(pixels):
    model = Mine()
    for layer in model.text_layers:
        layer.self_attn.batch_first = False

    def positions_first(model):
        def encode(inputs):
            states = model.words(inputs["input_ids"]) + model.places[: len(IDS[0])]
            states = states.transpose(0, 1)
            for layer in model.text_layers:
                states = layer(states)
            return model.text_head(states.mean(0))

        return {"encode": encode}

    encoder = load(model, text=positions_first)
    with pytest.raises(fp.InputError, match=r"1 features are read for 5 tokens.*`arrangement`"):
        fp.attribute(encoder, pixels, IDS).row(1)
    turned = Arrangement(
        pack=lambda states, inputs: states.transpose(0, 1),
        unpack=lambda features, own: features.transpose(0, 1),
    )
    arranged = load(model, text=lambda m: {**positions_first(m), "arrangement": turned})
    rows = fp.attribute(arranged, pixels, IDS, layer=0).matrix
    plain = load(Mine())
    for layer in model.text_layers:
        layer.self_attn.batch_first = True
    plain.model.load_state_dict(model.state_dict())
    np.testing.assert_allclose(
        fp.attribute(plain, pixels, IDS, layer=0).matrix, rows, atol=1e-5 * np.abs(rows).max()
    )


# The page


def test_the_page_says_how():
    code, _ = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len(code.splitlines()) <= 30
    names: dict = {}
    exec(code, names)  # the page's own sample
    pairs = names["pairs"]
    assert pairs.matrix.shape == (4, 9)
    assert np.abs(pairs.matrix).max() > 0
    ledger = pairs.ledger
    assert abs(ledger.residual) < 0.05 * (abs(ledger.pairs) + abs(ledger.image_only))
    assert repr(fp.load_encoder(names["TwoTowers"]())).count("automatic differentiation") == 2


def test_the_page_names_files_and_names_that_are_there():
    text = PAGE.read_text("utf-8")
    for name in re.findall(r"\]\(([\w./]+)\)", text):
        assert (PAGE.parent / name).exists(), name
    for name in re.findall(r"`encoders\.(\w+)", text):
        assert hasattr(fp.encoders, name), name
