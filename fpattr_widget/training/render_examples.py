"""Render the drawn examples: ``python -m fpattr_widget.training.render_examples``."""

import argparse
import json
from pathlib import Path

from ..assets import EXAMPLES_FOLDER
from ..scenes import KINDS, Mention, Scene, SceneObject, Sprites, render

_SIDE = 384

# name: (ground, texture, objects as (kind, centre x, centre y, extent, mirrored), caption).
# A noun of the caption is linked to the objects of its kind.
_RECIPES: dict[str, tuple[str, int, list[tuple[str, float, float, float, bool]], str]] = {
    "dog-and-ball": (
        "grass",
        11,
        [("dog", 0.32, 0.60, 0.46, True), ("ball", 0.78, 0.70, 0.26, False)],
        "a dog next to a ball",
    ),
    "picnic": (
        "grass",
        4,
        [
            ("dog", 0.28, 0.68, 0.42, False),
            ("balloon", 0.70, 0.26, 0.38, False),
            ("bicycle", 0.76, 0.74, 0.38, False),
        ],
        "a dog, a balloon and a bicycle on the grass",
    ),
    "harbour": (
        "water",
        3,
        [("boat", 0.34, 0.27, 0.42, False), ("whale", 0.66, 0.72, 0.44, False)],
        "a boat above a whale",
    ),
    "farm": (
        "sand",
        8,
        [
            ("cow", 0.28, 0.68, 0.42, False),
            ("tree", 0.72, 0.28, 0.44, False),
            ("pig", 0.74, 0.76, 0.32, True),
        ],
        "a cow, a pig and a tree",
    ),
    "wrong-place": (
        "night",
        5,
        [("owl", 0.36, 0.25, 0.36, False), ("castle", 0.56, 0.72, 0.46, False)],
        "an owl under a castle at night",
    ),
    "wrong-word": (
        "road",
        2,
        [("cat", 0.30, 0.34, 0.42, False), ("car", 0.68, 0.74, 0.44, False)],
        "a horse and a car on the road",
    ),
    "two-apples": (
        "plain",
        21,
        [
            ("apple", 0.24, 0.30, 0.32, False),
            ("apple", 0.72, 0.70, 0.36, False),
            ("banana", 0.72, 0.24, 0.34, False),
        ],
        "two apples and a banana",
    ),
    "left-and-right": (
        "plain",
        14,
        [("robot", 0.25, 0.50, 0.40, False), ("guitar", 0.75, 0.50, 0.42, False)],
        "a robot to the left of a guitar",
    ),
    "big-and-small": (
        "sky",
        6,
        [("elephant", 0.38, 0.60, 0.56, False), ("bee", 0.82, 0.20, 0.22, True)],
        "a big elephant and a small bee",
    ),
    "one-of-four": (
        "plain",
        33,
        [
            ("pizza", 0.25, 0.26, 0.34, False),
            ("clock", 0.74, 0.25, 0.34, False),
            ("turtle", 0.27, 0.75, 0.36, False),
            ("kite", 0.74, 0.75, 0.36, False),
        ],
        "a picture of a pizza",
    ),
    "never-taught": (
        "snow",
        7,
        [("penguin", 0.28, 0.58, 0.44, False), ("umbrella", 0.72, 0.42, 0.44, False)],
        "a penguin and an umbrella in the snow",
    ),
    "fruit": (
        "plain",
        40,
        [
            ("strawberry", 0.26, 0.27, 0.34, False),
            ("pineapple", 0.74, 0.28, 0.38, False),
            ("grapes", 0.27, 0.75, 0.38, False),
            ("lemon", 0.75, 0.76, 0.32, False),
        ],
        "a strawberry, a pineapple, grapes and a lemon",
    ),
}


def _build(name: str, sprites: Sprites) -> Scene:
    ground, texture, things, _ = _RECIPES[name]
    objects = []
    for kind, x, y, extent, mirrored in things:
        ratio = sprites.aspect_ratios[kind]
        width, height = (extent, extent / ratio) if ratio >= 1 else (extent * ratio, extent)
        left, top = round(x - width / 2, 4), round(y - height / 2, 4)
        right, bottom = round(x + width / 2, 4), round(y + height / 2, 4)
        objects.append(SceneObject(kind, (left, top, right, bottom), mirrored))
    return Scene(tuple(objects), ground, texture)


def _mentions(caption: str, scene: Scene) -> list[Mention]:
    mentions, position = [], 0
    for word in caption.replace(",", " ,").split():
        start = caption.index(word, position)
        position = start + len(word)
        kind = next((k.name for k in KINDS.values() if word in (k.name, k.plural)), None)
        if kind:
            objects = tuple(i for i, thing in enumerate(scene.objects) if thing.kind == kind)
            mentions.append(Mention(start, position, objects))
    return mentions


def render_examples(folder: Path, sprites: Sprites) -> None:
    """Render all examples into ``folder`` with an index of captions, boxes and mentions."""
    folder.mkdir(parents=True, exist_ok=True)
    index = {}
    for name, (*_, caption) in _RECIPES.items():
        scene = _build(name, sprites)
        render(scene, sprites, _SIDE).save(folder / f"{name}.webp", quality=90, method=6)
        index[name] = {
            "caption": caption,
            "objects": [{"kind": o.kind, "box": o.box} for o in scene.objects],
            "mentions": [
                {"start": m.start, "stop": m.stop, "objects": m.objects}
                for m in _mentions(caption, scene)
            ],
        }
    (folder / "examples.json").write_text(json.dumps(index, indent=1) + "\n", "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path(str(EXAMPLES_FOLDER)))
    parser.add_argument("--sprites", help="folder of the emoji; node_modules by default")
    arguments = parser.parse_args()
    render_examples(arguments.output, Sprites(arguments.sprites))


if __name__ == "__main__":
    main()
