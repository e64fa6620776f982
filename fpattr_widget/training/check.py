"""Check whether a model recognises captions, kinds and places of held-out scenes.

``python -m fpattr_widget.training.check [MODEL]`` prints the shares. How well
its words point, and at which layers best, is measured by ``fpattr-widget
evaluate scenes --model MODEL --layer all``; the best pair of layers belongs in
the model folder's ``attribution.json``.
"""

import argparse

import numpy as np

from ..encoders import DualEncoder, load_encoder
from ..scenes import TRAINED_KINDS, Sprites, held_out, render, sample_scene

_RELATIONS_STREAM = 3  # others are in use


def retrieval(encoder: DualEncoder, sprites: Sprites, number: int) -> float:
    """Return the share of pictures whose nearest caption of ``number`` is their own."""
    pairs = held_out(number, sprites.aspect_ratios)
    images = encoder.embed_image([render(scene, sprites, 128) for scene, _ in pairs])
    texts = encoder.embed_text([caption.text for _, caption in pairs])
    return float(((images @ texts.T).argmax(1) == np.arange(number)).mean())


def recognition(encoder: DualEncoder, sprites: Sprites, number: int = 300) -> float:
    """Return the share of lone objects whose kind is nearest among all trained kinds."""
    names = [kind.name for kind in TRAINED_KINDS]
    texts = encoder.embed_text([f"{kind.article} {kind.name}".strip() for kind in TRAINED_KINDS])
    drawn = held_out(number, sprites.aspect_ratios, seed=1, objects=(1,))
    scenes = [scene for scene, _ in drawn]
    images = encoder.embed_image([render(scene, sprites, 128) for scene in scenes])
    truth = np.array([names.index(scene.objects[0].kind) for scene in scenes])
    return float(((images @ texts.T).argmax(1) == truth).mean())


def relations(encoder: DualEncoder, sprites: Sprites, number: int = 200) -> dict[str, float]:
    """Return the share of true relations that beat their opposites, by pair of relations."""
    scores = {}
    for axis, (before, after) in enumerate((("left of", "right of"), ("above", "below"))):
        generator = np.random.default_rng([_RELATIONS_STREAM, axis])
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="scenes")
    parser.add_argument("--sprites", help="folder of the emoji; node_modules by default")
    arguments = parser.parse_args()
    encoder, sprites = load_encoder(arguments.model), Sprites(arguments.sprites)
    print(encoder)
    print(f"recognition, {len(TRAINED_KINDS)} ways: {recognition(encoder, sprites):.3f}")
    print(f"caption retrieval, 200 ways: {retrieval(encoder, sprites, 200):.3f}")
    for name, share in relations(encoder, sprites).items():
        print(f"{name}: {share:.3f}")


if __name__ == "__main__":
    main()
