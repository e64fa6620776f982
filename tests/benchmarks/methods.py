"""The methods side by side on held-out scenes of the bundled model, as a Markdown table.

``python -m tests.benchmarks.methods`` takes about two minutes. Cost is counted
in multiplications, one forward pass of both towers being the unit; times are
ratios between measurements of one run.
"""

import argparse
import time
from collections.abc import Sequence

from PIL import Image
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

import fpattr_widget as fp
from fpattr_widget.methods import Method
from fpattr_widget.scenes import example

_SEED = 4  # other scenes than those that the layer was chosen by


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
    }


def measure(
    encoder: fp.DualEncoder, image: Image.Image, caption: str, method: Method
) -> tuple[fp.FeaturePairs, float]:
    """Return all pairs with their ledger, computed, and the seconds that they took."""
    started = time.perf_counter()
    pairs = fp.attribute(encoder, image, caption, method)
    pairs.matrix, pairs.ledger  # noqa: B018 - computes
    return pairs, time.perf_counter() - started


def seconds(dataset: fp.Dataset, method: Method) -> float:
    """Return the seconds that all pairs of all samples take."""
    encoder = fp.load_encoder()
    return sum(measure(encoder, one.image, one.caption, method)[1] for one in dataset)


def passes(method: Method) -> float:
    """Return the cost of all pairs of one example, in forward passes of both towers."""
    encoder, scene = fp.load_encoder(), example("dog-and-ball")
    with Multiplications() as forward:
        encoder.similarity(scene.image, scene.caption)
    with Multiplications() as everything:
        measure(encoder, scene.image, scene.caption, method)
    return everything.count / forward.count


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=10)
    parser.add_argument("--samples", type=int, default=1024, help="masks for each tower")
    options = parser.parse_args(arguments)
    named = methods(options.samples)
    dataset = fp.datasets.scenes(options.scenes, seed=_SEED)
    report = fp.evaluate(
        "bundled",
        dataset,
        methods=[method for method, _ in named.values()],
        metrics=["pointing_game", "completeness"],
        progress=False,
    )
    times = [seconds(dataset, method) for method, _ in named.values()]
    print("| method | one number is | forward passes | time | mean residual | pointing game |")
    print("|" + " --- |" * 6)
    for run, (name, (method, meaning)) in enumerate(named.items()):
        residual = report.summary("completeness_residual", run).mean
        hits = report.summary("pointing_game", run)
        print(
            f"| {name} | {meaning} | {passes(method):.0f} | {times[run] / times[0]:.2f} "
            f"| {residual:.3f} | {hits.mean:.2f} |"
        )
    chance = report.comparison().to_dataframe()["pointing_game chance"][0]
    print(
        f"\n{options.scenes} held-out scenes, {hits.count} nouns; a random patch would be "
        f"right for {chance:.2f} of them. Times relative to integrated Jacobians "
        f"({times[0] / options.scenes:.2f} s a scene)."
    )


if __name__ == "__main__":
    main()
