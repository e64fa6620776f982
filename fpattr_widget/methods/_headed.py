"""Interactions of a model whose score a head makes, whatever the method."""

from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ..choices import Norms, Reading, Unit
from ..encoders import DualEncoder, Head, Part, readings_of, routing_name, score_name
from ..errors import InputError
from ..progress import report
from ._contributions import Contributions, Method, ReadsHiddenStates
from ._game import MaskedSimilarity
from ._head_pair import HeadPair
from ._interactions import Interactions, ModelGuard, Recorded, ledger_of
from ._mixed_partials import HeadScore, MixedPartials
from ._pairwise import PairwiseSum
from ._path import IntegratedContributions
from ._product import both_described
from ._quadrature import Quadrature
from ._side_inputs import SideInputs
from .integrated_jacobians import MOST_NODES, IntegratedJacobians
from .occlusion import Occlusion, OcclusionContributions


@dataclass(frozen=True)
class HowRead:
    """How a score is read that a head makes.

    Attributes
    ----------
    reading, norms
        See :func:`.attribute`.
    """

    reading: Reading = "exact"
    norms: Norms = "fixed"

    @staticmethod
    def of(head: Head | None, reading: Reading | None, norms: Norms) -> "HowRead":
        """Return how a score is read; ``None`` is the head's default."""
        return HowRead(readings_of(head)[0] if reading is None else reading, norms)

    @property
    def settings(self) -> tuple[tuple[str, str, str], ...]:
        """Each setting's name, its value and its default."""
        return ("reading", self.reading, "exact"), ("norms", self.norms, "fixed")

    def in_words(self, head: Head | None) -> str:
        """Return what is said of it beside the method's name: nothing of exact pairs."""
        parts = {
            "exact": "",
            "match": ", match",
            "routing": ", routing",
            "frozen": f", frozen {routing_name(head)}",
        }
        score = score_name(head)
        norms = "" if self.norms == "fixed" else ", moving norms"
        return norms + parts[self.reading] + (f", {score}" if score else "")


def check_reading(
    encoder: DualEncoder,
    method: Method,
    sides: tuple[SideInputs, SideInputs],
    unit: Unit,
    how: HowRead,
) -> None:
    """Raise ``InputError`` unless the sides can be explained in this way; nothing is computed."""
    if encoder.head is None:
        for name, value, default in how.settings:
            if value != default:
                raise InputError(
                    name,
                    f"is {value!r}, but {encoder.name!r} scores by a product of two embeddings",
                    "leave it out",
                )
        return
    allowed = readings_of(encoder.head)
    if how.reading not in allowed:
        raise InputError(
            "reading",
            f"is {how.reading!r}, but {encoder.name!r} reads an image by its "
            f"{routing_name(encoder.head)}, a choice that has no derivative",
            f"pass {' or '.join(map(repr, allowed))}, or leave it out",
        )
    towers = list(encoder.towers)
    for side, tower in zip(sides, towers, strict=True):
        if any(prepared.tower_name != tower for prepared in side.inputs):
            raise InputError(
                "inputs",
                f"are two sides of one kind, or mixed, but {encoder.name!r} reads images by "
                "captions alone",
                "pass images on one side and captions on the other",
            )
    if unit == "cosine" and any(side.is_sum for side in sides):
        raise InputError(
            "unit",
            f"is 'cosine', but with {encoder.name!r} a sum has no embedding of its own",
            "pass unit='difference'",
        )
    if how.reading == "frozen":
        if how.norms != "fixed":
            raise InputError(
                "norms",
                f"is {how.norms!r}, and with reading='frozen' the score is a product over fixed "
                "lengths",
                "leave it out",
            )
        return
    if isinstance(method, Occlusion):
        for name, value, default in how.settings:
            if value != default:
                raise InputError(
                    name,
                    f"is {value!r}, which concerns derivatives, and {method.label} takes none",
                    "leave it out, or pass method='integrated_jacobians'",
                )
    elif not isinstance(method, ReadsHiddenStates):
        raise _needs_a_product(method, encoder)


def measure_headed(
    fixed: DualEncoder,
    method: Method,
    sides: tuple[SideInputs, SideInputs],
    layers: tuple[int, int],
    unit: Unit,
    how: HowRead,
) -> Interactions:
    """Return the interactions of two sides; see :func:`.measure`.

    Parameters
    ----------
    fixed
        Has a head, and is fixed to a version of its model.
    method, sides, layers, unit, how
        Checked by :func:`check_reading`.
    """
    assert fixed.head is not None
    scale = fixed.require_logits("unit").scale if unit == "logit" else 1.0
    used_layers = None if method.reads_at is not None else layers
    pairs = _Pairs(
        fixed, fixed.head, method, how, partial(fixed.require_unchanged, used_layers), scale
    )
    parts = tuple(
        [
            fixed.part(prepared, layer, (number, index) if hasattr(method, "seed") else (0, 0))
            for index, prepared in enumerate(side.inputs)
        ]
        for number, (side, layer) in enumerate(zip(sides, layers, strict=True))
    )
    if not any(side.is_sum for side in sides):
        return pairs.of(parts[0][0], parts[1][0])
    blocks = [[pairs.of(text, image) for image in parts[1]] for text in parts[0]]
    return PairwiseSum(blocks, np.outer(sides[0].weights, sides[1].weights), scale)


