"""The derivative of a function at a point, as a linear map that can be applied to tangents.

torch's forward mode has one level for the whole process, so that two threads in it
disturb each other. A tangent is therefore pushed forward by reverse mode alone. With
``J`` the Jacobian, the product ``Jᵀu`` is linear in ``u``, and its own
derivative by ``u``, applied to a tangent ``v``, is ``J v`` (Townsend, *A new
trick for calculating Jacobian vector products*, 2017). The first two passes
serve every tangent.
"""

from collections.abc import Callable, Sequence

import torch
import torch.fx.experimental.symbolic_shapes  # autograd.grad would import it at the first call
from torch import Tensor


class Linearised:
    """A function's derivative at a point.

    Parameters
    ----------
    value
        The function's value at the point, with its graph.
    points
        The function's arguments at the point; they require gradients.
    """

    def __init__(self, value: Tensor, *points: Tensor):
        with torch.enable_grad():
            self._cotangent = torch.zeros_like(value).requires_grad_()
            self._pulled = _gradients(
                value, points, self._cotangent, create_graph=True, retain_graph=True
            )

    @staticmethod
    def at(function: Callable[..., Tensor], *points: Tensor) -> "Linearised":
        """Linearise a function at the tensors that are its arguments."""
        with torch.enable_grad():
            points = tuple(point.detach().requires_grad_() for point in points)
            return Linearised(function(*points), *points)

    def push(self, *tangents: Tensor) -> Tensor:
        """Return ``J v`` for one tangent: a tensor of the shape of each point."""
        return self._push(tangents, together=False)

    def push_together(self, *tangents: Tensor) -> Tensor:
        """Return ``J v`` for a batch of tangents, along the first dimension."""
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
    cotangents: Tensor | Sequence[Tensor],
    **options: bool,
) -> tuple[Tensor, ...]:
    """Return gradients, zeros for inputs on which no output depends."""
    outputs = (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
    cotangents = (cotangents,) if isinstance(cotangents, Tensor) else tuple(cotangents)
    # torch refuses outputs that depend on no input.
    dependent = [number for number, output in enumerate(outputs) if output.requires_grad]
    batch = options.get("is_grads_batched", False)
    if not dependent:
        lead = cotangents[0].shape[:1] if batch else ()
        return tuple(values.new_zeros(*lead, *values.shape) for values in inputs)
    return torch.autograd.grad(
        [outputs[number] for number in dependent],
        inputs,
        [cotangents[number] for number in dependent],
        materialize_grads=True,
        **options,
    )
