"""Small random models of the real classes, and the bundled one."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings
from PIL import Image

import fpattr_widget as fp
from tests.helpers.models import Processor, random_clip, random_encoder

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
