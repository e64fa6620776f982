"""Data sets to evaluate on: read from files, bundled, or made on the spot."""

from .coco import coco
from .flickr30k_entities import flickr30k_entities
from .grids import grids
from .scenes import examples, scenes
from .table import table

__all__ = [
    "coco",
    "examples",
    "flickr30k_entities",
    "grids",
    "scenes",
    "table",
]
