from .board import make_board
from .contents import Report
from .leaderboard import Board, make_leaderboard
from .page import write_report
from .table_files import format_board, write_tables

__all__ = [
    "Board",
    "Report",
    "format_board",
    "make_board",
    "make_leaderboard",
    "write_report",
    "write_tables",
]
