"""``measure``: the interactions of two sides, whatever their inputs, method and unit."""

from functools import partial
from typing import get_args

from ..choices import Unit
from ..encoders import DualEncoder
from ..errors import InputError
from ._contributions import Contributions, Method
from ._headed import HowRead, measure_headed
from ._interactions import Interactions
from ._product import Product
from ._side_inputs import SideInputs
from ._sums import SummedContributions, lightened

#: Everything that ``unit`` may be.
UNITS: tuple[Unit, ...] = get_args(Unit)

# A sum of unit vectors that is shorter than this share of its weights has no direction.
_SHORTEST = 1e-3


def measure(
    encoder: DualEncoder,
    method: Method,
    sides: tuple[SideInputs, SideInputs],
    layers: tuple[int, int],
    unit: Unit = "cosine",
    how: HowRead | None = None,
) -> Interactions:
    """Return the interactions of the features of two sides.

    Parameters
    ----------
    encoder
        Computes their similarity.
    method
        Measures what each feature contributes.
    sides
        The inputs whose features are rows, and those whose features are columns.
    layers
        ``(text, image)``: numbers of the blocks at whose input features are read.
    unit
        What the score is counted in.
    how
        How a score is read that a head makes, as :func:`.check_reading` allows.

    Raises
    ------
    InputError
        When the cosine of a sum is asked for that is next to nothing, or the model has no
        scale for logits.
    """
    with encoder.steady() as fixed:
        if fixed.head is not None:
            return measure_headed(
                fixed, method, sides, layers, unit, how or HowRead.of(fixed.head, None, "fixed")
            )
        first, second = (
            _contributions(fixed, method, side, layers, number) for number, side in enumerate(sides)
        )
        scale, unit_scale = _scales(fixed, sides, (first, second), unit)
    used_layers = None if method.reads_at is not None else layers
    names = sides[0].name, sides[1].name
    guard = partial(fixed.require_unchanged, used_layers)
    return Product(first, second, names, guard, scale, unit_scale)


def _contributions(
    fixed: DualEncoder, method: Method, side: SideInputs, layers: tuple[int, int], number: int
) -> Contributions:
    towers = list(fixed.towers)
    # Each input of a method that draws samples has a stream of its own, whose errors are
    # independent of all others'.
    draws = hasattr(method, "seed")
    measured: dict[object, Contributions] = {}
    parts: list[Contributions] = []
    for prepared in side.inputs:
        layer = layers[towers.index(prepared.tower_name)]
        identity = prepared.tower_name, fixed.identify(prepared)
        if identity not in measured:
            stream = (number, len(measured)) if draws else (0, 0)
            part = fixed.part(prepared, layer, stream)
            # Cached, for the next explanation with another input on the other side.
            found = fixed.cached(part, method, partial(method.measure, part))
            if prepared.tower_name == "text":
                found = lightened(found, len(side.inputs))
            measured[identity] = found
        parts.append(measured[identity])
    if not side.is_sum:
        return parts[0]
    norms = [float(part.embedding.norm()) for part in parts]
    factors = [weight / norm for weight, norm in zip(side.weights, norms, strict=True)]
    return SummedContributions(parts, factors)


def _scales(
    fixed: DualEncoder,
    sides: tuple[SideInputs, SideInputs],
    contributions: tuple[Contributions, Contributions],
    unit: Unit,
) -> tuple[float, float]:
    """Return what dot products are multiplied by, and of that what the unit makes."""
    norms = [float(of_side.embedding.norm()) for of_side in contributions]
    # The norms of single inputs are no part of the unit.
    single = [norm for norm, side in zip(norms, sides, strict=True) if not side.is_sum]
    plain = 1.0
    for norm in single:
        plain /= norm
    if unit == "difference":
        return plain, 1.0
    if unit == "logit":
        scale = fixed.require_logits("unit").scale
        return plain * scale, scale
    factor = 1.0
    for norm, side in zip(norms, sides, strict=True):
        if side.is_sum:
            if norm <= _SHORTEST * sum(map(abs, side.weights)):
                raise InputError(
                    "unit",
                    "is 'cosine', but the inputs of one side cancel, so that their sum has no "
                    "direction",
                    "pass unit='difference'",
                )
            factor /= norm
    return plain * factor, factor
