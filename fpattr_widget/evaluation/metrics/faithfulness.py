"""Do the attributions predict the similarity of masked inputs?"""

from dataclasses import dataclass

import numpy as np

from ...errors import InputError
from .._explained import ExplainedSample
from .._score import Score
from ._metric import MetricTraits


@dataclass(frozen=True)
class Faithfulness(MetricTraits):
    """Correlation and R² between the model and the sum of what survives a mask.

    Random parts of the image and of the caption are removed, tokens in the way
    of the method that is judged if it removes any (``tokens=`` of
    :class:`~fpattr_widget.Banzhaf`). With ``S`` the patches and ``T`` the
    tokens that survive, special positions always among them, the prediction is
    ``Σ_{i∈T, j∈S} A[i, j]`` plus the survivors' first-order parts and the
    ledger's baseline; it is compared with the model's cosine of the masked
    inputs. Every masked image meets every masked caption, so that ``m``
    encodings of each give ``m²`` points.

    - ``faithfulness_correlation``: Pearson's; zero where either side never
      changes.
    - ``faithfulness_r2``: share of the cosines' variance that the sums
      predict without a fit; negative when their mean would do better.
    - ``faithfulness_pairs_r2``: the same after the means of each masked caption
      and of each masked image are subtracted from both sides. Only pairs are
      left in the prediction then, and they alone are judged.

    This is near to FIxLIP's faithfulness (Baniecki et al., arXiv 2508.05430,
    section 5), not the same. FIxLIP predicts with an intercept, main effects
    and pairs that are fitted to masked inputs, and draws each point's masks
    anew. Here the prediction starts from both references, which is right for
    methods whose parts add up from there. Banzhaf interactions are the best
    slopes about inputs that are masked at random: from the references they are
    off by a constant and by first-order parts, for which
    ``faithfulness_r2`` punishes them and ``faithfulness_pairs_r2`` does not.
    Integrated Jacobians are in units of the whole inputs' norms, whereas each
    masked input's cosine is in units of its own.

    Parameters
    ----------
    kept
        Probability that a patch or a token survives.
    masks
        Number of masked images and of masked captions.
    seed
        Draws the masks.

    Raises
    ------
    InputError
        When a setting is out of its range.
    """

    kept: float = 0.5
    masks: int = 24
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.kept < 1:
            raise InputError("kept", f"is {self.kept}", "pass a probability between 0 and 1")
        if self.masks < 2:
            raise InputError("masks", f"is {self.masks}", "pass a whole number from 2")

    def measure(self, explained: ExplainedSample) -> tuple[Score, ...]:
        cosines, predicted = self.points(explained)
        values = {
            "faithfulness_correlation": correlation(cosines, predicted),
            "faithfulness_r2": explained_variance(cosines, predicted),
            "faithfulness_pairs_r2": explained_variance(together(cosines), together(predicted)),
        }
        return tuple(Score(name, value, chance=0.0) for name, value in values.items())

    def points(self, explained: ExplainedSample) -> tuple[np.ndarray, np.ndarray]:
        """Return the cosines of masked inputs and their predictions.

        Each is ``(masks, masks)`` float64, a row for each masked caption.
        """
        pairs = explained.pairs
        tokens, patches = explained.first_order
        values = pairs.feature_rows(range(len(pairs.tokens)))
        generator = np.random.default_rng(self.seed)
        masked, kept, survivors = explained.masked, [], []
        for game, features in (masked.rows, len(tokens)), (masked.columns, len(patches)):
            kept.append(generator.random((self.masks, len(game.players))) < self.kept)
            surviving = np.ones((self.masks, features))
            surviving[:, game.players] = kept[-1]
            survivors.append(surviving)
        text, image = survivors
        predicted = text @ values @ image.T + (text @ tokens)[:, None] + (image @ patches)[None, :]
        return masked.table(*kept), predicted + pairs.ledger.baseline


def together(values: np.ndarray) -> np.ndarray:
    """Return values without the means of rows and columns; zeros where only rounding is left."""
    rest: np.ndarray = values - values.mean(0) - values.mean(1, keepdims=True) + values.mean()
    return rest if np.abs(rest).max() > 1e-6 * np.abs(values).max() else np.zeros_like(rest)


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Return Pearson's correlation, zero where either side is constant."""
    first, second = _deviations(first).ravel(), _deviations(second).ravel()
    scale = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second / scale) if scale > 0 else 0.0


def explained_variance(values: np.ndarray, predicted: np.ndarray) -> float:
    """Return R² of a prediction without any fit; zero where nothing varies."""
    variance = float(np.square(_deviations(values)).sum())
    return 1 - float(np.square(values - predicted).sum()) / variance if variance > 0 else 0.0


def _deviations(values: np.ndarray) -> np.ndarray:
    """Return deviations from the mean; zeros where they are within float32 rounding."""
    deviations: np.ndarray = values - values.mean()
    return deviations if np.ptp(values) > 1e-6 * np.abs(values).max() else np.zeros_like(deviations)
