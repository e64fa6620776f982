"""Do the words find their objects? Data sets, metrics and reports."""

from . import datasets
from ._dataset import Dataset, Phrase, Problem, Sample
from ._evaluate import DEFAULT_METRICS, evaluate
from ._finding import Finding
from ._report import Report

__all__ = [
    "DEFAULT_METRICS",
    "Dataset",
    "Finding",
    "Phrase",
    "Problem",
    "Report",
    "Sample",
    "datasets",
    "evaluate",
]
