"""Images are compared with other pictures, by every method that compares them with anything."""

import pickle
import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from torch.func import jacrev

import fpattr_widget as fp
from fpattr_widget.encoders._image import BLUR
from fpattr_widget.methods import for_encoder
from fpattr_widget.methods._quadrature import Quadrature
from tests.helpers import family_checks as checks
from tests.helpers.families import align, siglip, siglip2
from tests.helpers.models import random_encoder
from tests.helpers.sentence_pieces import siglip2_tokenizer

CAPTION = "a dog left of a ball"
MANY = 160


def noise(seed: int, size: tuple[int, int] = (40, 30)) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), np.uint8)
    return Image.fromarray(values).resize(size, Image.Resampling.BICUBIC)


MAKERS = {
    "CLIP": random_encoder,
    "SigLIP": lambda: siglip.random_encoder(siglip2_tokenizer()),
    "ALIGN": align.random_encoder,
    "NaFlex": siglip2.random_encoder,
}


@pytest.fixture(scope="module", params=MAKERS)
def made(request) -> fp.DualEncoder:
    return MAKERS[request.param]()


def raw(encoder: fp.DualEncoder, value: object, tower_name: str) -> torch.Tensor:
    """Return an embedding, not normalised."""
    return encoder.towers[tower_name].embed(encoder.prepare(value, tower_name).inputs)[0]


# Aligned pictures


def test_the_change_between_two_pictures_is_divided_among_patches(made):
    """The pairs and the image alone add up to the change of the similarity."""
    before, after = noise(1), noise(2)
    g_after, g_before = raw(made, after, "image"), raw(made, before, "image")
    text = made.prepare(CAPTION, "text")
    h, h_reference = raw(made, CAPTION, "text"), made.towers["text"].reference(text, "pad")
    h_reference = made.towers["text"].embed(h_reference)[0]
    norms = float(g_after.norm() * h.norm())
    changed, grey_changed = (float(h @ (g_after - g_before)) / norms, float(h_reference @ g_before))
    for layer in 0, -1:
        pairs = fp.attribute(
            made, after, CAPTION, fp.IntegratedJacobians(steps=MANY), layer, reference=before
        )
        ledger = pairs.ledger
        scale = abs(ledger.pairs) + abs(ledger.image_only) + abs(ledger.caption_only)
        assert ledger.baseline == pytest.approx(grey_changed / norms, abs=1e-9 * scale)
        by_image = float(h_reference @ (g_after - g_before)) / norms
        assert ledger.image_only == pytest.approx(by_image, abs=1e-9 * scale)
        total = ledger.pairs + ledger.image_only
        assert total == pytest.approx(changed, abs=1e-9 * scale)
        assert abs(ledger.residual) < 1e-9 * scale
        rows = pairs.feature_rows(range(len(pairs.tokens))).sum(dtype=float)
        assert rows == pytest.approx(ledger.pairs, abs=1e-5 * scale)
    assert pairs.about.method == "integrated Jacobians, reference: another picture"


def test_contributions_are_multiplied_out_jacobians(made):
    """``∫ J(x₂ + α(x₁ − x₂)) (x₁ − x₂)``, by full Jacobians; in closed form and without."""
    rule = Quadrature.of("gauss-legendre", 3)
    pictures = [noise(2), noise(3)]
    references = {
        "another picture": (fp.Picture(noise(1)), lambda states: states(noise(1))),
        "the mean of 2 pictures": (
            pictures,
            lambda states: (states(noise(2)) + states(noise(3))) / 2,
        ),
    }
    image = made.prepare(noise(4), "image")
    tower = made.towers["image"]
    for words, (reference, expected_states) in references.items():
        method = for_encoder(fp.IntegratedJacobians(steps=3, image_reference=reference), made)
        assert method.label == f"integrated Jacobians, reference: {words}"
        layer = len(tower.blocks) - 1
        part = made.part(image, layer)

        def states(picture: Image.Image, layer: int = layer) -> torch.Tensor:
            return tower.features(made.prepare(picture, "image").inputs, layer)

        start, split = expected_states(states), part.split(method.image_reference)
        torch.testing.assert_close(split.reference, start, rtol=0, atol=1e-12)
        checks.assert_split_has_closed_form(split)
        change = split.states - start
        expected = torch.zeros(len(change), len(split.embedding), dtype=torch.float64)
        for node, weight in zip(rule.nodes, rule.weights, strict=True):
            with split.differentiable():
                jacobian = jacrev(split.embed)(start[None] + node * change)[0, :, 0]
            expected += weight * torch.einsum("knd,nd->nk", jacobian.detach(), change)
        measured = method.measure(part)
        found = measured.joint(np.eye(len(change)))
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-9 * float(expected.abs().max()))


