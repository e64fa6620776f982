"""Whatever of a model changes, what is explained next is the model as it is then.

The truth is a copy of the module, loaded by an encoder that has seen nothing else.
"""

import copy
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import AttentionInterface, CLIPModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward

import fpattr_widget as fp
from fpattr_widget.widget._server import RowServer
from tests.helpers import models
from tests.helpers.models import Processor, bert_and_vit, encoder_of
from tests.helpers.threads import assert_same_map, noise

pytestmark = pytest.mark.slow

CAPTION = "a dog, a ball"
METHOD = fp.IntegratedJacobians(steps=2)
LAYERS = (-1, 1)  # in closed form, and by differentiation
SENTENCE = re.compile(r"[^.\n]*\bchanged since\b[^.\n]*\b(attribute|explain)\b[^.\n]*\.")


def clip(seed: int = 0, **options: float) -> CLIPModel:
    """Return a model with a block below layer 1 and one above."""
    return models.clip(seed, layers=3, **options)


def explained(encoder: fp.DualEncoder, layer: int = 1) -> fp.FeaturePairs:
    return fp.attribute(encoder, noise(0), CAPTION, METHOD, layer)


def maps(encoder: fp.DualEncoder) -> list[np.ndarray]:
    return [explained(encoder, layer).matrix for layer in LAYERS]


def fresh(encoder: fp.DualEncoder) -> fp.DualEncoder:
    return encoder_of(copy.deepcopy(encoder.model))


def assert_changed_and_right(encoder: fp.DualEncoder, before: list[np.ndarray]) -> None:
    """The kept encoder's maps are those of the model as it is now, and no more as before."""
    truth = fresh(encoder)
    expected = maps(truth)
    for found, right, old in zip(maps(encoder), expected, before, strict=True):
        assert_same_map(found, right)
        assert np.abs(right - old).max() > 1e-3 * np.abs(right).max(), "too small a change"
    similarity = truth.similarity(noise(0), CAPTION)
    assert encoder.similarity(noise(0), CAPTION) == pytest.approx(similarity, abs=1e-6)


# Weights

#: One of each kind, by what a user calls them.
WEIGHTS = {
    "final layer norm": "text_model.final_layer_norm.weight",
    "post layer norm": "vision_model.post_layernorm.weight",
    "text projection": "text_projection.weight",
    "visual projection": "visual_projection.weight",
    "fc2 of the first block": "vision_model.encoder.layers.0.mlp.fc2.weight",
    "fc2 of the last block": "text_model.encoder.layers.2.mlp.fc2.weight",
    "queries": "vision_model.encoder.layers.2.self_attn.q_proj.weight",
    "values": "text_model.encoder.layers.1.self_attn.v_proj.weight",
    "a bias": "text_model.encoder.layers.1.layer_norm1.bias",
    "patches": "vision_model.embeddings.patch_embedding.weight",
    "tokens": "text_model.embeddings.token_embedding.weight",
    "positions": "vision_model.embeddings.position_embedding.weight",
    "CLS": "vision_model.embeddings.class_embedding",
}


@pytest.mark.parametrize("name", WEIGHTS.values(), ids=WEIGHTS)
def test_any_one_weight_that_is_written_through_data(name):
    encoder = encoder_of(clip())
    before = maps(encoder)
    # Not all of it: a cosine does not see a longer embedding.
    encoder.model.get_parameter(name).data.view(-1)[::2].mul_(1.7)
    assert_changed_and_right(encoder, before)


def interpolate(model: nn.Module) -> None:
    other = dict(clip(1).named_parameters())
    for name, weight in model.named_parameters():
        weight.data.lerp_(other[name].data, 0.3)


def write_one_number(model: nn.Module) -> None:
    model.vision_model.encoder.layers[0].mlp.fc1.bias.detach().numpy()[5] += 3


def write_one_number_of_the_last_block(model: nn.Module) -> None:
    model.vision_model.encoder.layers[2].mlp.fc1.bias.detach().numpy()[5] += 3


