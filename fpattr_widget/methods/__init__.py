"""How a feature's contribution is measured."""

from typing import Any

from ..errors import InputError
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


def method_of(name_or_method: Any) -> Method:
    """Return the method of a name with its default settings, or the method that was passed.

    Raises
    ------
    InputError
        When there is no such name, or an object is no method.
    """
    if isinstance(name_or_method, str):
        if name_or_method not in METHODS:
            names = ", ".join(sorted(METHODS))
            raise InputError("method", f"is {name_or_method!r}", f"pass one of {names}")
        return METHODS[name_or_method]()
    method: Method = name_or_method
    if isinstance(method, type) or not hasattr(method, "measure_text"):
        raise InputError("method", f"is {method!r}", "pass a name, or a method such as Occlusion()")
    return method


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
    "method_of",
    "text_game",
]
