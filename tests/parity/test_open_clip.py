"""OpenCLIP's own classes, with towers of its own, of timm and of Hugging Face."""

import sys
import types
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import BertConfig, XLMRobertaConfig
from transformers.utils import is_torchvision_available

import fpattr_widget as fp
from fpattr_widget.encoders import _registry as registry
from fpattr_widget.encoders.heads._flair_module import flair_of_weights
from fpattr_widget.training._model import new_tokenizer
from tests.helpers import family_checks as checks

pytestmark = pytest.mark.slow

TORCHVISION = Path(sys.prefix, "torchvision")
FAST = fp.IntegratedJacobians(steps=2)
LENGTH, VOCABULARY = 12, 50
IDS = torch.tensor([[48, 3, 7, 9, 49] + [0] * (LENGTH - 5)])
KEPT: list[Any] = []


@cache
def open_clip() -> types.ModuleType:
    """Import OpenCLIP, which imports torchvision, which may not fit the torch that is here.

    It is kept apart, and declared here where it lacks its operators: a model needs none.
    """
    assert TORCHVISION.is_dir(), "torchvision is not installed: `npm test` installs it"
    is_torchvision_available()  # what transformers finds out once, it finds out before
    sys.path.append(str(TORCHVISION))
    try:
        try:
            import torchvision  # noqa: F401
        except RuntimeError:
            for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
                del sys.modules[name]
            KEPT.append(torch.library.Library("torchvision", "DEF"))
            for name in ("nms", "qnms"):
                KEPT[0].define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import open_clip

        return open_clip
    finally:
        sys.path.remove(str(TORCHVISION))


VISION = {"image_size": 24, "patch_size": 8, "width": 32, "head_width": 8, "layers": 3}
POOLER = {"attentional_pool": True, "attn_pooler_queries": 4, "attn_pooler_heads": 2}
TEXT = {"context_length": LENGTH, "vocab_size": VOCABULARY, "width": 24, "heads": 3, "layers": 3}


def clip(vision: dict | None = None, text: dict | None = None, *, custom: bool = False) -> Any:
    """Build a small random model of OpenCLIP."""
    kind = open_clip().CustomTextCLIP if custom else open_clip().CLIP
    torch.manual_seed(0)
    return kind(12, {**VISION, **(vision or {})}, {**TEXT, **(text or {})})


