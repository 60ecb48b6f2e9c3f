from .inputs import Inputs, read_inputs
from .joined import Joined, join_evaluations
from .plan import ScoredSet, plan_sets, write_requests
from .recipe import EvaluateRecipe, GeneratorEntry, RaterEntry, read_evaluate_recipe
from .report import print_leaderboards, write_evaluation_report, write_leaderboards
from .stored_sets import StoredEvaluation, StoredSet, read_sets

__all__ = [
    "EvaluateRecipe",
    "GeneratorEntry",
    "Inputs",
    "Joined",
    "RaterEntry",
    "ScoredSet",
    "StoredEvaluation",
    "StoredSet",
    "join_evaluations",
    "plan_sets",
    "print_leaderboards",
    "read_evaluate_recipe",
    "read_inputs",
    "read_sets",
    "write_evaluation_report",
    "write_leaderboards",
    "write_requests",
]
