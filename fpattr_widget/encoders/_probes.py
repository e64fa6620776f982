"""Probes: experiments on a tower whose results are cached while the model does not change."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import InputError
from ._differentiable import HALF
from ._inputs import Inputs, repeat_inputs
from ._last_block import JacobianSample

#: The rest of a tower: features (B, features, width), and B inputs or one that serves all,
#: to embeddings (B, K).
Rest = Callable[[Tensor, Inputs], Tensor]


@dataclass(frozen=True)
class Verdict:
    """The result of a probe.

    Attributes
    ----------
    holds
        Whether the probed property holds.
    conclusive
        Whether the result is the same for every input, so that it can be cached.
    """

    holds: bool
    conclusive: bool = True


class Findings:
    """Conclusive verdicts about a tower, by the probed property.

    No lock is needed: two threads that probe at once come to the same verdict.
    """

    def __init__(self) -> None:
        self._verdicts: dict[Hashable, bool] = {}

    def known(self, name: Hashable) -> bool:
        """Return whether a property has been found to hold."""
        return self._verdicts.get(name, False)

    def once(self, name: Hashable, probe: Callable[[], Verdict]) -> bool:
        """Return whether a property holds; probe it unless a verdict is cached."""
        if name in self._verdicts:
            return self._verdicts[name]
        verdict = probe()
        if verdict.conclusive:
            self._verdicts[name] = verdict.holds
        return verdict.holds


def can_start_at_its_states(
    rest: Rest, features: Tensor, inputs: Inputs, embedding: Tensor
) -> bool:
    """Return whether a tower, run from its own states at a layer, gives its own embedding.

    Parameters
    ----------
    rest
        The tower from that layer on.
    features
        The states that enter the layer, ``(1, features, width)``.
    inputs
        The input that they are of.
    embedding
        Its embedding, ``(1, K)``.
    """
    with torch.no_grad():
        again = rest(features, inputs)
    tolerance = 5e-2 if again.dtype in HALF else 1e-3
    return not bool((again - embedding).norm() > tolerance * embedding.norm())


def shares_inputs(rest: Rest, features: Tensor, inputs: Inputs) -> bool:
    """Return whether one copy of an input serves a batch of states.

    Then what lies below the blocks, such as the patch embedding, runs once
    and not once for each node.

    Parameters
    ----------
    rest, features, inputs
        See :func:`can_start_at_its_states`.
    """
    batch = torch.cat([features, features / 2])
    try:
        with torch.no_grad():
            expected = rest(batch, repeat_inputs(inputs, 2))
            shared = rest(batch, inputs)
    except (RuntimeError, IndexError, ValueError, InputError):
        return False
    return bool((shared - expected).norm() <= 1e-3 * expected.norm())


def compare_jacobians(module: JacobianSample, value: Tensor, products: Tensor) -> Verdict:
    """Compare a description's value and Jacobian products with the module's own."""
    return Verdict(module.matches(value, products), module.conclusive)
