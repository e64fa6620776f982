"""A function's linear map is its derivative, by reverse mode alone."""

import threading

import pytest
import torch
from torch import nn
from torch.autograd import forward_ad
from torch.func import jvp

from fpattr_widget.encoders._differentiable import differentiable
from fpattr_widget.methods._linearised import Linearised

CPU = torch.device("cpu")
PARTS = {
    "linear": lambda: nn.Linear(12, 7),
    "norm": lambda: nn.LayerNorm(12),
    "norm of two dimensions": lambda: nn.LayerNorm((5, 12)),
    "all": lambda: nn.Sequential(nn.LayerNorm(12), nn.Linear(12, 24), nn.GELU(), nn.Linear(24, 3)),
    "attention": lambda: Attention(12),
    "piecewise linear": lambda: nn.Sequential(nn.Linear(12, 9), nn.ReLU6()),
}


class Attention(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.attention = nn.MultiheadAttention(width, 3, batch_first=True)

    def forward(self, states):
        mask = torch.ones(5, 5, dtype=torch.bool).triu(1)
        mixed = self.attention(states, states, states, attn_mask=mask, need_weights=False)[0]
        return nn.functional.scaled_dot_product_attention(mixed, states, mixed, ~mask)


def made(name: str, dtype: torch.dtype = torch.float64) -> nn.Module:
    torch.manual_seed(0)
    part = PARTS[name]()
    for weight in part.parameters():
        nn.init.normal_(weight)
    return part.to(dtype).eval().requires_grad_(False)


@pytest.mark.parametrize("name", PARTS)
def test_it_is_the_derivative(name):
    part = made(name)
    states, along, other = torch.randn(3, 4, 5, 12, dtype=torch.float64)
    with differentiable(CPU, half=False):
        linearised = Linearised.at(part, states)
    found = linearised.push(along)
    step = 1e-6
    difference = (part(states + step * along) - part(states - step * along)) / (2 * step)
    torch.testing.assert_close(found, difference, rtol=1e-6, atol=1e-6)
    if name != "attention":  # torch's own forward mode knows no kernel of it
        expected = jvp(part, (states,), (along,))[1]
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    together = linearised.push_together(torch.stack([along, other]))
    torch.testing.assert_close(together[0], found, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(together[1], linearised.push(other), rtol=1e-12, atol=1e-12)


def test_several_arguments_move_together():
    linear = made("linear")

    def function(a, b):
        return linear(a) * linear(b).tanh()

    at, along = torch.randn(2, 2, 3, 12, dtype=torch.float64)
    found = Linearised.at(function, *at).push(*along)
    torch.testing.assert_close(found, jvp(function, tuple(at), tuple(along))[1])


def test_weights_that_move_with_the_input_are_differentiated():
    """As in towers whose maps depend on what they see."""
    scale = torch.ones(12, dtype=torch.float64)
    for function in (
        lambda x: nn.functional.linear(x, x.sin()),
        lambda x: nn.functional.layer_norm(x, (12,), scale, x[1].sin()),
    ):
        states, along = torch.randn(2, 12, 12, dtype=torch.float64)
        expected = jvp(function, (states,), (along,))[1]
        torch.testing.assert_close(Linearised.at(function, states).push(along), expected)


def test_what_does_not_depend_on_its_argument_has_no_derivative():
    states = torch.randn(3)
    constant = Linearised.at(lambda states: states.detach() + 1, states)
    assert torch.equal(constant.push(states), torch.zeros(3))
    assert torch.equal(constant.push_together(states.expand(4, 3)), torch.zeros(4, 3))
    second = Linearised.at(lambda a, b: a + b.detach(), states, states)
    assert torch.equal(second.push(states, states), states)


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_norms_of_half_precision_are_computed_in_single(half):
    norm, exact = made("norm", half), made("norm", torch.float64)
    states, along = (1e-3 * torch.randn(2, 4, 12)).to(half)
    with differentiable(CPU, half=True):
        found = Linearised.at(norm, states).push(along)
    expected = jvp(exact, (states.double(),), (along.double(),))[1]
    assert found.dtype == half
    assert (found.double() - expected).norm() < 2e-2 * expected.norm()


def test_no_level_of_forward_mode_is_entered():
    """There is one for the whole process: another thread in it would be disturbed."""
    part, seen = made("all"), []
    states = torch.randn(4, 5, 12, dtype=torch.float64)

    def function(states):
        seen.append(forward_ad._current_level)
        return part(states)

    with forward_ad.dual_level():
        thread = threading.Thread(target=lambda: Linearised.at(function, states).push(states))
        before = forward_ad._current_level
        thread.start()
        thread.join()
        assert forward_ad._current_level == before
    assert seen == [before]