def test_every_reference_is_complete(made):
    image = made.prepare(noise(4), "image")
    for reference in (
        "blurred",
        fp.Picture(noise(1)),
        fp.mean([fp.Picture(noise(n)) for n in (1, 2, 3)]),
    ):
        method = for_encoder(fp.IntegratedJacobians(steps=MANY, image_reference=reference), made)
        for layer in 0, len(made.towers["image"].blocks) - 1:
            measured = method.measure(made.part(image, layer))
            assert measured.residual < 1e-9
            if layer and reference == "blurred":
                inputs = made.towers["image"].reference(image, "blurred")
                expected = made.towers["image"].embed(inputs)[0]
                torch.testing.assert_close(measured.reference, expected, rtol=0, atol=1e-9)


def test_identical_pictures_differ_in_nothing(made):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for layer in 0, -1:
            for method in ("integrated_jacobians", "gradient_times_input"):
                pairs = fp.attribute(made, noise(1), CAPTION, method, layer, reference=noise(1))
                assert not pairs.matrix.any()
                ledger = pairs.ledger
                assert ledger.pairs == ledger.image_only == 0
                assert ledger.residual == pytest.approx(0, abs=1e-12)
                total = ledger.baseline + ledger.caption_only
                assert total == pytest.approx(made.similarity(noise(1), CAPTION), abs=1e-6)
    assert "1 node" in pairs.provenance()["nodes"]


def test_pictures_that_hardly_differ_end_the_search_for_nodes():
    """What rounding leaves is no reason for more nodes."""
    encoder = random_encoder(dtype=torch.float32)
    pixels = encoder.prepare(noise(1), "image").inputs["pixel_values"]
    other = pixels.clone()
    other[0, 0, 9, 9] += 1e-5
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for layer in 0, -1:
            pairs = fp.attribute(encoder, pixels, CAPTION, layer=layer, reference=other)
            assert np.abs(pairs.matrix).max() < 1e-4
            for tower in pairs.provenance()["nodes"].split("·"):
                assert "residual" not in tower


def test_pictures_are_the_same_by_their_pixels(encoder):
    """They are keys of what is cached, and travel to other processes."""
    array = np.asarray(noise(1))
    first, same, other = (
        for_encoder(fp.GradientTimesInput(image_reference=picture), encoder)
        for picture in (array, noise(1), noise(2))
    )
    assert first == same != other
    assert hash(first) == hash(same)
    assert repr(first) == repr(same) != repr(other)
    assert pickle.loads(pickle.dumps(first)) == first
    one, again, another = (
        fp.attribute(encoder, noise(4), CAPTION, "gradient_times_input", reference=picture).matrix
        for picture in (noise(1), array, noise(2))
    )
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - another).max() > 1e-3


# Blurred


