"""What must be true of every family of encoders, whatever its layers are called."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import fpattr_widget as fp
from fpattr_widget.encoders import AttentionPooling, PreparedImage, PreparedText, Split
from fpattr_widget.encoders._inputs import repeat_inputs
from fpattr_widget.encoders._tower import Tower, _Start
from fpattr_widget.methods._automatic import PathIntegral
from fpattr_widget.methods._closed_form import closed_form
from fpattr_widget.methods._quadrature import Quadrature

MEMORY = 2**28
EncoderMaker = Callable[[torch.dtype], fp.DualEncoder]
Inputs = Mapping[str, Tensor]


@dataclass(frozen=True)
class Processor:
    """A tokenizer and an image processor, as a Hugging Face processor holds them."""

    tokenizer: Any = None
    image_processor: Any = None


def far_from_linear(
    model: nn.Module, dtype: torch.dtype = torch.float64, *, scale: float = 0.15, seed: int = 0
) -> Any:
    """Make all weights of a fresh model large enough to matter; return it ready for use."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(scale * torch.randn(weight.shape, generator=generator))
    return model.to(dtype).eval()


def assert_closes_at_every_layer(
    encoder: fp.DualEncoder,
    image: Any,
    caption: Any,
    *,
    steps: int = 32,
    tolerance: float = 1e-6,
) -> None:
    """Contributions add up to what the model says, at every layer of both towers.

    ``tolerance`` bounds the completeness residual of each tower. That the path
    is curved is checked as well: a straight one closes with any nodes.
    """
    method = fp.IntegratedJacobians(steps=steps)
    text, seen = encoder.prepare(caption, "text"), encoder.prepare(image, "image")
    text_reference, image_reference = references(encoder, text, seen)
    counts = len(encoder.towers["text"].blocks), len(encoder.towers["image"].blocks)
    one_node = fp.IntegratedJacobians(steps=1)
    assert one_node.measure(encoder.part(text, 0)).residual > 1e-2
    assert one_node.measure(encoder.part(seen, 0)).residual > 1e-2
    for prepared, reference in ((text, text_reference), (seen, image_reference)):
        tower = encoder.towers[prepared.tower_name]
        change = tower.embed(prepared.inputs)[0] - tower.embed(reference)[0]
        for layer in range(len(tower.blocks)):
            total = method.measure(encoder.part(prepared, layer)).total
            gap = float((total - change).norm() / change.norm())
            assert gap < tolerance, f"{tower.name} block {layer} leaves {gap:.1e}"
    for layer in {0, max(counts) - 1}:
        layers = min(layer, counts[0] - 1), min(layer, counts[1] - 1)
        pairs = fp.attribute(encoder, seen, text, method, layers)
        # Each tower's part is off by the tolerance at most, relative to its own size.
        ledger, rows = pairs.ledger, pairs.feature_rows(range(len(pairs.tokens)))
        size = 1 + abs(ledger.pairs) + abs(ledger.caption_only) + abs(ledger.image_only)
        assert abs(ledger.residual) < 4 * tolerance * size
        assert ledger.similarity == pytest.approx(encoder.similarity(seen, text), abs=1e-6)
        # The rows are float32.
        assert rows.sum(dtype=np.float64) == pytest.approx(
            ledger.pairs, abs=1e-6 * float(np.abs(rows).sum())
        )
        assert rows.shape == (len(text.tokens), len(pairs.image_special_names) + pairs.row(0).size)


