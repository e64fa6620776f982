"""The paper's method: Jacobians integrated from a reference to the input."""

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from ..encoders import Part
from ..errors import InputError
from ..progress import LONG, about, cheaper_hint, report
from ._contributions import LATER_LAYER, ReadsHiddenStates
from ._path import IntegratedContributions, Path, percent
from ._quadrature import RULES, Quadrature
from ._reference import ImageReference, held_reference, in_words

#: The most nodes that are tried.
MOST_NODES = 256
# Nodes at which derivatives are taken in one search, all counts together.
_MOST_TRIED = 3 * MOST_NODES
# From this count on, slow progress ends the search.
_PATIENT_NODES = 64
# The estimated cost of a search that ends at the count being tried, or at the usual minimum:
# forward passes for each node until one has been timed, and the bisection as a factor of
# that count.
_LEAST, _PASSES, _BISECTION = 8, 3, 1.5
# Node counts that are tried in one pass where that is cheap, as in closed form.
_AT_ONCE = (1, 2, 3, 4)


@dataclass(frozen=True)
class IntegratedJacobians(ReadsHiddenStates):
    """Integrated Jacobians, exact up to quadrature.

    The contribution of feature ``i`` of a tower ``g`` is
    ``c_i = ∫₀¹ J_g(r + α(x − r)) [e_i ⊗ (x_i − r_i)] dα``, so that
    ``Σ c_i = g(x) − g(r)``. The inner product of the two towers' contributions
    is the second-order attribution of Möller et al., arXiv 2408.14153,
    equation 10.

    Parameters
    ----------
    steps
        Number of quadrature nodes, or ``"auto"``: the smallest number, found by doubling and
        then bisection, that brings the completeness residual
        ``‖Σ c_i − (g(x) − g(r))‖ / ‖g(x) − g(r)‖`` under ``tolerance``. The number that
        an encoder names for its default layers is tried first. The residual
        bounds the error of the sum over features, not that of each feature.
        The search reports each number that it tries, and its cost is bounded: at most 256
        nodes, of which 64 or 128 are taken where the gains so far predict that 256 would not
        suffice, as in towers with kinks (ReLU, ReLU6); and at most 768 derivatives along the
        path. A residual above the tolerance is named beside the number of nodes.
    rule
        ``"gauss-legendre"``, or ``"right"`` as in the published code.
    text_reference
        ``"pad"``: the same length, content tokens replaced by padding, or by
        token 0 where padding also ends the text, as OpenAI's does ("!!!");
        ``"exclip"``: BOS, one token of id 0, EOS, as in the published code;
        ``None``: the encoder's default.
    image_reference
        ``"zeros"`` after preprocessing: the mean colour; ``"blurred"``: the image itself after
        a strong blur, with a standard deviation of a tenth of its shorter side; a ``Picture``
        of the image's size, or several (a list, or ``mean([...])``), whose mean state at the
        layer is the reference ``r``.
    tolerance
        For ``steps="auto"``; raised to four rounding errors of the embeddings, for weights of
        half precision and for references that are next to the input.

    Raises
    ------
    InputError
        When a setting is out of its range.
    """

    steps: int | str = "auto"
    rule: str = "gauss-legendre"
    text_reference: str | None = None
    image_reference: ImageReference = "zeros"
    tolerance: float = 5e-3

    def __post_init__(self) -> None:
        whole = isinstance(self.steps, int) and not isinstance(self.steps, bool)
        if self.steps != "auto" and not (whole and int(self.steps) >= 1):
            raise InputError("steps", f"is {self.steps!r}", "pass a whole number from 1, or 'auto'")
        if self.rule not in RULES:
            raise InputError("rule", f"is {self.rule!r}", f"pass one of {', '.join(RULES)}")
        if not 0 < self.tolerance < 1:
            raise InputError("tolerance", f"is {self.tolerance}", "pass a number between 0 and 1")
        held = held_reference(self.image_reference, "image_reference")
        object.__setattr__(self, "image_reference", held)

    @property
    def label(self) -> str:
        return f"integrated Jacobians{in_words(self.image_reference)}"

    def measure(self, part: Part) -> IntegratedContributions:
        split = part.split(self.reference(part.tower.name))
        path = Path.of(part, split)
        rule = partial(Quadrature.of, self.rule)
        if self.steps != "auto":
            return path.integrate(rule(int(self.steps)))
        tolerance = max(self.tolerance, path.rounding)
        expected = part.expected_nodes if self.rule == "gauss-legendre" else None
        if expected is not None and path.residual(rule(expected)) <= tolerance:
            return path.integrate(rule(expected))
        if path.is_cheap:
            # One pass for the node counts that usually suffice.
            path.derivative(np.concatenate([rule(count).nodes for count in _AT_ONCE]))
        search = _Search(path, rule)
        count = _fewest_nodes(search.residual, tolerance)
        contributions = path.integrate(rule(count), tolerance)
        if (reached := contributions.residual) > tolerance:
            warnings.warn(
                f"the {split.tower_name} tower's integral reached a residual of {reached:.1e} "
                f"with {count} nodes, not the tolerance of {tolerance:.1e}, which more nodes "
                "would hardly reach: pass `steps=` to take as many as you like, or a later `layer`",
                stacklevel=2,
            )
        return contributions


