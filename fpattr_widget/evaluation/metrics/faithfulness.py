"""Do the attributions foretell what the model says of parts of its inputs?"""

from dataclasses import dataclass

import numpy as np

from ...errors import InputError
from ..explained import Explained
from .metric import Measured, OfSamples


@dataclass(frozen=True)
class Faithfulness(OfSamples):
    """Correlation and R² between the model and the sum of what survives a mask.

    Random parts of the image and of the caption are taken away. With ``S`` the
    patches and ``T`` the tokens that survive, and special positions always
    among them, what is foretold is ``Σ_{i∈T, j∈S} A[i, j]``, the survivors'
    first-order parts and the ledger's baseline; what the model says is the
    cosine of the masked inputs. Every masked image meets every masked caption,
    so that ``m`` encodings of each give ``m²`` points. After Baniecki et al.,
    arXiv 2508.05430, section 5.

    - ``faithfulness_correlation``: Pearson's; zero where either side never
      changes.
    - ``faithfulness_r2``: share of the cosines' variance that the sums
      foretell as they are, without a fit; negative when their mean would do
      better.

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
        return (
            Measured("faithfulness_correlation", (correlation(said, foretold),), (0.0,)),
            Measured("faithfulness_r2", (explained_variance(said, foretold),), (0.0,)),
        )

    def points(self, explained: Explained) -> tuple[np.ndarray, np.ndarray]:
        """Return the cosines of masked inputs and what was foretold, ``(masks²,)`` each."""
        pairs, read = explained.pairs, explained.read
        tokens, patches = explained.first_order
        values = pairs.feature_rows(range(len(pairs.tokens)))
        generator = np.random.default_rng(self.seed)
        embeddings, survivors = [], []
        for game, features in ((read.text_game, len(tokens)), (explained.image_game, len(patches))):
            kept = generator.random((self.masks, len(game.players))) < self.kept
            surviving = np.ones((self.masks, features))
            surviving[:, game.players] = kept
            embeddings.append(game.values(kept).cpu().numpy())
            survivors.append(surviving)
        text, image = survivors
        foretold = text @ values @ image.T + (text @ tokens)[:, None] + (image @ patches)[None, :]
        said = embeddings[0] @ embeddings[1].T
        return said.ravel().astype(np.float64), foretold.ravel() + pairs.ledger.baseline


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Return Pearson's correlation, zero where either side is constant."""
    first, second = _deviations(first), _deviations(second)
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
