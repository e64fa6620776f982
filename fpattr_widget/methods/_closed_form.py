"""The integrated Jacobian of a last block of known layout, without differentiating the block.

Let features ``x_j(α) = r_j + α δ_j`` enter a layer norm, keys and values, and
let one position ``p`` attend to them. With ``W`` the key (or value) map, scaled
by the norm's gain, and ``σ_j(α)`` the norm's deviation,

    W LN(x_j) = (W r_j + α W δ_j) / σ_j + const,

so two projections, of ``r`` and of ``δ``, serve every node. The derivative
along ``δ_j`` is made of the same two, with other factors. A feature ``j ≠ p``
reaches the output through its own key and value alone: with attention ``a_j``,
score ``s_j``, mixed values ``o``,

    do = a_j dV_j + a_j ds_j (V_j − o).

The pooled position also acts through the query and the residual. What follows
acts at the pooled position only, where automatic differentiation is cheap.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..encoders import (
    SAMPLE_NODE,
    AttentionPooling,
    MeanPooling,
    Split,
    Verdict,
    agree,
    compare_jacobians,
    sample_jacobian,
)
from ._integral import Integral, at_least_float32
from ._linearised import Linearised
from ._memory import Portions
from ._quadrature import Quadrature

_REMEDY = "pass fewer `steps`, or choose a smaller `model`"

#: Returns the integral by a quadrature rule.
Integrator = Callable[[Quadrature], Integral]
_Integrator = Callable[[Quadrature], "AttentionIntegral | MeanIntegral"]


@dataclass(frozen=True)
class ClosedForm:
    """The closed form of one split, before the nodes are chosen.

    Attributes
    ----------
    integrator
        Returns the integral by a quadrature rule.
    derivative
        ``d g(x(α)) / dα`` at given nodes, ``(N,)`` to ``(N, K)``.
    embedding, reference
        The closed form's value for the input and for the reference, ``(K,)``.
    """

    integrator: Integrator
    derivative: Callable[[np.ndarray], Tensor]
    embedding: Tensor
    reference: Tensor


def closed_form(split: Split, memory_limit: int) -> ClosedForm | None:
    """Return the closed form of a split, or ``None`` where there is none or it does not hold."""
    block = split.last_block
    if block is None:
        return None
    integrator: _Integrator
    with torch.no_grad():
        if isinstance(block, MeanPooling):

            def integrator(rule: Quadrature) -> MeanIntegral:
                return MeanIntegral(split, rule)
        else:
            projected = _Projections.of(split, block)

            def integrator(rule: Quadrature) -> AttentionIntegral:
                return AttentionIntegral(split, block, projected, rule, memory_limit)

        ends = integrator(Quadrature(np.array([1.0, 0.0]), np.array([0.5, 0.5]))).values()

    def derivative(nodes: np.ndarray) -> Tensor:
        return integrator(Quadrature(nodes, np.ones(len(nodes)))).derivatives()

    if not agree(ends[0], split.embedding) or not _has_the_modules_jacobian(split, integrator):
        return None
    return ClosedForm(integrator, derivative, ends[0], ends[1])


def _has_the_modules_jacobian(split: Split, integrator: _Integrator) -> bool:
    """Return whether a closed form's Jacobian is that of the module, feature by feature.

    They are compared once for each version of the model: whether they agree does
    not depend on the input.
    """

    def probe() -> Verdict:
        with split.differentiable():
            module = sample_jacobian(split.embed, split.reference, split.states)
        form = integrator(Quadrature(np.array([SAMPLE_NODE]), np.ones(1)))
        with torch.no_grad():
            value = form.values()[0]
        return compare_jacobians(module, value, form.along(module.cotangent[None])[0])

    return split.findings.once("closed form", probe)


@dataclass(frozen=True)
class _Projections:
    """Projections of reference and change, which serve every node.

    Keys and values are ``(heads, features, size)``.
    """

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    values_constant: Tensor  # (heads, 1, size)
    query: tuple[Tensor, ...] | None  # (heads, size) each
    query_constant: Tensor  # (heads, size)
    variance: tuple[Tensor, Tensor, Tensor] | None  # of x(α): A + 2αB + α²C, (features,) each

    @staticmethod
    def of(split: Split, block: AttentionPooling) -> "_Projections":
        start, end = at_least_float32(split.reference), at_least_float32(split.states)
        change = end - start
        offset: Tensor | None = None
        variance = None
        if block.norm is not None:
            start = start - start.mean(-1, keepdim=True)
            change = change - change.mean(-1, keepdim=True)
            variance = (
                start.square().mean(-1) + block.norm.eps,
                (start * change).mean(-1),
                change.square().mean(-1),
            )
            if block.norm.weight is not None:
                gain = block.norm.weight.to(start)
                start, change = start * gain, change * gain
            if block.norm.bias is not None:
                offset = block.norm.bias.to(start)

        def heads(projected: Tensor) -> Tensor:
            return projected.unflatten(-1, (block.heads, -1)).movedim(-2, 0)

        def constant(weight: Tensor, bias: Tensor | None) -> Tensor:
            fixed = torch.zeros(len(weight), dtype=start.dtype, device=start.device)
            if bias is not None:
                fixed = fixed + bias.to(start)
            if offset is not None:
                fixed = fixed + weight.to(start) @ offset
            return heads(fixed)

        weights = torch.cat([block.key[0], block.value[0]]).to(start)
        both = (torch.stack([start, change]) @ weights.T).chunk(2, -1)
        keys, values = heads(both[0]).unbind(1), heads(both[1]).unbind(1)
        if isinstance(block.query, Tensor):
            query, fixed = None, heads(block.query.to(start))
        else:
            pooled = torch.stack([start[block.position], change[block.position]])
            query = heads(pooled @ block.query[0].to(start).T).unbind(1)
            fixed = constant(*block.query)
        return _Projections(keys, values, constant(*block.value)[:, None], query, fixed, variance)


class AttentionIntegral:
    """The integral of a tower that ends in attention pooling, by a quadrature rule.

    Shapes: N nodes, h heads of size e, n features.
    """

    def __init__(
        self,
        split: Split,
        block: AttentionPooling,
        projected: _Projections,
        rule: Quadrature,
        memory_limit: int,
    ):
        self._differentiable = split.differentiable
        self._position = block.position
        self._finish = block.finish
        self._model_dtype = split.states.dtype
        start, end = at_least_float32(split.reference), at_least_float32(split.states)
        at = torch.as_tensor(rule.nodes, device=start.device).to(start.dtype)
        self._weights = torch.as_tensor(rule.weights, device=start.device).to(start.dtype)
        key_0, key_1 = projected.keys
        self._value_0, self._value_1 = projected.values
        constant = projected.values_constant

        # W LN(x) = u W r + v W δ + const, and its derivative du W r + dv W δ.
        alpha = at[:, None]
        if projected.variance is None:
            u, v = torch.ones_like(alpha), alpha
            du, dv = torch.zeros_like(alpha), torch.ones_like(alpha)
        else:
            a, b, c = projected.variance
            deviation = (a + 2 * alpha * b + alpha**2 * c).sqrt()
            u = 1 / deviation
            du = -(b + alpha * c) / deviation**3
            v, dv = alpha * u, u + alpha * du
        p = block.position
        query = projected.query_constant.expand(len(at), -1, -1)  # (N, h, e)
        if projected.query is not None:
            pooled = [part[:, p].expand(len(at))[:, None, None] for part in (u, v, du, dv)]
            query = query + pooled[0] * projected.query[0] + pooled[1] * projected.query[1]
        scale = key_0.shape[-1] ** -0.5
        scores_0, scores_1 = (
            self._head_products(scale * query, key_0),
            self._head_products(scale * query, key_1),
        )
        u, v, du, dv = (part[:, None] for part in (u, v, du, dv))  # (N, 1, n)
        scores = u * scores_0 + v * scores_1
        if block.seen is not None:
            scores = scores.masked_fill(~block.seen, -torch.inf)
        attention = scores.softmax(-1)  # (N, h, n)
        score_change = attention * (du * scores_0 + dv * scores_1)  # a_j ds_j
        self._mixed = self._mix(attention * u, attention * v) + constant[:, 0]
        self._gain_0 = attention * du + score_change * u
        self._gain_1 = attention * dv + score_change * v
        self._gain = score_change
        self._value_offset = constant[:, 0] - self._mixed  # (N, h, e)
        self._by_query: Tensor | None = None
        if projected.query is not None:
            query_change = pooled[2] * projected.query[0] + pooled[3] * projected.query[1]
            change_0 = self._head_products(scale * query_change, key_0)
            change_1 = self._head_products(scale * query_change, key_1)
            by_query = attention * (u * change_0 + v * change_1)
            self._by_query = self._mix(by_query * u, by_query * v)
            self._by_query = self._by_query + by_query.sum(-1, keepdim=True) * self._value_offset
        if p is None:
            self._states = start.new_zeros(len(at), start.shape[1])
            self._change = start.new_zeros(start.shape[1])
        else:
            self._change = (end - start)[p]
            self._states = start[p] + alpha * self._change
        # The memory for one direction: two arrays (N, h, n) and their products.
        size = 6 * attention.numel() * attention.element_size()
        self._portions = Portions(memory_limit // size, _REMEDY)

    def values(self) -> Tensor:
        """Return the embedding at each node, ``(N, K)``."""
        with self._differentiable():
            return self._after(self._mixed.flatten(1), self._states)

    def derivatives(self) -> Tensor:
        """Return the derivative along the whole change at each node, ``(N, K)``."""
        everything = self._mixed.new_ones(1, self._gain.shape[-1])
        mixed, residual = self._tangents(everything)
        with self._differentiable():
            return self._linearised().push(mixed[0], residual[0])

    def joint(self, weights: np.ndarray) -> Tensor:
        shares = torch.as_tensor(weights).to(self._mixed)
        return self._portions.run(self._joint, shares)

    def along(self, directions: Tensor) -> Tensor:
        return self._portions.run(self._pull, directions.to(self._mixed))

    def release(self) -> None:
        """Do nothing: what is kept is small."""

    def _joint(self, shares: Tensor) -> Tensor:
        tangents = self._tangents(shares)
        with self._differentiable():
            return self._weights @ self._linearised().push_together(*tangents)

    def _tangents(self, shares: Tensor) -> tuple[Tensor, Tensor]:
        """Return the tangents of weighted values and pooled state that shares of features cause.

        ``(m, n)`` to ``(m, N, h · e)`` and ``(m, N, width)``.
        """
        each = shares[:, None, None, :]  # (m, 1, 1, n)
        mixed = self._mix(each * self._gain_0, each * self._gain_1)
        mixed += (each * self._gain).sum(-1, keepdim=True) * self._value_offset
        residual = torch.zeros_like(self._states).expand(len(shares), -1, -1)
        if self._position is not None:
            pooled_share = shares[:, self._position][:, None, None]
            residual = residual + pooled_share * self._change
            if self._by_query is not None:
                mixed += pooled_share[..., None] * self._by_query
        return mixed.flatten(2), residual

    def _linearised(self) -> Linearised:
        """Linearise what follows the attention at each node, up to embeddings ``(N, K)``."""
        return Linearised.at(self._after, self._mixed.flatten(1), self._states)

    def _pull(self, directions: Tensor) -> Tensor:
        with self._differentiable(), torch.enable_grad():
            mixed = self._mixed.flatten(1).requires_grad_()
            states = self._states.clone().requires_grad_()
            after = self._after(mixed, states)
            cotangents = self._weights[:, None] * directions[:, None]
            back, residual = torch.autograd.grad(
                after,
                (mixed, states),
                cotangents,
                is_grads_batched=True,
                materialize_grads=True,
            )
        back = back.unflatten(-1, self._mixed.shape[1:])  # (m, N, h, e)
        result = (self._head_products(back, self._value_0) * self._gain_0).sum((1, 2))
        result += (self._head_products(back, self._value_1) * self._gain_1).sum((1, 2))
        result += ((back * self._value_offset).sum(-1, keepdim=True) * self._gain).sum((1, 2))
        if self._position is not None:
            pooled = (residual * self._change).sum((1, 2))
            if self._by_query is not None:
                pooled = pooled + (back * self._by_query).sum((1, 2, 3))
            result[:, self._position] += pooled
        return result

    def _after(self, mixed: Tensor, states: Tensor) -> Tensor:
        out = self._finish(mixed.to(self._model_dtype), states.to(self._model_dtype))
        return at_least_float32(out)

    @staticmethod
    def _head_products(queries: Tensor, keys: Tensor) -> Tensor:
        """Multiply ``(…, h, e)`` with ``(h, n, e)`` to ``(…, h, n)``."""
        lead = queries.shape[:-2]
        flat = queries.flatten(0, -3).transpose(0, 1)  # (h, rows, e)
        return (flat @ keys.transpose(1, 2)).transpose(0, 1).unflatten(0, lead)

    def _mix(self, shares_0: Tensor, shares_1: Tensor) -> Tensor:
        """Return weighted sums of the values, ``(…, h, n)`` to ``(…, h, e)``."""
        lead = shares_0.shape[:-2]
        mixed = [
            shares.flatten(0, -3).transpose(0, 1) @ values
            for shares, values in ((shares_0, self._value_0), (shares_1, self._value_1))
        ]
        return (mixed[0] + mixed[1]).transpose(0, 1).unflatten(0, lead)


class MeanIntegral:
    """The integral of a tower that embeds an input as the mean of its features.

    The Jacobian is the same at every node: ``M_i = (x_i − r_i) / n`` times the sum of the weights.
    """

    def __init__(self, split: Split, rule: Quadrature):
        self._start = at_least_float32(split.reference)
        self._change = at_least_float32(split.states) - self._start
        self._model_dtype = split.states.dtype
        self._nodes = torch.as_tensor(rule.nodes).to(self._start)
        self._contributions = float(rule.weights.sum()) * self._change / len(self._change)

    def values(self) -> Tensor:
        """Return the embedding at each node, ``(N, K)``."""
        pooled = self._start.mean(0) + self._nodes[:, None] * self._change.mean(0)
        return at_least_float32(pooled.to(self._model_dtype))

    def derivatives(self) -> Tensor:
        """Return the derivative along the whole change at each node, ``(N, K)``."""
        return self._change.mean(0).expand(len(self._nodes), -1)

    def joint(self, weights: np.ndarray) -> Tensor:
        return torch.as_tensor(weights).to(self._contributions) @ self._contributions

    def along(self, directions: Tensor) -> Tensor:
        return directions.to(self._contributions) @ self._contributions.T

    def release(self) -> None:
        """Do nothing: what is kept is small."""
