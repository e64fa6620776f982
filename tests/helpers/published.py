"""The published code, ``exclip`` 1.1 (Möller et al.), and models that it can explain.

It explains CLIP in OpenAI's layout, which ``clip-anytorch`` has. Of trained
weights none can be had without a network: these are random. Our own package is
imported only where it is used: the published code is measured without it.
"""

import importlib.util
import sys
import sysconfig
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

BOS, EOS = 49406, 49407
LONGEST = 77
# Shared space; image, vision layers, width and patch; text positions, vocabulary, width, heads
# and layers.
SIZES: dict[str, tuple[int, ...]] = {
    "ViT-B/32": (512, 224, 12, 768, 32, LONGEST, 49408, 512, 8, 12),
    "tiny": (32, 64, 3, 128, 16, LONGEST, 49408, 64, 2, 3),
}


@cache
def load_from_site(path: str) -> ModuleType:
    """Load one file of an installed package, without the imports of its ``__init__``."""
    file = Path(sysconfig.get_paths()["purelib"], path)
    assert file.is_file(), f"{path} is not installed: `npm test` installs it"
    spec = importlib.util.spec_from_file_location(path.replace("/", "_")[:-3], file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # so that its objects can be pickled
    spec.loader.exec_module(module)
    return module


def to_hugging_face(source: torch.nn.Module) -> Any:
    """Carry the weights of a vision transformer in OpenAI's layout over to ``CLIPModel``."""
    from transformers import CLIPConfig, CLIPModel

    state = source.state_dict()
    text_width, shared = source.text_projection.shape
    text = {
        "hidden_size": text_width,
        "intermediate_size": 4 * text_width,
        "num_hidden_layers": len(source.transformer.resblocks),
        "num_attention_heads": source.transformer.resblocks[0].attn.num_heads,
        "vocab_size": source.vocab_size,
        "bos_token_id": BOS,
        "eos_token_id": EOS,
    }
    width, _, patch, _ = source.visual.conv1.weight.shape
    vision = {
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": len(source.visual.transformer.resblocks),
        "num_attention_heads": source.visual.transformer.resblocks[0].attn.num_heads,
        "patch_size": patch,
        "image_size": source.visual.input_resolution,
    }
    renamed: dict[str, torch.Tensor] = {}

    def move(old: str, new: str, *, transpose: bool = False) -> None:
        value = state.pop(old)
        renamed[new] = (value.T if transpose else value).contiguous().clone()

    def move_block(old: str, new: str) -> None:
        for kind in ("weight", "bias"):
            projections = state.pop(f"{old}.attn.in_proj_{kind}").chunk(3)
            for name, value in zip("qkv", projections, strict=True):
                renamed[f"{new}.self_attn.{name}_proj.{kind}"] = value.clone()
            move(f"{old}.attn.out_proj.{kind}", f"{new}.self_attn.out_proj.{kind}")
            move(f"{old}.ln_1.{kind}", f"{new}.layer_norm1.{kind}")
            move(f"{old}.ln_2.{kind}", f"{new}.layer_norm2.{kind}")
            move(f"{old}.mlp.c_fc.{kind}", f"{new}.mlp.fc1.{kind}")
            move(f"{old}.mlp.c_proj.{kind}", f"{new}.mlp.fc2.{kind}")

    for index in range(len(source.visual.transformer.resblocks)):
        move_block(f"visual.transformer.resblocks.{index}", f"vision_model.encoder.layers.{index}")
    for index in range(len(source.transformer.resblocks)):
        move_block(f"transformer.resblocks.{index}", f"text_model.encoder.layers.{index}")
    for kind in ("weight", "bias"):
        move(f"visual.ln_pre.{kind}", f"vision_model.pre_layrnorm.{kind}")
        move(f"visual.ln_post.{kind}", f"vision_model.post_layernorm.{kind}")
        move(f"ln_final.{kind}", f"text_model.final_layer_norm.{kind}")
    move("visual.class_embedding", "vision_model.embeddings.class_embedding")
    move("visual.positional_embedding", "vision_model.embeddings.position_embedding.weight")
    move("visual.conv1.weight", "vision_model.embeddings.patch_embedding.weight")
    move("visual.proj", "visual_projection.weight", transpose=True)
    move("token_embedding.weight", "text_model.embeddings.token_embedding.weight")
    move("positional_embedding", "text_model.embeddings.position_embedding.weight")
    move("text_projection", "text_projection.weight", transpose=True)
    move("logit_scale", "logit_scale")
    assert not state

    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=shared))
    missing, unexpected = model.load_state_dict(renamed, strict=False)
    assert not unexpected
    assert all("position_ids" in name for name in missing)
    return model.eval()


def openai_clip(size: str) -> Any:
    """Return an untrained model in OpenAI's layout."""
    return load_from_site("clip/model.py").CLIP(*SIZES[size]).eval()


def random_openai_clip(size: str = "ViT-B/32", seed: int = 0) -> Any:
    """Return a model in OpenAI's layout whose random weights make it far from linear."""
    torch.manual_seed(seed)
    model = openai_clip(size)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim == 1:  # biases and norms of a trained model are not 0 and 1
                weight.add_(0.1 * torch.randn_like(weight))
    return model


def random_inputs(size: str, tokens: int, seed: int) -> tuple[torch.Tensor, list[int]]:
    """Return preprocessed pixels and the ids of a caption with both its ends."""
    generator = torch.Generator().manual_seed(seed)
    side = SIZES[size][1]
    content = torch.randint(1000, 40_000, (tokens - 2,), generator=generator).tolist()
    return torch.randn(1, 3, side, side, generator=generator), [BOS, *content, EOS]


def padded(ids: Sequence[int]) -> torch.Tensor:
    """Return a caption as OpenAI's tokenizer does, filled up with zeros."""
    return torch.tensor([[*ids, *[0] * (LONGEST - len(ids))]])


def explainer(model: Any) -> Any:
    """Return the published code's explainer of a model."""
    from exclip.explanation import OpenAIExplainer

    side = model.visual.input_resolution
    return OpenAIExplainer(model, image_dim=side, device=torch.device("cpu"))


def as_published(nodes: int) -> Any:
    """Return our method with the published code's rule, nodes and reference."""
    import fpattr_widget as fp

    return fp.IntegratedJacobians(steps=nodes, rule="right", text_reference="exclip")
