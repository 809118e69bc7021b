"""Ranking metrics over the whole catalogue, one code for training and for served answers.

`target_ranks_from_scores` and `target_ranks_from_lists` give each target its pessimistic rank;
`RankingMetrics` adds such ranks up, chunk by chunk, and gives the metrics; `ListMetrics` those of lists alone.
"""

from metrics.lists import ListMetrics
from metrics.ranking import RankingMetrics
from metrics.ranks import RankError, TargetRanks, target_ranks_from_lists, target_ranks_from_scores

__all__ = [
    "ListMetrics",
    "RankError",
    "RankingMetrics",
    "TargetRanks",
    "target_ranks_from_lists",
    "target_ranks_from_scores",
]
