"""Pictures of another size than the model's own: the model's own forward at that size, or no."""

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from transformers import AutoImageProcessor, AutoTokenizer, CLIPModel

import fpattr_widget as fp
from fpattr_widget.evaluation._fingerprint import fingerprint
from tests.helpers import family_checks as checks
from tests.helpers.families import align, altclip, blip, chinese_clip, flava, metaclip2, siglip
from tests.helpers.families import openai_clip as openai
from tests.helpers.families import siglip2 as naflex
from tests.helpers.families import vision_text_dual_encoder as dual
from tests.helpers.models import Processor, random_clip
from tests.helpers.sentence_pieces import siglip2_tokenizer
from tests.helpers.vocabularies import bert_tokenizer

CAPTION = "a dog"
INTERPOLATED = {"interpolate_pos_encoding": True}


def projected(model: Any, pixels: Tensor) -> Tensor:
    """Return BLIP's image embedding."""
    states = model.vision_model(pixels, **INTERPOLATED).last_hidden_state
    return model.vision_proj(states[:, 0])


@dataclass(frozen=True)
class Case:
    """A small model, its processor, and its own forward at another size."""

    model: Callable[[], nn.Module]
    processor: Callable[[], Any]
    embed: Callable[[Any, Tensor], Tensor] = lambda model, pixels: (
        model.get_image_features(pixels, **INTERPOLATED).pooler_output
    )
    side: int = 40
    grid: tuple[int, int] = (5, 5)
    steps: int = 64


def naturally(model: Any, pixels: Tensor) -> Tensor:
    return model.get_image_features(pixels).pooler_output


def siglip_case() -> Case:
    tokenizer = siglip2_tokenizer()
    return Case(
        lambda: siglip.random_siglip(tokenizer),
        lambda: checks.Processor(tokenizer, siglip.image_processor()),
    )


CASES = {
    "CLIP": Case(random_clip, lambda: Processor(24)),
    "CLIP, coarser": Case(random_clip, lambda: Processor(24), side=16, grid=(2, 2)),
    "MetaCLIP 2": Case(
        metaclip2.random_metaclip2, lambda: SimpleNamespace(**vars(_metaclip2_processor()))
    ),
    "SigLIP": siglip_case(),
    "AltCLIP": Case(lambda: altclip.altclip(torch.float64), altclip.processor),
    "Chinese-CLIP": Case(lambda: chinese_clip.chinese_clip(torch.float64), chinese_clip.processor),
    "BLIP": Case(blip.blip, blip.processor, projected),
    "FLAVA": Case(
        flava.flava,
        flava.processor,
        lambda model, pixels: model.get_image_features(pixels, **INTERPOLATED).pooler_output[:, 0],
    ),
    "ViT": Case(dual.VIT.model, dual.VIT.processor),
    "DINOv2": Case(
        dual.PAIRS["DINOv2 + BERT"].model, dual.PAIRS["DINOv2 + BERT"].processor, naturally
    ),
    "ALIGN": Case(
        align.random_align,
        lambda: checks.Processor(bert_tokenizer(), align.image_processor()),
        naturally,
        side=48,
        grid=(12, 12),
    ),
}


def _metaclip2_processor() -> checks.Processor:
    encoder = metaclip2.random_encoder()
    return checks.Processor(encoder.tokenizer, encoder.image_processor)


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def set_to(processor: Any, side: int, **sizes: Any) -> Any:
    """Return a processor of the same class and settings, made for another size."""
    square = {"height": side, "width": side}
    size = {"shortest_edge": side} if processor.size.shortest_edge else square
    return type(processor)(**processor.to_dict() | {"size": size, "crop_size": square} | sizes)


