from .accounts import add_reviewers, remove_reviewers, show_reviewers
from .pull import pull_decisions
from .push import push_if_possible, run_push
from .release import make_manifest, release_run
from .resettle import compare_labels, settle_again
from .studio import Studio, open_studio
from .studio_server import install_local_studio, serve_studio, stop_server
from .verdicts import make_next_round, settle_run

__all__ = [
    "Studio",
    "add_reviewers",
    "compare_labels",
    "install_local_studio",
    "make_manifest",
    "make_next_round",
    "open_studio",
    "pull_decisions",
    "push_if_possible",
    "release_run",
    "remove_reviewers",
    "run_push",
    "serve_studio",
    "settle_again",
    "settle_run",
    "show_reviewers",
    "stop_server",
]