def assert_closed_form_is_differentiation(
    encoder: fp.DualEncoder | EncoderMaker, image: Any, caption: Any, *, tolerance: float = 1e-10
) -> None:
    """The last block of both towers has a closed form, and it is its derivative.

    Of a function from a ``torch.dtype``, the encoder in float32 is checked too.
    ``tolerance`` is for float64, and relative to the largest value; eager
    attention, which rounds its softmax to float32, needs 1e-6.
    """
    made = [encoder] if isinstance(encoder, fp.DualEncoder) else []
    for one in made or [encoder(torch.float64), encoder(torch.float32)]:
        text, seen = one.prepare(caption, "text"), one.prepare(image, "image")
        layers = len(one.towers["text"].blocks) - 1, len(one.towers["image"].blocks) - 1
        for split in (
            one.part(text, layers[0]).split(),
            one.part(seen, layers[1]).split("zeros"),
        ):
            assert_split_has_closed_form(split, tolerance=tolerance)
        references_of = references(one, text, seen)
        for tower, inputs, reference in (
            (one.towers["text"], text.inputs, references_of[0]),
            (one.towers["image"], seen.inputs, references_of[1]),
        ):
            assert_last_block_is_cut_short(tower, inputs, reference, tolerance=tolerance)
        method = fp.IntegratedJacobians(steps=3)
        for measured in (
            method.measure(one.part(text, layers[0])),
            method.measure(one.part(seen, layers[1])),
        ):
            assert measured.describe() == "3 nodes, closed form"


def assert_last_block_is_cut_short(
    tower: Tower, inputs: Inputs, reference: Inputs, *, tolerance: float
) -> None:
    """From the block before the last on, any states give what the whole tower gives.

    Where one position is pooled, the last block itself does not run for it.
    """
    layer = len(tower.blocks) - 2
    last = tower.last_block(inputs) if tower.last_block else None
    if layer < 0 or not isinstance(last, AttentionPooling) or last.positions is None:
        return
    split = tower.split(inputs, [(1.0, reference)], layer)
    noise = torch.randn(3, *split.states.shape, generator=torch.Generator().manual_seed(1))
    states = split.reference + noise.to(split.states) * (split.states - split.reference)
    attention = next(part for name, part in tower.blocks[-1].named_children() if "att" in name)
    ran: list[nn.Module] = []
    forward = type(attention).forward

    def counted(module: nn.Module, *arguments: Any, **named: Any) -> Any:
        ran.extend([module] * (module is attention))
        return forward(module, *arguments, **named)

    # Not a hook, which would turn the description off.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(attention), "forward", counted)
        split.embed(states)  # the first time, the whole block runs for comparison
        tried = len(ran)
        found = split.embed(states)
        assert len(ran) == tried, "the last block ran at all positions"
        start = _Start(layer, inputs, tower.read(inputs, layer).states)
        expected = tower._run_from(start, states, repeat_inputs(inputs, len(states)))
        assert len(ran) > tried
    if split.states.dtype != torch.float64:
        tolerance = max(tolerance, 1e-5)
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


def assert_split_has_closed_form(split: Split, *, steps: int = 5, tolerance: float = 1e-10) -> None:
    """Both products of a split's closed form are those of automatic differentiation."""
    if split.states.dtype != torch.float64:
        tolerance = max(tolerance, 1e-5)
    form = closed_form(split, MEMORY)
    assert form is not None, f"the {split.tower_name} tower's last block has no closed form"
    nodes = Quadrature.of("gauss-legendre", steps)
    closed, plain = form.integrator(nodes), PathIntegral(split, nodes, MEMORY)
    random = np.random.default_rng(0)
    features, width = len(split.states), len(split.embedding)
    weights = np.concatenate([np.eye(features), random.normal(size=(2, features))])
    directions = torch.from_numpy(random.normal(size=(5, width))).to(split.states.dtype)
    assert_near(closed.joint(weights), plain.joint(weights), tolerance)
    assert_near(closed.along(directions), plain.along(directions), tolerance)
    assert_near(form.reference, split.embed(split.reference[None])[0], tolerance)


