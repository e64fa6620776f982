"""Speed, memory and accuracy of the engine.

``python -m tests.benchmarks`` runs everything (about ten minutes on two cores,
half of them for the published code); ``--only exclip costs layers nodes
devices`` some of it. Prints Markdown and keeps the raw numbers, of which the
README's tables are made (``python -m tests.benchmarks.readme``). Ratios are
between measurements of one run; peak memory is that of the process.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from tests.benchmarks import exclip
from tests.benchmarks.measure import MEASUREMENTS, SIZES
from tests.benchmarks.records import FOLDER, keep

TOKENS, MOST_TOKENS = 14, 77
SHOWN = [size for size in SIZES if size != "tiny"]

Measure = Callable[..., dict[str, Any]]


def alone(name: str, **settings: Any) -> dict[str, Any]:
    """Measure in a process of its own."""
    what = ["tests.benchmarks.measure", name]
    if name == exclip.side.__name__:  # the published code, without what our own brings along
        what = ["tests.benchmarks.exclip"]
    command = [sys.executable, "-m", *what, json.dumps(settings)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def here(name: str, **settings: Any) -> dict[str, Any]:
    """Measure in this process, whose peak memory is no longer the measurement's."""
    return MEASUREMENTS[name](**settings)


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print(f"\n### {title}\n")
    print("| " + " | ".join(head) + " |")
    print("|" + " --- |" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)


def of(numbers: dict[str, Any], name: str) -> float:
    """Return the median of a step's times in forward passes of both towers."""
    return statistics.median(numbers[name]) / statistics.median(numbers["forward"])


def suffix(options: argparse.Namespace) -> str:
    """Return what sets a record apart from that of the README."""
    usual = (options.device, options.dtype) == ("cpu", "float32")
    return "" if usual else f"-{options.device}-{options.dtype}"


def against_exclip(measure: Measure, options: argparse.Namespace) -> None:
    print("\n### The published code and ours: last layer, right rule, 10 nodes\n")
    exclip.run(measure, options)


def costs(measure: Measure, options: argparse.Namespace) -> None:
    rows, kept = [], []
    for size in options.sizes:
        for tokens in (TOKENS, MOST_TOKENS) if size == "ViT-B/16" else (TOKENS,):
            repeats = max(1, options.repeats // (3 if "ViT-L" in size else 1))
            settings = {"size": size, "tokens": tokens, "repeats": repeats}
            found = measure("default_layer", device=options.device, dtype=options.dtype, **settings)
            kept.append({**settings, **found})
            rows.append(
                (
                    f"{size}, {tokens} tokens",
                    f"{1000 * statistics.median(found['forward']):.0f} ms",
                    *(f"{of(found, name):.2f}" for name in ("matrix", "first row")),
                    f"{1000 * statistics.median(found['one more row']):.0f} ms",
                    f"{of(found, 'another caption'):.2f}",
                    f"{found['peak']:.1f} GiB",
                )
            )
    table(
        f"Default layer and settings, {options.device}, {options.dtype}; a new picture and a new "
        "caption each time, in forward passes of both towers",
        (
            "model",
            "one forward pass",
            "whole map",
            "first row",
            "one more row",
            "another caption, whole map",
            "peak memory",
        ),
        rows,
    )
    keep(f"costs{suffix(options)}", kept, options.records)


def layers(measure: Measure, options: argparse.Namespace) -> None:
    rows, kept = [], []
    for size in options.sizes:
        for layer, megabytes in LAYERS.get(size, ()):
            settings = {"size": size, "layer": layer, "megabytes": megabytes, "nodes": 8}
            found = measure(
                "other_layer",
                tokens=TOKENS,
                device=options.device,
                dtype=options.dtype,
                **settings,
            )
            kept.append({**settings, **found})
            rows.append(
                (
                    f"{size}, block {layer}, limit {megabytes} MiB",
                    *(
                        f"{of(found, key):.1f}"
                        for key in ("first row", "one more row", "region", "all other rows")
                    ),
                    f"{found['peak']:.1f} GiB",
                )
            )
    table(
        "Other layers: 14 tokens, 8 Gauss–Legendre nodes; in forward passes of both towers",
        ("", "first row", "one more row", "region", "the other 12 rows", "peak memory"),
        rows,
    )
    keep(f"layers-cost{suffix(options)}", kept, options.records)


#: Blocks and limits of the working memory in MiB.
LAYERS: dict[str, Sequence[tuple[int, int]]] = {
    "ViT-B/32": ((10, 1024), (6, 1024), (0, 1024)),
    "ViT-B/16": ((6, 1024), (6, 128)),
    "tiny": ((0, 64),),
}


def nodes(measure: Measure, options: argparse.Namespace) -> None:
    found = measure("residuals", counts=options.counts)
    table(
        "Completeness residual by number of nodes: the model of scenes, “two-apples”",
        ("", *map(str, options.counts)),
        [(key, *(f"{value:.0e}" for value in values)) for key, values in found.items()],
    )
    keep("nodes", {"counts": options.counts, "residuals": found}, options.records)


def devices(measure: Measure, options: argparse.Namespace) -> None:
    device = options.device if options.device != "cpu" else "cuda"
    if not (torch.cuda.is_available() or options.here):
        print("\nno GPU here: agreement between devices not measured")
        return
    rows, kept = [], []
    for size in options.sizes:
        found = measure(
            "agreement", size=size, tokens=TOKENS, device="cpu" if options.here else device
        )
        kept.append({"size": size, **found})
        rows.append((size, f"{found['float32']:.0e}", f"{found['bfloat16']:.0e}"))
    table(
        "Largest difference to the CPU's float32 map, over its maximum",
        ("model", "float32", "bfloat16"),
        rows,
    )
    keep("devices", kept, options.records)


TABLES = {
    "exclip": against_exclip,
    "costs": costs,
    "layers": layers,
    "nodes": nodes,
    "devices": devices,
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=SHOWN)
    parser.add_argument("--size", default=exclip.SIZE, help="of the model beside exclip")
    parser.add_argument("--repeats", type=int, default=15, help="with everything warm")
    parser.add_argument("--processes", type=int, default=5, help="new ones, beside exclip")
    parser.add_argument("--published-repeats", type=int, default=2, help="exclip, warm")
    parser.add_argument("--published-processes", type=int, default=1, help="exclip, new ones")
    counts = [1, 2, 3, 4, 6, 8, 12, 16, 32, 64, 128]
    parser.add_argument("--counts", nargs="+", type=int, default=counts, help="of nodes")
    parser.add_argument("--records", type=Path, default=FOLDER, help="where to keep the numbers")
    parser.add_argument("--here", action="store_true", help="start no processes (for tests)")
    options = parser.parse_args(arguments)
    print(
        f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, ", end=""
    )
    print(f"torch {torch.__version__}, Python {platform.python_version()}")
    for name in options.only:
        TABLES[name](here if options.here else alone, options)


if __name__ == "__main__":
    main()
