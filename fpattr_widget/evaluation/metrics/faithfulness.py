"""Do the attributions foretell what the model says of parts of its inputs?"""

from dataclasses import dataclass

import numpy as np

from ...errors import InputError
from .._explained import Explained
from ._metric import Measured, OfSamples


@dataclass(frozen=True)
class Faithfulness(OfSamples):
    """Correlation and R² between the model and the sum of what survives a mask.

    Random parts of the image and of the caption are taken away, tokens in the
    way of the method that is judged, if it takes any away (``tokens=`` of
    :class:`~fpattr_widget.Banzhaf`). With ``S`` the patches and ``T`` the
    tokens that survive, and special positions always among them, what is
    foretold is ``Σ_{i∈T, j∈S} A[i, j]``, the survivors' first-order parts and
    the ledger's baseline; what the model says is the cosine of the masked
    inputs. Every masked image meets every masked caption, so that ``m``
    encodings of each give ``m²`` points.

    - ``faithfulness_correlation``: Pearson's; zero where either side never
      changes.
    - ``faithfulness_r2``: share of the cosines' variance that the sums
      foretell as they are, without a fit; negative when their mean would do
      better.
    - ``faithfulness_pairs_r2``: the same of what captions and images have only
      together: the means of each masked caption and of each masked image are
      taken from both sides. Only pairs are left in the forecast then, and they
      alone are judged.

    This is near to FIxLIP's faithfulness (Baniecki et al., arXiv 2508.05430,
    section 5), not the same. FIxLIP foretells with an intercept, main effects
    and pairs that are fitted to masked inputs, and draws each point's masks
    anew. Here the forecast starts from both references, which is right for
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

    reads_first_order = True

    def __post_init__(self) -> None:
        if not 0 < self.kept < 1:
            raise InputError(f"`kept` is {self.kept}: pass a probability between 0 and 1.")
        if self.masks < 2:
            raise InputError(f"`masks` is {self.masks}: pass a whole number from 2.")

    def measure(self, explained: Explained) -> tuple[Measured, ...]:
        said, foretold = self.points(explained)
        found = {
            "faithfulness_correlation": correlation(said, foretold),
            "faithfulness_r2": explained_variance(said, foretold),
            "faithfulness_pairs_r2": explained_variance(together(said), together(foretold)),
        }
        return tuple(Measured(name, (value,), (0.0,)) for name, value in found.items())

    def points(self, explained: Explained) -> tuple[np.ndarray, np.ndarray]:
        """Return the cosines of masked inputs and what was foretold.

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
        foretold = text @ values @ image.T + (text @ tokens)[:, None] + (image @ patches)[None, :]
        return masked.table(*kept), foretold + pairs.ledger.baseline


def together(values: np.ndarray) -> np.ndarray:
    """Return what rows and columns have only together; zeros where that is only rounding."""
    rest: np.ndarray = values - values.mean(0) - values.mean(1, keepdims=True) + values.mean()
    return rest if np.abs(rest).max() > 1e-6 * np.abs(values).max() else np.zeros_like(rest)


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Return Pearson's correlation, zero where either side is constant."""
    first, second = _deviations(first).ravel(), _deviations(second).ravel()
    scale = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second / scale) if scale > 0 else 0.0


def explained_variance(said: np.ndarray, foretold: np.ndarray) -> float:
    """Return R² of a forecast as it is; zero where nothing varies."""
    variance = float(np.square(_deviations(said)).sum())
    return 1 - float(np.square(said - foretold).sum()) / variance if variance > 0 else 0.0


def _deviations(values: np.ndarray) -> np.ndarray:
    """Return deviations from the mean; zeros where they are no more than float32 rounds off."""
    found: np.ndarray = values - values.mean()
    return found if np.ptp(values) > 1e-6 * np.abs(values).max() else np.zeros_like(found)
