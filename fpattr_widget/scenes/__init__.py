"""Labelled scenes: pictures of known objects at known places, with captions.

They train the model ``"scenes"``, and are the ground truth of its evaluation.
Rendering needs the sprites of the npm package ``@lobehub/fluent-emoji-3d``
(MIT, Microsoft's Fluent Emoji).
"""

from ._captions import (
    Caption,
    Mention,
    contradict,
    describe,
    ground_named,
    locate,
    misplace,
    single_out,
    vocabulary,
)
from ._differences import (
    CHANGES,
    DIFFERENCE_WORDS,
    WORDINGS,
    Change,
    Difference,
    Shown,
    Told,
    Wording,
    change_scene,
    tell,
)
from ._examples import Example, example, example_names
from ._held_out import held_out
from ._kinds import KINDS, TRAINED_KINDS, WITHHELD_KINDS, Kind
from ._layout import (
    GROUNDS,
    Scene,
    SceneObject,
    exchange,
    join,
    mirror,
    sample_quarters,
    sample_scene,
)
from ._paraphrases import REWRITES, Rewording, reword
from ._render import Sprites, render, render_joined

__all__ = [
    "CHANGES",
    "DIFFERENCE_WORDS",
    "GROUNDS",
    "KINDS",
    "REWRITES",
    "TRAINED_KINDS",
    "WITHHELD_KINDS",
    "WORDINGS",
    "Caption",
    "Change",
    "Difference",
    "Example",
    "Kind",
    "Mention",
    "Rewording",
    "Scene",
    "SceneObject",
    "Shown",
    "Sprites",
    "Told",
    "Wording",
    "change_scene",
    "contradict",
    "describe",
    "example",
    "example_names",
    "exchange",
    "ground_named",
    "held_out",
    "join",
    "locate",
    "mirror",
    "misplace",
    "render",
    "render_joined",
    "reword",
    "sample_quarters",
    "sample_scene",
    "single_out",
    "tell",
    "vocabulary",
]
