"""How much does a method explain where there is nothing to explain?"""

from dataclasses import dataclass

from .._explained import ExplainedSample
from .._score import Score
from ._metric import MetricTraits


@dataclass(frozen=True)
class ForcedExplanation(MetricTraits):
    """What a wrong caption's pairs add up to, beside the true caption's; lower is better.

    A map can be drawn for any caption, and a map without a sum looks right for a wrong one, too.
    With ``p`` the sum of all pairs of the caption and ``q`` that of a foil (the ledger's
    ``pairs``), or zero where they are below, the number is ``q / (p + q)``: zero, the ideal,
    where nothing is left for the foil; one half, the chance level, where a method explains the
    wrong caption as much as the true one; above that, where it explains it more. Foils that are
    pictures are compared likewise, on the sample's caption. Where neither sum is above zero,
    there is no number.

    Foils that differ in one word keep what the other words rightly find: compare methods on the
    same foils. Captions of other pictures should come close to zero.
    """

    less_is_better = frozenset({"forced_explanation"})
    shares = frozenset({"forced_explanation"})

    def measure(self, explained: ExplainedSample) -> tuple[Score, ...]:
        foils = explained.foil_pairs
        if not foils:
            return ()
        own = max(0.0, explained.pairs.ledger.pairs)
        left = [max(0.0, pairs.ledger.pairs) for pairs in foils]
        return tuple(
            Score("forced_explanation", forced / (own + forced), 0.5, foil=number)
            for number, forced in enumerate(left)
            if own + forced > 0
        )
