"""FLAIR: recognised by its parts, read from checkpoints of the published layout, and read out."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import fpattr_widget as fp
from fpattr_widget.encoders import _registry as registry
from fpattr_widget.encoders.heads import FLAIR, LLIP
from fpattr_widget.encoders.heads._flair_module import Flair, FlairSizes, flair_of_weights
from tests.helpers import family_checks as checks
from tests.helpers.families import flair, llip, openai_clip

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def encoder() -> fp.DualEncoder:
    return flair.flair_encoder()


def states(encoder: fp.DualEncoder, picture: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Return the normalised states of CLS, of the patches and of the caption's end."""
    seen, read = encoder.prepare(picture, "image"), encoder.prepare(flair.CAPTION, "text")
    ids = read.inputs["input_ids"]
    ids = nn.functional.pad(ids, (0, llip.LENGTH - ids.shape[1]))
    with torch.no_grad():
        cls, patches = encoder.model.encode_image(seen.inputs["pixel_values"])
        end, _ = encoder.model.encode_text(ids)
    return cls[0], patches[0], end[0]


def test_the_score_and_its_read_outs_are_torch_s_own_attention(encoder, picture):
    model = encoder.model
    cls, patches, end = states(encoder, picture)
    with torch.no_grad():
        mixed, weights, embedding = flair.by_torch(model, patches, end, end)
        cosine = float(nn.functional.cosine_similarity(mixed, embedding, dim=0))
        as_clip = nn.functional.cosine_similarity(model.image_post(cls), embedding, dim=0)
    assert encoder.similarity(picture, flair.CAPTION) == pytest.approx(cosine, abs=1e-6)
    unit = nn.functional.normalize(embedding, dim=0).numpy()
    np.testing.assert_allclose(encoder.embed_text([flair.CAPTION])[0], unit, atol=1e-6)

    found = encoder.read_out(picture, flair.CAPTION)
    assert found.similarity == pytest.approx(cosine, abs=1e-6)
    (unconditioned,) = found.compared.values()
    assert list(found.compared) == ["without the caption's choice"]
    assert unconditioned == pytest.approx(float(as_clip), abs=1e-6)
    assert abs(found.similarity - unconditioned) > 1e-2
    to_patches, nowhere = weights[:, :-1].numpy(), weights[:, -1].numpy()
    assert (found.grid, found.places, len(found.routes)) == ((3, 3), (), 8)
    np.testing.assert_allclose(found.weights, to_patches, atol=1e-6)
    np.testing.assert_allclose(found.nowhere, nowhere, atol=1e-6)
    assert found.nowhere.min() > 1e-3
    np.testing.assert_allclose(found.weights.sum(1) + found.nowhere, 1, atol=1e-12)

    def effective(some: np.ndarray) -> float:
        shares = some / some.sum()
        return float(np.exp(-(shares * np.log(shares)).sum()))

    assert found.effective_places == pytest.approx(effective(to_patches.mean(0)), abs=1e-4)
    expected = [effective(one) for one in to_patches]
    assert list(found.effective_places_of_routes) == pytest.approx(expected, abs=1e-4)
    # Each patch's part is what is lost from the inner product without its values.
    length = float(mixed.norm() * embedding.norm())
    block = model.visual_proj
    rows, bias = block.attn.in_proj_weight[32:], block.attn.in_proj_bias[32:]
    with torch.no_grad():
        values = nn.functional.linear(block.ln_v(model.image_post(patches)), rows, bias)
        parts = weights[:, :-1, None] * values.unflatten(-1, (8, -1)).transpose(0, 1)
        for head, part in enumerate(parts):
            of_head = part.new_zeros(9, 8, part.shape[-1])
            of_head[:, head] = part
            read = of_head.flatten(1) @ block.attn.out_proj.weight.T
            expected = (read @ embedding).numpy() / length
            np.testing.assert_allclose(found.contributions[head], expected, atol=1e-6)
    assert found.contributions.sum() + found.constant == pytest.approx(found.similarity, abs=1e-12)
    assert abs(found.constant) > 1e-4


def test_it_is_explained_at_every_layer(encoder, picture):
    assert repr(encoder).count("3 image blocks (the last in closed form)") == 1
    assert repr(encoder).count("2 text blocks (the last in closed form)") == 1
    checks.assert_closes_at_every_layer(encoder, picture, flair.CAPTION, steps=64, tolerance=1e-3)
    checks.assert_split_has_closed_form(
        encoder.part(encoder.prepare(flair.CAPTION, "text"), 1).split()
    )
    checks.assert_picture_is_what_the_tower_sees(encoder, picture)
    pairs = fp.attribute(encoder, picture, flair.CAPTION)
    assert pairs.grid == (3, 3)
    assert pairs.image_special_names == ("CLS",)
    half = flair.flair_encoder(torch.bfloat16)
    near = encoder.similarity(picture, flair.CAPTION)
    assert half.similarity(picture, flair.CAPTION) == pytest.approx(near, abs=0.1)


