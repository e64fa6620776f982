"""Make the model for photographs: ``python -m fpattr_widget.training.photographs``.

The image tower is EfficientNet-Lite2 as it was trained on ImageNet, written as the image tower
of an ALIGN. The text tower is trained onto its classifier: no picture and no box is ever in a
loss. On two cores it takes most of an hour, and it resumes where it was stopped.
"""

import argparse
import platform
import time
from pathlib import Path

import torch

from . import _folder
from ._captions import CaptionWriter
from ._card import card
from ._image_tower import (
    IMAGE_SIZE,
    centre_cells,
    image_tower,
    largest_difference,
    read_classifier,
    shared_space,
)
from ._sources import SOURCES, read_lexicon, read_network
from ._text_tower import WIDTH, TextTower, train

_CONSTANT = 0.4
_EXACT = 1e-5


def make(output: Path, *, steps: int, batch: int, seed: int, packages: Path | None = None) -> None:
    """Make and save the model; resume from ``output/state.pt`` if it exists.

    Parameters
    ----------
    output
        Folder for the finished model and the state in between.
    steps, batch
        Number of optimizer steps of the text tower, and of captions in each.
    seed
        Of its weights and captions.
    packages
        Where downloaded packages are cached.
    """
    output.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    network = read_network(IMAGE_SIZE, packages)
    classifier = read_classifier(network)
    lexicon = read_lexicon(packages)
    kinds = {phrase.classes for phrase in lexicon.phrases}
    space = shared_space(classifier, sorted(kinds), WIDTH - 1)
    difference = largest_difference(image_tower(network, space, WIDTH), network, space)
    centred = centre_cells(network)
    pictures = image_tower(network, space, WIDTH, centred=[centred])
    difference = max(difference, largest_difference(pictures, network, space))
    if difference > _EXACT:
        raise RuntimeError(f"The image tower differs from its classifier by {difference:.1e}.")
    writer = CaptionWriter(lexicon, lexicon.vectors(space.classes, space.content))
    text = TextTower(writer, _CONSTANT)
    print(
        f"image tower exact to {difference:.1e}; {len(writer.phrases)} names of "
        f"{len(writer.vocabulary)} words; training the text tower"
    )
    started = time.monotonic()
    history = train(text, writer, output / "state.pt", steps=steps, batch=batch, seed=seed)
    minutes = (time.monotonic() - started) / 60
    about = {
        "steps": steps,
        "batch": batch,
        "seed": seed,
        "dimensions": WIDTH,
        "constant": _CONSTANT,
        "image_tower_difference": difference,
        "names": len(writer.phrases),
        "words": len(writer.vocabulary),
        "loss": history,
        "minutes_of_the_last_run": round(minutes, 1),
        "threads": torch.get_num_threads(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "sources": [
            {
                "registry": package.registry,
                "name": package.name,
                "version": package.version,
                "sha256": package.sha256,
                "licence": licence,
                "for": use,
            }
            for package, (licence, use) in SOURCES.items()
        ],
    }
    _folder.save(output, pictures, text, writer.vocabulary, about, card(lexicon, writer))
    size = (output / "model.safetensors").stat().st_size
    print(f"{output}: {size / 1e6:.1f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("photographs"))
    parser.add_argument("--steps", type=int, default=13000)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--packages", type=Path, help="folder of downloaded packages")
    make(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