@pytest.mark.slow
def test_it_is_the_models_own_forward_at_that_size(case, picture):
    model, processor = case.model(), case.processor()
    before = checks.snapshot(model), processor.image_processor.to_dict()
    encoder = fp.load_encoder(model, processor=processor, image_size=case.side)
    # ALIGN's own crops 32 × 40 of 40 × 48: the same part is 48 × 48 of 60 × 58.
    sizes = {"size": {"height": 60, "width": 72}} if case is CASES["ALIGN"] else {}
    own = set_to(processor.image_processor, case.side, **sizes)
    pixels = own(images=picture, return_tensors="pt")["pixel_values"].double()
    assert pixels.shape == (1, 3, case.side, case.side)
    with torch.no_grad():
        expected = nn.functional.normalize(case.embed(model, pixels), dim=-1).numpy()
    np.testing.assert_allclose(encoder.embed_image([picture]), expected, atol=1e-6)
    np.testing.assert_allclose(encoder.embed_image([pixels]), expected, atol=1e-6)

    method = fp.IntegratedJacobians(steps=case.steps)
    text = encoder.embed_text([CAPTION])[0]
    for layer in (0, len(encoder.towers["image"].blocks) - 1):
        pairs = fp.attribute(encoder, picture, CAPTION, method, (-1, layer))
        assert layer == 0 or pairs.grid == case.grid
        assert abs(pairs.ledger.residual) < 1e-6
        assert pairs.ledger.similarity == pytest.approx(float(expected[0] @ text), abs=1e-6)
        assert pairs.about.model.endswith(f"at {case.side} pixels")
        rows = pairs.feature_rows(range(len(pairs.tokens)))
        assert rows.sum() == pytest.approx(pairs.ledger.pairs, abs=1e-5)
    checks.assert_picture_is_what_the_tower_sees(encoder, checks.tiles(5, 5))
    assert (checks.snapshot(model), processor.image_processor.to_dict()) == before


def test_the_last_block_stays_in_closed_form(picture):
    encoder = fp.load_encoder(random_clip(), processor=Processor(24), image_size=40)
    checks.assert_closed_form_is_differentiation(encoder, picture, CAPTION)


def test_its_own_size_changes_nothing_but_the_name(picture):
    model, processor = random_clip(), Processor(24)
    same, plain = (
        fp.load_encoder(model, processor=processor, image_size=side) for side in (24, None)
    )
    assert same.image_processor is plain.image_processor is processor.image_processor
    assert (same.image_size, plain.image_size) == (24, None)
    np.testing.assert_array_equal(same.embed_image([picture]), plain.embed_image([picture]))


def test_a_model_that_changes_keeps_the_size(picture):
    encoder = fp.load_encoder(random_clip(), processor=Processor(24), image_size=40)
    before = encoder.embed_image([picture])
    with torch.no_grad():
        encoder.model.visual_projection.weight.mul_(-1)
    np.testing.assert_allclose(encoder.embed_image([picture]), -before, atol=1e-7)
    encoder.refresh()
    assert fp.attribute(encoder, picture, CAPTION).grid == (5, 5)


def test_a_processor_that_makes_this_size_is_used_as_it_is(picture):
    def seen(image: Image.Image) -> Tensor:
        small = np.asarray(image.resize((40, 40)), np.float32) / 255
        return torch.from_numpy(small.transpose(2, 0, 1))

    tokenizer = Processor(24).tokenizer
    encoder = fp.load_encoder(random_clip(), processor=(tokenizer, seen), image_size=40)
    torch.testing.assert_close(
        encoder.prepare(picture, "image").inputs["pixel_values"][0].float(), seen(picture)
    )
    with pytest.raises(fp.InputError, match=r"`image_size` is 48, to which .*48 × 48 pixels\.$"):
        fp.load_encoder(random_clip(), processor=(tokenizer, seen), image_size=48)


class Resized:
    """Resizes to a size, as torchvision's ``Resize`` does."""

    def __init__(self, size: int | tuple[int, int]):
        self.size = size

    def __call__(self, image: Image.Image) -> Image.Image:
        width, height = image.size
        if isinstance(self.size, int):
            scale = self.size / min(width, height)
            return image.resize((round(scale * width), round(scale * height)))
        return image.resize(self.size[::-1])


class Cropped(Resized):
    """Crops the centre, as torchvision's ``CenterCrop`` does."""

    def __call__(self, image: Image.Image) -> Image.Image:
        height, width = self.size
        left, top = (image.width - width) // 2, (image.height - height) // 2
        return image.crop((left, top, left + width, top + height))


class Composed:
    """Runs steps one after the other, as torchvision's ``Compose`` does."""

    def __init__(self, transforms: list[Callable[[Any], Any]]):
        self.transforms = transforms

    def __call__(self, image: Image.Image) -> Tensor:
        for step in self.transforms:
            image = step(image)
        return image