def write_one_number_of_many(model: nn.Module) -> None:
    """Neither the first nor the last of them."""
    model.text_model.embeddings.token_embedding.weight.detach().numpy()[tokens()[2], 7] -= 3


def tokens() -> list[int]:
    return Processor(24).tokenizer(CAPTION)["input_ids"]


def swap_two_rows(model: nn.Module) -> None:
    """By which no sum changes."""
    weight = model.vision_model.encoder.layers[0].mlp.fc1.weight.data
    weight[[3, 11]] = weight[[11, 3]].clone()


def load(model: nn.Module, **options: Any) -> None:
    model.load_state_dict(clip(1).state_dict(), **options)


def without_grad(model: nn.Module) -> None:
    with torch.no_grad():
        model.visual_projection.weight.mul_(-1.3)


def replace_data(model: nn.Module) -> None:
    weight = model.vision_model.encoder.layers[0].mlp.fc1.weight
    weight.data = 1.4 * weight.data


def replace_parameter(model: nn.Module) -> None:
    layer = model.vision_model.encoder.layers[0].mlp.fc1
    layer.weight = nn.Parameter(1.4 * layer.weight.detach())


def in_inference_mode(model: nn.Module) -> None:
    with torch.inference_mode():
        model.text_model.encoder.layers[0].mlp.fc1.weight.mul_(1.4)


def convert_and_back(model: nn.Module) -> None:
    model.to(torch.bfloat16).to(torch.float32)


@pytest.mark.parametrize(
    "change",
    [
        interpolate, write_one_number, write_one_number_of_many, swap_two_rows, load,
        lambda model: load(model, assign=True), without_grad, replace_data, replace_parameter,
        in_inference_mode, convert_and_back,
    ],
    ids=lambda change: change.__name__,
)  # fmt: skip
def test_weights_that_are_written_otherwise(change):
    encoder = encoder_of(clip())
    before = maps(encoder)
    change(encoder.model)
    assert_changed_and_right(encoder, before)


@pytest.mark.parametrize("fused", [False, True], ids=["plain", "fused"])
@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW])
def test_weights_that_an_optimizer_steps(kind, fused):
    encoder = encoder_of(clip())
    model = encoder.model
    optimizer = kind(model.parameters(), lr=0.02, fused=fused)
    before = maps(encoder)
    seen, read = encoder.prepare(noise(3), "image").inputs, encoder.prepare("a cat", "text").inputs
    output = model(**seen, **read)
    (output.image_embeds @ output.text_embeds.T).sum().backward()
    optimizer.step()
    assert_changed_and_right(encoder, before)


def test_weights_of_other_towers():
    """Of BERT and ViT."""
    encoder = encoder_of(bert_and_vit())
    for name in ("text_model.encoder.layer.0.output.dense.weight", "vision_model.layernorm.weight"):
        before = maps(encoder)
        encoder.model.get_parameter(name).data.view(-1)[::2].mul_(1.7)
        assert_changed_and_right(encoder, before)


# Buffers, hooks, modules, attributes


def shift_positions(model: nn.Module) -> None:
    buffer = model.vision_model.embeddings.position_ids
    buffer.copy_(buffer.roll(1, 1))


def replace_buffer(model: nn.Module) -> None:
    embeddings = model.text_model.embeddings
    embeddings.position_ids = embeddings.position_ids.roll(1, 1)


def exchange_block(model: nn.Module) -> None:
    layers = model.vision_model.encoder.layers
    layers[0] = copy.deepcopy(layers[2])


def exchange_small_part(model: nn.Module) -> None:
    model.text_model.encoder.layers[0].mlp.activation_fn = nn.Tanh()


def exchange_last_part(model: nn.Module) -> None:
    model.text_projection = nn.Sequential(model.text_projection, nn.Tanh())


def exchange_forward(model: nn.Module) -> None:
    mlp = model.vision_model.encoder.layers[0].mlp
    own = mlp.forward
    mlp.forward = lambda states: own(states).tanh()


