"""What the flows hand to the report: scores, pictures, the same requests side by side, and where numbers came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from relaionet.flows.evaluation.checks import REAL_COLUMN
from relaionet.flows.evaluation.common_rows import set_apart
from relaionet.flows.evaluation.joined import Joined, join_evaluations
from relaionet.flows.evaluation.pictures import EvaluationPictures, PictureFinder
from relaionet.flows.evaluation.stored_sets import StoredEvaluation, read_sets
from relaionet.flows.pages.evaluation.contents import Report, SampleRow
from relaionet.flows.pages.evaluation.leaderboard import make_leaderboard
from relaionet.flows.pages.evaluation.page import write_report
from relaionet.flows.pages.evaluation.table_files import choose_columns, format_board, write_tables
from relaionet.flows.pages.thumbnails import PagePicture
from relaionet.flows.pages.write import write_index
from relaionet.flows.runs.run import Run
from relaionet.manifests.files import read_json
from relaionet.manifests.labels import find_label

ROWS_SHOWN = 20


def write_evaluation_report(folders: Sequence[Path], path: Path | None = None, **more: Any) -> Path:
    """Write the page of one or several evaluations, and their leaderboards as files into `tables` beside it.

    Args:
        folders: of evaluations, at least one.
        path: of the page; `report.html` in the first folder where None.
        **more: further fields of `Report`: title, curation, agreement, reviewers, notes, is_miniature, is_simulated,
            and `provenance` of what came before.

    Returns:
        The path of the page.

    Raises:
        BadInput: a folder holds no evaluation, or two of them cannot stand on one page.
    """
    evaluations, notes = set_apart([read_sets(folder) for folder in folders])
    joined = join_evaluations(evaluations)
    more["notes"] = [*more.get("notes", ()), *notes, *say_unscored(folders)]
    path = path or evaluations[0].root / "report.html"
    shown = [EvaluationPictures(one) for one in evaluations]
    for evaluation in shown:
        about = evaluation.about_split.get("notes", {})
        more.setdefault("is_miniature", bool(about.get("miniature")))
        more.setdefault("is_simulated", bool(about.get("simulated_reviewers")))
    report = Report(
        **{
            "title": " and ".join(dict.fromkeys(one.title for one in evaluations)),
            **more,
            "scores": joined.scores,
            "class_scores": joined.class_scores,
            "differences": joined.differences,
            "roles": find_roles(evaluations),
            "sets": [facts for evaluation in shown for facts in evaluation.facts()],
            "gallery": shown[0].gallery(),
            "samples": make_sample_rows(shown),
            "pictures_of": PictureFinder(shown),
            "provenance": {**list_provenance(shown), **more.get("provenance", {})},
        }
    )
    write_leaderboards(path.parent / "tables", joined, report.roles)
    for root in dict.fromkeys(one.root for one in evaluations):
        write_index(root)
    return write_report(path, report)


def write_leaderboards(folder: Path, joined: Joined, roles: Mapping[str, str]) -> list[Path]:
    """Every leaderboard as CSV, Markdown, LaTeX and JSON, with classes and differences as CSV."""
    written = []
    for rows in joined.scores.partition_by("split", "protocol", maintain_order=True):
        split, protocol = rows["split"][0], rows["protocol"][0]
        classes, differences = (
            frame.filter(split=split, protocol=protocol) for frame in (joined.class_scores, joined.differences)
        )
        board = make_leaderboard(rows, roles, differences)
        written += write_tables(folder, board, rows, class_scores=classes, differences=differences)
    return written


def print_leaderboards(folders: Sequence[Path], form: str, metrics: Sequence[str] = ()) -> str:
    """The leaderboards of evaluations as text, one after the other.

    Args:
        folders: of evaluations.
        form: see `table_files.format_board`.
        metrics: columns, in order; all where empty.

    Raises:
        BadInput: see `write_evaluation_report`; or a metric was not scored.
    """
    evaluations, _ = set_apart([read_sets(folder) for folder in folders])
    joined, texts = join_evaluations(evaluations), []
    for rows in joined.scores.partition_by("split", "protocol", maintain_order=True):
        apart = joined.differences.filter(split=rows["split"][0], protocol=rows["protocol"][0])
        board = make_leaderboard(rows, find_roles(evaluations), apart)
        texts.append(format_board(choose_columns(board, metrics) if metrics else board, rows, form))
    return "\n".join(texts)


def say_unscored(folders: Sequence[Path]) -> list[str]:
    """A sentence for each set that is on no leaderboard, because it could not be scored.

    Args:
        folders: of evaluations.
    """
    failures = [failure for folder in folders for failure in read_sets(folder).unscored]
    return [f"Not scored: {failure.label}: {failure.why}." for failure in failures]


def find_roles(evaluations: Sequence[StoredEvaluation]) -> dict[str, str]:
    """Generator -> its role, of those that do not compete."""
    return {one.name: one.role for evaluation in evaluations for one in evaluation.sets if one.role}


def list_provenance(evaluations: Sequence[EvaluationPictures]) -> dict[str, Any]:
    """What is no scored set: the runs, the splits, the protocols."""
    found: dict[str, Any] = {}
    for evaluation in evaluations:
        one = evaluation.evaluation
        name = "this evaluation" if len(evaluations) == 1 else f"evaluation {one.root.name}"
        found[name] = read_json(one.root / "run.json")
        found[f"split {one.split_name}"] = evaluation.about_split or "its folder is not there any more"
        found[f"protocol {one.protocol}"] = asdict(one.choices)
    return found


def make_sample_rows(evaluations: Sequence[EvaluationPictures]) -> list[SampleRow]:
    """The first request of every class, across the real image and all sets of the split."""
    splits: dict[str, list[EvaluationPictures]] = {}
    for evaluation in evaluations:
        splits.setdefault(evaluation.evaluation.split_name, []).append(evaluation)
    found = []
    for split, some in splits.items():
        rows = next((evaluation.rows for evaluation in some if evaluation.rows is not None), None)
        if rows is None:
            continue
        chosen = rows.unique("wnid", keep="first", maintain_order=True).sort("class_index").head(ROWS_SHOWN)
        for row in chosen.iter_rows(named=True):
            name = find_label(row["wnid"]).name
            pictures = {REAL_COLUMN: PagePicture(image=Path(row["path"]), alt=f"real image of {name}")}
            for evaluation in some:
                for label, made in evaluation.made.items():
                    picture = made.picture(row["candidate_id"], name)
                    if picture is not None:
                        pictures[label] = picture
            found.append(SampleRow(name=name, wnid=row["wnid"], pictures=pictures, split=split))
    return found


def curation_facts(run: Run, **more: Any) -> dict[str, Any]:
    """What the report shows of a curation: its stages' counts, and further facts."""
    return {"stages": [asdict(count) for count in run.counts], **more}
