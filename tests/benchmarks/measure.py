"""One measurement, alone in its process, so that its peak memory is its own.

``python -m tests.benchmarks.measure NAME JSON`` prints what it found as JSON.
Full-size models get random weights: cost does not depend on the values.
"""

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from transformers import CLIPConfig, CLIPModel

import fpattr_widget as fp

# Vision width, layers, heads, patch, image; text width, heads; shared space.
SIZES: dict[str, tuple[int, ...]] = {
    "ViT-B/32": (768, 12, 12, 32, 224, 512, 8, 512),
    "ViT-B/16": (768, 12, 12, 16, 224, 512, 8, 512),
    "ViT-L/14": (1024, 24, 16, 14, 224, 768, 12, 768),
    "ViT-L/14@336": (1024, 24, 16, 14, 336, 768, 12, 768),
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
    side = encoder.image_tower.size[0]
    content = torch.randint(1000, 40_000, (tokens - 2,)).tolist()
    return torch.randn(1, 3, side, side), [49406, *content, 49407]


def seconds(run: Callable[[], Any], repeats: int) -> float:
    """Return the median time of ``run`` after one run to warm up."""
    run()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        run()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def peak_gigabytes() -> float:
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def forward(encoder: fp.DualEncoder, image: torch.Tensor, ids: list[int]) -> Callable[[], Any]:
    text, pixels = encoder.prepare_text(ids).inputs, encoder.prepare_image(image).inputs
    return lambda: (encoder.text_tower.embed(text), encoder.image_tower.embed(pixels))


def whole_map(
    encoder: fp.DualEncoder, image: torch.Tensor, ids: list[int], **settings: Any
) -> Callable[[], Any]:
    """Return what explains an image that was never seen, reference states cached."""
    return lambda: fp.attribute(encoder, image + 0.01 * torch.randn(1), ids, **settings).matrix


def default_layer(size: str, tokens: int, device: str, dtype: str) -> dict[str, float]:
    """Measure everything at the default layer with default settings."""
    encoder = random_encoder(size, device, dtype)
    image, ids = random_inputs(encoder, tokens)
    repeats = 5 if "L" in size else 15
    matrix = whole_map(encoder, image, ids)
    one_forward = seconds(forward(encoder, image, ids), repeats)
    rows = [first_rows(encoder, image, ids) for _ in range(repeats)]
    return {
        "forward": one_forward,
        "matrix": seconds(matrix, repeats),
        "first row": statistics.median(first for first, _ in rows),
        "one more row": statistics.median(more for _, more in rows),
        "new caption": seconds(lambda: new_caption(encoder, image, ids), repeats),
        "peak": peak_gigabytes(),
    }


def first_rows(encoder: fp.DualEncoder, image: torch.Tensor, ids: list[int]) -> tuple[float, float]:
    """Return the seconds that the first row of an image never seen takes, and one row more."""
    unseen = image + 0.01 * torch.randn(1)
    started = time.perf_counter()
    pairs = fp.attribute(encoder, unseen, ids)
    pairs.row(1)
    first = time.perf_counter()
    pairs.row(2)
    return first - started, time.perf_counter() - first


def new_caption(encoder: fp.DualEncoder, image: torch.Tensor, ids: list[int]) -> np.ndarray:
    """Explain another caption of the same length on the same image."""
    other = [ids[0], *torch.randint(1000, 40_000, (len(ids) - 2,)).tolist(), ids[-1]]
    return fp.attribute(encoder, image, other).matrix


def other_layer(
    size: str, tokens: int, layer: int, nodes: int, megabytes: int, device: str, dtype: str
) -> dict[str, float]:
    """Measure a row, a region and the whole map where the general path serves."""
    encoder = random_encoder(size, device, dtype, memory_limit=megabytes * 2**20)
    image, ids = random_inputs(encoder, tokens)
    method = fp.IntegratedJacobians(steps=nodes)
    one_forward = seconds(forward(encoder, image, ids), 3)

    started = time.perf_counter()
    pairs = fp.attribute(encoder, image, ids, method, layer)
    pairs.row(1)
    first = time.perf_counter() - started
    started = time.perf_counter()
    pairs.row(2)
    row = time.perf_counter() - started
    mask = np.random.default_rng(0).random(pairs.grid) < 0.2
    started = time.perf_counter()
    pairs.of_region(mask)
    region = time.perf_counter() - started
    started = time.perf_counter()
    _ = pairs.matrix
    rest = time.perf_counter() - started
    return {
        "forward": one_forward,
        "first row": first,
        "one more row": row,
        "region": region,
        "all other rows": rest,
        "peak": peak_gigabytes(),
    }


def published(tokens: int, nodes: int) -> dict[str, float]:
    """Time the authors' package on a ViT-B/32 in OpenAI's layout."""
    from exclip.explanation import OpenAIExplainer

    from tests.parity.test_exclip import random_openai_clip

    model = random_openai_clip()
    ids = [49406, *torch.randint(1000, 40_000, (tokens - 2,)).tolist(), 49407]
    padded = torch.tensor([ids + [0] * (77 - len(ids))])
    explainer = OpenAIExplainer(model, device=torch.device("cpu"))
    started = time.perf_counter()
    explainer.explain(padded, torch.randn(1, 3, 224, 224), text_layer=11, image_layer=11, N=nodes)
    return {"matrix": time.perf_counter() - started, "peak": peak_gigabytes()}


def ours(tokens: int, nodes: int) -> dict[str, float]:
    """Time our map by the same rule and nodes."""
    encoder = random_encoder("ViT-B/32")
    image, ids = random_inputs(encoder, tokens)
    method = fp.IntegratedJacobians(steps=nodes, rule="right", text_reference="exclip")
    return {
        "matrix": seconds(whole_map(encoder, image, ids, method=method, layer=-1), 15),
        "peak": peak_gigabytes(),
    }


def residuals(counts: list[int]) -> dict[str, list[float]]:
    """Measure both towers' completeness residual on the bundled model, whose values matter."""
    from fpattr_widget.scenes import example

    encoder = fp.load_encoder()
    chosen = example("two-apples")
    image, caption = chosen.image, chosen.caption
    text, seen = encoder.prepare_text(caption), encoder.prepare_image(image)
    found: dict[str, list[float]] = {}
    for rule in ("gauss-legendre", "right"):
        for tower, layers in (("text", (0, 1, 2)), ("image", (0, 2, 3))):
            for layer in layers:
                key = f"{rule}, {tower} block {layer}"
                for count in counts:
                    method = fp.IntegratedJacobians(steps=count, rule=rule)
                    side = (
                        method.measure_text(encoder, text, layer)
                        if tower == "text"
                        else method.measure_image(encoder, seen, layer)
                    )
                    found.setdefault(key, []).append(side.residual)
    return found


def agreement(size: str, tokens: int) -> dict[str, float]:
    """Compare a GPU's maps with the CPU's, in float32 and bfloat16."""
    encoder = random_encoder(size)
    image, ids = random_inputs(encoder, tokens)
    reference = fp.attribute(encoder, image, ids).matrix
    found = {}
    for dtype in ("float32", "bfloat16"):
        other = fp.attribute(random_encoder(size, "cuda", dtype), image, ids).matrix
        found[dtype] = float(np.abs(other - reference).max() / np.abs(reference).max())
    return found


MEASUREMENTS: dict[str, Callable[..., dict[str, Any]]] = {
    measurement.__name__: measurement
    for measurement in (default_layer, other_layer, published, ours, residuals, agreement)
}


if __name__ == "__main__":
    print(json.dumps(MEASUREMENTS[sys.argv[1]](**json.loads(sys.argv[2]))))
