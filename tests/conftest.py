"""Small random models of the real classes, and the bundled one."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings
from PIL import Image
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, PreTrainedTokenizerFast

import fpattr_widget as fp
from fpattr_widget.training._model import new_tokenizer

# Tests are never timed: other processes may be at work.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

_ORDER = ("widget", "parity", "package", "browser")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast ones first."""

    def room(item: pytest.Item) -> int:
        parts = Path(item.path).parts
        return next((i for i, name in enumerate(_ORDER, start=1) if name in parts), 0)

    items.sort(key=room)


class Processor:
    """A tokenizer and an image processor, as a Hugging Face processor holds them."""

    def __init__(self, side: int):
        self.tokenizer = new_tokenizer()
        size = {"height": side, "width": side}
        self.image_processor = CLIPImageProcessor(
            size={"shortest_edge": side},
            crop_size=size,
            image_mean=[0.5] * 3,
            image_std=[0.5] * 3,
        )


def random_clip(seed: int = 0, *, dtype: torch.dtype = torch.float64, layers: int = 3) -> CLIPModel:
    """Build a small CLIP whose weights are large enough to make it far from linear."""
    tokenizer = new_tokenizer()
    torch.manual_seed(seed)
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 24,
        "intermediate_size": 40,
        "num_hidden_layers": layers,
        "num_attention_heads": 3,
        "max_position_embeddings": 24,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    vision = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "image_size": 24,
        "patch_size": 8,
    }
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=12))
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.15 * torch.randn_like(weight))
    return model.to(dtype).eval()


def random_encoder(seed: int = 0, **options: object) -> fp.DualEncoder:
    return fp.load_encoder(random_clip(seed, **options), processor=Processor(24))


def spelling_encoder() -> fp.DualEncoder:
    """Return an encoder whose tokenizer cuts words into letters."""
    letters = {letter: i for i, letter in enumerate(["<p>", "<b>", "<u>", "<e>", *"adgo"])}
    tokenizer = Tokenizer(models.WordLevel(letters, unk_token="<u>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex("."), "isolated")]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<b> $A <e>", special_tokens=[("<b>", 1), ("<e>", 3)]
    )
    processor = Processor(24)
    processor.tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<p>", bos_token="<b>", unk_token="<u>", eos_token="<e>",
    )  # fmt: skip
    return fp.load_encoder(random_clip(1), processor=processor)


@pytest.fixture(scope="session")
def encoder() -> fp.DualEncoder:
    """Return a small random encoder in float64."""
    return random_encoder()


@pytest.fixture(scope="session")
def bundled() -> fp.DualEncoder:
    return fp.load_encoder()


@pytest.fixture(scope="session")
def picture() -> Image.Image:
    """Return a picture with structure, 40 × 30 pixels."""
    noise = np.random.default_rng(3).integers(0, 255, (6, 8, 3), np.uint8)
    return Image.fromarray(noise).resize((40, 30), Image.Resampling.BICUBIC)


@pytest.fixture(scope="session")
def saved_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder as a model hub would hold it."""
    folder = tmp_path_factory.mktemp("model")
    processor = Processor(24)
    random_clip(5, dtype=torch.float32).save_pretrained(folder)
    processor.tokenizer.save_pretrained(folder)
    processor.image_processor.save_pretrained(folder)
    (folder / "attribution.json").write_text(
        json.dumps({"layer": [1, 2], "text_reference": "exclip"})
    )
    return folder
