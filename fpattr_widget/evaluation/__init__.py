"""Do the words find their objects? Data sets, metrics and reports."""

from . import datasets
from .dataset import Dataset, Phrase, Problem, Sample
from .evaluate import evaluate
from .finding import Finding
from .report import Report

__all__ = ["Dataset", "Finding", "Phrase", "Problem", "Report", "Sample", "datasets", "evaluate"]
