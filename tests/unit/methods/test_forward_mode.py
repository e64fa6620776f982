"""Forward mode is torch's own derivative, for less work."""

import pytest
import torch
from torch import nn
from torch.func import jvp
from torch.utils.flop_counter import FlopCounterMode

from fpattr_widget.encoders.hold import differentiable
from fpattr_widget.methods.forward_mode import pushed

PARTS = {
    "linear": lambda: nn.Linear(12, 7),
    "no bias": lambda: nn.Linear(12, 7, bias=False),
    "norm": lambda: nn.LayerNorm(12),
    "norm without bias": lambda: nn.LayerNorm(12, bias=False),
    "plain norm": lambda: nn.LayerNorm(12, elementwise_affine=False),
    "norm of two dimensions": lambda: nn.LayerNorm((5, 12)),
    "all": lambda: nn.Sequential(nn.LayerNorm(12), nn.Linear(12, 24), nn.GELU(), nn.Linear(24, 3)),
}


def made(name: str, dtype: torch.dtype = torch.float64) -> nn.Module:
    torch.manual_seed(0)
    part = PARTS[name]()
    for weight in part.parameters():
        nn.init.normal_(weight)
    return part.to(dtype).eval().requires_grad_(False)


@pytest.mark.parametrize("name", PARTS)
def test_it_is_the_derivative(name):
    part = made(name)
    states, along = torch.randn(2, 4, 5, 12, dtype=torch.float64)
    found = pushed(part, (states, along))
    torch.testing.assert_close(found, jvp(part, (states,), (along,))[1], rtol=1e-12, atol=1e-12)
    step = 1e-6
    difference = (part(states + step * along) - part(states - step * along)) / (2 * step)
    torch.testing.assert_close(found, difference, rtol=1e-6, atol=1e-6)


def test_several_arguments_move_together():
    linear = made("linear")

    def function(a, b):
        return linear(a) * linear(b).tanh()

    points = [tuple(torch.randn(2, 3, 12, dtype=torch.float64)) for _ in range(2)]
    at, along = zip(*points, strict=True)
    torch.testing.assert_close(pushed(function, *points), jvp(function, at, along)[1])


def test_weights_that_move_with_the_input_are_differentiated():
    """As in towers whose maps depend on what they see."""
    scale = nn.Parameter(torch.ones(12, dtype=torch.float64), requires_grad=False)
    for function in (
        lambda x: nn.functional.linear(x, x.sin()),
        lambda x: nn.functional.linear(x, torch.eye(12, dtype=x.dtype), x[0].cos()),
        lambda x: nn.functional.layer_norm(x, (12,), x[0].cos(), x[1].sin()),
        lambda x: nn.functional.layer_norm(x, (12,), scale, x[1].sin()),
    ):
        states, along = torch.randn(2, 12, 12, dtype=torch.float64)
        expected = jvp(function, (states,), (along,))[1]
        torch.testing.assert_close(pushed(function, (states, along)), expected)


def test_what_does_not_depend_on_its_argument_has_no_derivative():
    point = torch.randn(3), torch.randn(3)
    assert torch.equal(pushed(lambda states: states.detach() + 1, point), torch.zeros(3))


def test_a_failure_inside_leaves_nothing_behind():
    with pytest.raises(ValueError, match="inside"):
        pushed(lambda _: (_ for _ in ()).throw(ValueError("inside")), (torch.ones(1),) * 2)
    assert pushed(torch.sin, (torch.zeros(1), torch.ones(1))) == 1


def test_norms_of_half_precision_are_computed_in_single():
    norm, exact = made("norm", torch.bfloat16), made("norm", torch.float64)
    states, along = (1e-3 * torch.randn(2, 4, 12)).to(torch.bfloat16)
    with differentiable(norm):
        found = pushed(norm, (states, along))
    expected = jvp(exact, (states.double(),), (along.double(),))[1]
    assert found.dtype == torch.bfloat16
    assert (found.double() - expected).norm() < 2e-2 * expected.norm()


def test_a_linear_map_is_applied_twice_and_not_three_times():
    linear = made("linear")
    states, along = torch.randn(2, 9, 12, dtype=torch.float64)

    def operations(work):
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            work()
        return counter.get_total_flops()

    once = operations(lambda: linear(states))
    assert once > 0
    assert operations(lambda: pushed(linear, (states, along))) == 2 * once
