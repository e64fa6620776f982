"""The bundled model and example pictures, and where they are."""

from importlib.resources import files
from importlib.resources.abc import Traversable

_HERE = files(__name__)

#: The folder of the bundled model, in the layout of ``save_pretrained``.
MODEL_FOLDER: Traversable = _HERE / "model"

#: The folder of the example pictures, and of ``examples.json``, which describes them.
EXAMPLES_FOLDER: Traversable = _HERE / "examples"

__all__ = ["EXAMPLES_FOLDER", "MODEL_FOLDER"]
