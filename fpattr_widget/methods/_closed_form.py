"""The integrated Jacobian of a last block of known layout, without differentiating the block.

Let features ``x_j(α) = r_j + α δ_j`` enter a layer norm, keys and values, and
let a position ``p`` that is read attend to them. With ``W`` the key (or value) map, scaled
by the norm's gain, and ``σ_j(α)`` the norm's deviation,

    W LN(x_j) = (W r_j + α W δ_j) / σ_j + const,

so two projections, of ``r`` and of ``δ``, serve every node. The derivative
along ``δ_j`` is made of the same two, with other factors. A feature ``j ≠ p``
reaches the output through its own key and value alone: with attention ``a_j``,
score ``s_j``, mixed values ``o``,

    do = a_j dV_j + a_j ds_j (V_j − o).

The position itself also acts through the query and the residual. Of several positions that
are read, each attends for itself. What follows acts at these positions only, where automatic
differentiation is cheap.
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
    MemoryBudget,
    Split,
    Verdict,
    agree,
    compare_jacobians,
    sample_jacobian,
)
from ..progress import checkpoint
from ._integral import at_least_float32
from ._linearised import Linearised
from ._memory import GraphMemory
from ._nodes import NodeIntegral
from ._quadrature import Quadrature

# States of positions, at all nodes, that share a pass: enough for a matrix product to be fast,
# and so few that they stay in a CPU's cache.
_STATES_AT_ONCE = {"cuda": 2**15}
_FEW_STATES = 1024
# Numbers that the rest of a tower keeps for each number of a state.
_KEPT_AFTER = 24
# Arrays of the size of the attention that are held while nodes are computed.
_ATTENTION_ARRAYS = 10
# Where so many times the positions that are read are all features, they are few.
_FEW = 4

_Integrator = Callable[[Quadrature], "AttentionIntegral | MeanIntegral"]


@dataclass(frozen=True)
class ClosedForm:
    """The closed form of one split, before the nodes are chosen.

    Attributes
    ----------
    integrator
        Returns the integral by a quadrature rule.
    embedding, reference
        The closed form's value for the input and for the reference, ``(K,)``.
    is_cheap
        Whether a node takes next to no time, since few positions are read.
    """

    integrator: _Integrator
    embedding: Tensor
    reference: Tensor
    is_cheap: bool


def closed_form(
    split: Split, memory_limit: int, memory_budget: MemoryBudget | None = None
) -> ClosedForm | None:
    """Return the closed form of a split, or ``None`` where there is none or it does not hold."""
    block = split.last_block
    if block is None:
        return None
    integrator: _Integrator
    is_cheap = True
    with torch.no_grad():
        if isinstance(block, MeanPooling):

            def integrator(rule: Quadrature) -> MeanIntegral:
                return MeanIntegral(split, rule)
        else:
            projected = _Projections.of(split, block)
            is_cheap = _FEW * len(block.positions or (0,)) <= len(split.states)

            def integrator(rule: Quadrature) -> AttentionIntegral:
                return AttentionIntegral(split, block, projected, rule, memory_limit, memory_budget)

        ends = integrator(Quadrature(np.array([1.0, 0.0]), np.array([0.5, 0.5]))).values()
    if not agree(ends[0], split.embedding) or not _has_the_modules_jacobian(split, integrator):
        return None
    return ClosedForm(integrator, ends[0], ends[1], is_cheap)


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

    Keys and values are ``(heads, features, size)``, the queries of the R positions that are
    read ``(R, heads, size)``.
    """

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    values_constant: Tensor  # (heads, 1, size)
    query: tuple[Tensor, ...] | None
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
            where = list(block.positions or ())
            read = torch.stack([start[where], change[where]])  # (2, R, width)
            query = (read @ block.query[0].to(start).T).unflatten(-1, (block.heads, -1)).unbind(0)
            fixed = constant(*block.query)
        return _Projections(keys, values, constant(*block.value)[:, None], query, fixed, variance)