def change_epsilon(model: nn.Module) -> None:
    model.vision_model.encoder.layers[0].layer_norm1.eps = 2.0


def change_epsilon_of_the_last(model: nn.Module) -> None:
    model.text_model.final_layer_norm.eps = 2.0


def change_scale(model: nn.Module) -> None:
    model.vision_model.encoder.layers[0].self_attn.scale *= 2


def change_attention(model: nn.Module) -> None:
    """To one that a user has registered; the configuration is what names it."""

    def sharper(*arguments: Any, scaling: float = 1.0, **named: Any) -> Any:
        return sdpa_attention_forward(*arguments, scaling=2 * scaling, **named)

    AttentionInterface.register("sharper", sharper)
    model.vision_model.config._attn_implementation = "sharper"


def reorder(model: nn.Module) -> None:
    layers = model.vision_model.encoder.layers
    layers[0], layers[1] = layers[1], layers[0]


@pytest.mark.parametrize(
    "change",
    [
        shift_positions, replace_buffer, exchange_block, exchange_small_part, exchange_last_part,
        exchange_forward, change_epsilon, change_epsilon_of_the_last, change_scale,
        change_attention, reorder,
    ],
    ids=lambda change: change.__name__,
)  # fmt: skip
def test_what_is_no_weight(change):
    encoder = encoder_of(clip())
    before = maps(encoder)
    change(encoder.model)
    assert_changed_and_right(encoder, before)


@pytest.mark.parametrize("place", [0, 2])
@pytest.mark.parametrize("kind", ["forward", "forward_pre"])
def test_a_hook_that_comes_and_goes(kind, place):
    encoder = encoder_of(clip())
    block = encoder.model.vision_model.encoder.layers[place].mlp
    before = maps(encoder)

    def steer(*arguments: Any) -> Any:
        return arguments[-1].tanh() if kind == "forward" else (arguments[-1][0].tanh(),)

    hook = getattr(block, f"register_{kind}_hook")(steer)
    assert_changed_and_right(encoder, before)
    hook.remove()
    for found, right in zip(maps(encoder), before, strict=True):
        assert_same_map(found, right)


def test_what_a_hook_reads_elsewhere_is_seen_after_a_refresh():
    """Nobody can see from outside what a function of the user's depends on."""
    strength = {"is": 1.0}
    encoder = encoder_of(clip())

    def steer(_module: nn.Module, _arguments: Any, output: torch.Tensor) -> torch.Tensor:
        return strength["is"] * output

    encoder.model.vision_model.encoder.layers[0].mlp.register_forward_hook(steer)
    before = maps(encoder)
    strength["is"] = 2.5
    encoder.refresh()
    assert_changed_and_right(encoder, before)


def test_a_changed_image_processor():
    encoder = encoder_of(clip())
    before = maps(encoder)
    encoder.processors["image"].image_mean = [0.2, 0.5, 0.9]
    expected = maps(fp.load_encoder(copy.deepcopy(encoder.model), processor=processor_of(encoder)))
    for found, right, old in zip(maps(encoder), expected, before, strict=True):
        assert_same_map(found, right)
        assert not np.allclose(right, old, rtol=1e-2)


def test_a_changed_tokenizer():
    """Captions are measured against another padding."""
    encoder = encoder_of(clip())
    before = maps(encoder)
    encoder.processors["text"].pad_token = "cup"
    expected = maps(fp.load_encoder(copy.deepcopy(encoder.model), processor=processor_of(encoder)))
    for found, right, old in zip(maps(encoder), expected, before, strict=True):
        assert_same_map(found, right)
        assert not np.allclose(right, old, rtol=1e-2)


def processor_of(encoder: fp.DualEncoder) -> Processor:
    processor = Processor(24)
    processor.tokenizer = copy.deepcopy(encoder.processors["text"])
    processor.image_processor = copy.deepcopy(encoder.processors["image"])
    return processor