class _Search:
    """Tries numbers of nodes, and reports each with what the one before has left and its cost.

    Parameters
    ----------
    path
        To integrate along.
    rule
        Makes the quadrature rule of a number of nodes.
    """

    def __init__(self, path: Path, rule: Callable[[int], Quadrature]):
        self._path, self._rule = path, rule
        self._timed = not path.is_cheap  # that takes next to no time
        self._seconds_of_a_node = _PASSES * path.seconds_of_a_pass() if self._timed else 0.0
        self._left = ""

    def residual(self, count: int) -> float:
        """Return the completeness residual with ``count`` nodes; see :meth:`.Path.residual`."""
        seconds = self._seconds_of_a_node * (count + _BISECTION * max(count, _LEAST))
        cost = f" · {about(seconds)}{cheaper_hint(LATER_LAYER)}" if self._is_long(seconds) else ""
        tried = f"{count}\N{NO-BREAK SPACE}…{self._left}"  # the dots never begin a line
        report(f"finding how many nodes the {self._path.split.tower_name} needs: {tried}{cost}")
        started = time.monotonic()
        reached = self._path.residual(self._rule(count))
        if self._timed:
            self._seconds_of_a_node = (time.monotonic() - started) / count
        self._left = f" ({count} leave{'s' if count == 1 else ''} {percent(reached)})"
        return reached

    def _is_long(self, seconds: float) -> bool:
        return self._timed and seconds >= LONG


def _fewest_nodes(residual: Callable[[int], float], tolerance: float) -> int:
    """Return the smallest number of nodes that reaches a tolerance, by doubling and bisection.

    Towers with kinks, such as ReLU's, gain little from each doubling. Where
    the latest gains predict that ``MOST_NODES`` would not suffice, the best
    count so far is returned. The bisection ends at ``_MOST_TRIED`` nodes altogether, with
    a number that suffices and may not be the smallest.
    """
    reached: dict[int, float] = {}

    def suffices(count: int) -> bool:
        reached[count] = residual(count)
        return reached[count] <= tolerance

    below, count = 0, 1
    while not suffices(count):
        if count >= MOST_NODES or (count >= _PATIENT_NODES and _is_slow(reached, tolerance)):
            return min(reached, key=lambda tried: (reached[tried], tried))
        below, count = count, 2 * count
    while count - below > 1:
        middle = (below + count) // 2
        if sum(reached) + middle > _MOST_TRIED:
            break
        below, count = (below, middle) if suffices(middle) else (middle, count)
    return count


def _is_slow(reached: dict[int, float], tolerance: float) -> bool:
    """Return whether ``MOST_NODES`` would not suffice at the rate of the last two doublings."""
    count = max(reached)
    gain = reached[count // 4] / reached[count] if reached[count] else np.inf
    rate = np.log2(gain) / 2  # of two doublings, since a single one may be lucky
    doublings = np.log2(MOST_NODES / count)
    return bool(rate * doublings < np.log2(reached[count] / tolerance))