class AttentionIntegral(NodeIntegral):
    """The integral of a tower whose last block is read at R positions, by a quadrature rule.

    Parameters
    ----------
    split, block
        The tower, and the description of its last block.
    projected
        What serves every node.
    rule, memory_limit, memory_budget
        See :class:`.NodeIntegral`.
    """

    remedy = "pass fewer `steps`, or choose a smaller `model`"

    def __init__(
        self,
        split: Split,
        block: AttentionPooling,
        projected: _Projections,
        rule: Quadrature,
        memory_limit: int,
        memory_budget: MemoryBudget | None = None,
    ):
        self._split, self._block, self._projected = split, block, projected
        self._start = at_least_float32(split.reference)
        change = at_least_float32(split.states) - self._start
        features, width = change.shape
        read = len(block.positions or (0,))
        attention = _ATTENTION_ARRAYS * block.heads * features
        numbers = read * (attention + _KEPT_AFTER * width)
        super().__init__(rule, change, read, numbers, memory_limit, memory_budget)

    def _record(self, nodes: Tensor) -> "_Attention":
        return _Attention(
            self._split, self._block, self._projected, nodes, self._start, self._change
        )


class _Attention:
    """The attention of R positions at N nodes; see ``RecordedNodes``.

    Shapes: h heads of size e, n features.
    """

    def __init__(
        self,
        split: Split,
        block: AttentionPooling,
        projected: _Projections,
        at: Tensor,
        start: Tensor,
        change: Tensor,
    ):
        self.nodes = len(at)
        self._split = split
        self._positions = None if block.positions is None else list(block.positions)
        where = self._positions
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
        query = projected.query_constant.expand(len(at), 1, -1, -1)  # (N, R, h, e)
        if projected.query is not None:
            count, features = len(where or ()), len(change)
            own = [
                part.expand(len(at), features)[:, where].reshape(len(at), count, 1, 1)
                for part in (u, v, du, dv)
            ]
            query = query + own[0] * projected.query[0] + own[1] * projected.query[1]
        scale = key_0.shape[-1] ** -0.5
        scores_0, scores_1 = (
            _head_products(scale * query, key_0),
            _head_products(scale * query, key_1),
        )
        u, v, du, dv = (part[:, None, None] for part in (u, v, du, dv))  # (N, 1, 1, n)
        scores = u * scores_0 + v * scores_1
        if block.seen is not None:
            scores = scores.masked_fill(~block.seen, -torch.inf)
        attention = scores.softmax(-1)  # (N, R, h, n)
        score_change = attention * (du * scores_0 + dv * scores_1)  # a_j ds_j
        mixed = self._mix(attention * u, attention * v) + constant[:, 0]
        self._gain_0 = attention * du + score_change * u
        self._gain_1 = attention * dv + score_change * v
        self._gain = score_change
        self._value_offset = constant[:, 0] - mixed  # (N, R, h, e)
        self._by_query: Tensor | None = None
        if projected.query is not None:
            query_change = own[2] * projected.query[0] + own[3] * projected.query[1]
            change_0 = _head_products(scale * query_change, key_0)
            change_1 = _head_products(scale * query_change, key_1)
            by_query = attention * (u * change_0 + v * change_1)
            self._by_query = self._mix(by_query * u, by_query * v)
            self._by_query = self._by_query + by_query.sum(-1, keepdim=True) * self._value_offset
        if where is None:
            states = start.new_zeros(len(at), 1, start.shape[1])
            self._change = start.new_zeros(1, start.shape[1])
        else:
            self._change = change[where]
            states = start[where] + alpha[:, None] * self._change
        self._record_rest(block, mixed, states)

    def _record_rest(self, block: AttentionPooling, mixed: Tensor, states: Tensor) -> None:
        """Record what follows the attention, from weighted values and states to embeddings."""
        dtype = self._split.states.dtype
        memory = GraphMemory(self._split.weights)
        with self._split.differentiable(), torch.enable_grad():
            self._mixed = mixed.flatten(2).detach().requires_grad_()
            self._states = states.detach().requires_grad_()
            with memory.counting():
                after = block.finish(self._mixed.to(dtype), self._states.to(dtype))
                self._after = at_least_float32(after)
        self._linearised: Linearised | None = None
        self._size_of_linearised = 0
        kept = (self._gain_0, self._gain_1, self._gain, self._value_offset, self._mixed)
        self.size = memory.size + sum(part.nbytes for part in kept)

    def values(self) -> Tensor:
        return self._after.detach()

    def push(self, shares: Tensor, limit: int) -> Tensor:
        if self._linearised is None:
            memory = GraphMemory(self._split.weights)
            with self._split.differentiable(), memory.counting():
                self._linearised = Linearised(self._after, self._mixed, self._states)
            self._size_of_linearised = memory.size
            self.size += memory.size
        linearised = self._linearised
        parts = []
        for some in shares.split(self._batch_size(limit)):
            checkpoint()
            mixed, states = self._tangents(some)
            if len(some) > 1:
                parts.append(linearised.push_together(mixed, states))
            else:
                parts.append(linearised.push(mixed[0], states[0])[None])
        return torch.cat(parts)

    def _tangents(self, shares: Tensor) -> tuple[Tensor, Tensor]:
        """Return the tangents of weighted values and states that shares of features cause.

        ``(m, n)`` to ``(m, N, R, h · e)`` and ``(m, N, R, width)``.
        """
        each = shares[:, None, None, None, :]  # (m, 1, 1, 1, n)
        mixed = self._mix(each * self._gain_0, each * self._gain_1)
        mixed += (each * self._gain).sum(-1, keepdim=True) * self._value_offset
        states = torch.zeros_like(self._states).expand(len(shares), -1, -1, -1)
        if self._positions is not None:
            own = shares[:, None, self._positions, None]  # (m, 1, R, 1)
            states = states + own * self._change
            if self._by_query is not None:
                mixed += own[..., None] * self._by_query
        return mixed.flatten(3), states

    def pull(self, directions: Tensor, weights: Tensor, limit: int) -> Tensor:
        size = self._batch_size(limit)
        parts = []
        for some, factors in zip(directions.split(size), weights.split(size), strict=True):
            checkpoint()
            with self._split.differentiable():
                gradients = torch.autograd.grad(
                    self._after,
                    (self._mixed, self._states),
                    some if len(some) > 1 else some[0],
                    retain_graph=True,
                    is_grads_batched=len(some) > 1,
                    materialize_grads=True,
                )
            factors = factors[..., None, None]
            mixed, states = (
                factors * part.view(len(some), *point.shape)
                for part, point in zip(gradients, (self._mixed, self._states), strict=True)
            )
            parts.append(self._products(mixed.unflatten(-1, self._value_offset.shape[2:]), states))
        return torch.cat(parts)

    def _products(self, mixed: Tensor, states: Tensor) -> Tensor:
        """Return the products of cotangents with each feature's change, summed over nodes.

        ``(m, N, R, h, e)`` and ``(m, N, R, width)`` to ``(m, n)``.
        """
        back = mixed.flatten(1, 2)
        gains = (part.flatten(0, 1) for part in (self._gain_0, self._gain_1))
        result = _sum_of_products(back, self._value_0, next(gains))
        result += _sum_of_products(back, self._value_1, next(gains))
        offsets = (mixed * self._value_offset).sum(-1)  # (m, N, R, h)
        result += offsets.flatten(1) @ self._gain.flatten(0, 2)
        if self._positions is not None:
            own = (states * self._change).sum((1, 3))  # (m, R)
            if self._by_query is not None:
                own = own + (mixed * self._by_query).sum((1, 3, 4))
            result[:, self._positions] += own
        return result

    def release_linearised(self) -> None:
        self.size -= self._size_of_linearised
        self._size_of_linearised = 0
        self._linearised = None

    def _batch_size(self, limit: int) -> int:
        """Return how many directions or tangents share a pass."""
        most = _STATES_AT_ONCE.get(self._mixed.device.type, _FEW_STATES)
        states = self._states.shape[0] * self._states.shape[1]
        return max(1, min(most // states, limit // (2 * self.size + 1)))

    def _mix(self, shares_0: Tensor, shares_1: Tensor) -> Tensor:
        """Return weighted sums of the values, ``(…, h, n)`` to ``(…, h, e)``."""
        lead = shares_0.shape[:-2]
        mixed = [
            shares.flatten(0, -3).transpose(0, 1) @ values
            for shares, values in ((shares_0, self._value_0), (shares_1, self._value_1))
        ]
        return (mixed[0] + mixed[1]).transpose(0, 1).unflatten(0, lead)


def _head_products(queries: Tensor, keys: Tensor) -> Tensor:
    """Multiply ``(…, h, e)`` with ``(h, n, e)`` to ``(…, h, n)``."""
    lead = queries.shape[:-2]
    flat = queries.flatten(0, -3).transpose(0, 1)  # (h, rows, e)
    return (flat @ keys.transpose(1, 2)).transpose(0, 1).unflatten(0, lead)


def _sum_of_products(queries: Tensor, keys: Tensor, gains: Tensor) -> Tensor:
    """Return ``Σ_qh gain_qhn ⟨query_mqh, key_hn⟩``, ``(m, n)``.

    Of queries ``(m, q, h, e)``, keys ``(h, n, e)`` and gains ``(q, h, n)``; what is
    multiplied first leaves the smaller array.
    """
    count, many, _, size = queries.shape
    if many <= size:
        return (_head_products(queries, keys) * gains).sum((1, 2))
    of_heads = queries.permute(2, 1, 0, 3).flatten(2)  # (h, q, m · e)
    weighted = (gains.permute(1, 2, 0) @ of_heads).unflatten(-1, (count, size))  # (h, n, m, e)
    return (weighted * keys[:, :, None]).sum((0, 3)).T


class MeanIntegral:
    """The integral of a tower that embeds an input as the mean of its features.

    The Jacobian is the same at every node: ``M_i = (x_i − r_i) / n`` times the sum of the weights.
    """

    def __init__(self, split: Split, rule: Quadrature):
        self._start = at_least_float32(split.reference)
        self._change = at_least_float32(split.states) - self._start
        self._model_dtype = split.states.dtype
        self._nodes = torch.as_tensor(rule.nodes).to(self._start)
        self.set_weights(rule.weights)
        self._contributions = self._change / len(self._change)

    def set_weights(self, weights: np.ndarray) -> None:
        """Set the nodes' weights, ``(N,)``."""
        self._weights = torch.as_tensor(weights).to(self._nodes)

    @property
    def weights(self) -> Tensor:
        return self._weights

    def values(self) -> Tensor:
        pooled = self._start.mean(0) + self._nodes[:, None] * self._change.mean(0)
        return at_least_float32(pooled.to(self._model_dtype))

    def derivatives(self) -> Tensor:
        return self._change.mean(0).expand(len(self._nodes), -1)

    def tangents(self, weights: np.ndarray) -> Tensor:
        shares = torch.as_tensor(weights).to(self._contributions)
        return (shares @ self._contributions)[:, None].expand(-1, len(self._nodes), -1)

    def along_at_nodes(self, directions: Tensor) -> Tensor:
        total = torch.einsum("mnk,n->mk", directions.to(self._contributions), self._weights)
        return total @ self._contributions.T

    def joint(self, weights: np.ndarray) -> Tensor:
        shares = torch.as_tensor(weights).to(self._contributions)
        return self._weights.sum() * shares @ self._contributions

    def along(self, directions: Tensor) -> Tensor:
        return self._weights.sum() * directions.to(self._contributions) @ self._contributions.T

    def release(self) -> None:
        """Do nothing: what is kept is small."""