def to_tensor(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.asarray(image, np.float32).transpose(2, 0, 1) / 255)


def test_a_transform_made_of_steps_is_set_in_a_copy(picture):
    transform = Composed([Resized(30), Cropped((24, 24)), to_tensor])
    encoder = fp.load_encoder(
        random_clip(), processor=(Processor(24).tokenizer, transform), image_size=40
    )
    expected = Composed([Resized(50), Cropped((40, 40)), to_tensor])(picture)
    seen = encoder.prepare(picture, "image").inputs["pixel_values"][0]
    torch.testing.assert_close(seen.float(), expected)
    assert (transform.transforms[0].size, transform.transforms[1].size) == (30, (24, 24))


def test_a_folder_at_a_size_can_be_loaded_again_elsewhere(saved_model, picture):
    encoder = fp.load_encoder(saved_model, image_size=32)
    model = CLIPModel.from_pretrained(saved_model)
    own = set_to(AutoImageProcessor.from_pretrained(saved_model, backend="pil"), 32)
    inputs = own(images=picture, return_tensors="pt")
    inputs |= AutoTokenizer.from_pretrained(saved_model)(CAPTION, return_tensors="pt")
    with torch.no_grad():
        output = model(**inputs, **INTERPOLATED)
    cosine = float(nn.functional.cosine_similarity(output.text_embeds, output.image_embeds))
    assert encoder.similarity(picture, CAPTION) == pytest.approx(cosine, abs=1e-5)

    again = pickle.loads(pickle.dumps(encoder.recipe)).load()
    assert again.name == encoder.name == f"{saved_model.name} at 32 pixels"
    np.testing.assert_array_equal(again.embed_image([picture]), encoder.embed_image([picture]))
    assert fingerprint(again) == fingerprint(encoder)
    plain = fp.load_encoder(saved_model)
    different = {
        part for part, value in fingerprint(plain).items() if value != fingerprint(encoder)[part]
    }
    assert different == {"image_processors", "defaults"}
    assert "image_size" not in fingerprint(plain)["defaults"]  # scores kept before stay valid


def test_a_saved_file_names_the_size(tmp_path, picture):
    encoder = fp.load_encoder(random_clip(), processor=Processor(24), image_size=40)
    fp.attribute(encoder, picture, CAPTION).save(tmp_path / "pairs.fpattr")
    assert fp.load_pairs(tmp_path / "pairs.fpattr").about.model.endswith(" at 40 pixels")


@pytest.mark.parametrize("wrong", [0, -24, 24.0, True, "24", (24, 24), 1025])
def test_what_is_no_number_of_pixels_is_refused(wrong):
    with pytest.raises(fp.InputError, match=r"^`image_size` is .*: pass a whole number of pixels"):
        fp.load_encoder(random_clip(), image_size=wrong)


def _swin() -> Any:
    return dual.PAIRS["Swin + BERT"].model()


@pytest.mark.parametrize(
    ("model", "side", "sentence"),
    [
        (
            random_clip,
            30,
            "patches of 8 × 8 pixels do not divide: pass a multiple of 8",
        ),
        (
            openai.openai_clip,
            48,
            "takes pictures of 24 × 24 pixels alone: leave it",
        ),
        (lambda: naflex.random_encoder().model, 48, "as rows of patches: leave it out, and set"),
        (align.random_align, 50, r"12 × 12 cells do not divide .* multiple of 4, such as 48"),
        (_swin, 36, r"5 × 5 cells do not divide into equal parts"),
    ],
)
def test_what_a_tower_cannot_take_is_refused_in_one_sentence(model, side, sentence):
    with pytest.raises(fp.InputError, match=sentence) as caught:
        fp.load_encoder(model(), image_size=side)
    assert str(caught.value).startswith("`image_size` is")
    assert "\n" not in str(caught.value)


def test_a_tower_that_fails_at_a_size_says_why():
    model = random_clip()

    def picky(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if inputs[0].shape[1] != 10:
            raise ValueError("nine windows alone. Sorry")

    model.vision_model.encoder.layers[1].register_forward_pre_hook(picky)
    with pytest.raises(fp.InputError, match=r"at which the image tower fails \(nine windows alone"):
        fp.load_encoder(model, image_size=40)
