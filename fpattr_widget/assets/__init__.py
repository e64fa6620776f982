"""The bundled model, example pictures and photographs, and where they are."""

import json
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

_HERE = files(__name__)

#: The folder of the bundled model, in the layout of ``save_pretrained``.
MODEL_FOLDER: Traversable = _HERE / "model"

#: The folder of the example pictures, and of ``examples.json``, which describes them.
EXAMPLES_FOLDER: Traversable = _HERE / "examples"

#: The folder of the photographs, and of ``pictures.json``, which describes them.
PICTURES_FOLDER: Traversable = _HERE / "pictures"


@lru_cache(maxsize=1)
def picture_index() -> dict[str, Any]:
    """Return what ``pictures.json`` says: ``"packages"`` and ``"pictures"``, by name."""
    index: dict[str, Any] = json.loads((PICTURES_FOLDER / "pictures.json").read_text("utf-8"))
    return index


__all__ = ["EXAMPLES_FOLDER", "MODEL_FOLDER", "PICTURES_FOLDER", "picture_index"]