# Adapters


@pytest.fixture
def adapted() -> Any:
    """Return a CLIP with two LoRA adapters, of which the first is active."""
    from peft import LoraConfig, get_peft_model

    places = {"target_modules": ["q_proj", "v_proj", "fc2"], "r": 4, "lora_alpha": 8}
    torch.manual_seed(4)
    model = get_peft_model(clip(), LoraConfig(**places, init_lora_weights=False))
    model.add_adapter("other", LoraConfig(**places, init_lora_weights=False))
    return model


def scale_down(model: Any) -> None:
    for module in model.modules():
        if isinstance(getattr(module, "scaling", None), dict):
            module.scaling["default"] = 0.3


def delete(model: Any) -> None:
    model.set_adapter("other")
    model.delete_adapter("default")


@pytest.mark.parametrize(
    "change",
    [
        lambda model: model.set_adapter("other"),
        lambda model: model.base_model.disable_adapter_layers(),
        scale_down,
        delete,
        lambda model: model.base_model.unload(),
    ],
    ids=["set", "disabled", "scaled", "deleted", "unloaded"],
)
def test_another_adapter(adapted, change):
    encoder = encoder_of(adapted.base_model.model)
    before = maps(encoder)
    change(adapted)
    assert_changed_and_right(encoder, before)


def test_an_adapter_that_is_disabled_for_a_while(adapted):
    encoder = encoder_of(adapted.base_model.model)
    before = maps(encoder)
    with adapted.disable_adapter():
        assert_changed_and_right(encoder, before)
        inside = explained(encoder)
        row = inside.row(1)
    for found, right in zip(maps(encoder), before, strict=True):
        assert_same_map(found, right)
    assert_refuses(inside, row)


def test_an_adapter_that_is_merged_gives_the_same_map(adapted):
    """Other weights and other modules, and the same function."""
    encoder = encoder_of(adapted.base_model.model)
    before = maps(encoder)
    for change in (
        adapted.merge_adapter,
        adapted.unmerge_adapter,
        adapted.base_model.merge_and_unload,
    ):
        change()
        for found, same, right in zip(maps(encoder), before, maps(fresh(encoder)), strict=True):
            assert_same_map(found, same, 1e-3)
            assert_same_map(found, right)


def test_adapters_that_transformers_attaches():
    from peft import LoraConfig

    encoder = encoder_of(clip())
    plain = maps(encoder)
    torch.manual_seed(4)
    places = ["q_proj", "v_proj", "fc2"]
    encoder.model.add_adapter(LoraConfig(target_modules=places, r=4, init_lora_weights=False))
    assert_changed_and_right(encoder, plain)
    before = maps(encoder)
    encoder.model.disable_adapters()
    assert_changed_and_right(encoder, before)
    for found, right in zip(maps(encoder), plain, strict=True):
        assert_same_map(found, right)


# Modules around the model


def compiled(model: nn.Module) -> nn.Module:
    return torch.compile(model, backend="eager")


@pytest.mark.parametrize("wrap", [nn.DataParallel, compiled], ids=["parallel", "compiled"])
def test_a_module_around_the_model_is_understood_or_told(wrap):
    assert_understood_or_told(wrap(clip()), clip())


def test_a_peft_model_is_understood_or_told(adapted):
    assert_understood_or_told(adapted, copy.deepcopy(adapted.base_model.model))


def assert_understood_or_told(wrapped: nn.Module, model: nn.Module) -> None:
    """Where it is told, what the sentence says to pass is what can be passed."""
    inner: Any = wrapped
    try:
        encoder = encoder_of(wrapped)
    except fp.InputError as error:
        named = re.search(r"\bpass\b[^.]*?`?model((?:\.\w+)+)", str(error))
        if not named:
            pytest.fail(str(error))
        for name in named[1].split(".")[1:]:
            inner = getattr(inner, name)
        encoder = encoder_of(inner)
    for found, right in zip(maps(encoder), maps(encoder_of(model)), strict=True):
        assert_same_map(found, right)


