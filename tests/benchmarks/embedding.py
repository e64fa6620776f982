"""What embedding many inputs costs beside the bare model, and searching among a million vectors.

``python -m tests.benchmarks.embedding`` prints what it finds and keeps the raw numbers; it takes
about two minutes on two cores. The model is CLIP ViT-B/32 with random weights, in float32. The
bare model is its own ``get_image_features`` and ``get_text_features`` in batches of the same size,
on the same inputs: pictures that are preprocessed already; photographs in files, opened by Pillow
and preprocessed one batch after the other by the same processor; captions, tokenized and padded
batch by batch. Both are measured in turns, in one process. Search is measured among vectors in a
file that is mapped into memory, by the arrays that it allocates.
"""

import argparse
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from transformers import CLIPImageProcessorPil

import fpattr_widget as fp
from fpattr_widget.retrieval import nearest
from fpattr_widget.training._model import new_tokenizer
from tests.benchmarks.measure import SIZES, random_encoder, seconds
from tests.benchmarks.records import FOLDER, keep

#: What is measured, in words, each beside the bare model or within a limit.
STEPS = {
    "pixels": "pictures, preprocessed",
    "files": "pictures in files",
    "store": "pictures in files, into a store",
    "captions": "captions",
}
_WORDS = ("dog", "cat", "red", "ball", "tree", "house", "left", "of", "and", "with", "big", "kite")
_NEAREST = 10


def speeds(size: str, pictures: int, captions: int, batch: int, repeats: int) -> dict[str, Any]:
    """Return the seconds of each step, ours and the bare model's, in turns."""
    model, tokenizer = random_encoder(size).model, new_tokenizer()
    side = SIZES[size][4]
    crop = {"height": side, "width": side}
    processor = CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size=crop)
    encoder = fp.load_encoder(
        model, processor={"tokenizer": tokenizer, "image_processor": processor}
    )
    generator = np.random.default_rng(0)
    texts = [
        "a " + " ".join(generator.choice(_WORDS, generator.integers(3, 12)))
        for _ in range(captions)
    ]
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        paths = drawn(Path(folder), pictures)
        pixels = [
            processor(images=Image.open(path), return_tensors="pt").pixel_values for path in paths
        ]

        def bare_pixels() -> torch.Tensor:
            return together(
                model.get_image_features(pixel_values=torch.cat(each))
                for each in batches(pixels, batch)
            )

        def bare_files() -> torch.Tensor:
            return together(
                model.get_image_features(
                    **processor(
                        images=[Image.open(path).convert("RGB") for path in each],
                        return_tensors="pt",
                    )
                )
                for each in batches(paths, batch)
            )

        def bare_captions() -> torch.Tensor:
            return together(
                model.get_text_features(**tokenizer(each, padding=True, return_tensors="pt"))
                for each in batches(texts, batch)
            )

        def stored() -> Any:
            Path(folder, "store.npz").unlink(missing_ok=True)
            return encoder.embed_image(
                paths, store=Path(folder, "store.npz"), batch_size=batch, workers=0
            )

        ours: dict[str, Callable[[], Any]] = {
            "pixels": lambda: encoder.embed_image(pixels, batch_size=batch),
            "files": lambda: encoder.embed_image(paths, batch_size=batch, workers=0),
            "store": stored,
            "captions": lambda: encoder.embed_text(texts, batch_size=batch),
        }
        bare: dict[str, Callable[[], Any]] = {
            "pixels": bare_pixels, "files": bare_files, "store": bare_files,
            "captions": bare_captions,
        }  # fmt: skip
        times: dict[str, dict[str, list[float]]] = {
            name: {"ours": [], "bare": []} for name in STEPS
        }
        for repeat in range(1 + repeats):
            for name in STEPS:
                taken = {"bare": seconds(bare[name]), "ours": seconds(ours[name])}
                for whose in taken if repeat else ():  # the first one warms up
                    times[name][whose].append(taken[whose])
        same = np.abs(encoder.embed_image(pixels) - bare_pixels().numpy()).max()
    return {"times": times, "difference": float(same)}


def search(count: int, width: int, queries: Sequence[int]) -> dict[str, Any]:
    """Return the seconds and the bytes that a search takes, by the number of queries."""
    generator = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        shape = (count, width)
        vectors = np.memmap(Path(folder, "vectors"), np.float32, "w+", shape=shape)
        for start in range(0, count, 2**14):
            piece = vectors[start : start + 2**14]
            piece[:] = generator.standard_normal(piece.shape, np.float32)
            piece /= np.linalg.norm(piece, axis=1, keepdims=True)
        found = []
        for number in queries:
            asked = generator.standard_normal((number, width), np.float32)
            taken = seconds(partial(nearest, vectors, asked, _NEAREST))
            tracemalloc.start()
            nearest(vectors, asked, _NEAREST)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            found.append({"queries": number, "seconds": taken, "peak": peak})
    return {"vectors": count, "width": width, "nearest": _NEAREST, "found": found}


def drawn(folder: Path, count: int) -> list[Path]:
    """Write pictures of 640 × 480 pixels as JPEG files, and return their paths."""
    generator = np.random.default_rng(0)
    paths = [folder / f"{number:04}.jpg" for number in range(count)]
    for path in paths:
        coarse = Image.fromarray(generator.integers(0, 255, (24, 32, 3), np.uint8))
        fine = np.asarray(coarse.resize((640, 480), Image.Resampling.BICUBIC)).astype(np.int16)
        fine += generator.integers(-9, 10, fine.shape, np.int16)
        Image.fromarray(fine.clip(0, 255).astype(np.uint8)).save(path, quality=90)
    return paths


def batches(values: Sequence[Any], size: int) -> Iterator[Any]:
    return (values[start : start + size] for start in range(0, len(values), size))


def together(outputs: Iterator[Any]) -> torch.Tensor:
    """Return the vectors of all batches at unit length."""
    vectors = [getattr(each, "pooler_output", each) for each in outputs]
    return nn.functional.normalize(torch.cat(vectors), dim=-1)


def ratio(times: dict[str, list[float]]) -> float:
    """Return the median of ours in the median of the bare model's."""
    return statistics.median(times["ours"]) / statistics.median(times["bare"])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", default="ViT-B/32")
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--captions", type=int, default=256)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--vectors", type=int, default=1_000_000)
    parser.add_argument("--note", default="", help="kept with the numbers")
    parser.add_argument("--records", type=Path, default=FOLDER, help="where to keep the numbers")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    settings = {"size": options.size, "pictures": options.pictures, "captions": options.captions}
    settings |= {"batch": options.batch, "repeats": options.repeats}
    found = speeds(**settings)
    for name, times in found["times"].items():
        print(f"{STEPS[name]}: {ratio(times):.2f} of the bare model", flush=True)
    searched = search(options.vectors, 512, (1, 64))
    for one in searched["found"]:
        print(f"{one['queries']} queries: {one['seconds']:.2f} s, {one['peak'] / 2**20:.0f} MB")
    print(f"{time.monotonic() - started:.0f} s in all")
    note = {"note": options.note} if options.note else {}
    keep("embedding", {**settings, **found, "search": searched, **note}, options.records)


if __name__ == "__main__":
    main()
