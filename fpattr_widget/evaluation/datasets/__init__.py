"""Data sets to evaluate on: read from files, bundled, or drawn.

To add a data set, write one file with a function of its name that returns a
``Dataset``; import it here and add it to ``__all__``. Readers of files share
``_reading.py``: they collect what cannot be read in a ``ProblemLog`` and end with
``finished``. Sources of images must be paths or picklable objects, so that
samples can be sent to other processes. To offer it on the command line, add its
files to ``DATASET_FILES`` in ``fpattr_widget/choices.py``; a test compares the two.
Functions that return ``Paraphrases`` are in ``PARAPHRASE_FILES`` there.
"""

from .aro import aro
from .coco import coco
from .coco_paraphrases import coco_paraphrases
from .differences import differences
from .flickr30k_entities import flickr30k_entities
from .grids import grids
from .hnc import hnc
from .paraphrase_table import paraphrase_table
from .photograph_paraphrases import photograph_paraphrases
from .photographs import photographs
from .scene_paraphrases import scene_paraphrases
from .scenes import examples, scenes
from .sugarcrepe import sugarcrepe
from .table import table
from .winoground import winoground

__all__ = [
    "aro",
    "coco",
    "coco_paraphrases",
    "differences",
    "examples",
    "flickr30k_entities",
    "grids",
    "hnc",
    "paraphrase_table",
    "photograph_paraphrases",
    "photographs",
    "scene_paraphrases",
    "scenes",
    "sugarcrepe",
    "table",
    "winoground",
]
