"""What a tower is asked when features are removed, and how often."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import Siglip2Config, Siglip2Model

import fpattr_widget as fp
from fpattr_widget.encoders import ImageTower, PreparedImage, PreparedText
from fpattr_widget.encoders._tower import Reading
from fpattr_widget.methods._game import Game, game_of
from tests.helpers.clip_by_hand import CAPTION, ByHand, removed
from tests.helpers.models import Processor, random_clip, random_encoder
from tests.helpers.small_align import align, align_image, far_from_linear


def siglip2() -> fp.DualEncoder:
    """Pictures of any proportions, as rows of patches."""
    text = {
        "vocab_size": 20, "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2,
        "num_attention_heads": 3, "max_position_embeddings": 8, "projection_size": 32,
    }  # fmt: skip
    vision = {
        "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "patch_size": 4, "num_patches": 16,
    }  # fmt: skip
    config = Siglip2Config(text_config=text, vision_config=vision)
    return fp.load_encoder(far_from_linear(Siglip2Model(config)))


IDS = [[2, 5, 6, 7, 8, 9, 10, 3]]


def siglip2_image() -> dict[str, Tensor]:
    """Return two by three patches, padded to ten."""
    pixels = torch.randn(1, 10, 48, generator=torch.Generator().manual_seed(1))
    return {
        "pixel_values": pixels.double(),
        "spatial_shapes": torch.tensor([[2, 3]]),
        "pixel_attention_mask": torch.tensor([[1] * 6 + [0] * 4]),
    }


# The questions


@pytest.mark.parametrize("tokens", ["mask", "reference"])
def test_a_caption_without_tokens_is_the_models_own(encoder, picture, tokens):
    by_hand = ByHand(encoder, picture, tokens)
    game = game_of(encoder.part(encoder.prepare(CAPTION, "text")), {"text": tokens})
    assert game.players.tolist() == [1, 2, 3, 4, 5, 6]
    numbers = [0, 1, 0b101101, 63]
    kept = np.array([[number >> i & 1 for i in range(6)] for number in numbers], bool)
    expected = [by_hand.text(removed(number, range(1, 7))) for number in numbers]
    np.testing.assert_allclose(game.values(kept), expected, rtol=0, atol=1e-12)


def test_an_image_without_patches_is_the_models_own(encoder, picture):
    by_hand = ByHand(encoder, picture)
    game = game_of(encoder.part(encoder.prepare(picture, "image"), 2), {})
    assert game.players.tolist() == list(range(1, 10))
    numbers = [0, 1, 0b101101101, 511]
    kept = np.array([[number >> i & 1 for i in range(9)] for number in numbers], bool)
    expected = [by_hand.image(removed(number, range(9))) for number in numbers]
    np.testing.assert_allclose(game.values(kept), expected, rtol=0, atol=1e-12)


def test_the_reference_token_does_not_move_the_end_of_the_text(picture):
    """Also where the encoder's own reference is another one."""
    encoder = random_encoder()
    encoder.defaults = replace(encoder.defaults, references={"text": "exclip"})
    game = game_of(encoder.part(encoder.prepare(CAPTION, "text")), {"text": "reference"})
    ids = encoder.prepare(CAPTION, "text").inputs["input_ids"].clone()
    ids[0, 1:-1] = encoder.processors["text"].pad_token_id
    embedding = encoder.towers["text"].embed({"input_ids": ids})[0]
    np.testing.assert_allclose(game.nothing(), embedding / embedding.norm(), atol=1e-12)


def pixels_kept(encoder: fp.DualEncoder, image, kept: list[int]) -> Tensor:
    prepared = encoder.prepare(image, "image")
    tower = encoder.towers["image"]
    last = len(tower.blocks) - 1
    players = tower.removable(prepared, last)
    mask = torch.ones(1, len(tower.panel(prepared, last).features), dtype=torch.bool)
    mask[0, players] = False
    mask[0, players[kept]] = True
    return tower.masked(prepared, last, mask, "zeros")["pixel_values"][0]


def test_packed_patches_are_removed_as_rows():
    pixels = siglip2_image()["pixel_values"][0, :6].clone()
    pixels[[0, 2, 3, 5]] = 0
    torch.testing.assert_close(pixels_kept(siglip2(), siglip2_image(), [1, 4]), pixels)


def test_the_cells_of_a_feature_map_are_parts_of_the_picture():
    """36 × 28 pixels make 9 × 7 cells."""
    expected = torch.zeros(3, 36, 28).double()
    expected[:, 4:8, 8:12] = align_image()[0, :, 4:8, 8:12]
    expected[:, 32:36, 24:28] = align_image()[0, :, 32:36, 24:28]
    torch.testing.assert_close(pixels_kept(align(), align_image(), [9, 62]), expected)


