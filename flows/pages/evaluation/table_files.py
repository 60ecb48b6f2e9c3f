"""Leaderboards as files: CSV for programs, Markdown for pages, LaTeX for papers, JSON with every number in full."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from relaionet.flows.pages.evaluation.leaderboard import Board, Cell, Head, Row
from relaionet.manifests.errors import BadInput, nearest_name
from relaionet.manifests.escape import escape_latex, escape_markdown
from relaionet.manifests.files import digest_of, write_atomic
from relaionet.manifests.store import csv_bytes

STEM_CHARS = 120  # of the names of files
NAMED = ("generator", "rank", "steps", "guidance", "NFE")


def write_tables(
    folder: Path, board: Board, scores: pl.DataFrame, *, class_scores: pl.DataFrame, differences: pl.DataFrame
) -> list[Path]:
    """Write one leaderboard in every form.

    Args:
        folder: for the files, named after split and protocol.
        board: the leaderboard.
        scores: SCORES rows it is made of.
        class_scores: CLASS_SCORES rows of the same.
        differences: DIFFERENCES rows of the same.

    Returns:
        Paths of the files.
    """
    name = f"{board.split}-{board.protocol}"
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "scores"
    if len(stem) > STEM_CHARS:
        stem = f"{stem[:STEM_CHARS]}-{digest_of(name)[:8]}"
    texts = {ending: write(board, scores) for ending, write in FORMS.values()}
    texts["classes.csv"] = csv_bytes(class_scores).decode()
    texts["differences.csv"] = csv_bytes(differences).decode()
    paths = []
    for ending, text in texts.items():
        path = folder / f"{stem}{'-' if '.' in ending else '.'}{ending}"
        write_atomic(path, text.encode())
        paths.append(path)
    return paths


def format_board(board: Board, scores: pl.DataFrame, form: str) -> str:
    """A leaderboard as text.

    Args:
        board: the leaderboard.
        scores: SCORES rows it is made of.
        form: `markdown`, `csv`, `latex` or `json`.

    Raises:
        BadInput: there is no such form.
    """
    if form not in FORMS:
        raise BadInput(f"'{form}' is no form of a table: {', '.join(FORMS)}.{nearest_name(form, FORMS)}")
    return FORMS[form][1](board, scores)


def choose_columns(board: Board, metrics: Sequence[str]) -> Board:
    """The leaderboard with these metrics alone, in this order.

    Raises:
        BadInput: a metric was not scored.
    """
    places = {head.metric: place for place, head in enumerate(board.heads)}
    for metric in metrics:
        if metric not in places:
            raise BadInput(
                f"'{metric}' was not scored on {board.split} under {board.protocol}; there are "
                f"{', '.join(places)}.{nearest_name(metric, places)}"
            )
    order = [places[metric] for metric in metrics]
    rows = [replace(row, cells=[row.cells[place] for place in order]) for row in board.rows]
    return replace(board, heads=[board.heads[place] for place in order], rows=rows)


def write_markdown(board: Board, scores: pl.DataFrame) -> str:
    """A Markdown table: best in bold, ≈ for what cannot be told from it, intervals in brackets."""

    def cell(one: Cell | None) -> str:
        if one is None:
            return "–"
        text = f"**{one.text}**" if one.is_best else f"{one.text} ≈" if one.is_tied else one.text
        return f"{text} ({one.interval})" if one.interval else text

    heads = [*NAMED, *(escape_markdown(_arrow(head)) for head in board.heads), "n"]
    lines = [heads, ["---"] + ["---:"] * (len(heads) - 1)]
    lines += [[*map(escape_markdown, _named(row)), *map(cell, row.cells), f"{row.n}"] for row in board.rows]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{table}\n\n{escape_markdown(_caption(board, scores))}\n"


def write_latex(board: Board, scores: pl.DataFrame) -> str:
    """A LaTeX table for the packages booktabs and graphicx: best in bold, ends of intervals beneath."""

    def cell(one: Cell | None) -> str:
        if one is None:
            return "--"
        text = rf"\textbf{{{one.text}}}" if one.is_best else rf"{one.text}\,$\approx$" if one.is_tied else one.text
        text = text.replace("−", "$-$")
        if not one.interval:
            return text
        return rf"\shortstack[r]{{{text} \\ {{\tiny {one.interval.replace(' to ', '--').replace('−', '$-$')}}}}}"

    heads = [*NAMED, *(_arrow(head) for head in board.heads), "n"]
    rows = [[*_named(row), *(row.cells), f"{row.n}"] for row in board.rows]
    lines = [
        r"\begin{table}", r"\centering", r"\resizebox{\linewidth}{!}{%",
        rf"\begin{{tabular}}{{l{'r' * (len(heads) - 1)}}}", r"\toprule",
        " & ".join(map(escape_latex, heads))
        + r" \\", r"\midrule",
        *(" & ".join(cell(one) if one is None or isinstance(one, Cell) else escape_latex(one) for one in row) + r" \\"
          for row in rows),
        r"\bottomrule", r"\end{tabular}}", rf"\caption{{{escape_latex(_caption(board, scores))}}}", r"\end{table}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def write_csv(board: Board, scores: pl.DataFrame) -> str:
    """One line for each set; every metric in three columns: value, low, high."""
    rows = []
    for row in board.rows:
        line: dict[str, Any] = {
            "split": board.split, "protocol": board.protocol, "generator": row.generator, "steps": row.steps,
            "guidance": row.guidance, "nfe": None if row.nfe == "–" else float(row.nfe), "n": row.n,
            "missing": row.missing, "role": row.role, "rank": None if row.rank == "–" else row.rank,
        }  # fmt: skip
        for head, one in zip(board.heads, row.cells, strict=True):
            line[head.metric] = None if one is None else one.value
            line[f"{head.metric} low"] = None if one is None else one.low
            line[f"{head.metric} high"] = None if one is None else one.high
        rows.append(line)
    return csv_bytes(pl.DataFrame(rows, infer_schema_length=None)).decode()


def write_json_scores(board: Board, scores: pl.DataFrame) -> str:
    """Every number in full with its interval, how that was made, and the digest of protocol and models."""
    rows = scores.filter(pl.col("metric").is_in(board.metrics)).drop("split", "protocol")
    better = {head.metric: _better(head) for head in board.heads}
    value = {"split": board.split, "protocol": board.protocol, "better": better, "scores": rows.to_dicts()}
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


FORMS: Mapping[str, tuple[str, Callable[[Board, pl.DataFrame], str]]] = {
    "markdown": ("md", write_markdown),
    "csv": ("csv", write_csv),
    "latex": ("tex", write_latex),
    "json": ("json", write_json_scores),
}
"""Name of a form -> ending of its files, what writes it."""


def _named(row: Row) -> list[str]:
    generator = f"{row.generator} ({row.role})" if row.role else row.generator
    return [generator, row.rank, f"{row.steps or '–'}", f"{row.guidance:g}" if row.steps else "–", row.nfe]


def _better(head: Head) -> str:
    """The direction as programs read it."""
    return ("lower" if head.is_lower_better else "higher") if head.arrow else "neither"


def _arrow(head: Head) -> str:
    return f"{head.metric} {head.arrow}".rstrip()


def _caption(board: Board, scores: pl.DataFrame) -> str:
    counts = sorted(set(scores["n"].to_list()))
    images = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
    return (
        f"Split {board.split}, protocol {board.protocol}, {images} images a set, 95 % intervals in brackets or "
        f"beneath; bold is the best, ≈ cannot be told from it on the same requests; ranks by {board.ranked_by} give "
        "every place a set may have; sets that lack images have none."
    )
