"""Data sets to evaluate on: read from files, bundled, or drawn.

To add a data set, write one file with a function of its name that returns a
``Dataset``; import it here and add it to ``__all__``. Readers of files share
``_reading.py``: they collect what cannot be read in a ``ProblemLog`` and end with
``finished``. Sources of images must be paths or picklable objects, so that
samples can be sent to other processes. To offer it on the command line, add its
files to ``DATASET_FILES`` in ``fpattr_widget/choices.py``; a test compares the two.
"""

from .aro import aro
from .coco import coco
from .differences import differences
from .flickr30k_entities import flickr30k_entities
from .grids import grids
from .hnc import hnc
from .photographs import photographs
from .scenes import examples, scenes
from .sugarcrepe import sugarcrepe
from .table import table
from .winoground import winoground

__all__ = [
    "aro",
    "coco",
    "differences",
    "examples",
    "flickr30k_entities",
    "grids",
    "hnc",
    "photographs",
    "scenes",
    "sugarcrepe",
    "table",
    "winoground",
]