def test_a_model_that_is_compiled_in_place():
    encoder = encoder_of(clip())
    before = maps(encoder)
    encoder.model.vision_model.compile(backend="eager")
    for found, right in zip(maps(encoder), before, strict=True):
        assert_same_map(found, right)
    encoder.model.visual_projection.weight.data.mul_(-1.3)
    assert_changed_and_right(encoder, before)


# Pairs and views that live through a change


@dataclass(frozen=True)
class Living:
    """Pairs of which a part is known, and what it is."""

    encoder: fp.DualEncoder
    pairs: fp.FeaturePairs
    row: np.ndarray


@pytest.fixture(params=LAYERS, ids=["last block", "middle"])
def living(request) -> Living:
    encoder = encoder_of(clip())
    pairs = explained(encoder, request.param)
    return Living(encoder, pairs, pairs.row(1))


def assert_refuses(pairs: fp.FeaturePairs, row: np.ndarray) -> None:
    """What is known stays; all that would have to be computed is refused in one sentence."""
    mask = np.zeros(pairs.grid, bool)
    mask[0, 0] = True
    more: list[Callable[[], object]] = [
        lambda: pairs.row(2),
        lambda: pairs.matrix,
        lambda: pairs.of_tokens([2, 3]),
        lambda: pairs.of_region(mask),
        lambda: pairs.ledger,
        pairs.first_order,
        lambda: pairs.words().matrix,
        pairs.to_dataframe,
    ]
    for ask in more:
        with pytest.raises(fp.InputError) as refusal:
            ask()
        assert SENTENCE.fullmatch(str(refusal.value)), refusal.value
    np.testing.assert_array_equal(pairs.row(1), row)
    assert np.flatnonzero(pairs.ready).tolist() == [1]
    known, _ = pairs.cached()
    np.testing.assert_array_equal(known[1, 1:], row.ravel())


@pytest.mark.parametrize(
    "change",
    [
        interpolate, write_one_number_of_the_last_block, without_grad, load, replace_parameter,
        change_epsilon, exchange_block,
    ],
    ids=lambda change: change.__name__,
)  # fmt: skip
def test_pairs_that_outlive_a_change_keep_their_rows_and_refuse_more(living, change):
    change(living.encoder.model)
    assert_refuses(living.pairs, living.row)
    again = explained(living.encoder)
    assert_same_map(again.matrix, explained(fresh(living.encoder)).matrix)
    assert_refuses(living.pairs, living.row)


def test_pairs_that_outlive_a_change_below_their_layer_are_of_one_model(living):
    """What was read there is kept: further rows may be told, but only those of before."""
    model = copy.deepcopy(living.encoder.model)
    layer = 2 if "block 2" in living.pairs.about.layers else 1
    expected = explained(encoder_of(model), layer).matrix
    write_one_number(living.encoder.model)
    try:
        found = living.pairs.matrix
    except fp.InputError as error:
        if not SENTENCE.fullmatch(str(error)):
            raise
    else:
        assert_same_map(found, expected)


def test_pairs_that_outlive_a_step_of_an_optimizer(living):
    model = living.encoder.model
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    seen = living.encoder.prepare(noise(3), "image").inputs
    model.get_image_features(**seen).pooler_output.sum().backward()
    optimizer.step()
    assert_refuses(living.pairs, living.row)


def test_pairs_that_are_whole_need_no_model(living):
    matrix, ledger = living.pairs.matrix, living.pairs.ledger
    interpolate(living.encoder.model)
    np.testing.assert_array_equal(living.pairs.matrix, matrix)
    assert living.pairs.ledger == ledger
    np.testing.assert_allclose(living.pairs.words().matrix.sum(), matrix.sum(), rtol=1e-5)


def test_pairs_that_were_not_begun_are_of_the_model_as_it_is_when_they_are_asked():
    encoder = encoder_of(clip())
    pairs = explained(encoder)
    interpolate(encoder.model)
    assert_same_map(pairs.matrix, explained(fresh(encoder)).matrix)


