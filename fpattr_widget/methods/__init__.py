"""How a feature's contribution is measured.

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
    Unchanged,
    indicators,
    singles,
)
from ._product import Product
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


def method_of(method: str | Method) -> Method:
    """Return the method that a name stands for, or that is passed.

    Raises
    ------
    InputError
        When it is no name of a method, and no object that measures.
    """
    if isinstance(method, str):
        if method not in METHODS:
            raise InputError("method", f"is {method!r}", f"pass one of {', '.join(METHODS)}")
        return METHODS[method]()
    if isinstance(method, type) or not callable(getattr(method, "measure", None)):
        raise InputError("method", f"is {method!r}", "pass a name, or a method such as Occlusion()")
    return method


def measure(
    encoder: DualEncoder, method: Method, sides: tuple[Prepared, Prepared], layers: tuple[int, int]
) -> Interactions:
    """Measure two inputs, and return what explains their score.

    Parameters
    ----------
    encoder
        Scores them.
    method
        Measures them.
    sides
        The inputs whose features are rows and columns.
    layers
        Where their features are read.
    """
    with encoder.steady() as fixed:
        contributions = []
        for number, (prepared, layer) in enumerate(zip(sides, layers, strict=True)):
            part = fixed.part(prepared, layer, number)
            # Another input on the other side finds this one measured.
            contributions.append(fixed.cached(part, method, partial(method.measure, part)))
    read = None if method.reads_at is not None else layers
    first, second = contributions
    names = sides[0].tower, sides[1].tower
    return Product(first, second, names, lambda: fixed.unchanged(read))


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
    "Unchanged",
    "game_of",
    "indicators",
    "measure",
    "method_of",
    "singles",
]