def test_the_blur_is_a_gaussian_of_a_tenth_of_the_side(made):
    """Written out pixel by pixel; packed patches are blurred across their borders."""
    image = made.prepare(noise(1), "image")
    tower = made.towers["image"]
    blurred = tower.reference(image, "blurred")
    packed, size = image.inputs["pixel_values"], image.inputs.get("spatial_shapes")

    def shown(pixels: torch.Tensor) -> np.ndarray:
        if size is None:
            return pixels[0].numpy()
        rows, columns = size[0].tolist()
        side, values = 8, np.zeros((3, rows * 8, columns * 8))
        for number, patch in enumerate(pixels[0].numpy()):
            row, column = divmod(number, columns)
            tile = patch.reshape(side, side, 3).transpose(2, 0, 1)
            values[:, row * side : (row + 1) * side, column * side : (column + 1) * side] = tile
        return values

    pixels, found = shown(packed), shown(blurred["pixel_values"])
    height, width = pixels.shape[1:]
    deviation = BLUR * min(height, width)
    assert BLUR == 0.1
    for row, column in ((0, 0), (height // 2, width // 3), (height - 1, 5)):
        down = np.exp(-((np.arange(height) - row) ** 2) / (2 * deviation**2))
        across = np.exp(-((np.arange(width) - column) ** 2) / (2 * deviation**2))
        weights = np.outer(down / down.sum(), across / across.sum())
        expected = (pixels * weights).sum((1, 2))
        np.testing.assert_allclose(found[:, row, column], expected, rtol=0, atol=1e-9)
    constant = {**image.inputs, "pixel_values": torch.full_like(packed, 0.7)}
    kept = tower.reference(type(image)(constant, image.picture, image.crop), "blurred")
    torch.testing.assert_close(kept["pixel_values"], constant["pixel_values"])
    names = fp.attribute(made, noise(1), CAPTION, fp.IntegratedJacobians(image_reference="blurred"))
    assert names.about.method == "integrated Jacobians, reference: blurred"


# Removal


@pytest.mark.parametrize("make", [fp.Occlusion, fp.Banzhaf])
def test_a_removed_patch_takes_the_pixels_of_the_reference(made, make):
    """The empty coalition is the reference's own embedding; one patch is replaced by hand."""
    tokens = "mask" if made.towers["text"].masks else "reference"
    image, tower = made.prepare(noise(4), "image"), made.towers["image"]
    layer = len(tower.blocks) - 1
    own = image.inputs["pixel_values"]
    blurred = tower.reference(image, "blurred")["pixel_values"]
    others = [made.prepare(noise(n), "image").inputs["pixel_values"] for n in (1, 2)]
    mean = [noise(1), noise(2)]
    for patches, pixels in (
        ("blurred", blurred),
        (fp.Picture(noise(1)), others[0]),
        (mean, sum(others) / 2),
    ):
        method = make(tokens=tokens, patches=patches)
        if make is fp.Banzhaf:
            method = make(tokens=tokens, patches=patches, samples=4)
        method = for_encoder(method, made)
        removal = method.removal["image"]
        players = tower.removable(image, layer)
        kept = torch.zeros(2, len(tower.panel(image, layer).features), dtype=torch.bool)
        kept[1, players[1:]] = True
        shown = tower.masked(image, layer, kept, removal)["pixel_values"]
        torch.testing.assert_close(shown[0], pixels[0], rtol=0, atol=1e-12)
        hidden = shown[1] != own[0]
        torch.testing.assert_close(shown[1][hidden], pixels[0][hidden], rtol=0, atol=1e-12)
        assert 0 < hidden.double().mean() < 0.5
        empty = tower.embed({**image.inputs, "pixel_values": pixels})[0]
        found = method.measure(made.part(image, layer))
        torch.testing.assert_close(found.reference, empty / empty.norm(), rtol=0, atol=1e-7)
    pairs = fp.attribute(made, noise(4), CAPTION, make(tokens=tokens), reference=noise(1))
    assert pairs.about.method.endswith(", reference: another picture")


# What cannot be a reference


def test_what_cannot_be_a_reference_is_named(encoder, picture):
    naflex = MAKERS["NaFlex"]()
    text = fp.Text("a dog")
    refused = [
        (encoder, picture, CAPTION, "patch_token_similarity", picture, "compares images with none"),
        (encoder, text, fp.Text("a cat"), "occlusion", picture, "neither side has an image"),
        (encoder, picture, CAPTION, "integrated_jacobians", text, "holds a caption"),
        (encoder, picture, CAPTION, "integrated_jacobians", "no-such-file.png", "names no file"),
        (encoder, picture, CAPTION, "integrated_jacobians", [], "is an empty list"),
        (encoder, picture, CAPTION, "occlusion", fp.Picture(picture) * 2, "do not add up to one"),
        (naflex, noise(1, (80, 20)), CAPTION, "integrated_jacobians", noise(1, (20, 80)),
         r"has \d × \d patches, but the image has \d × \d patches"),
    ]  # fmt: skip
    for model, first, second, method, reference, said in refused:
        with pytest.raises(fp.InputError, match=rf"^`reference` .*{said}.*: .*\.$"):
            fp.attribute(model, first, second, method, reference=reference)
    any_size, pixels = align.random_encoder(torch.float32), torch.zeros(1, 3, 32, 40)
    with pytest.raises(fp.InputError, match="32 × 40 pixels, but the image has 40 × 32 pixels"):
        fp.attribute(any_size, pixels.movedim(2, 3), CAPTION, reference=pixels)


def test_one_reference_serves_all_images_of_both_sides(encoder):
    """A sum's pairs are the sum of its inputs' pairs, with the same reference."""
    method = fp.IntegratedJacobians(steps=2)
    pictures = noise(1), noise(2)
    side = fp.Picture(pictures[0]) - fp.Picture(pictures[1])
    whole = fp.attribute(encoder, side, CAPTION, method, reference=noise(3))
    first, second = (
        fp.attribute(encoder, each, CAPTION, method, reference=noise(3)) for each in pictures
    )
    expected = np.concatenate([first.matrix, -second.matrix], 1)
    np.testing.assert_allclose(whole.matrix, expected, rtol=0, atol=1e-6)
    assert not fp.attribute(
        encoder, fp.Picture(noise(3)), fp.Picture(noise(1)), method, reference=noise(3)
    ).matrix.any()
    widget = fp.explain(noise(1), CAPTION, model=encoder, method=method, reference=noise(3))
    assert widget.bake().about["method"] == "integrated Jacobians, reference: another picture"
    np.testing.assert_array_equal(widget.pairs.matrix, first.matrix)
    widget.close()
