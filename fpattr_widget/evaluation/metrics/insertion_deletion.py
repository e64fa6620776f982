"""Does the similarity fall without the patches that a map ranks highest?"""

from dataclasses import dataclass

import numpy as np

from ...errors import InputError
from .._explained import ExplainedSample
from .._score import Score, phrase_scores
from ._metric import MetricTraits


@dataclass(frozen=True)
class InsertionDeletion(MetricTraits):
    """Insertion and deletion curves of a phrase, by their areas.

    Patches are ranked by the phrase's joint map. They are taken from the image
    (set to the mean colour, zeros after preprocessing) in that order, or put
    into an empty one, and the cosine with the whole caption is followed.

    - ``deletion``: area under the curve with the most important taken first;
      small when the map is right.
    - ``insertion``: with the most important put in first; large when it is.
    - ``deletion_gap``: the area between the curves of least- and
      most-important-first deletion; large when the map ranks well, and about
      zero for a map of no meaning, which is its chance level.

    Areas are in units of cosine: means of the curve over the share of patches.
    After Petsiuk et al., *RISE* (BMVC 2018), and Möller et al., arXiv
    2408.14153, section 4.

    Parameters
    ----------
    steps
        Number of pieces that the patches are taken in; all, one by one, where
        there are fewer patches.

    Raises
    ------
    InputError
        When ``steps`` is below one.
    """

    steps: int = 16

    less_is_better = frozenset({"deletion"})

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise InputError("steps", f"is {self.steps}", "pass a whole number from 1")

    def measure(self, explained: ExplainedSample) -> tuple[Score, ...]:
        deletions, insertions, gaps = [], [], []
        share = self._moved(explained) / len(explained.masked.columns.players)
        for heat in explained.maps:
            deletion, insertion = self.curves(explained, heat)
            deletions.append(area(deletion, share))
            insertions.append(area(insertion, share))
            # Hardly any of these images is new: they are what insertion shows.
            least_first, _ = self.curves(explained, -heat)
            gaps.append(area(least_first, share) - deletions[-1])
        targets = explained.targets
        return (
            *phrase_scores("insertion", targets, insertions),
            *phrase_scores("deletion", targets, deletions),
            *phrase_scores("deletion_gap", targets, gaps, [0.0] * len(gaps)),
        )

    def curves(self, explained: ExplainedSample, heat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the cosines while patches are taken away and while they are put in.

        Parameters
        ----------
        explained
            The sample.
        heat
            Ranks the patches, ``(rows, columns)``; equal ones keep their order.

        Returns
        -------
        (numpy.ndarray, numpy.ndarray)
            Deletion and insertion, most important first, each ``(steps + 1,)``,
            from no patch moved to all.
        """
        order = np.argsort(-heat, axis=None, kind="stable")
        rank = np.empty(len(order), int)
        rank[order] = np.arange(len(order))
        moved = self._moved(explained)
        taken = rank[None, :] < moved[:, None]
        whole_caption = np.ones((1, len(explained.masked.rows.players)), bool)
        cosines = explained.masked.table(whole_caption, np.concatenate([~taken, taken]))[0]
        return cosines[: len(moved)], cosines[len(moved) :]

    def _moved(self, explained: ExplainedSample) -> np.ndarray:
        """Return how many patches have moved after each step, from none to all."""
        patches = len(explained.masked.columns.players)
        return np.rint(np.linspace(0, patches, min(self.steps, patches) + 1)).astype(int)


def area(curve: np.ndarray, share: np.ndarray) -> float:
    """Return the area under a curve over shares of the patches, by the trapezoidal rule."""
    values = np.asarray(curve, np.float64)
    return float((values[1:] + values[:-1]) @ np.diff(share) / 2)
