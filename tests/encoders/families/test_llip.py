"""Llip: recognised by its parts, read from checkpoints of the published layout, and read out."""

import pickle
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import fpattr_widget as fp
from fpattr_widget.encoders import _registry as registry
from fpattr_widget.encoders.heads import LLIP
from fpattr_widget.encoders.heads._llip_module import Llip, LlipSizes, llip_of_weights
from tests.helpers import family_checks as checks
from tests.helpers.families import llip, openai_clip

pytestmark = pytest.mark.slow

SCALE = 0.5


@pytest.fixture(scope="module")
def encoder() -> fp.DualEncoder:
    return llip.llip_encoder(weight_scale=SCALE)


def inputs(encoder: fp.DualEncoder, picture: Any) -> tuple[Tensor, Tensor]:
    """Return pixels, and ids at the model's full length."""
    seen, read = encoder.prepare(picture, "image"), encoder.prepare(llip.CAPTION, "text")
    ids = read.inputs["input_ids"]
    return seen.inputs["pixel_values"], nn.functional.pad(ids, (0, llip.LENGTH - ids.shape[1]))


def test_the_score_and_its_read_outs_are_the_model_s(encoder, picture):
    pixels, ids = inputs(encoder, picture)
    with torch.no_grad():
        image, text = encoder.model.encode_image(pixels), encoder.model.encode_text(ids)
        mixed, embedding = llip.by_hand(encoder.model, SCALE, image, text)
    cosine = float(nn.functional.cosine_similarity(mixed, embedding, dim=0))
    assert encoder.similarity(picture, llip.CAPTION) == pytest.approx(cosine, abs=1e-6)
    several = encoder.similarities(picture, [llip.CAPTION, "a cat"])
    assert several == pytest.approx([cosine, encoder.similarity(picture, "a cat")], abs=1e-7)
    unit = nn.functional.normalize(embedding, dim=0).numpy()
    np.testing.assert_allclose(encoder.embed_text([llip.CAPTION])[0], unit, atol=1e-6)

    found = encoder.read_out(picture, llip.CAPTION)
    powers = torch.exp((image[0][0] * text[0][0][:, None]).sum(-1) / SCALE)
    weights = (powers / powers.sum(-1, keepdim=True)).numpy()
    assert found.weights.shape == (8, 3)
    np.testing.assert_allclose(found.weights, weights, atol=1e-6)
    np.testing.assert_allclose(found.mean_weights, weights.mean(0), atol=1e-6)
    mean = weights.mean(0)
    assert found.effective_places == pytest.approx(np.exp(-(mean * np.log(mean)).sum()), abs=1e-5)
    assert found.effective_places_of_routes[0] == pytest.approx(
        np.exp(-(weights[0] * np.log(weights[0])).sum()), abs=1e-5
    )
    assert found.places == ("mixture 1", "mixture 2", "mixture 3")
    assert found.routes[::7] == ("head 1", "head 8")
    # Each token's part is what is lost from the inner product without its values in a head.
    length = float(mixed.norm() * embedding.norm())
    for head, token in product((0, 1, 7), range(3)):
        without = image[1].clone()
        without[:, head, token] = 0
        rest, _ = llip.by_hand(encoder.model, SCALE, (image[0], without), text)
        part = float((mixed - rest).detach() @ embedding) / length
        assert found.contributions[head, token] == pytest.approx(part, abs=1e-6)
    np.testing.assert_allclose(found.contributions_of_places, found.contributions.sum(0))
    assert found.contributions.sum() == pytest.approx(found.similarity, abs=1e-12)
    assert (found.constant, found.nowhere, found.grid) == (0.0, None, None)
    assert found.similarity == pytest.approx(cosine, abs=1e-6)
    other = encoder.read_out(picture, "a cat")
    change = found.change_from(other)
    np.testing.assert_array_equal(change.weights, found.weights - other.weights)
    assert change.contributions.sum() == pytest.approx(change.similarity, abs=1e-12)
    assert change.similarity == pytest.approx(found.similarity - other.similarity)
    assert np.abs(change.mean_weights).max() > 1e-3
    fewer = llip.llip_encoder(tokens=2, weight_scale=SCALE).read_out(picture, "a cat")
    with pytest.raises(fp.InputError, match="`other` is a read-out with other places: pass one"):
        found.change_from(fewer)
    alike = llip.llip_encoder(weight_scale=float("inf")).read_out(picture, llip.CAPTION)
    assert alike.effective_places == pytest.approx(3)