class Projection(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Parameter(torch.randn(64, 16))

    def forward(self, states: Tensor) -> Tensor:
        return states @ self.proj


class Flair(nn.Module):
    """FLAIR's layout, made of OpenCLIP's own towers: its authors' class is theirs, changed."""

    def __init__(self) -> None:
        super().__init__()
        vision = {"width": 64, "head_width": 64, "output_tokens": True}
        model = clip(vision, {"width": 64, "heads": 1})
        self.visual, self.transformer = model.visual, model.transformer
        self.visual.proj = self.text_projection = None
        self.token_embedding, self.ln_final = model.token_embedding, model.ln_final
        self.positional_embedding = model.positional_embedding
        self.register_buffer("attn_mask", model.attn_mask, persistent=False)
        self.logit_scale = model.logit_scale
        self.image_post, self.text_post = Projection(), Projection()
        self.visual_proj = nn.Module()
        self.visual_proj.attn = nn.MultiheadAttention(16, 8, batch_first=True, add_zero_attn=True)
        for name in "qkv":
            setattr(self.visual_proj, f"ln_{name}", nn.LayerNorm(16))

    def encode_image(self, image: Tensor) -> Any:
        return self.visual(image)

    def encode_text(self, text: Tensor) -> Any:
        states = self.token_embedding(text) + self.positional_embedding
        states = self.ln_final(self.transformer(states, attn_mask=self.attn_mask))
        return states[torch.arange(len(text)), text.argmax(-1)], states


def siglip() -> Any:
    """Build a SigLIP as OpenCLIP has it: timm's pooling head, a text that sees its padding."""
    text = {"no_causal_mask": True, "proj_bias": True, "pool_type": "last"}
    vision = {"timm_model_name": "test_vit3", "timm_pool": "map", "timm_proj": "none"}
    model = open_clip().CustomTextCLIP(96, {**VISION, **vision}, {**TEXT, **text})
    model.visual.set_input_size(32)
    model.visual.trunk.blocks = model.visual.trunk.blocks[:3]
    return model


def timm_tower(**settings: Any) -> Any:
    """Build a model whose image tower is a transformer of timm."""
    model = clip({"timm_model_name": "test_vit", "timm_pool": "token"}, custom=True)
    import timm

    small = {"img_size": (32, 24), "patch_size": 8, "embed_dim": 64, "depth": 2, "num_heads": 4}
    model.visual.trunk = timm.create_model(
        "vit_tiny_patch16_224", **{**small, "num_classes": 0, **settings}
    )
    return model


def load(model: Any, **options: Any) -> fp.DualEncoder:
    return fp.load_encoder(checks.far_from_linear(model, scale=0.1), **options)


def pixels_for(encoder: fp.DualEncoder, size: tuple[int, int] = (64, 64)) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(1, 3, *(encoder.towers["image"].size or size), generator=generator)


def nodes(encoder: fp.DualEncoder) -> tuple[bool, bool]:
    """Tell which tower's last block, (text, image), is attributed in closed form."""
    text, image = encoder.prepare(IDS, "text"), encoder.prepare(pixels_for(encoder), "image")
    last = encoder.resolve_layers(-1)
    measured = (
        FAST.measure(encoder.part(text, last[0])),
        FAST.measure(encoder.part(image, last[1])),
    )
    return tuple(side.describe().endswith("closed form") for side in measured)


def assert_is_the_model(encoder: fp.DualEncoder) -> None:
    """Embeddings are the model's own, of ids that are padded as its tokenizer pads them."""
    pixels = pixels_for(encoder)
    with torch.no_grad():
        text = encoder.model.encode_text(IDS, normalize=True)[0]
        image = encoder.model.encode_image(pixels.to(encoder.dtype), normalize=True)[0]
    np.testing.assert_allclose(encoder.embed_text([IDS])[0], text, atol=1e-6)
    np.testing.assert_allclose(encoder.embed_image([pixels])[0], image, atol=1e-6)


@pytest.mark.parametrize(
    ("vision", "text", "custom"),
    [
        ({}, {}, False),
        ({"image_size": (16, 32)}, {"pool_type": "eos", "eos_id": 49}, True),
        ({"ls_init_value": 0.5, "no_ln_pre": True}, {"ls_init_value": 0.5}, False),
        ({"block_type": "custom"}, {"block_type": "custom"}, True),
        ({"pos_embed_type": "sin_cos_2d"}, {"no_causal_mask": True, "pool_type": "first"}, True),
        ({}, {"no_causal_mask": True, "pool_type": "last", "proj_bias": True}, True),
        ({}, {"pool_type": "last"}, False),
    ],
    ids=["plain", "eos", "layer scale", "custom block", "first", "last", "causal last"],
)
def test_its_own_towers(vision, text, custom):
    encoder = load(clip(vision, text, custom=custom))
    pixels = pixels_for(encoder)
    assert_is_the_model(encoder)
    checks.assert_closed_form_is_differentiation(encoder, pixels, IDS)
    # Its own attention begins with weights that make it steep.
    steps, tolerance = (192, 2e-2) if "block_type" in vision else (48, 1e-3)
    checks.assert_closes_at_every_layer(encoder, pixels, IDS, steps=steps, tolerance=tolerance)
    tokens = fp.attribute(encoder, pixels, IDS).tokens
    sees_padding = text.get("pool_type") in ("first", "last")
    assert len(tokens) == (LENGTH if sees_padding else 5)


@pytest.mark.parametrize(
    ("vision", "text", "closed"),
    [
        ({"pool_type": "avg"}, {}, (True, False)),
        ({"pool_type": "avg", "final_ln_after_pool": True}, {}, (True, False)),
        (POOLER, {}, (True, False)),
        ({"qk_norm": True}, {"scale_attn": True}, (False, False)),
        ({"scale_heads": True}, {"scale_attn_inner": True}, (False, False)),
        ({"scale_fc": True}, {"scale_fc": True}, (True, True)),
    ],
)
def test_what_has_no_closed_form_is_differentiated(vision, text, closed):
    encoder = load(clip(vision, text))
    assert_is_the_model(encoder)
    assert nodes(encoder) == closed
    assert len(encoder.towers["image"].blocks) == (4 if "attentional_pool" in vision else 3)
    pixels = pixels_for(encoder)
    checks.assert_closes_at_every_layer(encoder, pixels, IDS, steps=128, tolerance=1e-2)


def test_a_tiny_layer_scale_hides_no_wrong_form():
    """What the attention adds is too little to be seen in the value, not in the derivative."""
    vision, text = (
        {"ls_init_value": 1e-6, **extra} for extra in ({"qk_norm": True}, {"scale_attn": True})
    )
    assert nodes(fp.load_encoder(clip(vision, text).eval())) == (False, False)  # fmt: skip


def test_states_that_are_not_batch_first():
    straight, turned = clip(), clip()
    for transformer in (turned.transformer, turned.visual.transformer):
        transformer.batch_first = False
        for block in transformer.resblocks:
            block.attn.batch_first = False
    one, other = load(straight), load(turned)
    pixels = pixels_for(one)
    checks.assert_closed_form_is_differentiation(other, pixels, IDS)
    for layer in range(3):
        expected = fp.attribute(one, pixels, IDS, FAST, layer)
        pairs = fp.attribute(other, pixels, IDS, FAST, layer)
        np.testing.assert_allclose(pairs.matrix, expected.matrix, atol=1e-6)
        np.testing.assert_allclose(pairs.image_special, expected.image_special, atol=1e-6)


def test_a_text_tower_that_hides_its_padding():
    text = {"no_causal_mask": True, "use_pad_mask": True, "pool_type": "first"}
    torch.manual_seed(0)
    model = clip(custom=True)
    model.text = type(model.text)(**TEXT, output_dim=12, **text)
    encoder = load(model)
    assert_is_the_model(encoder)
    assert nodes(encoder) == (False, True)
    rows = fp.attribute(encoder, pixels_for(encoder), IDS, layer=-1).matrix
    assert np.abs(rows[:5]).max() > 0
    np.testing.assert_array_equal(rows[5:], 0)


def test_siglip():
    encoder = load(siglip())
    pixels = pixels_for(encoder)
    assert_is_the_model(encoder)
    checks.assert_closed_form_is_differentiation(encoder, pixels, IDS)
    checks.assert_closes_at_every_layer(encoder, pixels, IDS, steps=48, tolerance=1e-3)
    pairs = fp.attribute(encoder, pixels, IDS)
    assert pairs.image_special_names == ("register 1",)
    assert (pairs.grid, len(pairs.tokens)) == ((2, 2), LENGTH)


@pytest.mark.parametrize(
    ("settings", "special", "closed"),
    [
        ({"global_pool": "token"}, ("CLS",), True),
        (
            {"global_pool": "token", "init_values": 0.5, "reg_tokens": 1},
            ("CLS", "register 1"),
            True,
        ),
        ({"global_pool": "token", "scale_attn_norm": True}, ("CLS",), True),
        ({"global_pool": "token", "qk_norm": True}, ("CLS",), False),
        ({"global_pool": "avg"}, ("CLS",), False),
        ({"global_pool": "map"}, ("CLS",), False),
        ({"global_pool": "map", "class_token": False}, (), True),
    ],
)
def test_transformers_of_timm(settings, special, closed):
    encoder = load(timm_tower(**settings))
    pixels = pixels_for(encoder)
    assert_is_the_model(encoder)
    pairs = fp.attribute(encoder, pixels, IDS)
    assert (pairs.grid, pairs.image_special_names) == ((4, 3), special)
    assert nodes(encoder) == (True, closed)
    if closed:
        checks.assert_closed_form_is_differentiation(encoder, pixels, IDS)
    checks.assert_closes_at_every_layer(encoder, pixels, IDS, tolerance=1e-3)


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"global_pool": "map", "class_token": False}, "attn_pool.kv"),
        ({"global_pool": "map", "class_token": False}, "attn_pool"),
        ({"global_pool": "map", "class_token": False}, "norm"),
        ({"global_pool": "token"}, "blocks.1.attn.qkv"),
        ({"global_pool": "token"}, "blocks.1.attn.q_norm"),
    ],
)
def test_a_part_of_timms_with_a_hook_is_differentiated(settings, part):
    """Whatever the hook does: this one does nothing."""
    encoder = load(timm_tower(**settings))
    assert nodes(encoder) == (True, True)
    trunk = encoder.model.visual.trunk
    hook = trunk.get_submodule(part).register_forward_hook(lambda *_: None)
    assert nodes(encoder) == (True, False)
    hook.remove()
    assert nodes(encoder) == (True, True)


