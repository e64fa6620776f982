"""When a description of the last block stands for it: wrapped layers, hooks, wrong descriptions."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import nn

import fpattr_widget as fp
from fpattr_widget.encoders import _last_block as last_block
from fpattr_widget.encoders._last_block import SAMPLE_NODE, AttentionPooling, agree
from tests.helpers import family_checks as checks
from tests.helpers.families import siglip
from tests.helpers.families.samples import SAMPLES
from tests.helpers.models import Processor, random_clip
from tests.helpers.sentence_pieces import siglip_tokenizer

pytestmark = pytest.mark.slow

CAPTION = "a dog left of a red ball"
NODES = fp.IntegratedJacobians(steps=3)
IN_CLOSED_FORM, BY_DIFFERENTIATION = "3 nodes, closed form", "3 nodes"
HALF = (torch.float16, torch.bfloat16)


def encode(model, processor=None) -> fp.DualEncoder:
    return fp.load_encoder(model, processor=processor or Processor(24))


def matrix(encoder, picture, caption=CAPTION, layer=-1) -> np.ndarray:
    return fp.attribute(encoder, picture, caption, NODES, layer).matrix


def plainly(encoder, picture, caption=CAPTION, layer=-1) -> np.ndarray:
    """Return the map of the same module by automatic differentiation alone."""
    processor = encoder.processors["text"], encoder.processors["image"]
    other = encode(encoder.model, checks.Processor(*processor))
    other.towers["text"].last_block = other.towers["image"].last_block = None
    assert ways(other, picture, caption) == (BY_DIFFERENTIATION, BY_DIFFERENTIATION)
    return matrix(other, picture, caption, layer)


def ways(encoder, picture, caption=CAPTION) -> tuple[str, str]:
    """Return how the last block of the text and of the image tower is explained."""
    text, image = encoder.prepare(caption, "text"), encoder.prepare(picture, "image")
    layers = len(encoder.towers["text"].blocks) - 1, len(encoder.towers["image"].blocks) - 1
    return (
        NODES.measure(encoder.part(text, layers[0])).describe(),
        NODES.measure(encoder.part(image, layers[1])).describe(),
    )


def test_an_old_configuration_names_a_wrong_end(picture):
    """Models of these pool at the highest id."""
    model = random_clip()
    model.config.text_config.eos_token_id = model.text_model.eos_token_id = 2
    assert ways(encode(model), picture) == (IN_CLOSED_FORM, IN_CLOSED_FORM)


def distance(values: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(values - expected).max() / np.abs(expected).max())


def add_lora(model: nn.Module, targets: str, size: float) -> None:
    """Add a LoRA layer to all modules whose names match; ``size`` is that of its weights."""
    torch.manual_seed(4)
    inject_adapter_in_model(LoraConfig(target_modules=targets, r=2, lora_alpha=2), model)
    layers = [module for module in model.modules() if isinstance(module, LoraLayer)]
    assert layers
    with torch.no_grad():
        for layer in layers:
            for factor in (layer.lora_A["default"], layer.lora_B["default"]):
                nn.init.normal_(factor.weight, std=size)
    model.eval()


def merged(model: nn.Module) -> nn.Module:
    """Return a copy of a model in single precision with all LoRA layers merged into their bases."""
    model = copy.deepcopy(model).float()
    for name, layer in list(model.named_modules()):
        if isinstance(layer, LoraLayer):
            layer.merge()
            parent, _, own = name.rpartition(".")
            setattr(model.get_submodule(parent), own, layer.get_base_layer())
    return model


# LoRA


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.float32, 1e-5), (torch.float16, 5e-3), (torch.bfloat16, 0.05)],
)
def test_lora_on_the_last_block_is_differentiated(picture, dtype, tolerance):
    """In bfloat16 its part of the embedding is within rounding; its part of the map is not."""
    model = random_clip(dtype=dtype)
    encoder = encode(model)
    base = encode(random_clip(dtype=torch.float32))
    assert ways(encoder, picture) == (IN_CLOSED_FORM, IN_CLOSED_FORM)
    add_lora(model, r".*layers\.2\.self_attn\.(k|v)_proj", size=0.25)
    assert ways(encoder, picture) == (BY_DIFFERENTIATION, BY_DIFFERENTIATION)
    truth = encode(merged(model))
    assert ways(truth, picture) == (IN_CLOSED_FORM, IN_CLOSED_FORM)
    for layer in (-1, -2):
        expected = matrix(truth, picture, layer=layer)
        assert distance(matrix(encoder, picture, layer=layer), expected) < tolerance
        assert distance(matrix(base, picture, layer=layer), expected) > 2 * tolerance


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "targets",
    [
        r".*layers\.[01]\..*(q_proj|fc1)",
        r".*layers\.2\.(self_attn\.out_proj|mlp\.fc\d)",
        r"(text|visual)_projection",
    ],
)
def test_lora_elsewhere_leaves_the_closed_form(picture, targets, dtype):
    model = random_clip(dtype=dtype)
    encoder = encode(model)
    add_lora(model, targets, size=0.3)
    assert ways(encoder, picture) == (IN_CLOSED_FORM, IN_CLOSED_FORM)
    tolerance = 0.05 if dtype in HALF else 1e-5
    for layer in (-1, -2):
        expected = matrix(encode(merged(model)), picture, layer=layer)
        assert distance(matrix(encoder, picture, layer=layer), expected) < tolerance


def test_a_merged_lora_layer_is_a_plain_one_again(picture):
    model = random_clip()
    add_lora(model, r".*layers\.2\.self_attn\.v_proj", size=0.3)
    encoder = encode(model)
    assert ways(encoder, picture) == (BY_DIFFERENTIATION, BY_DIFFERENTIATION)
    expected = plainly(encoder, picture)
    for tower in (model.text_model, model.vision_model):
        attention = tower.encoder.layers[2].self_attn
        attention.v_proj.merge()
        attention.v_proj = attention.v_proj.get_base_layer()
    assert ways(encoder, picture) == (IN_CLOSED_FORM, IN_CLOSED_FORM)
    assert distance(matrix(encoder, picture), expected) < 1e-6


@pytest.mark.parametrize("name", ["BLIP", "Chinese-CLIP"])
def test_a_projection_that_is_wrapped_later_is_found(picture, name):
    sample = SAMPLES[name]
    model = sample.model(torch.float64)
    encoder = encode(model, sample.processor())
    add_lora(model, r"text_proj(ection)?", size=0.3)
    assert ways(encoder, picture, sample.caption) == (IN_CLOSED_FORM, IN_CLOSED_FORM)
    expected = plainly(encoder, picture, sample.caption)
    assert distance(matrix(encoder, picture, sample.caption), expected) < 1e-6


# Hooks and forwards of their own. Each changes one hundredth, which bfloat16 hides.


def more(_module, _inputs, output):
    if isinstance(output, tuple):
        return (more(_module, _inputs, output[0]), *output[1:])
    return output * 1.01


def less(_module, arguments, named):
    if arguments:
        return (arguments[0] * 0.99, *arguments[1:]), named
    return arguments, {**named, "hidden_states": named["hidden_states"] * 0.99}


def hooked(module: nn.Module) -> None:
    module.register_forward_hook(more)


def hooked_before(module: nn.Module) -> None:
    module.register_forward_pre_hook(less, with_kwargs=True)


def change_last_blocks(encoder, part: str, change) -> None:
    for tower in (encoder.model.text_model, encoder.model.vision_model):
        change(tower.encoder.layers[2].get_submodule(part))


def replaced(module: nn.Module) -> None:
    forward = module.forward
    module.forward = lambda *arguments, **named: more(module, (), forward(*arguments, **named))


@pytest.mark.parametrize("change", [hooked, hooked_before, replaced])
@pytest.mark.parametrize(
    "part", ["self_attn.q_proj", "self_attn.v_proj", "self_attn", "layer_norm1", ""]
)
def test_a_changed_part_is_not_gone_around(picture, part, change):
    encoder = encode(random_clip(dtype=torch.bfloat16))
    assert ways(encoder, picture) == (IN_CLOSED_FORM, IN_CLOSED_FORM)
    change_last_blocks(encoder, part, change)
    assert ways(encoder, picture) == (BY_DIFFERENTIATION, BY_DIFFERENTIATION)
    encoder = encode(encoder.model)
    assert distance(matrix(encoder, picture), plainly(encoder, picture)) < 1e-6


@pytest.mark.parametrize("part", ["self_attn.v_proj", "self_attn"])
def test_a_block_below_runs_a_changed_last_block(picture, part):
    encoder = encode(random_clip())
    before = matrix(encoder, picture, layer=-2)
    change_last_blocks(encoder, part, hooked)
    expected = plainly(encoder, picture, layer=-2)
    assert distance(matrix(encoder, picture, layer=-2), expected) < 1e-6
    assert distance(before, expected) > 1e-3


@pytest.mark.parametrize("change", [hooked, hooked_before, replaced])
@pytest.mark.parametrize("part", ["self_attn.out_proj", "layer_norm2", "mlp"])
def test_what_is_called_as_a_module_may_be_anything(picture, part, change):
    encoder = encode(random_clip())
    change_last_blocks(encoder, part, change)
    assert ways(encoder, picture) == (IN_CLOSED_FORM, IN_CLOSED_FORM)
    for layer in (-1, -2):
        found = matrix(encoder, picture, layer=layer)
        assert distance(found, plainly(encoder, picture, layer=layer)) < 1e-6


def test_a_hook_on_every_module_is_not_gone_around(picture):
    encoder = encode(random_clip(dtype=torch.bfloat16))
    maps = [
        tower.encoder.layers[2].self_attn.v_proj
        for tower in (encoder.model.text_model, encoder.model.vision_model)
    ]
    hook = nn.modules.module.register_module_forward_hook(
        lambda module, inputs, output: more(module, inputs, output) if module in maps else None
    )
    try:
        assert ways(encoder, picture) == (BY_DIFFERENTIATION, BY_DIFFERENTIATION)
    finally:
        hook.remove()
    assert ways(encoder, picture) == (IN_CLOSED_FORM, IN_CLOSED_FORM)


def test_torchs_attention_does_not_call_its_output_map(tmp_path, picture):
    """It reads its weight: a hook there is never run, and the closed form would run it."""
    tokenizer = siglip_tokenizer(tmp_path)
    encoder = siglip.random_encoder(tokenizer, torch.bfloat16)
    caption = siglip.CAPTION
    assert ways(encoder, picture, caption)[1] == IN_CLOSED_FORM
    hooked(encoder.model.vision_model.head.attention.out_proj)
    assert ways(encoder, picture, caption)[1] == BY_DIFFERENTIATION


def test_a_parametrised_weight_is_read_as_it_is_computed(picture):
    class Doubled(nn.Module):
        def forward(self, weight):
            return 2 * weight

    encoder = encode(random_clip())
    for tower in (encoder.model.text_model, encoder.model.vision_model):
        module = tower.encoder.layers[2].self_attn.v_proj
        nn.utils.parametrize.register_parametrization(module, "weight", Doubled())
    assert ways(encoder, picture) == (IN_CLOSED_FORM, IN_CLOSED_FORM)
    assert distance(matrix(encoder, picture), plainly(encoder, picture)) < 1e-6


def test_a_weight_that_a_hook_computes_is_not_read(picture):
    """The old weight norm's: what ``weight`` holds is that of the last pass."""
    encoder = encode(random_clip())
    for tower in (encoder.model.text_model, encoder.model.vision_model):
        module = nn.utils.weight_norm(tower.encoder.layers[2].self_attn.v_proj)
        with torch.no_grad():
            module.weight_g.mul_(1.5)
    assert ways(encoder, picture) == (BY_DIFFERENTIATION, BY_DIFFERENTIATION)
    assert distance(matrix(encoder, picture), plainly(encoder, picture)) < 1e-6