def test_a_view_that_outlives_a_change_says_so(living):
    told: list[dict[str, Any]] = []
    server = RowServer(living.pairs, lambda message, _: told.append(message), epoch=1)
    interpolate(living.encoder.model)
    server.fill()
    assert server.wait(30)
    failures = [message["message"] for message in told if message["type"] == "failure"]
    assert len(failures) == 1
    assert SENTENCE.fullmatch(failures[0])
    np.testing.assert_array_equal(living.pairs.row(1), living.row)


# What is no change


class Counting(nn.Module):
    """Keeps what a forward pass is good for besides its output."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner
        self.calls = 0
        self.last: torch.Tensor | None = None

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        self.last = self.inner(states)
        return self.last


@contextmanager
def no_refusal(encoder: fp.DualEncoder) -> Iterator[None]:
    """Pairs that were begun before are finished afterwards."""
    begun = [explained(encoder, layer) for layer in LAYERS]
    for pairs in begun:
        pairs.row(1)
    expected = maps(fresh(encoder))
    yield
    for pairs, right in zip(begun, expected, strict=True):
        assert_same_map(pairs.matrix, right)
        assert pairs.ledger.similarity


def run(model: nn.Module, encoder: fp.DualEncoder, **options: Any) -> None:
    with torch.no_grad():
        model(
            **encoder.prepare(noise(5), "image").inputs,
            **encoder.prepare("a cat", "text").inputs,
            **options,
        )


@pytest.mark.parametrize("place", [0, 2])
def test_what_the_users_passes_write_into_the_module_is_no_change(place):
    model = clip()
    for tower in (model.text_model, model.vision_model):
        block = tower.encoder.layers[place]
        block.mlp = Counting(block.mlp)
    encoder = encoder_of(model)
    with no_refusal(encoder):
        run(model, encoder)


@pytest.mark.parametrize("options", [{}, {"output_hidden_states": True}], ids=["plain", "states"])
def test_the_users_passes_are_no_change(options):
    model = clip()
    encoder = encoder_of(model)
    with no_refusal(encoder):
        run(model, encoder, **options)


def test_training_mode_is_no_change():
    model = models.clip(0, layers=3, dropout=0.5)
    encoder = encoder_of(model)
    with no_refusal(encoder):
        model.train()
    with no_refusal(encoder):
        model.vision_model.eval()
    with no_refusal(encoder):
        model.eval()


def test_gradients_are_no_change():
    model = clip()
    encoder = encoder_of(model)
    with no_refusal(encoder):
        seen = encoder.prepare(noise(3), "image").inputs
        model.get_image_features(**seen).pooler_output.sum().backward()
    with no_refusal(encoder):
        model.requires_grad_(False)
        model.zero_grad()


def test_weights_that_are_put_back_are_no_change():
    model = clip()
    encoder = encoder_of(model)
    with no_refusal(encoder):
        weights = copy.deepcopy(model.state_dict())
        interpolate(model)
        model.load_state_dict(weights)


def test_weights_that_are_written_anew_with_what_they_are_are_no_change():
    model = clip()
    encoder = encoder_of(model)
    before = maps(encoder)
    model.load_state_dict(copy.deepcopy(model.state_dict()))
    for found, right in zip(maps(encoder), before, strict=True):
        assert_same_map(found, right)


@pytest.mark.parametrize("change", [interpolate, without_grad, write_one_number, load])
def test_embeddings_are_of_the_model_as_it_is(change):
    encoder = encoder_of(clip())
    explained(encoder).ledger  # noqa: B018
    before = encoder.embed_image([noise(0)])
    change(encoder.model)
    found = encoder.embed_image([noise(0)])
    np.testing.assert_allclose(found, fresh(encoder).embed_image([noise(0)]), atol=1e-6)
    assert np.abs(found - before).max() > 1e-4
