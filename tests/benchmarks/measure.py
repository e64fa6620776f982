"""One measurement, alone in its process, so that its peak memory is its own.

``python -m tests.benchmarks.measure NAME JSON`` prints what it found as JSON.
Times are lists of all repeats, in seconds. Full-size models get random weights.
What a pass costs does not depend on them; how many nodes the default settings
take does, and is told beside the times.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from transformers import CLIPConfig, CLIPModel

import fpattr_widget as fp
from fpattr_widget.encoders.heads._flair_module import Flair, FlairSizes
from fpattr_widget.encoders.heads._llip_module import Llip, LlipSizes
from tests.benchmarks.exclip import side
from tests.benchmarks.records import peak_gigabytes

# Vision width, layers, heads, patch, image; text width, heads; shared space.
SIZES: dict[str, tuple[int, ...]] = {
    "ViT-B/32": (768, 12, 12, 32, 224, 512, 8, 512),
    "ViT-B/16": (768, 12, 12, 16, 224, 512, 8, 512),
    "ViT-L/14": (1024, 24, 16, 14, 224, 768, 12, 768),
    "ViT-L/14@336": (1024, 24, 16, 14, 336, 768, 12, 768),
    "tiny": (64, 2, 2, 16, 32, 64, 2, 32),  # says nothing
}


def random_encoder(
    size: str, device: str = "cpu", dtype: str = "float32", **options: Any
) -> fp.DualEncoder:
    width, layers, heads, patch, image, text_width, text_heads, shared = SIZES[size]
    torch.manual_seed(0)
    text = {
        "hidden_size": text_width,
        "intermediate_size": 4 * text_width,
        "num_attention_heads": text_heads,
        "bos_token_id": 49406,
        "eos_token_id": 49407,
    }
    vision = {
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "patch_size": patch,
        "image_size": image,
    }
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=shared))
    return fp.load_encoder(model, device=device, dtype=getattr(torch, dtype), **options)


def random_inputs(encoder: fp.DualEncoder, tokens: int) -> tuple[torch.Tensor, list[int]]:
    side = encoder.towers["image"].size[0]
    content = torch.randint(1000, 40_000, (tokens - 2,)).tolist()
    return torch.randn(1, 3, side, side), [49406, *content, 49407]


def seconds(run: Callable[[], Any]) -> float:
    """Return the time of ``run``."""
    started = time.perf_counter()
    run()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started


def forward(encoder: fp.DualEncoder, image: torch.Tensor, ids: list[int]) -> Callable[[], Any]:
    text, pixels = encoder.prepare(ids, "text").inputs, encoder.prepare(image, "image").inputs
    return lambda: (encoder.towers["text"].embed(text), encoder.towers["image"].embed(pixels))


def default_layer(
    size: str, tokens: int, device: str, dtype: str, repeats: int = 15
) -> dict[str, Any]:
    """Measure everything at the default layer with default settings, references cached.

    Each repeat has a picture and a caption that were never seen. What is
    compared is measured in turns: whatever else the machine does meets all
    alike.
    """
    encoder = random_encoder(size, device, dtype)
    found: dict[str, list[float]] = {}
    for repeat in range(1 + repeats):
        steps = one_repeat(encoder, tokens)
        if repeat:  # the first one warms up, and computes the references' states
            for name, taken in steps.items():
                found.setdefault(name, []).append(taken)
    pairs = fp.attribute(encoder, *random_inputs(encoder, tokens))
    _ = pairs.ledger  # measures
    return {**found, "described": pairs.provenance(), "peak": peak_gigabytes()}


def one_repeat(encoder: fp.DualEncoder, tokens: int) -> dict[str, float]:
    """Return the seconds of each step, on new pictures and captions of a length."""
    image, ids = random_inputs(encoder, tokens)
    _, other = random_inputs(encoder, tokens)
    found = {
        "forward": seconds(forward(encoder, image, ids)),
        "matrix": seconds(lambda: fp.attribute(encoder, image, ids).matrix),
        "another caption": seconds(lambda: fp.attribute(encoder, image, other).matrix),
    }
    pairs = fp.attribute(encoder, *random_inputs(encoder, tokens))
    found["first row"] = seconds(lambda: pairs.row(1))
    found["one more row"] = seconds(lambda: pairs.row(2))
    return found


def other_layer(
    size: str, tokens: int, layer: int, nodes: int, megabytes: int, device: str, dtype: str
) -> dict[str, Any]:
    """Measure a row, a region and the whole map where the general path serves."""
    encoder = random_encoder(size, device, dtype, memory_limit=megabytes * 2**20)
    image, ids = random_inputs(encoder, tokens)
    method = fp.IntegratedJacobians(steps=nodes)
    one_forward = forward(encoder, image, ids)
    one_forward()
    pairs = fp.attribute(encoder, image, ids, method, layer)
    mask = np.random.default_rng(0).random(pairs.grid) < 0.2
    return {
        "forward": [seconds(one_forward) for _ in range(3)],
        "first row": [seconds(lambda: pairs.row(1))],
        "one more row": [seconds(lambda: pairs.row(2))],
        "region": [seconds(lambda: pairs.of_region(mask))],
        "all other rows": [seconds(lambda: pairs.matrix)],
        "peak": peak_gigabytes(),
    }


def residuals(counts: list[int]) -> dict[str, list[float]]:
    """Measure both towers' completeness residual on the model of scenes, whose values matter."""
    from fpattr_widget.scenes import example

    encoder = fp.load_encoder("scenes")
    chosen = example("two-apples")
    image, caption = chosen.image, chosen.caption
    text, seen = encoder.prepare(caption, "text"), encoder.prepare(image, "image")
    found: dict[str, list[float]] = {}
    for rule in ("gauss-legendre", "right"):
        for tower, layers in (("text", (0, 1, 2)), ("image", (0, 2, 3))):
            for layer in layers:
                key = f"{rule}, {tower} block {layer}"
                for count in counts:
                    method = fp.IntegratedJacobians(steps=count, rule=rule)
                    side = (
                        method.measure(encoder.part(text, layer))
                        if tower == "text"
                        else method.measure(encoder.part(seen, layer))
                    )
                    found.setdefault(key, []).append(side.residual)
    return found


