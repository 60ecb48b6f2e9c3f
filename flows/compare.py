"""The command `compare`: two sets of pictures, or one and statistics, measured, compared, and shown on a page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from relaionet.evaluators.comparison.measures import CLASS_KD, FD, KD
from relaionet.evaluators.comparison.representations import load_representations
from relaionet.flows.comparison.order import PROTOCOL, REPRESENTATIONS, CompareOrder
from relaionet.flows.comparison.read_sets import ReadSet, is_miniature, open_sets
from relaionet.flows.comparison.release import add_to_release, find_compared
from relaionet.flows.comparison.results import CARD, TABLE, Compared
from relaionet.flows.comparison.work import CompareWork
from relaionet.flows.evaluation.loaded_generator import device_of
from relaionet.flows.evaluation.recipe import read_protocol
from relaionet.flows.runs.folder_lock import hold_folder
from relaionet.flows.runs.reporter import Reporter
from relaionet.manifests.errors import BadInput


def run_compare(order: CompareOrder, out: Path, reporter: Reporter | None = None) -> Compared:
    """Compare two sets; what was read and extracted before is not read and extracted again.

    Args:
        order: what, and how.
        out: folder of the comparison.
        reporter: where progress is shown.

    Returns:
        The table with what must be known to read it. In the folder are `shifts.parquet`, `shifts.csv`,
        `comparison.json`, `card.md`, `comparison.html`, and `statistics` of the sets' features.

    Raises:
        BadInput: a place, a name or a file is wrong, or the sets cannot be compared as asked for.
        Unavailable: an extractor's weights must be fetched and cannot be.
        Corrupt: a split, or what was kept, is damaged.
    """
    reporter = reporter or Reporter()
    sources = open_sets(order)
    release = find_compared(order.card, sources[0]) if order.card is not None else None
    small = is_miniature(sources)
    protocol = read_protocol(order.protocol or ("miniature" if small else PROTOCOL))
    names = order.representations or (("miniature",) if small else REPRESENTATIONS)
    extractors = load_representations(names, device_of(order.device), order.weights)
    reporter.headline(f"Compare {sources[0].name} with {sources[1].name}")
    for side, source in zip("AB", sources, strict=True):
        reporter.say(f"  {side}  {source.name}: {source.words}")
    with hold_folder(out):
        work = CompareWork(order=order, out=out, protocol=protocol, extractors=extractors, reporter=reporter)
        read = work.read(sources)
        compared = work.compare(read)
        if release is not None:
            if not isinstance(read[0], ReadSet):
                raise BadInput(f"{order.one} is statistics; the card of a release needs its pictures compared.")
            compared = replace(compared, release=add_to_release(release, read[0], compared.facts))
    say_compared(reporter, compared, out)
    return compared


def say_compared(reporter: Reporter, compared: Compared, out: Path) -> None:
    """Say the distances with their intervals and numbers, what is lacking, and where everything is."""
    wholes = compared.rows.filter(part="", about="both")
    for row in wholes.iter_rows(named=True):
        if row["metric"] not in (FD.name, KD.name, CLASS_KD.name):
            continue
        floor = "" if row["floor"] is None else f", floor {row['floor']:.4g}"
        interval = "" if row["low"] is None else f" ({row['low']:.4g} to {row['high']:.4g})"
        reporter.say(
            f"  {row['representation']:<24} {row['metric']:<9} {row['mix']:<6} {row['value']:.4g}{interval}{floor}  "
            f"n {row['n']:,}"
        )
    for line in (*compared.drawn, *compared.lacks):
        reporter.say(f"  note: {line}")
    reporter.say(f"\nTable: {out / TABLE}.parquet", f"Card:  {out / CARD}", f"Page:  {compared.page}")
    if compared.release is not None:
        reporter.say(f"Release with these numbers on its card: {compared.release}")
