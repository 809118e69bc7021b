"""Ranking metrics over the whole catalogue; the same code for training and for served answers.

`target_ranks_from_scores` and `target_ranks_from_lists` give each target its pessimistic rank;
`RankingMetrics` accumulates ranks chunk by chunk and returns the metrics; `ListMetrics` needs only lists.
"""

from metrics.lists import ListMetrics
from metrics.ranking import RankingMetrics
from metrics.ranks import NaNScoreError, RankError, TargetRanks, target_ranks_from_lists, target_ranks_from_scores

__all__ = [
    "ListMetrics",
    "NaNScoreError",
    "RankError",
    "RankingMetrics",
    "TargetRanks",
    "target_ranks_from_lists",
    "target_ranks_from_scores",
]