def assert_nodes_in_portions_are_all_nodes(split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    """Products at each node are those of differentiation, however little memory there is."""
    rule = Quadrature.of("gauss-legendre", 4)
    plain = PathIntegral(split, rule, MEMORY)
    random = np.random.default_rng(0)
    weights = random.normal(size=(3, len(split.states)))
    directions = torch.from_numpy(random.normal(size=(3, 4, len(split.embedding))))
    directions[1] = 0
    for limit, states in ((MEMORY, 512), (MEMORY, 4), (1, 512)):
        # At once all directions, one, or one of a single node.
        monkeypatch.setattr("fpattr_widget.methods._closed_form._FEW_STATES", states)
        form = closed_form(split, limit)
        assert form is not None
        nodes = form.integrator(rule)
        for found, expected in (
            (nodes.values(), plain.values()),
            (nodes.derivatives(), plain.derivatives()),
            (nodes.tangents(weights), plain.tangents(weights)),
            (nodes.along_at_nodes(directions), plain.along_at_nodes(directions)),
        ):
            assert_near(found, expected, 1e-9)


def assert_has_no_closed_form(split: Split) -> None:
    assert closed_form(split, MEMORY) is None


def assert_is_the_definition(
    contributions: Any,
    head: Callable[[Tensor], Tensor],
    states: Tensor,
    reference: Tensor,
    *,
    steps: int,
    tolerance: float = 1e-9,
) -> None:
    """Contributions are full Jacobians, integrated and multiplied out.

    Parameters
    ----------
    contributions
        Measured with ``IntegratedJacobians(steps=steps)``.
    head
        The rest of the tower, written out by hand: (features, width) to (K,).
    states, reference
        What enters it, (features, width).
    """
    change = states - reference
    rule = Quadrature.of("gauss-legendre", steps)
    integrated = sum(
        weight * torch.autograd.functional.jacobian(head, reference + node * change)
        for node, weight in zip(rule.nodes, rule.weights, strict=True)
    )
    expected = torch.einsum("knd,nd->nk", integrated, change).detach()
    with torch.no_grad():
        assert_near(contributions.embedding, head(states), tolerance)
        assert_near(contributions.reference, head(reference), tolerance)
    eye = np.eye(contributions.features)
    assert_near(contributions.joint(eye), expected, tolerance)
    backwards = contributions.along(torch.eye(expected.shape[1], dtype=expected.dtype))
    assert_near(torch.from_numpy(backwards).T, expected, tolerance)


def assert_reads_are_the_model(
    encoder: fp.DualEncoder,
    image: Any,
    caption: str,
    *,
    forward: Callable[[Inputs], tuple[Tensor, Tensor]] | None = None,
    **options: Any,
) -> None:
    """The encoder's similarity is the cosine that the model itself gives.

    Parameters
    ----------
    encoder, image, caption
        Of the model.
    forward
        The model's embeddings (text, image) of what its processor returns;
        ``text_embeds`` and ``image_embeds`` of its forward unless told.
    options
        For the tokenizer, such as ``padding="max_length"``.
    """
    inputs = {
        **encoder.processors["text"](caption, return_tensors="pt", **options),
        **encoder.processors["image"](images=image, return_tensors="pt"),
    }
    inputs = {
        name: value.to(encoder.dtype) if value.is_floating_point() else value
        for name, value in inputs.items()
    }

    def own(inputs: Inputs) -> tuple[Tensor, Tensor]:
        output = encoder.model(**inputs)
        return output.text_embeds, output.image_embeds

    with torch.no_grad():
        text, seen = (forward or own)(inputs)
    cosine = float(nn.functional.cosine_similarity(text, seen))
    assert encoder.similarity(image, caption) == pytest.approx(cosine, abs=1e-6)
    # One cosine says little about direction: each embedding is the model's as well.
    for ours, theirs in (
        (encoder.embed_text([caption]), text),
        (encoder.embed_image([image]), seen),
    ):
        expected = nn.functional.normalize(theirs.float(), dim=-1).numpy()
        np.testing.assert_allclose(ours, expected, atol=2e-6)


def assert_loads_from_folder(
    model: Any, processor: Any, folder: Path, image: Any, caption: str
) -> None:
    """A folder as a hub would hold it gives what the module itself gives."""
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    loaded = fp.load_encoder(folder)
    own = fp.load_encoder(model, processor=processor)
    assert type(loaded.model) is type(model)
    assert loaded.prepare(caption, "text").tokens == own.prepare(caption, "text").tokens
    method = fp.IntegratedJacobians(steps=2)
    pairs = fp.attribute(loaded, image, caption, method)
    expected = fp.attribute(own, image, caption, method)
    assert pairs.grid == expected.grid
    np.testing.assert_allclose(pairs.matrix, expected.matrix, atol=1e-6)
    assert loaded.similarity(image, caption) == pytest.approx(
        own.similarity(image, caption), abs=1e-6
    )


def assert_picture_is_what_the_tower_sees(encoder: fp.DualEncoder, image: Any) -> None:
    """Each patch of the picture shows what the model has in that patch.

    Quarters of patches are compared by their mean colour, whatever way the
    model's values are normalised.
    """
    seen = encoder.prepare(image, "image")
    rows, columns = encoder.panel(seen, len(encoder.towers["image"].blocks) - 1).grid
    size = 2 * columns, 2 * rows
    shown = np.asarray(seen.picture.resize(size, Image.Resampling.BOX), np.float64)
    pixels, patch = seen.inputs["pixel_values"], encoder.towers["image"].patch
    if encoder.towers["image"].packed:
        tiles = pixels.reshape(rows, columns, *patch, 3)
        pixels = tiles.permute(4, 0, 2, 1, 3).reshape(1, 3, rows * patch[0], columns * patch[1])
    elif patch is not None:
        pixels = pixels[..., : rows * patch[0], : columns * patch[1]]
    taken = nn.functional.adaptive_avg_pool2d(pixels, size[::-1])[0].permute(1, 2, 0).numpy()
    assert np.corrcoef(shown.ravel(), taken.ravel())[0, 1] > 0.98
    # The comparison would notice a shift by half a patch.
    assert np.corrcoef(np.roll(shown, 1, 0).ravel(), taken.ravel())[0, 1] < 0.9
    assert np.corrcoef(np.roll(shown, 1, 1).ravel(), taken.ravel())[0, 1] < 0.9


def assert_left_as_found(model: nn.Module, run: Callable[[], object]) -> None:
    """Modes, weights, gradients, hooks and forwards of a model in training outlast ``run``."""
    modes = {module: module.training for module in model.modules()}
    first = next(model.parameters())
    model.train()
    first.requires_grad_(False)
    before = snapshot(model)
    switches = _attention_switches()
    try:
        run()
        assert snapshot(model) == before
        assert _attention_switches() == switches
    finally:
        first.requires_grad_(True)
        for module, mode in modes.items():
            module.training = mode


def snapshot(model: nn.Module) -> list[tuple]:
    """Return all that an attribution touches for a while, in a form that compares."""
    modules = [
        (
            name,
            module.training,
            dict(module._forward_hooks),
            dict(module._forward_pre_hooks),
            module.__dict__.get("forward"),
        )
        for name, module in model.named_modules()
    ]
    weights = [
        (name, p.requires_grad, p.grad, p.sum().item()) for name, p in model.named_parameters()
    ]
    return modules + weights + [(name, b.sum().item()) for name, b in model.named_buffers()]


def references(
    encoder: fp.DualEncoder, text: PreparedText, image: PreparedImage
) -> tuple[Inputs, Inputs]:
    """Return the default references' inputs, (text, image)."""
    pixels = torch.zeros_like(image.inputs["pixel_values"])
    return encoder.towers["text"].reference(text, "pad"), {**image.inputs, "pixel_values": pixels}


def tiles(columns: int, rows: int, side: int = 16) -> Image.Image:
    """Return a picture of one-coloured tiles, all different."""
    colours = np.random.default_rng(5).integers(0, 255, (rows, columns, 3), np.uint8)
    size = side * columns, side * rows
    return Image.fromarray(colours).resize(size, Image.Resampling.NEAREST)


def assert_near(actual: Tensor, expected: Tensor, tolerance: float) -> None:
    """Compare relative to the largest value."""
    assert actual.shape == expected.shape
    gap = float((actual - expected).abs().max() / expected.abs().max())
    assert gap <= tolerance, f"off by {gap:.1e} of the largest value"


def _attention_switches() -> tuple[bool, ...]:
    return (
        torch.backends.mha.get_fastpath_enabled(),
        torch.backends.cuda.flash_sdp_enabled(),
        torch.backends.cuda.mem_efficient_sdp_enabled(),
        torch.backends.cuda.math_sdp_enabled(),
    )
