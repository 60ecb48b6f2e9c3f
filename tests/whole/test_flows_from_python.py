"""Flows called from Python alone: the same as the command, with a Prefect server started where there is none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from tests.waiting import run_to_end
from tests.whole.conftest import clean_environment

pytestmark = [pytest.mark.slow]
# what a notebook or a deployment does: a name, plain values, no object of ours
PROGRAM = """
import sys
from pathlib import Path
from relaionet.flows.curate import curate
from relaionet.manifests.errors import BadInput

recipe, out = sys.argv[1:]
try:
    curate(recipe="nowhere.toml", out=Path("elsewhere"), push=False)
except BadInput as error:
    print("refused:", error)
print("made:", curate(recipe=recipe, out=Path(out), push=False))
"""


def call(tmp_path: Path, prefect_home: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    environment = clean_environment(PREFECT_HOME=str(prefect_home), OMP_NUM_THREADS="1")
    return run_to_end([sys.executable, "-c", PROGRAM, *arguments], cwd=tmp_path, env=environment)


def tables(run: Path) -> dict[str, bytes]:
    """Every table but that of the downloads, which says when each picture was fetched."""
    names = [path for path in run.glob("*/*.parquet") if not path.parent.name.startswith("downloads")]
    return {path.relative_to(run).as_posix(): path.read_bytes() for path in names}


# the command itself, which then says what it imported
SMALL = """
import sys
from relaionet.flows.cli.main import main

main(sys.argv[1:], standalone_mode=False)
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_a_finished_run_says_so_without_models_and_prefect(
    a_run: Path, source_recipe: Path, prefect_home: Path
) -> None:
    arguments = ("curate", "--recipe", source_recipe, "--out", a_run, "--no-push")
    environment = clean_environment(PREFECT_HOME=str(prefect_home), OMP_NUM_THREADS="1")

    def curate() -> tuple[list[str], set[str]]:
        # in the folder where it was made: what a recipe names may lie beside it
        done = run_to_end([sys.executable, "-P", "-c", SMALL, *map(str, arguments)], env=environment)
        assert done.returncode == 0, done.stderr[-3000:]
        return [line for line in done.stderr.splitlines() if " = " in line], set(done.stdout.split())

    curate()  # whatever other tests did in its folder
    lines, loaded = curate()
    assert loaded & {"torch", "prefect"} == set()
    assert {line.split()[0] for line in lines} >= {"candidates", "downloads", "embeddings", "proposals", "routed"}
    assert all("already done" in line for line in lines)
    # a table that is gone is made again by the stages, and the run is finished again
    lost = next((a_run / "proposals").glob("*.parquet"))
    kept = lost.read_bytes()
    lost.unlink()
    lines, loaded = curate()
    assert loaded >= {"torch", "prefect"}
    assert lost.read_bytes() == kept
    assert curate()[1] & {"torch", "prefect"} == set()


def test_curate_from_python_is_the_command(
    a_run: Path, source_recipe: Path, prefect_home: Path, tmp_path: Path
) -> None:
    done = call(tmp_path, prefect_home, source_recipe, tmp_path / "run")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "refused: recipe nowhere.toml is no file" in done.stdout
    assert f"made: {tmp_path / 'run'}" in done.stdout
    assert not (tmp_path / "elsewhere").exists()
    mine, theirs = tables(tmp_path / "run"), tables(a_run)
    assert mine.keys() == theirs.keys()
    assert [name for name in mine if mine[name] != theirs[name]] == []
    for page in ("candidates.html", "screens.html", "proposals.html"):
        assert (tmp_path / "run" / page).is_file()
    # the proxy of the recipe is on no record
    assert '"proxy": null' in (tmp_path / "run" / "run.json").read_text()
    fetched = pl.read_parquet(tmp_path / "run" / "downloads" / "*.parquet")
    assert fetched.filter(status="ok").height > 0
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").glob("*/*.parquet")}
    again = call(tmp_path, prefect_home, source_recipe, tmp_path / "run")
    assert again.returncode == 0, again.stderr[-3000:]
    assert {path: path.stat().st_mtime_ns for path in times} == times