@pytest.mark.parametrize(
    ("patch", "size", "grid"),
    [
        (8, (24, 16), (3, 2)),
        ((4, 8), (24, 16), (6, 2)),
        (7, (24, 17), (3, 2)),
        (None, (10, 7), (4, 3)),
    ],
)
def test_every_pixel_belongs_to_one_patch(patch, size, grid):
    tower = ImageTower(
        nn.Linear(1, 1), [nn.Identity()], lambda inputs: inputs["x"], patch=patch, special=()
    )
    pixels = torch.arange(1.0, 1 + size[0] * size[1]).reshape(1, 1, *size)
    count = grid[0] * grid[1]
    if patch is None:
        tower.read = lambda inputs, layer: Reading(pixels.new_zeros(1, 1, *grid), pixels)
    prepared = PreparedImage({"pixel_values": pixels}, picture=None, crop=None)
    alone = tower.masked(prepared, 0, torch.eye(count).bool(), "zeros")
    assert alone["pixel_values"].shape == (count, 1, *size)
    torch.testing.assert_close(alone["pixel_values"].sum(0, keepdim=True), pixels)
    height, width = tower.patch or (size[0] / grid[0], size[1] / grid[1])
    for number, picture in enumerate(alone["pixel_values"][:, 0]):
        row, column = divmod(number, grid[1])
        inner = (
            slice(math.ceil(row * height), math.floor((row + 1) * height)),
            slice(math.ceil(column * width), math.floor((column + 1) * width)),
        )
        assert picture[inner].numel() > 0
        torch.testing.assert_close(picture[inner], pixels[0, 0][inner])


def test_a_mask_that_is_there_still_holds(encoder):
    inputs = {
        "input_ids": torch.tensor([[1, 5, 6, 3]]),
        "attention_mask": torch.tensor([[1, 1, 0, 1]]),
    }
    kept = torch.tensor([[True, False, True, True], [True, True, True, True]])
    prepared = PreparedText(inputs, caption="", tokens=(), filler=0)
    batch = encoder.towers["text"].masked(prepared, 0, kept, "mask")
    assert batch["attention_mask"].tolist() == [[1, 0, 0, 1], [1, 1, 0, 1]]
    assert batch["input_ids"].shape == (2, 4)


@pytest.mark.parametrize("make", [siglip2, align])
@pytest.mark.parametrize("method", [fp.Occlusion(), fp.Banzhaf(samples=64)])
def test_other_towers_are_measured_as_well(make, method):
    encoder = make()
    image = siglip2_image() if make is siglip2 else align_image()
    pairs = fp.attribute(encoder, image, IDS, method)
    rows, columns = pairs.grid
    assert pairs.matrix.shape == (8, rows * columns)
    assert pairs.image_special.shape == (8, 0)
    assert (np.abs(pairs.matrix[1:-1]).max(1) > 1e-6).all()
    assert (np.abs(pairs.matrix).max(0) > 1e-6).all()
    ledger = pairs.ledger
    parts = ledger.pairs + ledger.caption_only + ledger.image_only + ledger.baseline
    assert parts + ledger.residual == pytest.approx(encoder.similarity(image, IDS), abs=1e-6)
    if isinstance(method, fp.Occlusion):
        text = encoder.prepare(IDS, "text").inputs
        seen = encoder.prepare(image, "image").inputs
        pixels = seen["pixel_values"].clone()
        if make is siglip2:
            pixels[0, 4] = 0
        else:
            pixels[0, :, 4:8, 0:4] = 0
        patch = 4 if make is siglip2 else 7
        mask = torch.ones_like(text["input_ids"])
        mask[0, 3] = 0
        texts = [
            encoder.towers["text"].embed(t)[0] for t in (text, {**text, "attention_mask": mask})
        ]
        images = [
            encoder.towers["image"].embed(i)[0] for i in (seen, {**seen, "pixel_values": pixels})
        ]
        a, b = ([e / e.norm() for e in side] for side in (texts, images))
        assert pairs.matrix[3, patch] == pytest.approx(
            float((a[0] - a[1]) @ (b[0] - b[1])), abs=1e-6
        )


def test_bare_ids_keep_their_ends(encoder):
    bare = fp.load_encoder(random_clip())
    text = bare.prepare(IDS, "text")
    assert text.content.tolist() == [False] + 6 * [True] + [False]
    assert game_of(bare.part(text), {"text": "mask"}).players.tolist() == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("method", [fp.Occlusion(), fp.Banzhaf()])
def test_a_caption_of_no_words_has_no_players(picture, method):
    encoder = fp.load_encoder(random_clip(), processor=Processor(24))
    pairs = fp.attribute(encoder, picture, [[1, 3]], method)
    assert len(pairs.tokens) == 2
    assert not pairs.matrix.any()
    ledger = pairs.ledger
    assert ledger.image_only + ledger.baseline == pytest.approx(ledger.similarity, abs=1e-6)


def test_a_tower_without_a_mask_is_told_what_to_do(picture):
    encoder = random_encoder()
    encoder.towers["text"].masks = False
    for method in ("occlusion", "banzhaf", fp.Occlusion(), fp.Banzhaf(samples=2)):
        with pytest.raises(fp.InputError, match=r"`tokens` is 'mask', .* tokens='reference'"):
            fp.attribute(encoder, picture, CAPTION, method)
    pairs = fp.attribute(encoder, picture, CAPTION, fp.Occlusion(tokens="reference"))
    expected = fp.attribute(random_encoder(), picture, CAPTION, fp.Occlusion(tokens="reference"))
    np.testing.assert_array_equal(pairs.matrix, expected.matrix)