def test_one_caption_reads_an_image(encoder, picture):
    ids = encoder.prepare(llip.CAPTION, "text").inputs["input_ids"]
    with pytest.raises(fp.InputError, match="`caption`"):
        encoder.read_out(picture, ids.repeat(2, 1))


def test_it_is_explained_at_every_layer(encoder, picture):
    assert repr(encoder).count("3 image blocks (the last in closed form)") == 1
    assert repr(encoder).count("2 text blocks (the last in closed form)") == 1
    checks.assert_closes_at_every_layer(encoder, picture, llip.CAPTION, steps=64, tolerance=1e-3)
    checks.assert_split_has_closed_form(
        encoder.part(encoder.prepare(llip.CAPTION, "text"), 1).split()
    )
    normalised = llip.llip_encoder(use_norm=True)
    split = normalised.part(normalised.prepare(llip.CAPTION, "text"), 1).split()
    checks.assert_split_has_closed_form(split)
    checks.assert_picture_is_what_the_tower_sees(encoder, picture)
    pairs = fp.attribute(encoder, picture, llip.CAPTION)
    assert pairs.grid == (3, 3)
    assert pairs.image_special_names == ("mixture 1", "mixture 2", "mixture 3")


@pytest.mark.parametrize(("tokens", "use_norm"), [(1, False), (3, False), (3, True)])
def test_the_mixture_tokens_are_read_in_closed_form(tokens, use_norm, picture, monkeypatch):
    checks.assert_closed_form_is_differentiation(
        lambda dtype: llip.llip_encoder(dtype, tokens=tokens, use_norm=use_norm),
        picture,
        llip.CAPTION,
    )
    encoder = llip.llip_encoder(tokens=tokens, use_norm=use_norm)
    split = encoder.part(encoder.prepare(picture, "image"), 2).split()
    checks.assert_nodes_in_portions_are_all_nodes(split, monkeypatch)
    # What is wrapped or has a hook is differentiated as it is.
    block = encoder.model.visual.transformer.resblocks[2]
    hook = block.attn.register_forward_hook(lambda _module, _inputs, out: (1.5 * out[0], None))
    checks.assert_has_no_closed_form(encoder.part(encoder.prepare(picture, "image"), 2).split())
    hook.remove()
    checks.assert_split_has_closed_form(encoder.part(encoder.prepare(picture, "image"), 2).split())


def test_the_model_is_left_as_found(picture):
    encoder, method = llip.llip_encoder(), fp.IntegratedJacobians(steps=2)
    checks.assert_left_as_found(
        encoder.model, lambda: fp.attribute(encoder, picture, llip.CAPTION, method, 1).matrix
    )


def test_half_precision_is_read_in_single(picture):
    whole = llip.llip_encoder(torch.float32)
    half = llip.llip_encoder(torch.bfloat16)
    near = whole.similarity(picture, llip.CAPTION)
    assert half.similarity(picture, llip.CAPTION) == pytest.approx(near, abs=0.1)
    pairs = fp.attribute(half, picture, llip.CAPTION, fp.IntegratedJacobians(steps=2))
    assert np.isfinite(pairs.matrix).all()


def test_it_and_clip_are_told_apart():
    assert registry.family_of_module(llip.llip()) is LLIP
    clip = openai_clip.openai_clip(torch.float32)
    assert registry.family_of_module(clip).name == "OpenAI's CLIP"
    assert not LLIP.recognises(clip)
    # Without its mixing it is no Llip, and one CLS token makes none.
    bare = llip.llip(torch.float32)
    del bare.pred
    assert not LLIP.recognises(bare)
    single = llip.llip(torch.float32)
    single.visual.class_embedding = nn.Parameter(torch.zeros(64))
    assert not LLIP.recognises(single)


def test_a_change_of_the_scale_is_a_change_of_the_score(picture):
    near, far = (llip.llip_encoder(weight_scale=scale) for scale in (0.5, 5.0))
    assert (
        abs(near.similarity(picture, llip.CAPTION) - far.similarity(picture, llip.CAPTION)) > 1e-3
    )
    spread = [one.read_out(picture, llip.CAPTION).effective_places for one in (near, far)]
    assert spread[0] < spread[1]