def test_a_tower_of_timm_made_of_stages():
    vision = {"timm_model_name": "test_convnext", "timm_pool": "avg", "timm_proj": "linear"}
    encoder = load(clip(vision, custom=True))
    assert_is_the_model(encoder)
    pixels, method = pixels_for(encoder), fp.IntegratedJacobians(tolerance=0.02)
    grids = []
    for layer in range(5):
        pairs = fp.attribute(encoder, pixels, IDS, method, layer=(2, layer))
        grids.append(pairs.grid)
        ledger = pairs.ledger
        assert abs(ledger.residual) < 0.05 * (abs(ledger.pairs) + abs(ledger.image_only))
    assert grids == [(16, 16), (16, 16), (8, 8), (4, 4), (2, 2)]


def test_a_tower_of_timm_that_cannot_be_cut_is_refused():
    vision = {"timm_model_name": "test_efficientnet", "timm_pool": "avg", "timm_proj": "linear"}
    with pytest.raises(fp.InputError, match="`model` has timm's EfficientNet for images"):
        fp.load_encoder(clip(vision, custom=True))


def test_a_modified_resnet():
    vision = {"layers": [1, 1, 1, 1], "width": 8, "image_size": 64, "head_width": 32}
    encoder = load(clip(vision))
    assert_is_the_model(encoder)
    pairs = fp.attribute(encoder, pixels_for(encoder), IDS, layer=-1)
    assert pairs.grid == (2, 2)
    ledger = pairs.ledger
    assert abs(ledger.residual) < 0.05 * (abs(ledger.pairs) + abs(ledger.image_only))


