"""Score a model on held-out scenes: does it tell captions apart, do its words point?

``python -m fpattr_widget.scenes.check [MODEL]`` prints retrieval and relation
scores and, for every pair of split layers, the pointing game. The best pair
belongs in the model folder's ``attribution.json``.
"""

import argparse
import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from ..encoders import DualEncoder, Layer, load_encoder
from ..methods import IntegratedJacobians, Method
from ..pairs import FeaturePairs, attribute
from .captions import Caption, describe
from .kinds import TRAINED_KINDS
from .layout import Scene, sample_scene
from .render import Sprites, render

_HELD_OUT_STREAM = 1  # training scenes come from stream 0, see train.py


def held_out(
    sprites: Sprites,
    number: int,
    *,
    seed: int = 0,
    objects: Sequence[int] = (1, 2, 3, 4),
    complete: bool = False,
) -> list[tuple[Scene, Caption]]:
    """Return scenes that training never draws, with one caption each, all different."""
    generator = np.random.default_rng([_HELD_OUT_STREAM, seed])
    found: dict[str, tuple[Scene, Caption]] = {}
    while len(found) < number:
        count = int(generator.choice(objects))
        scene = sample_scene(generator, sprites.aspect_ratios, count=count)
        caption = describe(scene, generator, complete=complete)
        found.setdefault(caption.text, (scene, caption))
    return list(found.values())


def retrieval(encoder: DualEncoder, sprites: Sprites, number: int, seed: int = 0) -> float:
    """Return how often the right one of ``number`` captions is nearest to its picture."""
    pairs = held_out(sprites, number, seed=seed, complete=True)
    images = encoder.embed_image([render(scene, sprites, 128) for scene, _ in pairs])
    texts = encoder.embed_text([caption.text for _, caption in pairs])
    return float(((images @ texts.T).argmax(1) == np.arange(number)).mean())


def recognition(encoder: DualEncoder, sprites: Sprites, number: int = 300) -> float:
    """Return how often a lone object is told from all trained kinds."""
    names = [kind.name for kind in TRAINED_KINDS]
    texts = encoder.embed_text([f"{kind.article} {kind.name}".strip() for kind in TRAINED_KINDS])
    scenes = [scene for scene, _ in held_out(sprites, number, seed=1, objects=(1,))]
    images = encoder.embed_image([render(scene, sprites, 128) for scene in scenes])
    truth = np.array([names.index(scene.objects[0].kind) for scene in scenes])
    return float(((images @ texts.T).argmax(1) == truth).mean())


def relations(encoder: DualEncoder, sprites: Sprites, number: int = 200) -> dict[str, float]:
    """Return how often a true relation beats its opposite, by pair of relations."""
    scores = {}
    for axis, (before, after) in enumerate((("left of", "right of"), ("above", "below"))):
        generator = np.random.default_rng([_HELD_OUT_STREAM, 2, axis])
        right = tried = 0
        while tried < number:
            scene = sample_scene(generator, sprites.aspect_ratios, count=2)
            if len(scene.objects) < 2 or scene.objects[0].kind == scene.objects[1].kind:
                continue
            first, second = scene.objects
            gap = first.centre[axis] - second.centre[axis]
            if abs(gap) < 0.25:
                continue
            tried += 1
            image = encoder.embed_image([render(scene, sprites, 128)])[0]
            texts = encoder.embed_text(
                [f"a {first.kind} {word} a {second.kind}" for word in (before, after)]
            )
            right += int((texts @ image).argmax() == int(gap > 0))
        scores[f"{before} / {after}"] = right / number
    return scores


def patches_in_box(box: tuple[float, float, float, float], grid: tuple[int, int]) -> np.ndarray:
    """Return which patches have their centre in ``box`` (fractions), ``grid`` bool."""
    rows, columns = grid
    y = ((np.arange(rows) + 0.5) / rows)[:, None]
    x = ((np.arange(columns) + 0.5) / columns)[None, :]
    left, top, right, bottom = box
    return (left <= x) & (x < right) & (top <= y) & (y < bottom)


def nouns(
    pairs: FeaturePairs, scene: Scene, caption: Caption
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield each noun's map, and which patches lie in a box of its objects, ``grid`` each."""
    for mention in caption.mentions:
        boxes = [patches_in_box(scene.objects[i].box, pairs.grid) for i in mention.objects]
        tokens = [
            i
            for i, token in enumerate(pairs.tokens)
            if token.start is not None and mention.start <= token.start < mention.stop
        ]
        yield pairs.of_tokens(tokens), np.logical_or.reduce(boxes)


def pointing(
    encoder: DualEncoder,
    sprites: Sprites,
    layer: Layer,
    number: int,
    method: Method,
    seed: int = 3,
) -> dict[str, float]:
    """Play the pointing game with every noun of complete captions.

    Returns
    -------
    dict
        ``accuracy``: share of nouns whose strongest patch lies in a box of
        their object; ``chance``: the boxes' mean share of the picture;
        ``energy``: mean share of positive mass inside, over chance; ``nouns``.
    """
    hits, chances, energies = [], [], []
    for scene, caption in held_out(sprites, number, seed=seed, objects=(2, 3, 4), complete=True):
        pairs = attribute(encoder, render(scene, sprites, 128), caption.text, method, layer)
        for heat, inside in nouns(pairs, scene, caption):
            positive = np.maximum(heat, 0)
            hits.append(bool(inside.ravel()[heat.argmax()]))
            chances.append(inside.mean())
            energies.append(positive[inside].sum() / max(positive.sum(), 1e-12))
    chance = float(np.mean(chances))
    return {
        "accuracy": float(np.mean(hits)),
        "chance": chance,
        "energy": float(np.mean(energies)) / chance,
        "nouns": len(hits),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="bundled")
    parser.add_argument("--scenes", type=int, default=40, help="scenes for the pointing game")
    parser.add_argument("--sprites", help="folder of the emoji; node_modules by default")
    parser.add_argument("--own-layer", action="store_true", help="only the model's own layers")
    arguments = parser.parse_args()
    encoder, sprites = load_encoder(arguments.model), Sprites(arguments.sprites)
    print(encoder)
    print(f"recognition, {len(TRAINED_KINDS)} ways: {recognition(encoder, sprites):.3f}")
    print(f"caption retrieval, 200 ways: {retrieval(encoder, sprites, 200):.3f}")
    for name, share in relations(encoder, sprites).items():
        print(f"{name}: {share:.3f}")
    depths = [
        range(len(encoder.text_tower.blocks)),
        range(len(encoder.image_tower.blocks)),
    ]
    layers = list(itertools.product(*depths))
    if arguments.own_layer:
        layers = [encoder.resolve_layers(None)]
    print("pointing game\n  text block  image block  reference  accuracy  chance  energy/chance")
    for reference in ("pad", "exclip"):
        method = IntegratedJacobians(steps=16, text_reference=reference)
        for text_layer, image_layer in layers:
            score = pointing(encoder, sprites, (text_layer, image_layer), arguments.scenes, method)
            print(
                f"  {text_layer:10d}  {image_layer:11d}  {reference:>9s}  {score['accuracy']:8.3f}"
                f"  {score['chance']:6.3f}  {score['energy']:13.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
