"""Do the words find their objects? Data sets, metrics and reports."""

from ..errors import Problem
from . import datasets
from ._dataset import Dataset, Phrase, Sample
from ._evaluate import evaluate
from ._foil import Foil
from ._paraphrases import GalleryImage, Paraphrase, Paraphrases
from ._report import Report
from ._scored_foil import ScoredFoil
from ._scored_phrase import ScoredPhrase

__all__ = [
    "Dataset",
    "Foil",
    "GalleryImage",
    "Paraphrase",
    "Paraphrases",
    "Phrase",
    "Problem",
    "Report",
    "Sample",
    "ScoredFoil",
    "ScoredPhrase",
    "datasets",
    "evaluate",
]