def hugging_face_text(config: Any, pooler: str, **options: Any) -> Any:
    from open_clip.hf_model import HFTextEncoder

    model = clip(custom=True)
    torch.manual_seed(0)
    model.text = HFTextEncoder("", 12, config, pooler_type=pooler, **options)
    return model


SMALL = {
    "vocab_size": VOCABULARY,
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "max_position_embeddings": 20,
}


@pytest.mark.parametrize(
    ("kind", "pooler", "closed", "longest"),
    [
        (BertConfig, "cls_pooler", True, 20),
        (BertConfig, "mean_pooler", False, 20),
        (XLMRobertaConfig, "mean_pooler", False, 18),
        (XLMRobertaConfig, "cls_pooler", True, 18),
    ],
)
def test_text_towers_of_hugging_face(kind, pooler, closed, longest):
    config = kind(**SMALL, pad_token_id=1)
    encoder = load(hugging_face_text(config, pooler, proj_type="mlp"))
    ids = torch.tensor([[48, 3, 7, 9, 49]])
    pixels = pixels_for(encoder)
    with torch.no_grad():
        text = encoder.model.encode_text(ids, normalize=True)[0]
    np.testing.assert_allclose(encoder.embed_text([ids])[0], text, atol=1e-6)
    assert nodes(encoder) == (closed, True)
    assert encoder.towers["text"].longest == longest
    if closed:
        checks.assert_closed_form_is_differentiation(encoder, pixels, ids)
    checks.assert_closes_at_every_layer(encoder, pixels, ids, tolerance=1e-3)


def test_a_flair_of_its_towers_is_that_of_its_weights():
    encoder = load(Flair())
    own = flair_of_weights(encoder.model.state_dict())
    assert own is not None
    same, pixels = fp.load_encoder(own.eval()), pixels_for(encoder)
    checks.assert_closes_at_every_layer(encoder, pixels, IDS, steps=48, tolerance=1e-3)
    ours, theirs = (fp.attribute(one, pixels, IDS, FAST, (1, 1)) for one in (same, encoder))
    assert ours.ledger.similarity == pytest.approx(theirs.ledger.similarity, abs=1e-9)
    np.testing.assert_allclose(ours.matrix, theirs.matrix, atol=1e-7)
    maps = [one.read_out(pixels, IDS).weights for one in (same, encoder)]
    np.testing.assert_allclose(*maps, atol=1e-6)


