"""The derivative of a function at a point, as a linear map that can be applied to tangents.

torch's forward mode keeps one level for the whole process: two threads in it
disturb each other. So a tangent is pushed forward by reverse mode alone. With
``J`` the Jacobian, the product ``Jᵀu`` is linear in ``u``, and its own
derivative by ``u``, applied to a tangent ``v``, is ``J v`` (Townsend, *A new
trick for calculating Jacobian vector products*, 2017). The first two passes
serve every tangent.
"""

from collections.abc import Callable, Sequence

import torch
import torch.fx.experimental.symbolic_shapes  # else autograd.grad does, in a first explanation
from torch import Tensor


class Linearised:
    """A function's derivative at a point.

    Parameters
    ----------
    value
        What the function gave at the point, with the graph of how.
    points
        The point: the function's arguments, which require gradients.
    """

    def __init__(self, value: Tensor, *points: Tensor):
        with torch.enable_grad():
            self._cotangent = torch.zeros_like(value).requires_grad_()
            self._pulled = _gradients(
                value, points, self._cotangent, create_graph=True, retain_graph=True
            )

    @staticmethod
    def at(function: Callable[..., Tensor], *points: Tensor) -> "Linearised":
        """Linearise a function, one tensor for each of its arguments."""
        with torch.enable_grad():
            points = tuple(point.detach().requires_grad_() for point in points)
            return Linearised(function(*points), *points)

    def push(self, *tangents: Tensor) -> Tensor:
        """Return ``J v`` for one tangent, a tensor in the shape of each point."""
        return self._push(tangents, together=False)

    def push_together(self, *tangents: Tensor) -> Tensor:
        """Return ``J v`` for several tangents at once, which are the first dimension."""
        return self._push(tangents, together=True)

    def _push(self, tangents: Sequence[Tensor], *, together: bool) -> Tensor:
        (pushed,) = _gradients(
            self._pulled,
            (self._cotangent,),
            tangents,
            retain_graph=True,
            is_grads_batched=together,
        )
        return pushed


def _gradients(
    outputs: Tensor | Sequence[Tensor],
    inputs: Sequence[Tensor],
    along: Tensor | Sequence[Tensor],
    **options: bool,
) -> tuple[Tensor, ...]:
    """Return gradients; zeros where an input does not matter."""
    some = (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
    each = (along,) if isinstance(along, Tensor) else tuple(along)
    # What does not depend on the inputs has no derivative, and torch refuses it.
    depends = [number for number, output in enumerate(some) if output.requires_grad]
    batch = options.get("is_grads_batched", False)
    if not depends:
        lead = each[0].shape[:1] if batch else ()
        return tuple(one.new_zeros(*lead, *one.shape) for one in inputs)
    return torch.autograd.grad(
        [some[number] for number in depends],
        inputs,
        [each[number] for number in depends],
        materialize_grads=True,
        **options,
    )