def agreement(size: str, tokens: int, device: str) -> dict[str, float]:
    """Compare a device's maps, in float32 and bfloat16, with the CPU's in float32."""
    encoder = random_encoder(size)
    image, ids = random_inputs(encoder, tokens)
    reference = fp.attribute(encoder, image, ids).matrix
    found = {}
    for dtype in ("float32", "bfloat16"):
        other = fp.attribute(random_encoder(size, device, dtype), image, ids).matrix
        found[dtype] = float(np.abs(other - reference).max() / np.abs(reference).max())
    return found


def contrasts(size: str, tokens: int, repeats: int) -> dict[str, Any]:
    """Measure the map of a contrast of two captions beside a single explanation's.

    Each repeat has a picture and captions that were never seen; further labels have the
    picture of the contrast. All are measured in turns.
    """
    encoder = random_encoder(size)
    found: dict[str, list[float]] = {}
    for repeat in range(1 + repeats):
        steps = one_contrast(encoder, tokens)
        if repeat:
            for name, taken in steps.items():
                found.setdefault(name, []).append(taken)
    return found


def one_contrast(encoder: fp.DualEncoder, tokens: int) -> dict[str, float]:
    """Return the seconds of each step, on new pictures and captions of a length."""
    (image, ids), (other_image, first) = (random_inputs(encoder, tokens) for _ in range(2))
    second, third = (random_inputs(encoder, tokens)[1] for _ in range(2))
    text = encoder.prepare(third, "text").inputs

    def whole(*sides: Any) -> np.ndarray:
        pairs = fp.attribute(encoder, *sides)
        return pairs.of_rows(range(len(pairs.rows.features)))

    return {
        "forward": seconds(forward(encoder, image, ids)),
        "text pass": seconds(lambda: encoder.towers["text"].embed(text)),
        "single": seconds(lambda: whole(image, ids)),
        "contrast": seconds(lambda: whole(other_image, fp.Text(first) - fp.Text(second))),
        "another label": seconds(lambda: whole(other_image, fp.Text(first) - fp.Text(third))),
    }


