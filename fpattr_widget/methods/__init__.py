"""Attribution methods: what each feature contributes, and how pairs interact.

A method is one file, with a frozen dataclass of settings whose ``measure(part)`` returns the
contributions of one input's features, and a line in ``METHODS`` and in ``choices.MethodName``.
"""

from functools import partial

from ..encoders import DualEncoder, Prepared
from ..errors import InputError
from ._contributions import Contributions, Method
from ._game import Game, MaskedSimilarity, game_of
from ._interactions import (
    GroupedRows,
    Groups,
    Interactions,
    Ledger,
    Recorded,
    indicators,
    singles,
)
from ._product import Product
from .banzhaf import Banzhaf
from .gradient_times_input import GradientTimesInput
from .integrated_jacobians import IntegratedJacobians
from .occlusion import Occlusion
from .patch_token_similarity import PatchTokenSimilarity

#: Methods by the name that users may pass.
METHODS: dict[str, type[Method]] = {
    "integrated_jacobians": IntegratedJacobians,
    "gradient_times_input": GradientTimesInput,
    "occlusion": Occlusion,
    "banzhaf": Banzhaf,
    "patch_token_similarity": PatchTokenSimilarity,
}


def method_of(method: str | Method) -> Method:
    """Return a method, given itself or its name.

    Raises
    ------
    InputError
        When there is no method of this name, or the object cannot measure.
    """
    if isinstance(method, str):
        if method not in METHODS:
            raise InputError("method", f"is {method!r}", f"pass one of {', '.join(METHODS)}")
        return METHODS[method]()
    if isinstance(method, type) or not callable(getattr(method, "measure", None)):
        raise InputError("method", f"is {method!r}", "pass a name, or a method such as Occlusion()")
    return method


def measure(
    encoder: DualEncoder, method: Method, inputs: tuple[Prepared, Prepared], layers: tuple[int, int]
) -> Interactions:
    """Return the interactions of two inputs' features.

    Parameters
    ----------
    encoder
        Computes their similarity.
    method
        Measures what each feature contributes.
    inputs
        The input whose features are rows, and that whose features are columns.
    layers
        Numbers of the blocks at whose input features are read.
    """
    with encoder.steady() as fixed:
        contributions = []
        for side, (prepared, layer) in enumerate(zip(inputs, layers, strict=True)):
            part = fixed.part(prepared, layer, side)
            # Cached, for the next explanation with another input on the other side.
            contributions.append(fixed.cached(part, method, partial(method.measure, part)))
    used_layers = None if method.reads_at is not None else layers
    first, second = contributions
    names = inputs[0].tower_name, inputs[1].tower_name
    return Product(first, second, names, lambda: fixed.require_unchanged(used_layers))


__all__ = [
    "METHODS",
    "Banzhaf",
    "Contributions",
    "Game",
    "GradientTimesInput",
    "GroupedRows",
    "Groups",
    "IntegratedJacobians",
    "Interactions",
    "Ledger",
    "MaskedSimilarity",
    "Method",
    "Occlusion",
    "PatchTokenSimilarity",
    "Product",
    "Recorded",
    "game_of",
    "indicators",
    "measure",
    "method_of",
    "singles",
]
