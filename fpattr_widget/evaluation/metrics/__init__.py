"""How explanations are judged. A metric is one file and one line here."""

from ._metric import Measured, Metric
from .agreement import Agreement
from .completeness import Completeness
from .faithfulness import Faithfulness
from .grid_pointing_game import GridPointingGame
from .insertion_deletion import InsertionDeletion
from .pointing_energy import PointingEnergy
from .pointing_game import PointingGame

METRICS: dict[str, type[Metric]] = {
    "pointing_game": PointingGame,
    "pointing_energy": PointingEnergy,
    "grid_pointing_game": GridPointingGame,
    "insertion_deletion": InsertionDeletion,
    "faithfulness": Faithfulness,
    "completeness": Completeness,
    "agreement": Agreement,
}

__all__ = [
    "METRICS",
    "Agreement",
    "Completeness",
    "Faithfulness",
    "GridPointingGame",
    "InsertionDeletion",
    "Measured",
    "Metric",
    "PointingEnergy",
    "PointingGame",
]
