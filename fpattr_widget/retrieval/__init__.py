"""Rankings of many pictures or captions, and why two of them differ."""

from ._agreement import RankingAgreement, ranking_agreement
from ._disagreement import Disagreement
from ._overlap import (
    average_overlap,
    average_overlap_by_chance,
    jaccard,
    jaccard_by_chance,
    rank_biased_overlap,
    rank_biased_overlap_by_chance,
)
from ._rank import rank
from ._ranked_item import RankedItem
from ._ranking import Ranking
from ._scores import scores_of
from ._search import nearest

__all__ = [
    "Disagreement",
    "RankedItem",
    "Ranking",
    "RankingAgreement",
    "average_overlap",
    "average_overlap_by_chance",
    "jaccard",
    "jaccard_by_chance",
    "nearest",
    "rank",
    "rank_biased_overlap",
    "rank_biased_overlap_by_chance",
    "ranking_agreement",
    "scores_of",
]