# How often, and in which portions


class Asked:
    """A game of three players that remembers what it is asked."""

    def __init__(self, most: int = 100):
        self.portions: list[list[list[bool]]] = []
        self._most = most

    def __call__(self, kept: Tensor) -> Tensor:
        if len(kept) > self._most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.portions.append(kept.tolist())
        return kept.double() @ torch.tensor([[1.0, 0], [0, 1], [1, 1]], dtype=torch.float64)

    @property
    def rows(self) -> list[tuple[bool, ...]]:
        return [tuple(row) for portion in self.portions for row in portion]


def test_a_coalition_is_encoded_once():
    asked = Asked()
    game = Game(asked, np.array([1, 2, 4]), 6)
    kept = np.array([[1, 0, 1], [1, 0, 1], [0, 1, 0], [1, 0, 1]], bool)
    np.testing.assert_array_equal(game.values(kept), [[2, 1], [2, 1], [0, 1], [2, 1]])
    assert asked.rows == [(True, False, True), (False, True, False)]
    game.values(kept[::-1])
    np.testing.assert_array_equal(game.everything(), [2, 2])
    np.testing.assert_array_equal(game.nothing(), [0, 0])
    game.values(np.array([[1, 1, 1], [0, 0, 0], [0, 1, 0]], bool))
    assert len(asked.rows) == len(set(asked.rows)) == 4
    assert game.values(kept[:0]).shape == (0, 2)


def test_vectors_find_their_places():
    game = Game(Asked(), np.array([1, 2, 4]), 6)
    placed = game.scatter(torch.tensor([[1.0, 2], [3, 4], [5, 6]]))
    assert placed.tolist() == [[0, 0], [1, 2], [3, 4], [0, 0], [5, 6], [0, 0]]


def test_memory_that_runs_out_makes_portions_smaller():
    asked = Asked(most=3)
    game = Game(asked, np.arange(3), 3, batch_size=8)
    kept = np.array([[number >> i & 1 for i in range(3)] for number in range(8)], bool)
    np.testing.assert_array_equal(game.values(kept)[:, 0], kept[:, 0] + 1.0 * kept[:, 2])
    assert [len(portion) for portion in asked.portions] == [2, 2, 2, 2]
    assert asked.rows == [tuple(row) for row in kept.tolist()]


def test_memory_that_does_not_suffice_is_told():
    game = Game(Asked(most=0), np.arange(3), 3)
    with pytest.raises(fp.InputError, match=r"not enough memory .* smaller `model`"):
        game.everything()


def test_another_error_is_not_taken_for_a_lack_of_memory():
    def fail(_kept: Tensor) -> Tensor:
        raise RuntimeError("a broken part")

    with pytest.raises(RuntimeError, match="a broken part"):
        Game(fail, np.arange(3), 3).everything()


def test_little_memory_changes_nothing_but_the_portions(encoder, picture):
    tight = fp.load_encoder(random_clip(), processor=Processor(24), memory_limit=1)
    batches: list[int] = []
    hook = tight.model.vision_model.register_forward_hook(
        lambda _module, _arguments, output: batches.append(len(output.pooler_output))
    )
    for method in (fp.Occlusion(), fp.Banzhaf(samples=32), fp.PatchTokenSimilarity()):
        few = fp.attribute(tight, picture, CAPTION, method).matrix
        many = fp.attribute(encoder, picture, CAPTION, method).matrix
        np.testing.assert_allclose(few, many, rtol=0, atol=1e-6)
    hook.remove()
    assert set(batches) == {1}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_summed_in_single(encoder, picture, dtype):
    half = fp.load_encoder(random_clip(dtype=dtype), processor=Processor(24))
    unit = torch.finfo(dtype).eps / 2  # by which each number is rounded
    # Occlusion takes differences of cosines that are nearly equal.
    bounds = {fp.Occlusion(): 32, fp.Banzhaf(samples=512): 10, fp.PatchTokenSimilarity(): 10}
    for method, bound in bounds.items():
        side = method.measure(half.part(half.prepare(picture, "image"), 2))
        assert side.joint(np.eye(10)).dtype == torch.float32
        assert side.embedding.dtype == torch.float32
        assert float(side.embedding.norm()) == pytest.approx(1, abs=1e-6)
        found = fp.attribute(half, picture, CAPTION, method).matrix
        expected = fp.attribute(encoder, picture, CAPTION, method).matrix
        assert np.abs(found - expected).max() <= bound * unit * np.abs(expected).max()


def test_a_model_that_gives_nan_is_told(picture):
    model = random_clip()
    with torch.no_grad():
        model.visual_projection.weight[0, 0] = torch.nan
    encoder = fp.load_encoder(model, processor=Processor(24))
    for method in ("occlusion", "banzhaf", "patch_token_similarity"):
        with pytest.raises(fp.InputError, match="no usable image embedding"):
            fp.attribute(encoder, picture, CAPTION, method).row(1)
