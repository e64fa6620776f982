"""The published code and ours on one module, cold and warm.

Both sides get the same ``nn.Module`` in OpenAI's layout, which this package
supports, from one file, the same pictures and the same
captions, and use the published rule, nodes and reference at the last block.
Their maps must be equal, or nothing is reported. Weights are random: neither
side's cost depends on them, as the number of nodes is given.

Cold is a new process: the model is loaded, and explains for the first time with
nothing cached. What Python's imports take, a few seconds for torch alone, is
measured apart and not counted. Warm is the same process later, with a picture
and a caption that are new each time. We keep the references' states, and what we
found out about the model; the published code keeps nothing. A caption of another
length would cost us one more pass of the text tower, for its reference.
"""

import argparse
import importlib
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from tests.benchmarks.records import keep, peak_gigabytes

SIZE, TOKENS, NODES = "ViT-B/32", 14, 10
TOLERANCE = 1e-4  # of a map's largest value


def side(who: str, size: str, folder: str, explanations: int, process: int) -> dict[str, Any]:
    """Load and explain in this process; leave the maps in ``folder``.

    Parameters
    ----------
    who
        ``"exclip"`` or ``"ours"``.
    size
        Of the model, see :mod:`tests.helpers.published`.
    folder
        Holds the module.
    explanations
        How many, each of its own picture and caption.
    process
        Number of this process among those of its side.
    """
    from tests.helpers import published

    # Each side imports what it needs and nothing of the other.
    importlib.import_module("exclip.explanation" if who == "exclip" else "fpattr_widget.pairs")
    imports = time.time() - psutil.Process().create_time()
    imported = time.perf_counter()
    model = _load(published, Path(folder, "module.pt"))
    explain = _published(published, model) if who == "exclip" else _ours(published, model)
    loaded = time.perf_counter()
    maps, seconds = [], []
    for number in range(explanations):
        image, ids = published.random_inputs(size, TOKENS, number)
        begun = time.perf_counter()
        maps.append(explain(image, ids))
        seconds.append(time.perf_counter() - begun)
    np.save(Path(folder, f"{who}-{process}.npy"), np.stack(maps))
    return {
        "imports": imports,
        "load": loaded - imported,
        "explanations": seconds,
        "peak": peak_gigabytes(),
    }


def _load(published: Any, path: Path) -> Any:
    published.load_from_site("clip/model.py")  # the module's classes
    return torch.load(path, mmap=True, weights_only=False)


def _published(published: Any, model: Any) -> Any:
    explainer = published.explainer(model)
    last = {
        "text_layer": len(model.transformer.resblocks) - 1,
        "image_layer": len(model.visual.transformer.resblocks) - 1,
    }

    def explain(image: torch.Tensor, ids: list[int]) -> np.ndarray:
        found = explainer.explain(published.padded(ids), image, N=NODES, **last)
        return found.flatten(1).numpy()

    return explain


def _ours(published: Any, model: Any) -> Any:
    import fpattr_widget as fp

    encoder, method = fp.load_encoder(model), published.as_published(NODES)
    return lambda image, ids: fp.attribute(encoder, image, ids, method, layer=-1).matrix


def compare(measure: Any, options: argparse.Namespace) -> dict[str, Any]:
    """Measure both sides, each process alone, and check that their maps are equal."""
    from tests.helpers.published import random_openai_clip

    found: dict[str, Any] = {"size": options.size, "tokens": TOKENS, "nodes": NODES}
    with tempfile.TemporaryDirectory() as folder:
        torch.save(random_openai_clip(options.size), Path(folder, "module.pt"))
        for who, processes, explanations in (
            ("ours", options.processes, 1 + options.repeats),
            ("exclip", options.published_processes, 1 + options.published_repeats),
        ):
            found[who] = [
                measure(
                    "side",
                    who=who,
                    size=options.size,
                    folder=folder,
                    explanations=explanations,
                    process=process,
                )
                for process in range(processes)
            ]
        found["largest difference"] = largest_difference(Path(folder))
    return found


def largest_difference(folder: Path) -> float:
    """Return how far maps differ, over the map's largest value; raise if that is too far."""
    expected = np.load(folder / "exclip-0.npy")
    worst = 0.0
    for path in folder.glob("*.npy"):
        maps = np.load(path)
        for own, other in zip(maps, expected, strict=False):
            assert own.shape == other.shape
            worst = max(worst, float(np.abs(own - other).max() / np.abs(other).max()))
    if not worst < TOLERANCE:
        raise SystemExit(f"the maps differ by {worst:.1e} of the largest value: no comparison")
    return worst


def summary(found: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Return the medians of each side, seconds and GiB."""
    return {
        who: {
            "cold with loading": _median(
                one["load"] + one["explanations"][0] for one in found[who]
            ),
            "cold": _median(one["explanations"][0] for one in found[who]),
            "warm": _median(value for one in found[who] for value in one["explanations"][1:]),
            "peak": max(one["peak"] for one in found[who]),
        }
        for who in ("exclip", "ours")
    }


def _median(values: Any) -> float:
    return statistics.median(list(values))


def run(measure: Any, options: argparse.Namespace) -> dict[str, Any]:
    """Measure, print and keep."""
    found = compare(measure, options)
    for who, numbers in summary(found).items():
        said = ", ".join(
            f"{name} {value:.3f} {'GiB' if name == 'peak' else 's'}"
            for name, value in numbers.items()
        )
        print(f"{who}: {said}")
    print(f"largest difference of the maps: {found['largest difference']:.1e} of the largest value")
    keep("exclip", found, options.records)
    return found


if __name__ == "__main__":
    print(json.dumps(side(**json.loads(sys.argv[1]))))