def prompts(size: str, tokens: int, parts: int) -> dict[str, Any]:
    """Measure the memory of an explanation of a mean of captions, and its time."""
    encoder = random_encoder(size)
    image, _ = random_inputs(encoder, tokens)
    captions = [fp.Text(random_inputs(encoder, tokens)[1]) for _ in range(parts)]
    pairs = fp.attribute(encoder, image, fp.mean(captions))
    taken = seconds(lambda: pairs.of_rows(range(len(pairs.rows.features))))
    return {"seconds": taken, "peak": peak_gigabytes()}


def random_headed(kind: str, size: str) -> fp.DualEncoder:
    """Return a Llip of 32 mixture tokens, or a FLAIR, with random weights."""
    width, layers, _, patch, image, text_width, _, shared = SIZES[size]
    torch.manual_seed(0)
    sizes: dict[str, int] = {
        "image_width": width,
        "image_blocks": layers,
        "image_hidden": 4 * width,
        "patch": patch,
        "grid": image // patch,
        "text_width": text_width,
        "text_blocks": layers,
        "text_hidden": 4 * text_width,
        "vocabulary": 49408,
        "longest": 77,
        "shared": shared,
    }
    if kind == "Llip":
        return fp.load_encoder(Llip(LlipSizes(**sizes, tokens=32)), weight_scale=5)
    return fp.load_encoder(Flair(FlairSizes(**sizes)))


def headed(kind: str, size: str, tokens: int, repeats: int) -> dict[str, Any]:
    """Measure maps of a score that a head makes, at the default layer with default settings.

    Each repeat has a picture and captions that were never seen. All are measured in turns.
    """
    encoder = random_headed(kind, size)
    found: dict[str, list[float]] = {}
    for repeat in range(1 + repeats):
        steps = one_headed(encoder, tokens)
        if repeat:  # the first one warms up, probes the model, and computes the references
            for name, taken in steps.items():
                found.setdefault(name, []).append(taken)
    peak = peak_gigabytes()
    pairs = fp.attribute(encoder, *random_inputs(encoder, tokens))
    _ = pairs.ledger  # measures
    return {"times": found, "nodes": pairs.provenance()["nodes"], "peak": peak}


def one_headed(encoder: fp.DualEncoder, tokens: int) -> dict[str, float]:
    """Return the seconds of each step, on a new picture and new captions of a length."""
    image, ids = random_inputs(encoder, tokens)
    second, third, fourth = (random_inputs(encoder, tokens)[1] for _ in range(3))
    text = encoder.prepare(ids, "text").inputs

    def whole(caption: list[int], **how: Any) -> np.ndarray:
        return fp.attribute(encoder, image, caption, **how).matrix

    mask = np.zeros(fp.attribute(encoder, image, fourth).grid, bool)
    mask[0] = True
    return {
        "forward": seconds(forward(encoder, image, ids)),
        "text pass": seconds(lambda: encoder.towers["text"].embed(text)),
        "map": seconds(lambda: whole(ids)),
        "another caption": seconds(lambda: whole(second)),
        "frozen": seconds(lambda: whole(third, reading="frozen")),
        "region": seconds(lambda: fp.attribute(encoder, image, fourth).of_region(mask)),
    }


MEASUREMENTS: dict[str, Callable[..., dict[str, Any]]] = {
    measurement.__name__: measurement
    for measurement in (
        default_layer,
        other_layer,
        side,
        residuals,
        agreement,
        contrasts,
        prompts,
        headed,
    )
}


if __name__ == "__main__":
    print(json.dumps(MEASUREMENTS[sys.argv[1]](**json.loads(sys.argv[2]))))
