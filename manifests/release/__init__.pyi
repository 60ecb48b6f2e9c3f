from .card import write_card
from .croissant import write_croissant
from .decisions import RELEASED_DECISIONS, check_decisions, check_votes, count_votes
from .diff import ReleaseDiff, apply_rows, diff_releases, diff_rows
from .digest import content_digest, rows_digest
from .info import ReleaseInfo, read_info
from .manifest_check import check_manifest, url_id
from .release import Release, check_release, find_release, list_releases, make_release, read_release
from .sentences import cite_release

__all__ = [
    "RELEASED_DECISIONS",
    "Release",
    "ReleaseDiff",
    "ReleaseInfo",
    "apply_rows",
    "check_decisions",
    "check_manifest",
    "check_release",
    "check_votes",
    "cite_release",
    "content_digest",
    "count_votes",
    "diff_releases",
    "diff_rows",
    "find_release",
    "list_releases",
    "make_release",
    "read_info",
    "read_release",
    "rows_digest",
    "url_id",
    "write_card",
    "write_croissant",
]
