"""The methods side by side on held-out scenes of the model that was trained on such.

``python -m tests.benchmarks.methods`` takes about ten minutes, prints Markdown
and keeps the raw numbers. Cost is counted in multiplications, one forward pass of
both towers being the unit, as a mean over some scenes; times are ratios between
measurements of one run.

The scenes are not those by which the layer was chosen, but it was chosen by this
very measure, among twelve, for integrated Jacobians; the other methods have
nothing that was tuned. Intervals are those of the report: words of one scene
count together.
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

import fpattr_widget as fp
from fpattr_widget.methods import Method
from tests.benchmarks.records import FOLDER, keep

_SEED = 4  # other scenes than those that the layer was chosen by
_METRICS = ("pointing_game", "completeness_residual")


class Multiplications(TorchDispatchMode):
    """Counts the multiplications of matrices, by whatever transformation they come."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, _types, arguments=(), named=None):
        output = function(*arguments, **(named or {}))
        if function._overloadpacket in flop_registry:
            count = flop_registry[function._overloadpacket]
            self.count += count(*arguments, **(named or {}), out_val=output)
        return output


def methods(samples: int) -> dict[str, tuple[Method, str]]:
    """Return each method by name, with what one of its numbers means."""
    return {
        "integrated Jacobians": (
            fp.IntegratedJacobians(),
            "part of the cosine's mixed change on the way from both references",
        ),
        "gradient × input": (
            fp.GradientTimesInput(),
            "the same, from the slope at the end of the way alone",
        ),
        "occlusion": (
            fp.Occlusion(),
            "second difference of the cosine without the token and without the patch",
        ),
        f"Banzhaf, {samples:,} masks": (
            fp.Banzhaf(samples=samples),
            "the same, averaged over what else is kept",
        ),
        "patch–token similarity": (
            fp.PatchTokenSimilarity(),
            "cosine of the two final states alone",
        ),
        "Grad-ECLIP": (
            fp.GradECLIP(),
            "first order: gradient times value of a patch, for the word as a text of its own",
        ),
        "integrated gradients": (
            fp.IntegratedGradients(),
            "first order: part of the cosine of the picture and the word as a text of its own",
        ),
    }


def measure(
    encoder: fp.DualEncoder, image: Image.Image, caption: str, method: Method
) -> tuple[fp.FeaturePairs, float]:
    """Return all pairs with their ledger, computed, and the seconds that they took."""
    started = time.perf_counter()
    pairs = fp.attribute(encoder, image, caption, method)
    pairs.matrix, pairs.ledger  # noqa: B018 - computes
    return pairs, time.perf_counter() - started


def seconds(dataset: fp.Dataset, method: Method) -> list[float]:
    """Return the seconds that all pairs of each sample take."""
    encoder = fp.load_encoder("scenes")
    return [measure(encoder, one.image, one.caption, method)[1] for one in dataset]


def passes(dataset: fp.Dataset, method: Method) -> list[float]:
    """Return the cost of all pairs of each sample, in forward passes of both towers."""
    encoder, found = fp.load_encoder("scenes"), []
    for one in dataset:
        with Multiplications() as forward:
            encoder.similarity(one.image, one.caption)
        with Multiplications() as everything:
            measure(encoder, one.image, one.caption, method)
        found.append(everything.count / forward.count)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scenes", type=int, default=100)
    parser.add_argument("--timed", type=int, default=10, help="scenes whose cost is measured")
    parser.add_argument("--samples", type=int, default=1024, help="masks for each tower")
    parser.add_argument("--records", type=Path, default=FOLDER, help="where to keep the numbers")
    options = parser.parse_args(arguments)
    named = methods(options.samples)
    dataset = fp.datasets.scenes(options.scenes, seed=_SEED)
    report = fp.evaluate(
        "scenes",
        dataset,
        methods=[method for method, _ in named.values()],
        metrics=["pointing_game", "completeness"],
        progress=False,
    )
    timed = dataset[: options.timed]
    kept: dict[str, Any] = {
        "scenes": len(dataset),
        "nouns": report.summary("pointing_game").count,
        "chance": float(report.comparison().to_dataframe()["pointing_game chance"].iloc[0]),
        "methods": {
            name: {
                "means": meaning,
                "passes": passes(timed, method),
                "seconds": seconds(timed, method),
                **{metric: vars(report.summary(metric, run)) for metric in _METRICS},
            }
            for run, (name, (method, meaning)) in enumerate(named.items())
        },
    }
    print(table(kept))
    keep("methods", kept, options.records)


def table(kept: dict[str, Any]) -> str:
    """Return the record as Markdown."""
    lines = [
        "| method | what one number means | forward passes | time | mean \\|residual\\| "
        "| pointing game (95 % interval) |",
        "|" + "---|" * 6,
    ]
    first = next(iter(kept["methods"].values()))
    for name, one in kept["methods"].items():
        hits = one["pointing_game"]
        ratio = statistics.median(
            own / other for own, other in zip(one["seconds"], first["seconds"], strict=True)
        )
        lines.append(
            f"| {name} | {one['means']} | {statistics.mean(one['passes']):.0f} | {ratio:.2f} "
            f"| {one['completeness_residual']['mean']:.3f} "
            f"| {hits['mean']:.2f} ({hits['low']:.2f}–{hits['high']:.2f}) |"
        )
    return "\n".join(
        [
            *lines,
            "",
            f"({kept['scenes']} held-out scenes, {kept['nouns']} nouns; a random patch would be "
            f"right for {kept['chance']:.2f} of them)",
        ]
    )


if __name__ == "__main__":
    main()
