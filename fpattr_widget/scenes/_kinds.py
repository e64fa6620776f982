"""The kinds of object that a scene can hold, and the emoji that draws each."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One kind of object.

    Attributes
    ----------
    name
        The singular noun used in captions.
    plural
        The plural noun.
    article
        ``"a"``, ``"an"`` or ``""`` for nouns that take none.
    sprite
        File stem of the emoji, its hexadecimal code points.
    """

    name: str
    plural: str
    article: str
    sprite: str


_IRREGULAR_PLURALS = {
    "butterfly": "butterflies",
    "bus": "buses",
    "cactus": "cacti",
    "fish": "fish",
    "grapes": "grapes",
    "octopus": "octopuses",
    "scissors": "scissors",
    "sheep": "sheep",
    "snowman": "snowmen",
    "strawberry": "strawberries",
    "teddy": "teddies",
    "trophy": "trophies",
}

_SPRITES = """
dog 1f415, cat 1f408, horse 1f40e, cow 1f404, pig 1f416, sheep 1f411,
elephant 1f418, rabbit 1f407, bird 1f426, duck 1f986, owl 1f989, fish 1f41f,
whale 1f433, turtle 1f422, bee 1f41d, butterfly 1f98b, lion 1f981,
monkey 1f412, frog 1f438, crab 1f980, octopus 1f419, snail 1f40c,
giraffe 1f992, car 1f697, bus 1f68c, bicycle 1f6b2, train 1f686,
airplane 2708-fe0f, boat 26f5, rocket 1f680, truck 1f69a, helicopter 1f681,
apple 1f34e, banana 1f34c, grapes 1f347, strawberry 1f353, pineapple 1f34d,
lemon 1f34b, pizza 1f355, cake 1f370, carrot 1f955, donut 1f369, bread 1f35e,
tree 1f333, cactus 1f335, sunflower 1f33b, mushroom 1f344, house 1f3e0,
castle 1f3f0, tent 26fa, umbrella 2602-fe0f, guitar 1f3b8, drum 1f941,
trumpet 1f3ba, book 1f4d6, clock 23f0, camera 1f4f7, key 1f511, chair 1fa91,
ladder 1fa9c, ball 26bd, balloon 1f388, kite 1fa81, crown 1f451,
robot 1f916, hat 1f3a9, bell 1f514, gift 1f381, trophy 1f3c6, snowman 26c4,
scissors 2702-fe0f, hammer 1f528, teddy 1f9f8, anchor 2693
"""

# Never shown in training, though their words are in the vocabulary, so that
# gaps in a model's knowledge can be shown.
_WITHHELD_SPRITES = """
penguin 1f427, tractor 1f69c, violin 1f3bb, cheese 1f9c0, snake 1f40d,
candle 1f56f-fe0f
"""


def _article(name: str) -> str:
    if name in ("grapes", "scissors"):
        return ""
    return "an" if name[0] in "aeio" or name.startswith("um") else "a"


def _parse(table: str) -> tuple[Kind, ...]:
    pairs = (entry.split() for entry in table.split(","))
    return tuple(
        Kind(name, _IRREGULAR_PLURALS.get(name, name + "s"), _article(name), sprite)
        for name, sprite in pairs
    )


TRAINED_KINDS: tuple[Kind, ...] = _parse(_SPRITES)
WITHHELD_KINDS: tuple[Kind, ...] = _parse(_WITHHELD_SPRITES)
KINDS: dict[str, Kind] = {kind.name: kind for kind in (*TRAINED_KINDS, *WITHHELD_KINDS)}
