"""The bundled models, drawn examples and photographs, and where they are."""

from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable

from ._photographs import PICTURES_FOLDER, Photograph, photograph, photograph_names, picture_index

_HERE = files(__name__)

#: The folders of the bundled models by their names: ``"bundled"`` knows photographs, ``"scenes"``
#: the drawn scenes that it was trained on, both in the layout of ``save_pretrained``; ``"llip"``
#: is a Llip of drawn scenes, with the weights' names of the published ones.
MODEL_FOLDERS: Mapping[str, Traversable] = {
    "bundled": _HERE / "photographs",
    "scenes": _HERE / "scenes",
    "llip": _HERE / "llip",
}

#: The folder of the drawn examples, and of ``examples.json``, which describes them.
EXAMPLES_FOLDER: Traversable = _HERE / "examples"

__all__ = [
    "EXAMPLES_FOLDER",
    "MODEL_FOLDERS",
    "PICTURES_FOLDER",
    "Photograph",
    "photograph",
    "photograph_names",
    "picture_index",
]
