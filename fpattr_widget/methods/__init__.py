"""Attribution methods: what each feature contributes, and how pairs interact.

A method is one file, with a frozen dataclass of settings whose ``measure(part)`` returns the
contributions of one input's features, and a line in ``METHODS`` and in ``choices.MethodName``.
"""

from ..choices import Norms, Reading, Unit
from ..errors import InputError
from ._contributions import Contributions, Method
from ._game import Game, MaskedSimilarity, Removal, game_of
from ._headed import HowRead, check_reading
from ._interactions import (
    Grouped,
    Groups,
    Interactions,
    Ledger,
    LedgerTerm,
    PartName,
    Recorded,
    headed,
    indicators,
    no_part,
    read_outs_of,
    singles,
)
from ._measure import UNITS, measure
from ._product import Product
from ._reference import ImageReference, for_encoder, in_words, reference_of, require_fit
from ._side_inputs import SideInputs
from .banzhaf import Banzhaf
from .grad_eclip import GradECLIP
from .gradient_times_input import GradientTimesInput
from .integrated_gradients import IntegratedGradients
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
    "grad_eclip": GradECLIP,
    "integrated_gradients": IntegratedGradients,
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


__all__ = [
    "METHODS",
    "UNITS",
    "Banzhaf",
    "Contributions",
    "Game",
    "GradECLIP",
    "GradientTimesInput",
    "Grouped",
    "Groups",
    "HowRead",
    "ImageReference",
    "IntegratedGradients",
    "IntegratedJacobians",
    "Interactions",
    "Ledger",
    "LedgerTerm",
    "MaskedSimilarity",
    "Method",
    "Norms",
    "Occlusion",
    "PartName",
    "PatchTokenSimilarity",
    "Product",
    "Reading",
    "Recorded",
    "Removal",
    "SideInputs",
    "Unit",
    "check_reading",
    "for_encoder",
    "game_of",
    "headed",
    "in_words",
    "indicators",
    "measure",
    "method_of",
    "no_part",
    "read_outs_of",
    "reference_of",
    "require_fit",
    "singles",
]
