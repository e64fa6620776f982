"""Do the words find their objects? Data sets, metrics and reports."""

from ..errors import Problem
from . import datasets
from ._dataset import Dataset, Phrase, Sample
from ._estimate import Estimate, estimate
from ._evaluate import evaluate
from ._foil import Foil
from ._paraphrases import GalleryImage, Paraphrase, Paraphrases
from ._report import Report
from ._scored_foil import ScoredFoil
from ._scored_phrase import ScoredPhrase
from .metrics.faithfulness import correlation

__all__ = [
    "Dataset",
    "Estimate",
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
    "correlation",
    "datasets",
    "estimate",
    "evaluate",
]
