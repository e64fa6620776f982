"""Metrics: how explanations are judged.

To add a metric, write one file with a frozen dataclass of its settings, based
on ``MetricTraits``, whose ``measure`` returns ``Score``s; import it here and add
its line to ``METRICS``. To offer its name to type checkers and to the command
line, add it to ``MetricName`` in ``fpattr_widget/choices.py``; a test compares
the two. Records, tables, drawings and runners need no change.
"""

from .._score import Score, phrase_scores
from ._metric import Metric, MetricTraits
from .agreement import Agreement
from .class_sensitivity import ClassSensitivity
from .completeness import Completeness
from .difference_pointing import DifferencePointing
from .difference_sign import DifferenceSign
from .faithfulness import Faithfulness
from .forced_explanation import ForcedExplanation
from .grid_pointing_game import GridPointingGame
from .insertion_deletion import InsertionDeletion
from .margin import Margin
from .order import Order
from .pointing_energy import PointingEnergy
from .pointing_game import PointingGame
from .reference_agreement import ReferenceAgreement, map_agreement
from .soft_overlap import SoftOverlap
from .swapped_word import SwappedWord

METRICS: dict[str, type[Metric]] = {
    "pointing_game": PointingGame,
    "pointing_energy": PointingEnergy,
    "grid_pointing_game": GridPointingGame,
    "insertion_deletion": InsertionDeletion,
    "faithfulness": Faithfulness,
    "completeness": Completeness,
    "agreement": Agreement,
    "reference_agreement": ReferenceAgreement,
    "difference_sign": DifferenceSign,
    "order": Order,
    "difference_pointing": DifferencePointing,
    "soft_overlap": SoftOverlap,
    "margin": Margin,
    "swapped_word": SwappedWord,
    "class_sensitivity": ClassSensitivity,
    "forced_explanation": ForcedExplanation,
}

__all__ = [
    "METRICS",
    "Agreement",
    "ClassSensitivity",
    "Completeness",
    "DifferencePointing",
    "DifferenceSign",
    "Faithfulness",
    "ForcedExplanation",
    "GridPointingGame",
    "InsertionDeletion",
    "Margin",
    "Metric",
    "MetricTraits",
    "Order",
    "PointingEnergy",
    "PointingGame",
    "ReferenceAgreement",
    "Score",
    "SoftOverlap",
    "SwappedWord",
    "map_agreement",
    "phrase_scores",
]