def test_a_tensor_that_stands_for_a_weight_is_not_read(picture):
    """As quantised weights do, in a module that is a plain linear layer."""

    class Packed(torch.Tensor):
        @classmethod
        def __torch_function__(cls, function, types, arguments=(), named=None):
            out = super().__torch_function__(function, types, arguments, named or {})
            return out.as_subclass(torch.Tensor) * 1.01 if function is nn.functional.linear else out

    encoder = encode(random_clip(dtype=torch.bfloat16))

    def pack(module: nn.Module) -> None:
        module.weight = nn.Parameter(module.weight.detach().as_subclass(Packed), False)

    change_last_blocks(encoder, "self_attn.v_proj", pack)
    assert type(encoder.model.vision_model.encoder.layers[2].self_attn.v_proj.weight) is Packed
    assert ways(encoder, picture) == (BY_DIFFERENTIATION, BY_DIFFERENTIATION)


# Descriptions that do not hold


def bent(tower, inputs, reference, size: float):
    """Return a description that is right at both ends and at the node, and has other slopes."""
    describe = tower.last_block
    last = len(tower.blocks) - 1
    (position,) = describe(inputs).positions
    end, start = (tower.features(each, last)[position] for each in (inputs, reference))
    change = end - start

    def bend(right: AttentionPooling) -> AttentionPooling:
        def finish(mixed, state):
            out = right.finish(mixed, state)
            alpha = (state[:, 0] - start) @ change / change.square().sum()
            alpha = alpha[:, None]
            return out + size * alpha * (1 - alpha) * (SAMPLE_NODE - alpha) * torch.ones_like(out)

        return replace(right, finish=finish)

    return lambda inputs: bend(describe(inputs))


