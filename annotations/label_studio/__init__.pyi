from .accounts import add_account, invitation_link, list_accounts, remove_account
from .client import StudioClient, connect_studio
from .installation import STUDIO_VERSION, install_studio, is_installed
from .picture_places import PicturePlace, choose_place, place_pictures
from .projects import ReviewProject, find_projects, list_projects, make_project, read_progress
from .pull import AnswerPull, pull_annotations
from .push import PushConfig, PushResult, push_tasks
from .server import StudioServer, find_studio, start_studio, stop_studio
from .upgrade import save_database

__all__ = [
    "STUDIO_VERSION",
    "AnswerPull",
    "PicturePlace",
    "PushConfig",
    "PushResult",
    "ReviewProject",
    "StudioClient",
    "StudioServer",
    "add_account",
    "choose_place",
    "connect_studio",
    "find_projects",
    "find_studio",
    "install_studio",
    "invitation_link",
    "is_installed",
    "list_accounts",
    "list_projects",
    "make_project",
    "place_pictures",
    "pull_annotations",
    "push_tasks",
    "read_progress",
    "remove_account",
    "save_database",
    "start_studio",
    "stop_studio",
]
