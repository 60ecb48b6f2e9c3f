from . import agreement, label_studio, tasks
from .simulated_reviewers import ReviewersConfig, answer_tasks, simulate_answer

__all__ = [
    "ReviewersConfig",
    "agreement",
    "answer_tasks",
    "label_studio",
    "simulate_answer",
    "tasks",
]
