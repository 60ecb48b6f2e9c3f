from .choice import ChooseConfig, choose_candidates
from .judge import CandidatesConfig, add_ids, judge_rows
from .searched_rows import gather_neighbours, merge_neighbours
from .stream import read_candidates, stream_candidates, stream_neighbours

__all__ = [
    "CandidatesConfig",
    "ChooseConfig",
    "add_ids",
    "choose_candidates",
    "gather_neighbours",
    "judge_rows",
    "merge_neighbours",
    "read_candidates",
    "stream_candidates",
    "stream_neighbours",
]
