"""Reading a source in the flow: killed at any moment it goes on, and what is done is not done again."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from relaionet.flows.curation.choice import read_all_candidates
from relaionet.flows.curation.recipe import CurateRecipe, places_of, read_curate_recipe
from relaionet.flows.curation.recipe_checks import check_recipe
from relaionet.flows.curation.source import read_source, shard_name
from relaionet.flows.runs.reporter import Reporter
from relaionet.flows.runs.run import Run
from relaionet.manifests.errors import BadInput
from relaionet.manifests.tables import CANDIDATES, NEIGHBOURS, PASSED_OVER
from relaionet.pipeline.candidates.judge import CandidatesConfig
from tests.depth import deep
from tests.unit.pipeline.candidates.test_searched_rows import neighbours

ROW_TABLES = (CANDIDATES.name, PASSED_OVER.name)
FILES, FILE_ROWS, SHARD_ROWS, KILLS = 16, 3000, 250, deep(10)
# imports once, then a child for every line: what is killed has read and written, and nothing else
NURSERY = """
import os, sys
from pathlib import Path
from rich.console import Console
from relaionet.flows.curation.source import read_source
from relaionet.flows.runs.reporter import Reporter
from relaionet.flows.curation.recipe import read_curate_recipe
from relaionet.flows.runs.folder_lock import hold_folder
from relaionet.flows.runs.run import Run
recipe, out = sys.argv[1], Path(sys.argv[2])
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        read = read_curate_recipe(recipe)
        with hold_folder(out):
            read_source(Run(root=out, reporter=Reporter(Console(quiet=True))), read.source, read.candidates)
        os._exit(0)
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
"""


def make_source(folder: Path, files: int = FILES, rows: int = FILE_ROWS) -> Path:
    folder.mkdir()
    for file in range(files):
        numbers = range(file * rows, (file + 1) * rows)
        pl.DataFrame(
            {
                "URL": [f"http://a.example/{n % (rows * files * 2 // 3)}" for n in numbers],
                "TEXT": [("a goldfish", "a tench", "nothing", None)[n % 4] for n in numbers],
                "WIDTH": [100 if n % 7 else 10 for n in numbers],
            }
        ).write_parquet(folder / f"{file:03d}.parquet", row_group_size=700)
    return folder


def a_recipe(source: Path, keep_rows: str = "named", size: int = SHARD_ROWS) -> CurateRecipe:
    config = CandidatesConfig(keep_rows=keep_rows, rows_per_shard=size)  # type: ignore[arg-type]
    return CurateRecipe(source=(str(source),), candidates=config)


def source_of(recipe: CurateRecipe) -> tuple[tuple[str, ...], CandidatesConfig]:
    return places_of(recipe.source), recipe.candidates


def a_run(root: Path) -> Run:
    return Run(root=root, reporter=Reporter(Console(quiet=True)))


def tables(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*.parquet"))}


def written_at(root: Path) -> dict[str, int]:
    return {str(path.relative_to(root)): path.stat().st_mtime_ns for path in sorted(root.rglob("*.receipt.json"))}


@pytest.mark.slow
def test_a_reading_killed_at_any_moment_ends_with_the_same_bytes(tmp_path: Path) -> None:
    source = make_source(tmp_path / "source")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(f'source = "source"\n[candidates]\nkeep_rows = "named"\nrows_per_shard = {SHARD_ROWS}\n')
    started = time.perf_counter()
    read_source(a_run(tmp_path / "whole"), *source_of(a_recipe(source)))
    seconds = time.perf_counter() - started
    rng, out, killed = random.Random(5), tmp_path / "run", 0
    kept: dict[str, int] = {}
    command = [sys.executable, "-c", NURSERY, str(recipe), str(out)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as nursery:
        assert nursery.stdin is not None
        assert nursery.stdout is not None
        for _ in range(KILLS):
            nursery.stdin.write("go\n")
            nursery.stdin.flush()
            child = int(nursery.stdout.readline())
            time.sleep(rng.uniform(0.02, 2.5 * seconds / KILLS))
            os.kill(child, signal.SIGKILL)
            killed += int(nursery.stdout.readline()) == signal.SIGKILL
            now = written_at(out) if out.exists() else {}
            assert kept.items() <= now.items(), "a finished shard was written again"
            kept = {name: at for name, at in now.items() if name.startswith("candidates")}
        nursery.stdin.close()
    assert killed >= KILLS // 2
    read_source(a_run(out), *source_of(a_recipe(source)))
    assert kept.items() <= written_at(out).items()
    assert tables(out) == tables(tmp_path / "whole")
    assert not list(out.rglob("*.part"))


@pytest.mark.parametrize("keep_rows", ["all", "named"])
def test_a_second_run_writes_nothing_and_the_counts_add_up(tmp_path: Path, keep_rows: str) -> None:
    source = make_source(tmp_path / "source", files=2, rows=1500)
    recipe = a_recipe(source, keep_rows)
    run = a_run(tmp_path / "run")
    shards, alive_count = read_all_candidates(run, *source_of(recipe))
    line = run.counts[-1]
    assert line.rows_in == 3000 == sum(line.statuses.values())
    assert alive_count == line.statuses["ok"] == len({n % 2000 for n in range(3000) if n % 4 < 2 and n % 7})
    assert line.reasons["no_label"] == {"the caption names no class": line.statuses["no_label"]}
    stored = run.store.read_all(CANDIDATES).height
    assert stored == (3000 if keep_rows == "all" else 1500)
    assert stored + run.store.read_all(PASSED_OVER)["rows_count"].sum() == 3000
    before = written_at(run.root)
    again = a_run(run.root)
    assert read_all_candidates(again, *source_of(recipe)) == (shards, alive_count)
    assert written_at(run.root) == before
    assert not again.made
    assert again.counts[-1].statuses == line.statuses


def test_both_ways_to_keep_rows_count_the_same_and_make_the_same_candidates(tmp_path: Path) -> None:
    source = make_source(tmp_path / "source", files=2, rows=1500)
    runs = {keep: a_run(tmp_path / keep) for keep in ("all", "named")}
    for keep, run in runs.items():
        read_all_candidates(run, *source_of(a_recipe(source, keep)))
    assert runs["all"].counts[0].statuses == runs["named"].counts[0].statuses
    kept = runs["all"].store.read_all(CANDIDATES).filter(pl.col("lemma").is_not_null())
    assert kept.equals(runs["named"].store.read_all(CANDIDATES))
    read_all_candidates(runs["named"], *source_of(a_recipe(source, "all")))
    assert runs["named"].store.shards(PASSED_OVER) == []
    assert tables(runs["named"].root) == tables(runs["all"].root)


def test_a_file_added_or_exchanged_leaves_the_shards_before_it(tmp_path: Path) -> None:
    source = make_source(tmp_path / "source", files=4, rows=1000)
    last = (source / "003.parquet").rename(tmp_path / "003.parquet")
    run = a_run(tmp_path / "run")
    first = read_source(run, *source_of(a_recipe(source)))
    before = written_at(run.root)
    last.rename(source / "003.parquet")
    assert len(read_source(a_run(run.root), *source_of(a_recipe(source)))) == len(first) + 2
    kept = [name for name, at in written_at(run.root).items() if before.get(name) == at and "candidates" in name]
    assert len(kept) == len(first) - 1
    other = a_run(tmp_path / "other")
    read_source(other, *source_of(a_recipe(source)))
    assert tables(run.root) == tables(other.root)
    rows = pl.read_parquet(source / "002.parquet").with_columns(TEXT=pl.lit("a tench"))
    rows.write_parquet(source / "002.parquet", row_group_size=700)
    before = written_at(run.root)
    read_source(a_run(run.root), *source_of(a_recipe(source)))
    same = sorted(name for name, at in written_at(run.root).items() if before.get(name) == at and "candidates" in name)
    assert same == [f"candidates/0000{n}.receipt.json" for n in range(4)]


def test_damaged_and_lost_shards_are_made_again(tmp_path: Path) -> None:
    source = make_source(tmp_path / "source", files=2, rows=1500)
    run = a_run(tmp_path / "run")
    read_source(run, *source_of(a_recipe(source)))
    whole = tables(run.root)
    run.store.path(CANDIDATES, "00002").unlink()
    read_source(a_run(run.root), *source_of(a_recipe(source)))
    assert tables(run.root) == whole
    run.store.path(CANDIDATES, "00003").write_bytes(b"x")
    run.store.forget("source")
    read_source(a_run(run.root), *source_of(a_recipe(source)))
    assert tables(run.root) == whole


def test_neighbours_are_merged_and_those_not_in_the_source_come_behind(tmp_path: Path) -> None:
    source = make_source(tmp_path / "source", files=1, rows=300)
    run = a_run(tmp_path / "run")
    found = neighbours(*((n, "n01440764", "text_search", 0.5) for n in (2, 3, 10**6, 10**6 + 1, 10**6 + 2)))
    run.store.write(found, NEIGHBOURS, "digest")
    recipe = a_recipe(source, size=100)
    shards, alive_count = read_all_candidates(run, *source_of(recipe))
    rows = run.store.read_all(CANDIDATES)
    sought = rows.filter(pl.col("sought_wnids").list.len() > 0)
    assert sought["status"].to_list() == ["ok", "ok", "repeated", "too_small", "ok", "ok", "ok"]
    last = run.store.read(CANDIDATES, shards[-1])
    assert last["source"].to_list() == ["index"] * 3
    assert run.counts[-1].rows_in == 303
    before = written_at(run.root)
    assert read_all_candidates(a_run(run.root), *source_of(recipe)) == (shards, alive_count)
    run.store.forget("source")
    read_all_candidates(a_run(run.root), *source_of(recipe))
    changed = {name for name, at in written_at(run.root).items() if before[name] != at if name in before}
    assert changed <= {f"{name}.receipt.json" for name in ("source/all", *(f"{t}/{shards[-1]}" for t in ROW_TABLES))}
    run.store.keep_only(NEIGHBOURS, [])
    read_all_candidates(run, *source_of(recipe))
    assert run.counts[-1].rows_in == 300


def test_the_source_is_said_and_a_wrong_one_is_found_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = make_source(tmp_path / "source", files=2, rows=10)
    read_source(Run(root=tmp_path / "run"), *source_of(a_recipe(source)))
    assert "2 files, LAION-2B schema, 20 rows (not stated: punsafe, pwatermark)" in capsys.readouterr().err
    with pytest.raises(BadInput, match="holds a secret"):
        check_recipe(CurateRecipe(source="https://me:hush@example.org/x.parquet"))
    with pytest.raises(BadInput, match="more than 100,000 shards"):
        shard_name(100_000)


def test_a_recipe_names_one_place_or_several(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('source = "rows.parquet"\n[candidates]\nschema = "LAION-2B"\ncolumns = { caption = "ALT" }\n')
    read = read_curate_recipe(str(recipe))
    assert read.source == (str(tmp_path / "rows.parquet"),)
    assert (read.candidates.schema, read.candidates.columns) == ("LAION-2B", {"caption": "ALT"})
    recipe.write_text('source = ["a/*.parquet", "hf://datasets/laion/x", "s3://bucket/y"]\n')
    places = (str(tmp_path / "a/*.parquet"), "hf://datasets/laion/x", "s3://bucket/y")
    assert read_curate_recipe(str(recipe)).source == places
    with pytest.raises(BadInput, match=r"is not known\. Did you mean 'Re-LAION'"):
        replace(CandidatesConfig(), schema="ReLAION")