def test_what_pools_at_no_token_is_refused():
    with pytest.raises(fp.InputError, match="`model` pools its text at a position that holds no"):
        fp.load_encoder(clip(text={"embed_cls": True}, custom=True))
    with pytest.raises(fp.InputError, match="or not at all"):
        fp.load_encoder(clip(text={"pool_type": "none"}, custom=True))
    with pytest.raises(fp.InputError, match="`model` is compiled by TorchScript"):
        fp.load_encoder(torch.jit.script(clip()))


def test_the_family_is_told_from_others():
    families = registry._FAMILIES
    for model in (clip(), clip(custom=True), siglip()):
        assert [family.name for family in families if family.recognises(model)] == ["OpenCLIP"]


def test_the_model_is_left_as_it_was_found():
    model = clip(custom=True)
    encoder = fp.load_encoder(model)
    pixels = pixels_for(encoder)

    def run() -> None:
        assert np.isfinite(fp.attribute(encoder, pixels, IDS, FAST, 1).matrix).all()

    checks.assert_left_as_found(model, run)


def test_half_precision_as_open_clip_makes_it():
    from open_clip.model import convert_weights_to_lp

    single, half = (checks.far_from_linear(clip(), torch.float32) for _ in range(2))
    convert_weights_to_lp(half)
    exact, rough = fp.load_encoder(single), fp.load_encoder(half)
    pixels = pixels_for(exact)
    for layer in (0, 2):
        method = fp.IntegratedJacobians(steps=8)
        expected = fp.attribute(exact, pixels, IDS, method, layer).matrix
        matrix = fp.attribute(rough, pixels, IDS, method, layer).matrix
        assert np.abs(matrix - expected).max() < 0.05 * np.abs(expected).max()


# What its factory hands out


def test_its_tokenizer_and_its_transform(picture):
    package = open_clip()
    tokenizer = package.tokenizer.SimpleTokenizer(context_length=24)
    transform = package.image_transform(24, is_train=False)
    model = clip(text={"vocab_size": tokenizer.vocab_size, "context_length": 24})
    encoder = load(model, processor=checks.Processor(tokenizer, transform))
    caption = "Two dogs & a naïve cat"
    with torch.no_grad():
        text = model.encode_text(tokenizer(caption))
        image = model.encode_image(transform(picture)[None].double())
    cosine = float(nn.functional.cosine_similarity(text, image))
    assert encoder.similarity(picture, caption) == pytest.approx(cosine, abs=1e-6)
    pairs = fp.attribute(encoder, picture, caption)
    assert [t.text for t in pairs.words().tokens] == ["BOS", *caption.split(), "EOS"]
    ids = fp.attribute(encoder, transform(picture), tokenizer(caption))
    np.testing.assert_array_equal(ids.matrix, pairs.matrix)
    assert pairs.picture.size == (30, 30)  # the middle of 40 × 30, at its own resolution
    expected = picture.crop((5, 0, 35, 30))
    assert np.abs(np.asarray(pairs.picture, float) - np.asarray(expected, float)).mean() < 4
    with pytest.raises(fp.InputError, match="has 62 tokens and the model reads at most 24"):
        encoder.prepare("a dog and " * 20, "text")


def test_its_wrapper_of_hugging_faces_tokenizers(tmp_path, picture):
    inner = new_tokenizer()
    inner.save_pretrained(tmp_path)
    tokenizer = open_clip().tokenizer.HFTokenizer(
        str(tmp_path), context_length=LENGTH, clean="canonicalize"
    )
    transform = open_clip().image_transform(24, is_train=False)
    processor = checks.Processor(tokenizer, transform)
    caption, words = "A dog, left of a Ball!", ["A", "dog", "left", "of", "a", "Ball"]
    for text in ({}, {"no_causal_mask": True, "pool_type": "last"}):
        model = clip(text={"vocab_size": len(inner), **text}, custom=True)
        encoder = load(model, processor=processor)
        with torch.no_grad():
            expected = model.encode_text(tokenizer(caption), normalize=True)[0]
        np.testing.assert_allclose(encoder.embed_text([caption])[0], expected, atol=1e-6)
        tokens = fp.attribute(encoder, picture, caption).tokens
        assert [t.text for t in tokens if not t.special] == words
        assert len(tokens) == (LENGTH if text else 8)
        with pytest.raises(fp.InputError, match="reads at most 12"):
            encoder.prepare("a dog and " * 5, "text")
