"""Folders made by the code of commit 57e12d1, before its modules were moved and before pictures were read as shown.

What rests on bytes, texts and people is found done by every command. What rests on a picture's pixels is read anew, as
it is of another version: pictures without oddities come out the same, so their vectors, proposals and scores do too. A
release and a split are verified by the version of fingerprints they hold, and nothing of them is read anew.

`tests/fixtures/make_fixture.py` says how they were made. They are unpacked to another place than they were made in, no
server shows their pictures, and every way out of this machine is closed. A stage whose digest came out otherwise would
compute again; then its receipt, which holds how long that took, and its files' times of change would not be those of
the archive.
"""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from relaionet.manifests.tables import SCREENED
from tests.whole.conftest import Command

pytestmark = [pytest.mark.slow]
ARCHIVE = Path(__file__).parents[1] / "fixtures" / "made_by_57e12d1.tar.xz"
RELEASE_DIGEST = "a3c1f1ae0b7888527fd6cb8ae674e51ae7475d34dd6ce796ffcc5c46e9a6a1ef"
SPLIT_DIGEST = "567749a9c7f22336cf4ede49ecd2b036d58c779a0d953341f5af0093d2d93898"
CLOSED = "http://127.0.0.1:9"
OFFLINE = {
    "http_proxy": CLOSED, "https_proxy": CLOSED, "all_proxy": CLOSED, "no_proxy": "127.0.0.1,localhost",
    "HF_HUB_OFFLINE": "1",
}  # fmt: skip
# Written anew by every run. Records hold the place of the folders, the packages' versions and the commit; pages and
# their tables are made of what was stored.
RECORDS_AND_PAGES = {
    "run/run.json", "evaluation/run.json", "embedded/run.json", "run/proposals.html", "evaluation/report.html",
    "run/index.html", "evaluation/index.html",
    "evaluation/tables/made-before-v1-miniature.csv", "evaluation/tables/made-before-v1-miniature.json",
    "evaluation/tables/made-before-v1-miniature.md", "evaluation/tables/made-before-v1-miniature.tex",
    "evaluation/tables/made-before-v1-miniature-classes.csv",
    "evaluation/tables/made-before-v1-miniature-differences.csv",
}  # fmt: skip
# Gathered anew from what is stored of each set; what they say is compared, not their bytes.
GATHERED = {
    "evaluation/scores.parquet", "evaluation/class_scores.parquet", "evaluation/differences.parquet",
    "evaluation/bounds.json", "evaluation/sets.json",
}  # fmt: skip
# read anew from the pictures, and what follows from them
FROM_PICTURES = (
    "run/embeddings/", "run/img_emb/", "run/metadata/", "run/hits/", "run/calibration/", "run/proposals/",
    "run/measured/", "run/compared/", "run/screened/", "run/screens.html", "run/routed/", "run/tasks/", "evaluation/",
    "embedded/",
)  # fmt: skip
NEW_COLUMNS = ("phash", "thumbprint", "fingerprint_version", "note", "phash_mirrored", "made_with", *SCREENED.later)
STAGE_LINE = re.compile(r"^  (\w+) +[\d,]+ = .*\(([\d.]+ s|already done)\)$", re.M)


@dataclass(frozen=True, kw_only=True)
class Again:
    """The folders after every command ran again, what they held before, and what the commands printed.

    The reference set was added again in a second copy, as that changes what it notes.
    """

    folder: Path
    copy: Path
    marks: dict[str, tuple[str, int]]
    gathered: dict[str, Any]
    printed: dict[str, str]


def unpack(place: Path) -> Path:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(place, filter="data")
    return place / "made"


