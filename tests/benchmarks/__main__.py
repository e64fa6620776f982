"""Speed, memory and accuracy of the engine, as Markdown tables.

``python -m tests.benchmarks`` runs everything (about eight minutes on two cores);
``--only exclip models layers nodes devices`` some of it. Ratios are between
measurements of one run; peak memory is that of the process.
"""

import argparse
import json
import platform
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import torch

from .measure import SIZES

TOKENS = 14


def measure(name: str, **settings: Any) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.benchmarks.measure", name, json.dumps(settings)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print(f"\n### {title}\n")
    print("| " + " | ".join(head) + " |")
    print("|" + " --- |" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)


def against_exclip(_: argparse.Namespace) -> None:
    theirs, mine = (
        measure("published", tokens=TOKENS, nodes=10),
        measure("ours", tokens=TOKENS, nodes=10),
    )
    table(
        "The published code and ours: ViT-B/32, 14 tokens, last layer, right rule, 10 nodes",
        ("", "seconds", "peak memory"),
        [
            ("exclip 1.1", f"{theirs['matrix']:.1f}", f"{theirs['peak']:.1f} GiB"),
            ("fpattr_widget", f"{mine['matrix']:.3f}", f"{mine['peak']:.1f} GiB"),
            (
                "ratio",
                f"{theirs['matrix'] / mine['matrix']:.0f}",
                f"{theirs['peak'] / mine['peak']:.1f}",
            ),
        ],
    )


def models(options: argparse.Namespace) -> None:
    rows = []
    for size in SIZES:
        for tokens in (TOKENS, 77) if size == "ViT-B/16" else (TOKENS,):
            found = measure(
                "default_layer",
                size=size,
                tokens=tokens,
                device=options.device,
                dtype=options.dtype,
            )
            one = found["forward"]
            rows.append(
                (
                    f"{size}, {tokens} tokens",
                    f"{1000 * one:.0f} ms",
                    f"{found['matrix'] / one:.2f}",
                    f"{found['first row'] / one:.2f}",
                    f"{1000 * found['one more row']:.0f} ms",
                    f"{found['new caption'] / one:.2f}",
                    f"{found['peak']:.1f} GiB",
                )
            )
    table(
        f"Default layer and settings, {options.device}, {options.dtype}; in forward passes of "
        "both towers",
        (
            "model",
            "one forward pass",
            "pixels to whole map",
            "pixels to first row",
            "one more row",
            "new caption, whole map",
            "peak memory",
        ),
        rows,
    )


def layers(options: argparse.Namespace) -> None:
    rows = []
    settings = {"tokens": TOKENS, "nodes": 8, "device": options.device, "dtype": options.dtype}
    for size, layer, megabytes in (
        ("ViT-B/32", 10, 1024),
        ("ViT-B/32", 6, 1024),
        ("ViT-B/32", 0, 1024),
        ("ViT-B/16", 6, 1024),
        ("ViT-B/16", 6, 128),
    ):
        found = measure("other_layer", size=size, layer=layer, megabytes=megabytes, **settings)
        one = found["forward"]
        rows.append(
            (
                f"{size}, block {layer}, limit {megabytes} MiB",
                *(
                    f"{found[key] / one:.1f}"
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


def nodes(_: argparse.Namespace) -> None:
    counts = [1, 2, 3, 4, 6, 8, 12, 16, 32, 64, 128]
    found = measure("residuals", counts=counts)
    table(
        "Completeness residual by number of nodes: the bundled model, “two-apples”",
        ("", *map(str, counts)),
        [(key, *(f"{value:.0e}" for value in values)) for key, values in found.items()],
    )


def devices(_: argparse.Namespace) -> None:
    if not torch.cuda.is_available():
        print("\nno GPU here: agreement between devices not measured")
        return
    rows = []
    for size in SIZES:
        found = measure("agreement", size=size, tokens=TOKENS)
        rows.append((size, f"{found['float32']:.0e}", f"{found['bfloat16']:.0e}"))
    table(
        "Largest difference to the CPU's float32 map, over its maximum",
        ("model", "float32", "bfloat16"),
        rows,
    )


TABLES = {
    "exclip": against_exclip,
    "models": models,
    "layers": layers,
    "nodes": nodes,
    "devices": devices,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    options = parser.parse_args()
    print(
        f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, ", end=""
    )
    print(f"torch {torch.__version__}, Python {platform.python_version()}")
    for name in options.only:
        TABLES[name](options)


if __name__ == "__main__":
    main()