def test_a_description_right_by_value_and_wrong_by_derivative_is_refused(picture):
    encoder = encode(random_clip())
    text, image = encoder.prepare(CAPTION, "text"), encoder.prepare(picture, "image")
    references = checks.references(encoder, text, image)
    expected = [plainly(encoder, picture, layer=layer) for layer in (-1, -2)]
    for size, used in ((0.0, True), (1.0, False)):
        wrong = encode(encoder.model)
        for tower, inputs, reference in (
            (wrong.towers["text"], text.inputs, references[0]),
            (wrong.towers["image"], image.inputs, references[1]),
        ):
            tower.last_block = bent(tower, inputs, reference, size)
            split = tower.split(inputs, [(1.0, reference)], 2)
            with torch.no_grad():
                assert agree(split.last_block.embed(split.states[None])[0], split.embedding)
        way = IN_CLOSED_FORM if used else BY_DIFFERENTIATION
        assert ways(wrong, picture) == (way, way)
        for layer, truth in zip((-1, -2), expected, strict=True):
            assert distance(matrix(wrong, picture, layer=layer), truth) < 1e-6


def test_derivatives_are_compared_once_for_a_model(picture, monkeypatch):
    asked = []
    sample_jacobian = last_block.sample_jacobian

    def counted(*arguments):
        asked.append(arguments)
        return sample_jacobian(*arguments)

    for place in ("encoders._tower", "methods._closed_form"):
        monkeypatch.setattr(f"fpattr_widget.{place}.sample_jacobian", counted)
    encoder = encode(random_clip())
    for shown, caption in ((picture, CAPTION), (picture.rotate(90), "a cat")):
        assert ways(encoder, shown, caption) == (IN_CLOSED_FORM, IN_CLOSED_FORM)
    assert len(asked) == 2  # once for each tower
    for shown in (picture, picture.rotate(90)):
        matrix(encoder, shown, layer=1)
    assert len(asked) == 6  # the block cut short, and the block itself
    with torch.no_grad():
        encoder.model.vision_model.encoder.layers[2].self_attn.v_proj.weight.mul_(1.5)
    assert ways(encoder, picture) == (IN_CLOSED_FORM, IN_CLOSED_FORM)
    assert len(asked) == 8


def test_where_nothing_changes_nothing_is_found_out(picture):
    """A picture that is its own reference says nothing about derivatives."""
    encoder = encode(random_clip())
    nothing = encoder.prepare(torch.zeros(1, 3, 24, 24, dtype=torch.float64), "image")
    image = encoder.prepare(picture, "image")
    reference = {"pixel_values": torch.zeros_like(image.inputs["pixel_values"])}
    encoder.towers["image"].last_block = bent(
        encoder.towers["image"], image.inputs, reference, size=1.0
    )
    NODES.measure(encoder.part(nothing, 2))
    assert ways(encoder, picture)[1] == BY_DIFFERENTIATION


def test_a_multiplication_that_may_round_is_allowed_to():
    value = torch.linspace(1, 2, 50)
    assert not agree(value * 1.001, value)
    torch.set_float32_matmul_precision("high")
    try:
        assert agree(value * 1.001, value)
        assert not agree(value * 1.01, value)
    finally:
        torch.set_float32_matmul_precision("highest")
