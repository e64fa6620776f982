"""How a feature's contribution is measured."""

from .banzhaf import Banzhaf
from .contributions import Contributions, GroupedContributions, Method
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
    "GradientTimesInput",
    "GroupedContributions",
    "IntegratedJacobians",
    "Method",
    "Occlusion",
    "PatchTokenSimilarity",
]