def test_labels_are_told_apart_by_the_model_s_own_logits(encoder, picture):
    found = fp.classify(picture, ["dog", "ball", "red"], model=encoder).classification
    expected = {
        label: encoder.logits.scale * encoder.similarity(picture, label) + encoder.logits.bias
        for label in found.labels
    }
    assert list(found.logits) == pytest.approx(list(expected.values()), abs=1e-4)
    assert list(found.probabilities) == pytest.approx(1 / (1 + np.exp(-found.logits)))
    contrast = found.contrast(method=fp.IntegratedJacobians(steps=2))
    assert contrast.ledger.similarity == pytest.approx(found.logits[0] - found.logits[1], abs=1e-4)
    frozen = found.contrast(method=fp.IntegratedJacobians(steps=2), reading="frozen")
    assert frozen.ledger.similarity == pytest.approx(contrast.ledger.similarity, abs=1e-4)
    assert frozen.ledger.left_out_name == "change of routing"
    with pytest.raises(fp.InputError, match="`template` has 2 templates, but 'Llip with"):
        fp.classify(picture, ["dog", "cat"], template=["{}", "a {}"], model=encoder)
    with pytest.raises(fp.InputError, match="reads an image by a caption, and embeds none"):
        encoder.embed_image([picture])


# Checkpoints


@pytest.mark.parametrize(
    ("prefix", "older", "use_norm", "has_bias"),
    [
        ("", False, False, True),
        ("module.", True, True, True),
        ("_orig_mod.module.", False, False, False),
    ],
)
def test_a_checkpoint_is_read(tmp_path, picture, prefix, older, use_norm, has_bias):
    own = llip.llip(torch.float32, use_norm=use_norm, has_bias=has_bias)
    weights = {
        f"{prefix}{'out_proj' if older and name == 'pred.out_proj' else name}": weight
        for name, weight in own.state_dict().items()
    }
    path = llip.saved(tmp_path, weights)
    tokenizer = {"tokenizer": llip.processor().tokenizer}
    read = fp.load_encoder(path, processor=tokenizer, weight_scale=SCALE)
    expected = fp.load_encoder(own, processor=llip.processor(), weight_scale=SCALE)
    assert read.name == "llip.pt with weight_scale=0.5"
    assert not read.model.training
    # The pixels too, although the checkpoint names no preprocessing.
    assert read.similarity(picture, llip.CAPTION) == pytest.approx(
        expected.similarity(picture, llip.CAPTION), abs=1e-6
    )
    method = fp.IntegratedJacobians(steps=2)
    np.testing.assert_allclose(
        *(fp.attribute(one, picture, llip.CAPTION, method).matrix for one in (read, expected)),
        atol=1e-6,
    )
    assert (read.logits.bias is None) is not has_bias
    without = fp.load_encoder(path, weight_scale=SCALE)
    again = without.recipe.load()
    ids = expected.prepare(llip.CAPTION, "text").inputs["input_ids"]
    assert again.similarity(picture, ids) == read.similarity(picture, llip.CAPTION)
    with pytest.raises(fp.InputError, match="`caption` is text, but the encoder has no tokenizer"):
        without.similarity(picture, llip.CAPTION)


def test_a_checkpoint_of_half_precision_is_widened(tmp_path):
    weights = llip.llip(torch.float16).state_dict()
    path = llip.saved(tmp_path, weights)
    assert fp.load_encoder(path, weight_scale=SCALE).dtype == torch.float32
    kept = fp.load_encoder(path, weight_scale=SCALE, dtype=torch.float16)
    assert kept.dtype == torch.float16


def sizes(**others: int | bool) -> LlipSizes:
    b16 = {
        "image_width": 768, "image_blocks": 12, "image_hidden": 3072, "patch": 16, "grid": 14,
        "text_width": 512, "text_blocks": 12, "text_hidden": 2048, "vocabulary": 49408,
        "longest": 77, "tokens": 32, "shared": 512,
    }  # fmt: skip
    return LlipSizes(**{**b16, **others})


BIG_G = sizes(
    image_width=1664, image_blocks=48, image_hidden=8192, patch=14, grid=16, text_width=1280,
    text_blocks=32, text_hidden=5120, tokens=64, shared=1280, use_norm=True,
)  # fmt: skip


