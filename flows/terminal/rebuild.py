"""What `relaionet rebuild` says: what it is about to do, what came of it, what to do next, and how to cite it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from relaionet.flows.runs.reporter import Reporter
from relaionet.manifests.labels import labels_by_wnid
from relaionet.manifests.words import say_count

if TYPE_CHECKING:
    from relaionet.pipeline.splits.plan import SplitPlan

REASONS_SHOWN, CLASSES_SHOWN = 5, 5
REASONS_TOLD_OF = ("changed", "gone", "withdrawn")


def say_plan(reporter: Reporter, plan: SplitPlan) -> None:
    """Which release, and what is fetched of it."""
    info = plan.release.info
    reporter.headline(
        f"Rebuild {info.full_name}: {say_count(info.rows_count, 'row')} of {say_count(info.classes_count, 'class')}"
    )
    words = {
        "first": "to fetch", "repair": "to fetch again: their files are missing or damaged",
        "retry": "to ask for once more: they were gone", "other": "to ask for at a further address",
        "archive": "to ask an archive's snapshots for",
    }  # fmt: skip
    for kind, text in words.items():
        count = plan.count(kind)  # type: ignore[arg-type]
        if count and (kind != "first" or count < info.rows_count):
            reporter.say(f"  {say_count(count, 'row')} {text}")
    if plan.archive_questions_count:
        reporter.say(f"  {say_count(plan.archive_questions_count, 'address')} to ask an archive about, at least")
    if not plan.chunks and not plan.archive_questions_count:
        done = "nothing to do" if plan.table is not None else "what is there is judged anew"
        reporter.say(f"  nothing to fetch, {done}")


def say_split(reporter: Reporter, told: dict[str, Any], out: Path) -> None:
    """Verdicts with their reasons, the classes with least, where the images are, what to do next, a citation.

    Args:
        reporter: where to.
        told: what `split.json` says.
        out: folder of the split.
    """
    share = told["coverage_frac"]
    reporter.say(f"  {'kept':<12}{told['kept_count']:>7,} = {share:.1%} of the release (policy {told['policy']})")
    for key, words in (("other_addresses_count", "a further address"), ("archived_count", "an archive's copy")):
        if told.get(key):
            reporter.say(f"  {'':<12}{told[key]:>7,} of them from {words}")
    for status in REASONS_TOLD_OF:
        _say_reasons(reporter, status, told["reasons"].get(status, {}))
    _say_classes(reporter, told["classes"])
    images = out / "images" if told["kept_count"] else "none is kept"
    reporter.say(f"\nImages   {images}", f"Numbers  {out / 'split.json'}; every row: {out / 'split'}")
    aside = told["verdicts"]["changed"] + told["verdicts"]["same_picture"] * (told["policy"] == "exact")
    if aside:
        one, many = "picture that was fetched but is not kept", "pictures that were fetched but are not kept"
        reporter.say(f"Aside    {out / 'aside'}: {say_count(aside, one, many)}")
    passing = told["may_come_back_count"]
    if passing:
        reporter.say(f"Retry    {passing:,} of the rows that are gone may come back: run again with --retry")
    elif told["verdicts"]["gone"]:
        reporter.say(
            "Retry    none of the rows that are gone is likely to come back; --retry all asks for them once more"
        )
    if told["kept_count"]:
        reporter.say("\nTo cite it:", told["citation"])


def _say_reasons(reporter: Reporter, status: str, reasons: dict[str, int]) -> None:
    shown = list(reasons.items())
    if len(shown) > REASONS_SHOWN:
        rest = sum(count for _, count in shown[REASONS_SHOWN - 1 :])
        shown = [*shown[: REASONS_SHOWN - 1], (f"for {len(reasons) - REASONS_SHOWN + 1} other reasons", rest)]
    for number, (reason, count) in enumerate(shown):
        reporter.say(f"  {status if number == 0 else '':<12}{count:>7,} {reason.removeprefix('gone: ')}")


def _say_classes(reporter: Reporter, classes: dict[str, dict[str, Any]]) -> None:
    """The classes with the smallest share kept, and how many have none."""
    short = [(wnid, row) for wnid, row in classes.items() if row["kept_count"] < row["rows_count"]]
    short.sort(key=lambda item: (item[1]["coverage_frac"], -item[1]["rows_count"], item[0]))
    whole, none = len(classes) - len(short), sum(row["kept_count"] == 0 for _, row in short)
    reporter.say(
        f"  {'classes':<12}{len(classes):>7,} = {whole:,} whole + {len(short) - none:,} in part + {none:,} lost"
    )
    for wnid, row in short[:CLASSES_SHOWN]:
        name = labels_by_wnid()[wnid].name
        reporter.say(f"  {'':<12}{row['kept_count']:>7,} of {row['rows_count']:,} {name} ({wnid})")
