"""How a feature's contribution is measured."""

from ._contributions import Contributions, GroupedContributions, Method
from ._game import Game, image_game, text_game
from .banzhaf import Banzhaf
from .gradient_times_input import GradientTimesInput
from .integrated_jacobians import IntegratedJacobians
from .occlusion import Occlusion
from .patch_token_similarity import PatchTokenSimilarity

#: Methods that can be named by a string.
METHODS: dict[str, type[Method]] = {
    "integrated_jacobians": IntegratedJacobians,
    "gradient_times_input": GradientTimesInput,
    "occlusion": Occlusion,
    "banzhaf": Banzhaf,
    "patch_token_similarity": PatchTokenSimilarity,
}

__all__ = [
    "METHODS",
    "Banzhaf",
    "Contributions",
    "Game",
    "GradientTimesInput",
    "GroupedContributions",
    "IntegratedJacobians",
    "Method",
    "Occlusion",
    "PatchTokenSimilarity",
    "image_game",
    "text_game",
]