@pytest.mark.parametrize(
    ("published", "heads"),
    [(sizes(), (12, 8)), (sizes(tokens=64, use_norm=True), (12, 8)), (BIG_G, (16, 20))],
    ids=["B/16, K = 32", "B/16, K = 64", "bigG, K = 64"],
)
def test_the_published_sizes_are_told_by_their_shapes(published, heads):
    with torch.device("meta"):
        weights = Llip(published).state_dict()
    assert LlipSizes.of_weights(weights) == published
    read: Any = llip_of_weights(weights)
    towers = read.visual.transformer.resblocks, read.transformer.resblocks
    assert tuple(blocks[0].attn.num_heads for blocks in towers) == heads
    assert read.num_heads == 8
    assert (type(read.K_norm) is nn.LayerNorm) is published.use_norm


def broken(name: str) -> Any:
    weights = llip.llip(torch.float32).state_dict()
    match name:
        case "missing":
            del weights["transformer.resblocks.1.ln_2.bias"]
        case "no projection":
            del weights["v_proj"]
        case "no sizes":
            del weights["visual.conv1.weight"]
        case "strange":
            weights["visual.proj"] = torch.zeros(3)
        case "shape":
            weights["q_proj"] = torch.zeros(64, 8)
        case "dimensions":
            weights["k_proj"] = torch.zeros(64, 8)
        case "patches too":  # a variant that mixes its patches, which none published does
            weights["k_proj"] = weights["v_proj"] = torch.zeros(12, 64, 16)
        case "heads":
            for projection in ("k_proj", "v_proj"):
                weights[projection] = torch.zeros(3, 64, 12)
        case "other":
            weights = {"weight": torch.zeros(2)}
        case "numbers":
            return {"state_dict": {"weight": 3}}
        case "code":
            return {"state_dict": weights, "run": Path("x")}
    return weights


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing", r"lacks weights \(transformer.resblocks.1.ln_2.bias\): pass a complete"),
        ("no projection", r"lacks weights \(v_proj\)"),
        ("no sizes", "lacks the weights 'visual.conv1.weight'"),
        ("strange", r"holds unknown weights \(visual.proj\)"),
        ("shape", r"has weights q_proj of shape \(64, 8\) and not \(64, 16\)"),
        ("dimensions", "has weights of shapes that no Llip has"),
        ("patches too", "has weights of shapes that no Llip has"),
        ("heads", "has weights of shapes that no Llip has"),
        ("other", r"'llip.pt' holds weights of no family .* \(Llip, FLAIR\): pass a loaded module"),
        ("numbers", "'llip.pt' holds no weights by name"),
        ("code", "cannot be read without running code"),
    ],
)
def test_a_checkpoint_that_cannot_be_used_is_told(tmp_path, name, message):
    path = tmp_path / "llip.pt"
    torch.save(broken(name), path)
    with pytest.raises(fp.InputError, match=message) as caught:
        fp.load_encoder(path, weight_scale=5)
    assert "\n" not in str(caught.value)


class _Payload:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("ran"),))


def test_no_code_of_a_checkpoint_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("llip.pt").write_bytes(pickle.dumps(_Payload(), protocol=2))
    with pytest.raises(fp.InputError, match=r"without running code|is no checkpoint"):
        fp.load_encoder("llip.pt", weight_scale=5)
    assert not Path("ran").exists()
    Path("llip.pt").write_bytes(b"no tensors at all")
    with pytest.raises(fp.InputError, match=r"without running code|is no checkpoint"):
        fp.load_encoder("llip.pt", weight_scale=5)


def test_its_scale_is_asked_for():
    with pytest.raises(fp.InputError, match=r"`weight_scale` is missing: .* weight_scale=5"):
        fp.load_encoder(llip.llip(torch.float32))
    for wrong in (0, -1.0, "5", True, float("nan")):
        with pytest.raises(fp.InputError, match=r"`weight_scale` is .*: pass a positive number"):
            fp.load_encoder(llip.llip(torch.float32), weight_scale=wrong)
    clip = openai_clip.openai_clip(torch.float32)
    for other in (clip, "scenes"):
        with pytest.raises(fp.InputError, match=r"'.*' has no scale of"):
            fp.load_encoder(other, weight_scale=5)
