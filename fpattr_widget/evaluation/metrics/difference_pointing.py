"""Do the words for what differs lie on what differs, in the right picture?"""

from dataclasses import dataclass

import numpy as np

from .._explained import ExplainedSample, tokens_in
from .._score import Score, phrase_scores
from ._metric import MetricTraits
from .pointing_energy import energy
from .pointing_game import hit


@dataclass(frozen=True)
class DifferencePointing(MetricTraits):
    """The pointing game over both pictures of a difference.

    Pairs of a difference are positive where they speak for the first picture and against the
    second. So both ``"a dog"``, which the first picture shows, and ``"instead of a cat"``, which
    the second does, should be positive where their thing is.

    - ``difference_pointing``: one when the strongest patch of a phrase, of those of both
      pictures, lies in one of its boxes in its own picture; a share of ties, as in
      :class:`PointingGame`.
    - ``difference_energy``: the share of a phrase's positive mass that lies there.
    - ``clause_pointing``, ``clause_energy``: the same of the clause that the phrase stands in,
      ``"instead of a cat"`` and not ``"cat"`` alone; it may be another word that turns the sign.
    - ``first_clause_energy``, ``second_clause_energy``: the share of the first clause's positive
      mass that lies in the first picture, and likewise of the second.

    Chance is the share of the patches of both pictures that lie in the boxes, or in the picture.
    Clauses are known for samples with ``contents``: the first ends with the first content, and
    the second is the rest. Special positions are left out.
    """

    shares = frozenset(
        {
            "difference_pointing",
            "difference_energy",
            "clause_pointing",
            "clause_energy",
            "first_clause_energy",
            "second_clause_energy",
        }
    )

    def measure(self, explained: ExplainedSample) -> tuple[Score, ...]:
        explained.prepared.require_two()
        pairs, targets = explained.pairs, explained.targets
        patches = list(pairs.columns.visible)
        pictures = np.array([feature.part for feature in pairs.columns.features])[patches]
        insides = []
        for target in targets:
            inside = np.zeros(len(patches), bool)
            inside[pictures == target.phrase.picture] = target.inside.ravel()
            insides.append(inside)
        chances = [float(inside.mean()) for inside in insides]
        words = [pairs.of_rows(target.tokens)[patches] for target in targets]
        clauses = [pairs.of_rows(tokens)[patches] for tokens in clause_tokens(explained)]
        spans = {"difference": words}
        if clauses:
            spans["clause"] = [clauses[target.phrase.picture] for target in targets]
        scores: list[Score] = []
        for name, heats in spans.items():
            for number, judge in (("pointing", hit), ("energy", energy)):
                values = [judge(*each) for each in zip(heats, insides, strict=True)]
                scores += phrase_scores(f"{name}_{number}", targets, values, chances)
        for picture, (order, heat) in enumerate(zip(("first", "second"), clauses, strict=False)):
            own = pictures == picture
            chance = float(own.mean())
            scores.append(Score(f"{order}_clause_energy", energy(heat, own), chance))
        return tuple(scores)


def clause_tokens(explained: ExplainedSample) -> tuple[tuple[int, ...], ...]:
    """Return the tokens of both clauses of a sample's sentence; empty where they are not known."""
    prepared = explained.prepared
    if not prepared.sample.contents:
        return ()
    (_, end), _ = prepared.sample.contents
    whole = len(prepared.sample.caption)
    return tokens_in(prepared.text, (0, end)), tokens_in(prepared.text, (end, whole))
