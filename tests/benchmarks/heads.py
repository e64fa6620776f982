"""What explanations of scores cost that a head makes, in forward passes of both towers.

``python -m tests.benchmarks.heads`` prints what it finds and keeps the raw numbers; with
``--repeats 1`` it takes less than two minutes on two cores. Models are those of the papers'
size with random weights, in float32, at the default layers with default settings: Llip ViT-B/16
with 32 mixture tokens, of which the score reads the last block's output at 32 positions, and
FLAIR ViT-B/16, which reads it at all 197. Each repeat has a picture and captions of 14 tokens
that were never seen, and the pass of both towers that the rest is divided by is measured in
each.
"""

import argparse
import statistics
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.contrasts import measured
from tests.benchmarks.records import FOLDER, keep

_TOKENS = 14
#: What is measured, in words.
STEPS = {
    "text pass": "the text's pass alone",
    "map": "the whole map, passes included",
    "another caption": "another caption on the picture, its pass included",
    "frozen": "another caption with frozen routing",
    "region": "a region's column",
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kinds", nargs="*", default=["Llip", "FLAIR"])
    parser.add_argument("--size", default="ViT-B/16")
    parser.add_argument("--repeats", type=int, default=7, help="of what is timed")
    parser.add_argument("--records", type=Path, default=FOLDER, help="where to keep the numbers")
    options = parser.parse_args(arguments)
    found = []
    for kind in options.kinds:
        settings = {"kind": kind, "size": options.size, "tokens": _TOKENS}
        numbers = measured("headed", repeats=options.repeats, **settings)
        found.append({**settings, **numbers})
        forward = statistics.median(numbers["times"]["forward"])
        for name in STEPS:
            taken = statistics.median(numbers["times"][name]) / forward
            print(f"{kind}, {name}: {taken:.2f}", flush=True)
        print(f"{kind}: {numbers['nodes']}, {numbers['peak']:.2f} GiB", flush=True)
    keep("heads", found, options.records)


if __name__ == "__main__":
    main()