class _Pairs:
    """Measures pairs of inputs of a model with a head.

    Parameters
    ----------
    fixed, head, method, how
        The encoder, its head, and how the score is read.
    guard, scale
        See :class:`.Product`; ``scale`` is what the unit makes of a cosine.
    """

    def __init__(
        self,
        fixed: DualEncoder,
        head: Head,
        method: Method,
        how: HowRead,
        guard: ModelGuard,
        scale: float,
    ):
        self._fixed, self._head, self._method, self._how = fixed, head, method, how
        self._guard, self._scale = guard, scale
        self._measured: dict[Hashable, Contributions] = {}

    def of(self, text: Part, image: Part) -> Interactions:
        """Return the interactions of one text and one image."""
        pair = HeadPair(self._head, self._method, text, image, self._guard, self._scale)
        if self._how.reading == "frozen":
            return pair.frozen()
        rows, columns = self._contributions(text), self._contributions(image)
        names = text.tower.name, image.tower.name
        if isinstance(rows, IntegratedContributions) and isinstance(
            columns, IntegratedContributions
        ):
            score = HeadScore.of(self._head, columns.embedding, rows.embedding, self._how.norms)
            exact = MixedPartials(
                score, rows, columns, names, self._guard, text.memory_limit, self._scale, pair
            )
            method = self._method
            if isinstance(method, IntegratedJacobians) and method.steps == "auto":
                exact = _refined(exact, method)
            return exact if self._how.reading == "exact" else exact.part(self._how.reading)
        if isinstance(rows, OcclusionContributions) and isinstance(columns, OcclusionContributions):
            recorded = _second_differences(rows, columns, self._head, names, self._scale)
            return replace(recorded, reads=pair.read_outs())
        raise _needs_a_product(self._method, self._fixed)

    def _contributions(self, part: Part) -> Contributions:
        """Return the contributions of an input; each is measured once."""
        identity = part.tower.name, self._fixed.identify(part.prepared)
        if identity not in self._measured:
            measure = partial(self._method.measure, part)
            self._measured[identity] = self._fixed.cached(part, self._method, measure)
        return self._measured[identity]


def _refined(pairs: MixedPartials, method: IntegratedJacobians) -> MixedPartials:
    """Return the pairs with so many nodes that the four corners close, as the method asks.

    Those that suffice for each tower may not suffice for what the head makes of both.
    """
    while pairs.gap() > method.tolerance:
        counts = pairs.finer_counts(MOST_NODES)
        if counts == pairs.counts:
            break
        report(f"finding how many nodes the score needs: {max(counts)}")
        rows, columns = (Quadrature.of(method.rule, count) for count in counts)
        pairs = pairs.with_nodes(rows, columns, method.tolerance)
    return pairs


def _second_differences(
    rows: OcclusionContributions,
    columns: OcclusionContributions,
    head: Head,
    names: tuple[str, str],
    scale: float,
) -> Recorded:
    """Return what removing both of two features changes, beyond what removing each does."""
    scores = scale * MaskedSimilarity(rows.game, columns.game, head).table(
        _kept(rows), _kept(columns)
    )
    # The first two are the whole input and its reference, the others lack one feature.
    without_row, without_column = scores[2:, :2], scores[:2, 2:]
    values = scores[0, 0] - without_row[:, :1] - without_column[:1] + scores[2:, 2:]
    first_order = scores[0, 1] - without_row[:, 1], scores[1, 0] - without_column[1]
    (both, rows_with), (columns_with, neither) = scores[:2, :2].tolist()
    return Recorded(
        values.astype(np.float32),
        ledger_of(both, rows_with, columns_with, neither, float(values.sum()), scale),
        both_described(names, rows, columns),
        (first_order[0].astype(np.float32), first_order[1].astype(np.float32)),
        {},
    )


def _kept(contributions: OcclusionContributions) -> np.ndarray:
    """Return the players that are kept: all, none, and all but each feature."""
    players = contributions.game.players
    ends = np.ones((2, len(players)), bool)
    ends[1] = False
    return np.concatenate([ends, np.arange(contributions.features)[:, None] != players])


def _needs_a_product(method: Method, encoder: DualEncoder) -> InputError:
    return InputError(
        "method",
        f"is {method.label}, which explains products of two embeddings, but {encoder.name!r} "
        "reads an image by the caption",
        "pass method='integrated_jacobians' or 'occlusion', or reading='frozen'",
    )
