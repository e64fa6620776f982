"""The methods side by side on held-out scenes of the bundled model, as a Markdown table.

``python -m tests.benchmarks.methods`` takes about two minutes. Cost is counted
in multiplications, one forward pass of both towers being the unit; times are
ratios between measurements of one run.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

import fpattr_widget as fp
from fpattr_widget.methods import Method
from fpattr_widget.scenes import Sprites, example, render
from fpattr_widget.scenes.check import held_out, nouns

_STREAM = 4  # other scenes than those of fpattr_widget.scenes.check


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


@dataclass
class Score:
    """What was measured of one method, scene by scene and noun by noun."""

    seconds: list[float] = field(default_factory=list)
    residuals: list[float] = field(default_factory=list)
    hits: list[bool] = field(default_factory=list)
    chances: list[float] = field(default_factory=list)


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


def score_all(scenes: int, samples: int) -> dict[str, Score]:
    """Return the scores of all methods, each on the same scenes."""
    encoder, sprites = fp.load_encoder(), Sprites()
    scores = {name: Score() for name in methods(samples)}
    for scene, caption in held_out(sprites, scenes, seed=_STREAM, objects=(2, 3, 4), complete=True):
        image = render(scene, sprites, 128)
        for name, (method, _) in methods(samples).items():
            score = scores[name]
            pairs, seconds = measure(encoder, image, caption.text, method)
            score.seconds.append(seconds)
            score.residuals.append(abs(pairs.ledger.residual))
            for heat, inside in nouns(pairs, scene, caption):
                score.hits.append(bool(inside.ravel()[heat.argmax()]))
                score.chances.append(float(inside.mean()))
    return scores


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
    scores = score_all(options.scenes, options.samples)
    unit = np.sum(scores["integrated Jacobians"].seconds)
    print("| method | one number is | forward passes | time | mean residual | pointing game |")
    print("|" + " --- |" * 6)
    for name, (method, meaning) in methods(options.samples).items():
        score = scores[name]
        print(
            f"| {name} | {meaning} | {passes(method):.0f} "
            f"| {np.sum(score.seconds) / unit:.2f} | {np.mean(score.residuals):.3f} "
            f"| {np.mean(score.hits):.2f} |"
        )
    score = scores["integrated Jacobians"]
    print(
        f"\n{options.scenes} held-out scenes, {len(score.hits)} nouns; a random patch would be "
        f"right for {np.mean(score.chances):.2f} of them. Times relative to integrated Jacobians "
        f"({unit / options.scenes:.2f} s a scene)."
    )


if __name__ == "__main__":
    main()
