"""The order of the tests, and models and pictures that many of them take."""

import json
import os
from pathlib import Path

# Some tests compute the same numbers twice and compare all their digits. Unless it is asked not to,
# MKL sums products of matrices in another order where the matrices lie elsewhere in memory.
os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")

import numpy as np
import pytest
import torch
from hypothesis import settings
from PIL import Image

import fpattr_widget as fp
from tests.helpers import forking
from tests.helpers.models import Processor, random_clip, random_encoder

# Tests are never timed: other processes may be at work.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

#: Rooms whose tests take longest come first: short ones fill what time is left.
_ORDER = ("browser", "package", "widget", "drawing", "parity", "encoders", "scenes")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the tests, and group them for ``--dist loadgroup``.

    All that needs JupyterLab shares one worker, where it is started once; the rest
    is grouped by file.
    """
    in_jupyterlab = {item.path for item in items if "lab" in item.fixturenames}

    def rank(item: pytest.Item) -> tuple[bool, int]:
        places = (place for place, room in enumerate(_ORDER) if room in item.path.parts)
        return item.path not in in_jupyterlab, next(places, len(_ORDER))

    for item in items:
        group = "jupyterlab" if item.path in in_jupyterlab else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=rank)


@pytest.fixture(scope="session")
def forked_kernels() -> None:
    """Let notebooks that are run by programs have kernels that start at once."""
    forking.offer_kernels()


@pytest.fixture(scope="session")
def encoder() -> fp.DualEncoder:
    """Return a small random encoder in float64."""
    return random_encoder()


@pytest.fixture(scope="session")
def scenes_encoder() -> fp.DualEncoder:
    return fp.load_encoder("scenes")


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
