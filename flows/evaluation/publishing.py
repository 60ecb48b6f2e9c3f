"""Scores as artifacts of a Prefect server of the user's own: a table to sort, and the same as text with warnings."""

from __future__ import annotations

import re
from pathlib import Path

from relaionet.flows.evaluation.stored_sets import read_sets
from relaionet.flows.pages.evaluation.board import gather_warnings
from relaionet.flows.pages.evaluation.leaderboard import make_leaderboard
from relaionet.flows.pages.evaluation.table_files import format_board
from relaionet.flows.runs.console import shown
from relaionet.flows.runs.environment import server_address
from relaionet.flows.runs.prefect_server import is_temporary
from relaionet.manifests.escape import escape_markdown


def publish_scores(root: Path) -> None:
    """Show an evaluation's leaderboard, where the flow reports to a Prefect server of the user's own.

    Args:
        root: folder of the evaluation, scored.
    """
    if server_address() is None or is_temporary():
        return
    from prefect.artifacts import create_markdown_artifact, create_table_artifact

    evaluation = read_sets(root)
    scores = evaluation.read("scores")
    roles = {one.name: one.role for one in evaluation.sets if one.role}
    board = make_leaderboard(scores, roles, evaluation.read("differences"))
    table = [
        {"generator": shown(row.generator), "steps": row.steps, "guidance": row.guidance, "nfe": row.nfe}
        | {head.metric: cell.value for head, cell in zip(board.heads, row.cells, strict=True) if cell is not None}
        | {"n": row.n}
        for row in board.rows
    ]
    warnings = [
        f"* {escape_markdown(text)} ({escape_markdown('; '.join(labels))})"
        for text, labels in gather_warnings({one.label: one.warnings() for one in evaluation.sets})
    ]
    about = escape_markdown(f"{evaluation.title}: {evaluation.split_name} under {evaluation.protocol}, in {root}")
    name = re.sub(r"[^a-z0-9]+", "-", f"{evaluation.split_name}-{evaluation.protocol}".lower()).strip("-")
    create_table_artifact(table=table, key=f"relaionet-scores-{name}", description=about)
    text = "\n".join([f"# {about}", "", format_board(board, scores, "markdown"), *warnings])
    create_markdown_artifact(markdown=text, key=f"relaionet-leaderboard-{name}", description=about)