def marks_of(folder: Path) -> dict[str, tuple[str, int]]:
    """sha256 and time of change of every file."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {
        path.relative_to(folder).as_posix(): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in files
    }


def read(path: Path) -> Any:
    return pl.read_parquet(path) if path.suffix == ".parquet" else json.loads(path.read_text())


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack(tmp_path_factory.mktemp("before"))


@pytest.fixture(scope="module")
def again(relaionet: Command, tmp_path_factory: pytest.TempPathFactory) -> Again:
    folder, copy = unpack(tmp_path_factory.mktemp("elsewhere")), unpack(tmp_path_factory.mktemp("copy"))
    marks, gathered = marks_of(folder), {name: read(folder / name) for name in GATHERED}
    run, release, split = folder / "run", folder / "run" / "release", folder / "split"
    # Two Prefect servers must not make one new database at once: curate comes last, long after evaluate began.
    one: list[tuple[object, ...]] = [
        ("release", "check", release),
        ("rebuild", release, "--out", split, "--encoder", "miniature"),
        ("reference", "add", copy / "world" / "reference", "--name", "made", "--encoder", "miniature", "--store",
         copy / "references"),
        ("curate", "--recipe", folder / "curate.toml", "--out", run, "--no-push"),
    ]  # fmt: skip
    other: list[tuple[object, ...]] = [
        ("evaluate", "--recipe", folder / "evaluate.toml", "--out", folder / "evaluation"),
        ("export", split, "--out", folder / "webdataset", "--form", "webdataset"),
        ("embed", folder / "world" / "controls", "--encoder", "miniature", "--out", folder / "embedded"),
    ]

    def run_all(commands: list[tuple[object, ...]]) -> dict[str, str]:
        printed = {}
        for command in commands:
            done = relaionet(*command, **OFFLINE)
            assert done.returncode == 0, done.stderr[-3000:]
            printed[str(command[0])] = done.stdout + done.stderr
        return printed

    with ThreadPoolExecutor(2) as pool:  # none of them writes what another reads
        halves = list(pool.map(run_all, (one, other)))
    return Again(folder=folder, copy=copy, marks=marks, gathered=gathered, printed=halves[0] | halves[1])


def test_no_file_is_written_again_but_what_is_read_from_pictures(again: Again) -> None:
    now = marks_of(again.folder)
    may_change = RECORDS_AND_PAGES | GATHERED
    changed = {name for name, mark in again.marks.items() if now.get(name) != mark} - may_change
    assert {name for name in changed if not name.startswith(FROM_PICTURES)} == set()
    assert {"run", "evaluation", "embedded"} == {name.split("/")[0] for name in changed}
    assert not any(name.startswith(("run/downloads", "run/release", "run/verdicts", "split/")) for name in changed)


def rows_of(file: Path) -> pl.DataFrame:
    table = pl.read_parquet(file)
    return table.drop(name for name in NEW_COLUMNS if name in table.columns)


@pytest.mark.parametrize("stage", ["embeddings", "hits", "proposals", "screened", "routed", "tasks"])
def test_pictures_without_oddities_come_out_the_same(again: Again, before: Path, stage: str) -> None:
    files = sorted((before / "run" / stage).glob("*.parquet"))
    assert files
    for file in files:
        assert_frame_equal(rows_of(again.folder / "run" / stage / file.name), rows_of(file), abs_tol=1e-5)


def test_the_archive_holds_what_is_looked_at(again: Again) -> None:
    receipts = {name for name in again.marks if name.endswith(".receipt.json")}
    stages = {name.split("/")[1] for name in receipts if name.startswith("run/")}
    assert stages == {
        "source", "candidates", "text_calibration", "text_matches", "chosen", "downloads", "embeddings", "hits",
        "calibration", "proposals", "measured", "compared", "screened", "routed", "tasks", "decisions", "verdicts",
        "reviewed",
    }  # fmt: skip
    assert {name.split("/")[0] for name in receipts} == {"run", "references", "split", "evaluation", "embedded"}
    assert not any("studio" in name for name in again.marks)


def test_every_stage_before_the_pictures_says_that_it_was_done(again: Again) -> None:
    found = STAGE_LINE.findall(again.printed["curate"])
    # what the screens saw is made again, with columns it had not; the rows routed by it come out the same (above)
    assert [stage for stage, told in found if told == "already done"] == [
        "candidates", "text_matches", "chosen", "downloads",
    ]  # fmt: skip
    assert len(found) == 8
    assert [told for _, told in STAGE_LINE.findall(again.printed["rebuild"])] == ["already done"]


def test_nothing_is_fetched_or_exported_again(again: Again) -> None:
    assert "nothing to fetch, nothing to do" in again.printed["rebuild"]
    assert "(already done)" in again.printed["export"]


def test_the_release_is_the_one_that_was_made(again: Again) -> None:
    release = json.loads((again.folder / "run" / "release" / "release.json").read_text())
    assert release["digest"] == RELEASE_DIGEST
    assert f"is whole. Cite: made-before v1 (miniature), {release['rows_count']} images" in again.printed["release"]
    assert RELEASE_DIGEST[:12] in again.printed["release"]
    assert "labels come out the same" in again.printed["release"]


def test_the_split_is_the_one_that_was_made(again: Again) -> None:
    split = json.loads((again.folder / "split" / "split.json").read_text())
    assert (split["digest"], split["release_digest"]) == (SPLIT_DIGEST, RELEASE_DIGEST)


@pytest.mark.parametrize("name", sorted(GATHERED))
def test_scores_are_those_that_were_stored(again: Again, name: str) -> None:
    stored, now = again.gathered[name], read(again.folder / name)
    if isinstance(stored, pl.DataFrame):
        assert stored.height > 0
        stored, now = (without_reworked_intervals(table.drop("made_with", strict=False)) for table in (stored, now))
        # sums may differ in the last digits from one processor to another
        assert_frame_equal(now, stored, rel_tol=1e-9, abs_tol=1e-9)
    else:
        # the protocol's own digest is part of it, which says how pictures are read; of which release it is, and what
        # the protocol chose, came later
        assert now.pop("release_digest", RELEASE_DIGEST) == RELEASE_DIGEST
        assert now.pop("protocol_choices", {}).get("name", "miniature") == "miniature"
        assert without_digests(now) == without_digests(stored)


def without_reworked_intervals(table: pl.DataFrame) -> pl.DataFrame:
    """The values, which all stay; intervals of an MMHM and of differences are made otherwise since (040)."""
    if "difference" in table.columns:
        return table.filter(~pl.col("metric").str.starts_with("MMHM")).drop("low", "high", "p_value", "p_holm")
    if "method" not in table.columns:
        return table
    is_drawn = pl.col("metric").str.starts_with("MMHM")
    return table.with_columns(pl.when(~is_drawn).then(name).alias(name) for name in ("low", "high", "method"))


def without_digests(value: Any) -> Any:
    if isinstance(value, dict):
        new = ("made_with", "decode", "version")
        return {key: without_digests(held) for key, held in value.items() if key not in new}
    return [without_digests(one) for one in value] if isinstance(value, list) else value


def test_a_reference_set_is_read_anew_and_its_vectors_are_the_same(again: Again) -> None:
    now = {name: mark for name, mark in marks_of(again.copy).items() if name.startswith("references/")}
    changed = {name for name, (sha256, _) in now.items() if sha256 != again.marks[name][0]}
    assert {Path(name).name for name in changed} == {"set.json", "00000.receipt.json", "00000.parquet"}
