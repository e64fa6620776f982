"""How far does a map move when images are compared with another reference?"""

from dataclasses import dataclass

import numpy as np

from ...errors import InputError
from ...methods import ImageReference, Method, for_encoder, in_words, reference_of
from ...pairs import FeaturePairs, attribute
from .._explained import ExplainedSample, Target
from .._score import Score
from ._metric import MetricTraits
from .agreement import rank_correlation


@dataclass(frozen=True)
class ReferenceAgreement(MetricTraits):
    """Spearman's rank correlation of each phrase's map with its map for other references.

    An attribution is relative to the reference of the image, and a choice of it can change
    what a map shows (Sturmfels, Lundberg and Lee, Distill 2020, doi:10.23915/distill.00022).
    There is a number for each other reference: one if the patches keep their order. It is
    there for methods that have a setting for the reference of images
    (``image_reference``, or ``patches`` of those that remove them), and for phrases of which
    the model sees a box.

    The chance level is what the picture alone causes: the mean rank correlation of the
    phrase's map with the maps, for the other reference, of those tokens of the caption that
    are not in the phrase (zero where there are none). A map that agrees no better with itself
    than with theirs says nothing about the phrase that does not depend on the reference.
    A number below one is the reference's doing where the method is exact; the maps of
    :class:`~fpattr_widget.Banzhaf` move with each ``seed`` as well, and those of
    :class:`~fpattr_widget.IntegratedJacobians` by the residual that its ``tolerance`` leaves.

    Parameters
    ----------
    references
        What to compare images with, each as in ``IntegratedJacobians(image_reference=)``;
        a string that is no name is a path. The method's own reference is left out.
    """

    references: tuple[ImageReference, ...] = ("zeros", "blurred")

    def __post_init__(self) -> None:
        if not isinstance(self.references, tuple | list) or not self.references:
            raise InputError(
                "references", f"is {self.references!r}", "pass a tuple with at least one"
            )
        object.__setattr__(self, "references", tuple(self.references))

    def measure(self, explained: ExplainedSample) -> tuple[Score, ...]:
        if reference_of(explained.method) is None or not explained.targets:
            return ()
        own, encoder = explained.method, explained.prepared.encoder
        others = [for_encoder(own, encoder, reference) for reference in self.references]
        names = [in_words(reference_of(other)) or ", reference: zeros" for other in others]
        scores: list[Score] = []
        for number, (other, name) in enumerate(zip(others, names, strict=True)):
            if other == own:
                continue
            # Several pictures have the same words.
            repeated = f" ({number + 1})" if names.count(name) > 1 else ""
            scores += self._scores(explained, other, f"agreement with{name[1:]}{repeated}")
        return tuple(scores)

    @staticmethod
    def _scores(explained: ExplainedSample, other: Method, name: str) -> list[Score]:
        prepared = explained.prepared
        layers = None if explained.method.reads_at is not None else explained.layers
        pairs = attribute(prepared.encoder, prepared.image, prepared.text, other, layers)
        try:
            maps = pairs.of_spans([target.tokens for target in explained.targets])
            tokens = np.flatnonzero(explained.content)
            rows = dict(zip(tokens.tolist(), pairs.matrix[tokens], strict=True))
        finally:
            pairs.release()

        def score(target: Target, own_map: np.ndarray, other_map: np.ndarray) -> Score:
            unrelated = [
                rank_correlation(own_map, row)
                for token, row in rows.items()
                if token not in target.tokens
            ]
            chance = float(np.mean(unrelated)) if unrelated else 0.0
            return Score(name, rank_correlation(own_map, other_map), chance, target.number)

        return [score(*each) for each in zip(explained.targets, explained.maps, maps, strict=True)]


def map_agreement(first: FeaturePairs, second: FeaturePairs) -> np.ndarray:
    """Return Spearman's rank correlation of each row's map in two explanations.

    Such as ``map_agreement(pairs, attribute(..., reference="blurred"))``: how far the map of
    each token moves when the image is compared with another reference.

    Parameters
    ----------
    first, second
        Explanations of the same two sides, such as by two methods or references.

    Returns
    -------
    numpy.ndarray
        ``(rows,)`` float64, one for each token; equal values of a map share their mean rank,
        and a map without differences agrees with none (zero).

    Raises
    ------
    InputError
        When their matrices differ in shape.
    """
    if first.matrix.shape != second.matrix.shape:
        shapes = (" × ".join(map(str, pairs.matrix.shape)) for pairs in (second, first))
        raise InputError(
            "second",
            "has a matrix of {}, and the first one of {}".format(*shapes),
            "pass explanations of the same two sides",
        )
    rows = zip(first.matrix, second.matrix, strict=True)
    return np.array([rank_correlation(one, other) for one, other in rows], np.float64)
