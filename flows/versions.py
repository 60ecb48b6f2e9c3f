"""The next version of a release: what was withdrawn stays out of it, whoever makes it; and the versions people ask for.

Every flow that writes a release writes it through `make_version`, so that a withdrawal holds for good.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from relaionet.flows.runs.reporter import Reporter
from relaionet.manifests.containers.parquet_table import read_guarded
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import read_json_object
from relaionet.manifests.release.beside import WITHDRAWAL_KINDS, check_withdrawn
from relaionet.manifests.release.release import VECTORS_FILE, Release, check_release, make_release
from relaionet.manifests.release.withdrawals import carried_withdrawals, join_withdrawals, read_withdrawals
from relaionet.manifests.store import Store
from relaionet.manifests.tables import CHECKED, DOWNLOADS, SPLIT, WITHDRAWN
from relaionet.manifests.words import say_count
from relaionet.pipeline.addresses.withdrawals import find_withdrawn


def make_version(
    manifest: pl.DataFrame, folder: Path, *, name: str = "relaionet", notes: Mapping[str, Any],
    decisions: pl.DataFrame | None = None, evidence: pl.DataFrame | None = None,
    withdrawn: pl.DataFrame | None = None, vectors: pl.DataFrame | None = None,
) -> Path:  # fmt: skip
    """Write a manifest as the next version of a release, without what was withdrawn from this or an older version.

    Arguments, results and errors are those of `make_release`. Rows that are out are left out of all tables but the
    decisions: how reliable a reviewer is was estimated from all answers, and an id says nothing of a picture.
    """
    listed = join_withdrawals(withdrawn, carried_withdrawals(folder, name))
    out = manifest.filter(find_withdrawn(manifest, listed).is_not_null())["candidate_id"]
    if not out.is_empty():
        gone = pl.col("candidate_id").is_in(out.implode())
        manifest = manifest.filter(~gone)
        evidence, vectors = (table.filter(~gone) if table is not None else None for table in (evidence, vectors))
    return make_release(
        manifest, folder, name=name, notes=notes, decisions=decisions, evidence=evidence, withdrawn=listed,
        vectors=vectors,
    )  # fmt: skip


def next_version(release: Release, manifest: pl.DataFrame | None = None, **more: Any) -> Path:
    """The version after a release, with everything that lies beside its manifest.

    Args:
        release: that was checked.
        manifest: MANIFEST rows of the new one; the old one's where None.
        **more: what differs, as for `make_version`.

    Returns:
        Its folder.
    """
    vectors = release.path / VECTORS_FILE
    same: dict[str, Any] = {
        "name": release.info.name, "notes": release.info.notes, "decisions": release.decisions,
        "evidence": release.evidence, "withdrawn": release.withdrawn,
        "vectors": read_guarded(vectors)[0] if vectors.is_file() else None,
    }  # fmt: skip
    rows = release.manifest if manifest is None else manifest
    return make_version(rows, release.path.parent, **{**same, **more})


class Withdrawal(NamedTuple):
    """What is to be withdrawn.

    Attributes:
        kind: `url`, `host`, `image_sha256` or `candidate_id`.
        values: each of it.
    """

    kind: str
    values: Sequence[str]


def list_withdrawals(wanted: Sequence[Withdrawal], why: str | None, since: str | None = None) -> pl.DataFrame:
    """WITHDRAWN of what somebody asks to have taken out.

    Args:
        wanted: by kind.
        why: in words.
        since: day, as 2026-11-30; None is today.

    Raises:
        BadInput: a value is not what its kind says.
    """
    day = since or f"{datetime.now(UTC):%Y-%m-%d}"
    rows = [(one.kind, _plain(one.kind, value), day, why) for one in wanted for value in one.values]
    return check_withdrawn(pl.DataFrame(rows, schema=dict(WITHDRAWN.schema), orient="row").unique(WITHDRAWN.key))


def _plain(kind: str, value: str) -> str:
    if kind not in WITHDRAWAL_KINDS:
        raise BadInput(f"'{kind}' cannot be withdrawn: expected one of {', '.join(WITHDRAWAL_KINDS)}.")
    return value.strip() if kind == "url" else value.strip().lower().rstrip(".")


def run_withdraw(
    place: Path, wanted: Sequence[Withdrawal], *, why: str | None = None, listed: Path | None = None,
    reporter: Reporter | None = None,
) -> Path:  # fmt: skip
    """Write the next version of a release without what is withdrawn, and with the list that says so.

    Args:
        place: the release, or a folder of its versions; the newest is taken, as older ones are never changed.
        wanted: what is withdrawn.
        why: in words, for all of it.
        listed: a CSV or parquet file of further withdrawals, or another release whose list holds here too.
        reporter: where it is said.

    Returns:
        Folder of the version; of the one that is there where nothing new is withdrawn.

    Raises:
        BadInput: nothing is to be withdrawn, or a value is wrong.
    """
    reporter, release = reporter or Reporter(), check_release(place)
    given = list_withdrawals(wanted, why)
    added = join_withdrawals(given, read_withdrawals(listed) if listed is not None else None)
    if added is None:
        raise BadInput("say what is withdrawn: --url, --host, --sha256, --id or --list.")
    out = find_withdrawn(release.manifest, added).drop_nulls()
    path = next_version(release, withdrawn=join_withdrawals(release.withdrawn, added))
    reporter.headline(f"Withdraw from {release.info.full_name}: {added.height:,} on the list")
    reporter.say(
        f"  taken out: {len(out):,} of {say_count(release.manifest.height, 'row')}; the list stays with every version"
    )
    for row in added.iter_rows(named=True):
        if find_withdrawn(release.manifest, added.filter(kind=row["kind"], value=row["value"])).is_null().all():
            reporter.say(f"  no row has {row['kind']} {row['value']}; it is kept out from now on")
    reporter.say(f"\nRelease: {path}", f"Splits:  relaionet rebuild {release.path} --out SPLIT removes what they hold")
    return path


def take_out_adopted(adopted: pl.DataFrame, withdrawn: pl.DataFrame | None) -> pl.DataFrame:
    """ADOPTED with what was withdrawn marked so, and left out of the release.

    Args:
        adopted: ADOPTED rows.
        withdrawn: WITHDRAWN; None takes out nothing.
    """
    why = find_withdrawn(adopted, withdrawn)
    out = why.is_not_null() & (adopted["status"] == "ok")
    rows = adopted.with_columns(why).with_columns(
        status=pl.when(out).then(pl.lit("withdrawn")).otherwise("status"),
        reason=pl.when(out).then("withdrawn").otherwise("reason"),
    )
    left = [name for name in ("wnid", "wnids", "class_index", "candidate_id") if name in rows.columns]
    return rows.with_columns(pl.when(~out).then(name).alias(name) for name in left).drop("withdrawn")


class Looked(NamedTuple):
    """What one rebuild or check found out.

    Attributes:
        told: of it, as it stands in the release's notes.
        rows: candidate_id and is_alive of the rows that were asked for on the web.
    """

    told: dict[str, Any]
    rows: pl.DataFrame


def run_core(place: Path, looked_at: Sequence[Path], *, reporter: Reporter | None = None) -> Path:
    """Write the next version of a release with its core: the rows that were alive whenever somebody looked.

    Args:
        place: the release, or a folder of its versions; the newest is taken.
        looked_at: two or more splits (`relaionet rebuild`) and checks (`--check`) of it or of an older version.
        reporter: where it is said.

    Returns:
        Folder of the version. A row's `is_core` is true where two or more looked and all found its picture, false where
        one did not, and null where fewer looked.

    Raises:
        BadInput: there are fewer than two, or one is of another release.
    """
    reporter, release = reporter or Reporter(), check_release(place)
    if len({path.resolve() for path in looked_at}) < 2:
        raise BadInput("a core needs two rebuilds or checks at least, made at different times: --from A --from B.")
    found = [read_looked(path, release) for path in looked_at]
    seen = pl.concat([one.rows for one in found]).group_by("candidate_id")
    counted = seen.agg(looks=pl.len(), alive=pl.col("is_alive").sum())
    core = (
        pl.when(pl.col("alive") < pl.col("looks"))
        .then(pl.lit(value=False))
        .when(pl.col("looks") > 1)
        .then(pl.lit(value=True))
    )
    rows = release.manifest.join(
        counted.select("candidate_id", found_core=core), on="candidate_id", how="left", maintain_order="left"
    )
    manifest = rows.with_columns(is_core="found_core").drop("found_core")
    told = sorted((one.told for one in found), key=str)
    path = next_version(release, manifest, notes={**release.info.notes, "core": told})
    counts = {
        words: manifest.filter(pl.col("is_core").eq_missing(value)).height
        for words, value in (("in the core", True), ("not", False), ("seen once or never", None))
    }
    parts = " + ".join(f"{count:,} {words}" for words, count in counts.items())
    reporter.headline(f"Core of {release.info.full_name}, by {len(found)} looks")
    reporter.say(f"  rows        {manifest.height:>7,} = {parts}", f"\nRelease: {path}")
    return path


def read_looked(path: Path, release: Release) -> Looked:
    """What a split or a check found out about the rows of a release.

    Args:
        path: folder of a finished split, or of a check.
        release: whose rows.

    Raises:
        BadInput: it is neither, or of another release.
    """
    store = Store(path)
    if (path / "check.json").is_file():
        about = read_json_object(path / "check.json")
        rows = store.read(CHECKED).filter(pl.col("status") != "withdrawn").select("candidate_id", "is_alive")
        told = {"kind": "check", "release_digest": about.get("release_digest"), "when": about.get("checked")}
    elif (path / "split.json").is_file():
        about = read_json_object(path / "split.json")
        # what came from a folder says nothing about the web: nobody was asked
        asked = store.read_all(DOWNLOADS).filter(pl.col("tries_count").is_not_null())["candidate_id"].unique()
        table = store.read(SPLIT).filter(pl.col("candidate_id").is_in(asked.implode()))
        alive = pl.col("status").is_in(["exact", "same_picture"]) & pl.col("archived_at").is_null()
        rows = table.filter(pl.col("status") != "withdrawn").select("candidate_id", is_alive=alive)
        told = {"kind": "rebuild", "release_digest": about.get("release_digest"), "when": about.get("fetched")}
    else:
        raise BadInput(f"{path} is neither a finished split nor a check (split.json, check.json).")
    if str(about.get("release", "")).rpartition("-v")[0] != release.info.name:
        raise BadInput(f"{path} is of {about.get('release')}, not of {release.info.name}.")
    return Looked({**told, "rows_count": rows.height, "alive_count": int(rows["is_alive"].sum())}, rows)
