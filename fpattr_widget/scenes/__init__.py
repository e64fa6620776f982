"""Labelled scenes: pictures of known objects at known places, with captions.

The scenes train the bundled model and give every measure of grounding its
ground truth. Rendering needs the sprites of the npm package
``@lobehub/fluent-emoji-3d`` (MIT, Microsoft's Fluent Emoji).
"""

from .captions import Caption, Mention, contradict, describe
from .examples import Example, example, example_names
from .kinds import KINDS, TRAINED_KINDS, WITHHELD_KINDS, Kind
from .layout import Scene, SceneObject, sample_scene
from .render import Sprites, render

__all__ = [
    "KINDS",
    "TRAINED_KINDS",
    "WITHHELD_KINDS",
    "Caption",
    "Example",
    "Kind",
    "Mention",
    "Scene",
    "SceneObject",
    "Sprites",
    "contradict",
    "describe",
    "example",
    "example_names",
    "render",
    "sample_scene",
]
