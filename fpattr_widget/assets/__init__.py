"""The bundled model and example pictures, and what finds them."""

from importlib.resources import files
from importlib.resources.abc import Traversable

_HERE = files(__name__)

#: The folder of the bundled model, as ``save_pretrained`` writes one.
MODEL_FOLDER: Traversable = _HERE / "model"

#: The folder of the example pictures, and of ``examples.json``, which says what is in them.
EXAMPLES_FOLDER: Traversable = _HERE / "examples"

__all__ = ["EXAMPLES_FOLDER", "MODEL_FOLDER"]