def test_all_patches_are_read_in_closed_form(picture, monkeypatch):
    checks.assert_closed_form_is_differentiation(flair.flair_encoder, picture, flair.CAPTION)
    encoder = flair.flair_encoder()
    split = encoder.part(encoder.prepare(picture, "image"), 2).split()
    checks.assert_nodes_in_portions_are_all_nodes(split, monkeypatch)


def changed(change: str) -> Any:
    model = flair.flair(torch.float32)
    match change:
        case "projection":
            model.text_projection = nn.Parameter(torch.zeros(16, 16))
        case "no attention":
            del model.visual_proj
        case "no zero":
            model.visual_proj.attn.add_zero_attn = False
        case "other sizes":
            model.visual_proj.attn = nn.MultiheadAttention(16, 8, kdim=8, add_zero_attn=True)
    return model


def test_it_and_others_are_told_apart():
    assert registry.family_of_module(flair.flair(torch.float32)) is FLAIR
    assert registry.family_of_module(llip.llip(torch.float32)) is LLIP
    clip = openai_clip.openai_clip(torch.float32)
    assert registry.family_of_module(clip).name == "OpenAI's CLIP"
    for change in ("projection", "no attention", "no zero", "other sizes"):
        assert not FLAIR.recognises(changed(change)), change
    with pytest.raises(fp.InputError, match=r"`weight_scale` is given, but 'Flair' has no scale"):
        fp.load_encoder(flair.flair(torch.float32), weight_scale=5)


# Checkpoints


@pytest.mark.parametrize(
    ("prefix", "dtype", "has_bias"),
    [("", torch.float32, True), ("_orig_mod.module.", torch.float16, False)],
)
def test_a_checkpoint_is_read(tmp_path, picture, prefix, dtype, has_bias):
    own = flair.flair(dtype, has_bias=has_bias)
    weights = {f"{prefix}{name}": weight for name, weight in own.state_dict().items()}
    path = llip.saved(tmp_path, weights, "flair-small.pt")
    tokenizer = {"tokenizer": flair.processor().tokenizer}
    read = fp.load_encoder(path, processor=tokenizer)
    expected = fp.load_encoder(own.float(), processor=flair.processor())
    assert (read.name, read.dtype) == ("flair-small.pt", torch.float32)
    assert read.similarity(picture, flair.CAPTION) == pytest.approx(
        expected.similarity(picture, flair.CAPTION), abs=1e-6
    )
    assert (read.logits.bias is None) is not has_bias
    with pytest.raises(fp.InputError, match=r"given, but 'flair-small.pt' has no scale of its"):
        fp.load_encoder(path, weight_scale=5)


def test_the_published_sizes_are_told_by_their_shapes():
    published = FlairSizes(
        image_width=768, image_blocks=12, image_hidden=3072, patch=16, grid=14, text_width=512,
        text_blocks=12, text_hidden=2048, vocabulary=49408, longest=77, shared=512,
    )  # fmt: skip
    with torch.device("meta"):
        weights = Flair(published).state_dict()
    assert FlairSizes.of_weights(weights) == published
    read: Any = flair_of_weights(weights)
    towers = read.visual.transformer.resblocks, read.transformer.resblocks
    assert tuple(blocks[0].attn.num_heads for blocks in towers) == (12, 8)
    assert read.visual_proj.attn.num_heads == 8
    assert not {"text_projection", "visual.proj", "attn_mask"} & set(weights)
    # The names by which the published layout is told, and no others beside CLIP's.
    own = {name for name in weights if name.startswith(("visual_proj", "image_p", "text_p"))}
    attention = ("in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias")
    norms = [f"ln_{name}.{kind}" for name in "qkv" for kind in ("weight", "bias")]
    expected = [f"visual_proj.{name}" for name in (*(f"attn.{a}" for a in attention), *norms)]
    assert own == {*expected, "image_post.proj", "text_post.proj"}


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("visual_proj.ln_q.bias", None, r"lacks weights \(visual_proj.ln_q.bias\): pass a"),
        (
            "text_post.proj",
            None,
            r"a FLAIR's checkpoint that lacks the weights 'text_post",
        ),
        ("text_projection", (16, 16), r"holds unknown weights \(text_projection\)"),
        ("image_post.proj", (16, 16), r"image_post.proj of shape \(16, 16\) and not \(64, 16\)"),
        ("text_post.proj", (64, 12), "has weights of shapes that no FLAIR has"),
    ],
)
def test_a_checkpoint_that_cannot_be_used_is_told(tmp_path, name, shape, message):
    weights = flair.flair(torch.float32).state_dict()
    if shape is None:
        del weights[name]
    else:
        weights[name] = torch.zeros(shape)
    with pytest.raises(fp.InputError, match=message):
        fp.load_encoder(llip.saved(tmp_path, weights))
