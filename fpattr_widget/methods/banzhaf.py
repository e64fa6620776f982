"""Weighted Banzhaf interactions of tokens and patches, exact or sampled."""

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor

from ..encoders import DualEncoder, Part, PictureReference, TextTower, check_choice
from ..errors import InputError
from ._contributions import ExplicitContributions
from ._game import Game, Removal, check_removal, game_of
from ._reference import ImageReference, held_reference, in_words

# The share of a game's variance that its best linear approximation is assumed to
# explain, where samples are few. It affects the variance of the estimate alone.
_LINEAR_SHARE = 0.75


@dataclass(frozen=True)
class Banzhaf:
    """Cross-modal weighted Banzhaf interactions.

    With ``ĝ`` the unit-length embedding and every other feature kept with
    probability ``p``, ``c_i = E[ĝ(S ∪ i) − ĝ(S ∖ i)]``. The cosine is a product
    of two games, one for each tower, so the inner product of two contributions
    is the interaction of FIxLIP (Baniecki et al., NeurIPS 2025, arXiv
    2508.05430) between a token and a patch.

    A tower with at most ``samples`` coalitions is enumerated. For others, pairs
    are drawn: ``u`` uniform, ``S = {u < p}`` and ``S' = {1 − u < p}``; for
    ``p = ½`` that is the complement, and all interactions of even order cancel.
    The estimate is regression-adjusted (Witter, Liu and Musco, NeurIPS 2025,
    arXiv 2506.11849): each pair's values are compared with a linear game that
    is fitted to all other pairs. The Banzhaf values of the linear game are its
    coefficients; those of the residuals are estimated by their mean product
    with ``(z − p) / p(1 − p)``. As no pair is used in its own fit, the sum
    is unbiased for every ``p``, every number of samples and every way of
    fitting. The fit is a ridge regression: with few pairs, where least squares
    fails, it leaves the mean product alone; with many pairs it is as good as least
    squares. The estimates from single pairs are nearly independent, so their standard
    deviation gives the standard error.

    Parameters
    ----------
    p
        Probability with which each other feature is kept, between 0 and 1.
    samples
        The most coalitions that are encoded for each tower.
    seed
        Seed of the coalitions that are drawn.
    tokens, patches
        How a feature is removed; see :class:`Occlusion`.

    Raises
    ------
    InputError
        When a setting is out of its range.
    """

    p: float = 0.5
    samples: int = 1024
    seed: int = 0
    tokens: str = "mask"
    patches: ImageReference = "zeros"

    def __post_init__(self) -> None:
        check_choice("tokens", self.tokens, TextTower.removals)
        object.__setattr__(self, "patches", held_reference(self.patches, "patches"))
        if not isinstance(self.p, int | float) or not 0 < self.p < 1:
            raise InputError("p", f"is {self.p!r}", "pass a number between 0 and 1")
        for name, least in (("samples", 2), ("seed", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InputError(name, f"is {value!r}", f"pass a whole number from {least}")

    @property
    def label(self) -> str:
        return f"Banzhaf interactions, p = {self.p:g}{in_words(self.patches)}"

    @property
    def reads_at(self) -> str:
        return "at the input"

    def cheaper_alternative(self, encoder: DualEncoder, layers: tuple[int, int] | None) -> str:
        return "a method with fewer samples"

    def check(self, encoder: DualEncoder) -> None:
        check_removal(encoder, self.removal)

    @property
    def removal(self) -> Removal:
        """How features are removed, by the tower's name."""
        return {"text": self.tokens, "image": cast(str | PictureReference, self.patches)}

    def measure(self, part: Part) -> "BanzhafContributions":
        game = game_of(part, self.removal)
        players = len(game.players)
        if 2**players <= self.samples:
            kept, estimate = all_coalitions(players), exact_banzhaf
        else:
            # A stream of its own for each input makes their errors independent.
            generator = np.random.default_rng((self.seed, *part.stream))
            kept = paired_coalitions(generator, self.samples // 2, players, self.p)
            estimate = sampled_banzhaf
        values = game.values(kept)
        return BanzhafContributions(game, estimate(kept, _as_float64(values), self.p), len(kept))


@dataclass(frozen=True)
class BanzhafEstimate:
    """Banzhaf values, with the estimate from each independent draw.

    Attributes
    ----------
    values
        ``(players, K)``.
    factors, residuals
        Draw ``d`` estimates player ``i`` as ``Σ_t factors[d, t, i] · residuals[d, t]``,
        up to a constant; ``(draws, 2, players)`` and ``(draws, 2, K)``. No
        draws where nothing is sampled.
    """

    values: np.ndarray
    factors: np.ndarray
    residuals: np.ndarray

    def standard_error(self, weights: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """Return standard errors; see ``Contributions.standard_error``."""
        draws = len(self.factors)
        if draws == 0:
            return np.zeros((len(directions), len(weights)))
        if draws == 1:  # has no spread
            return np.full((len(directions), len(weights)), np.inf)
        factors = self.factors @ weights.T  # (draws, 2, m)
        errors = [
            (factors * (self.residuals @ direction)[:, :, None]).sum(1).std(0, ddof=1)
            for direction in directions
        ]
        return np.reshape(errors, (len(directions), len(weights))) / draws**0.5


def all_coalitions(players: int) -> np.ndarray:
    """Return every coalition, ``(2**players, players)`` bool."""
    return (np.arange(2**players)[:, None] >> np.arange(players) & 1).astype(bool)


def paired_coalitions(
    generator: np.random.Generator, pairs: int, players: int, p: float
) -> np.ndarray:
    """Return random coalitions in antithetic pairs, ``(2 · pairs, players)`` bool."""
    drawn = generator.random((pairs, 1, players))
    return np.concatenate([drawn < p, 1 - drawn < p], 1).reshape(2 * pairs, players)


def exact_banzhaf(kept: np.ndarray, values: np.ndarray, p: float) -> BanzhafEstimate:
    """Return the Banzhaf values of a game, given the values of all its coalitions.

    Parameters
    ----------
    kept
        All coalitions, ``(2**players, players)`` bool.
    values
        Their values, ``(2**players, K)``.
    p
        Probability with which a player is kept.
    """
    probability = np.where(kept, p, 1 - p).prod(1)
    exact = (probability[:, None] * _scores(kept, p)).T @ values
    no_draws = np.zeros((0, 2, 1))
    return BanzhafEstimate(exact, no_draws, no_draws)


def sampled_banzhaf(kept: np.ndarray, values: np.ndarray, p: float) -> BanzhafEstimate:
    """Estimate Banzhaf values from pairs of coalitions; see :class:`Banzhaf`.

    Parameters
    ----------
    kept
        ``(2 · pairs, players)`` bool, from :func:`paired_coalitions`.
    values
        Their values, ``(2 · pairs, K)``.
    p
        Probability with which a player is kept.
    """
    pairs, players = len(kept) // 2, kept.shape[1]
    scores = _scores(kept, p)
    factors = scores.reshape(pairs, 2, players) / 2
    if pairs == 1:  # there is no other pair to fit to
        return BanzhafEstimate(scores.T @ values / 2, factors, values[None])
    design = np.concatenate([np.ones((len(kept), 1)), kept - p], 1)
    penalty = np.full(players + 1, players * p * (1 - p) * (1 / _LINEAR_SHARE - 1))
    penalty[0] = 0
    inverse = np.linalg.inv(design.T @ design + np.diag(penalty))
    fitted = inverse @ (design.T @ values)
    residuals = (values - design @ fitted).reshape(pairs, 2, -1)
    # The leave-one-pair-out residuals are (I − H)⁻¹ times the residuals, with H the pair's
    # block of the hat matrix; the leave-one-out fit differs by `inverse @ design.T` times them.
    of_pairs = design.reshape(pairs, 2, -1)
    residuals = np.linalg.solve(
        np.eye(2) - of_pairs @ inverse @ of_pairs.transpose(0, 2, 1), residuals
    )
    left_out = residuals.reshape(2 * pairs, -1)
    mean_fit = fitted - inverse @ (design.T @ left_out) / pairs
    return BanzhafEstimate(mean_fit[1:] + scores.T @ left_out / (2 * pairs), factors, residuals)


class BanzhafContributions(ExplicitContributions):
    """One tower's contributions, with their standard error; see ``Contributions``."""

    def __init__(self, game: Game, estimate: BanzhafEstimate, encoded: int):
        embedding = game.everything()
        vectors = game.scatter(torch.from_numpy(estimate.values).to(embedding))
        self.sampled = len(estimate.factors) > 0
        masks = "1 mask" if encoded == 1 else f"{encoded:,} masks"
        description = masks if self.sampled else f"exact, {masks}"
        super().__init__(vectors, embedding, game.nothing(), description)
        self._players = game.players
        self._estimate = estimate

    def standard_error(self, weights: np.ndarray, directions: Tensor) -> np.ndarray:
        return self._estimate.standard_error(weights[:, self._players], _as_float64(directions))


def _scores(kept: np.ndarray, p: float) -> np.ndarray:
    """Return ``(z − p) / p(1 − p)``, whose mean product with a game is the Banzhaf value."""
    return (kept - p) / (p * (1 - p))


def _as_float64(values: Tensor) -> np.ndarray:
    return values.cpu().numpy().astype(np.float64)
