"""The published code and ours, on the same full-size weights.

``exclip`` 1.1 (Möller et al.) explains OpenAI's CLIP layout. A ViT-B/32 of that
layout gets random weights, which are carried over one to one to Hugging Face's
``CLIPModel``; both must tell the same.
"""

import importlib.util
import sysconfig
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from transformers import CLIPConfig, CLIPModel

import fpattr_widget as fp

pytestmark = pytest.mark.timeout(900)


def load_from_site(path: str) -> ModuleType:
    """Load one file of an installed package, without the imports of its ``__init__``."""
    file = Path(sysconfig.get_paths()["purelib"], path)
    assert file.is_file(), f"{path} is not installed: `npm test` installs it"
    spec = importlib.util.spec_from_file_location(path.replace("/", "_")[:-3], file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def to_hugging_face(source: torch.nn.Module) -> CLIPModel:
    """Carry the weights of a ViT-B/32 in OpenAI's layout over to ``CLIPModel``."""
    state = source.state_dict()
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

    for index in range(12):
        move_block(f"visual.transformer.resblocks.{index}", f"vision_model.encoder.layers.{index}")
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

    text = {"bos_token_id": 49406, "eos_token_id": 49407}
    model = CLIPModel(CLIPConfig(text_config=text, vision_config={"patch_size": 32}))
    missing, unexpected = model.load_state_dict(renamed, strict=False)
    assert not unexpected
    assert all("position_ids" in name for name in missing)
    return model.eval()


def random_openai_clip() -> torch.nn.Module:
    """Return a ViT-B/32 in OpenAI's layout with random weights."""
    layout = load_from_site("clip/model.py")
    torch.manual_seed(0)
    model = layout.CLIP(512, 224, 12, 768, 32, 77, 49408, 512, 8, 12).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim == 1:  # biases and norms of a trained model are not 0 and 1
                weight.add_(0.1 * torch.randn_like(weight))
    return model


def test_the_map_is_the_published_one():
    published = random_openai_clip()
    from exclip.explanation import OpenAIExplainer

    torch.manual_seed(1)
    content = torch.randint(1000, 40_000, (12,)).tolist()
    ids = [49406, *content, 49407]
    padded = torch.tensor([ids + [0] * (77 - len(ids))])
    image = torch.randn(1, 3, 224, 224)

    explainer = OpenAIExplainer(published, device=torch.device("cpu"))
    expected = explainer.explain(padded, image, text_layer=11, image_layer=11, N=10).numpy()
    explainer.reset_attribution()

    encoder = fp.load_encoder(to_hugging_face(published))
    method = fp.IntegratedJacobians(steps=10, rule="right", text_reference="exclip")
    pairs = fp.attribute(encoder, image, ids, method, layer=-1)
    ours = pairs.matrix.reshape(expected.shape)

    assert expected.shape == (14, 7, 7)
    assert np.abs(expected).max() > 0
    assert np.abs(ours - expected).max() < 1e-4 * np.abs(expected).max()
