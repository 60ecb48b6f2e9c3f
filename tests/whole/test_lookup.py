"""The published set's way back: adopted without addresses, looked up, released, rebuilt elsewhere, scored, traced."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from PIL import Image

from relaionet.flows.lookups.order import LookupOrder, open_lookup
from relaionet.flows.runs.reporter import Reporter
from relaionet.manifests.errors import ReLAIONetError
from relaionet.manifests.files import read_json_object
from relaionet.manifests.release.release import check_release
from relaionet.manifests.tables.schema import count_statuses
from relaionet.pipeline.downloads.fetch import DownloadConfig
from relaionet.pipeline.embeddings.embed import EmbedConfig, embed_images
from relaionet.pipeline.embeddings.encoders import load_encoder
from relaionet.pipeline.embeddings.store import write_embeddings
from relaionet.pipeline.lookup.places import LookupConfig
from relaionet.pipeline.miniature.server import serve_world
from relaionet.pipeline.miniature.world import World, WorldConfig, make_world
from tests.fakes.published import ROOT, make_published
from tests.waiting import wait_until
from tests.whole.conftest import Command, clean_environment, command_line

pytestmark = [pytest.mark.slow]
EVALUATION = """
split = "{split}"
protocol = "miniature"
name = "the set found again"
[[generators]]
generator = "miniature-meanflow"
steps = [1]
"""
OURS = "given-"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lookup")


@pytest.fixture(scope="module")
def world(folder: Path) -> World:
    return make_world(folder / "world", WorldConfig(per_class_count=5, faults_scale=0.3, reference_per_class_count=1))


@pytest.fixture(scope="module")
def proxy(world: World) -> Iterator[str]:
    with serve_world(world.folder) as served:
        yield served.proxy


@pytest.fixture(scope="module")
def on_the_web(world: World, proxy: str, folder: Path) -> pl.DataFrame:
    """url, file and wnid of the rows that are releasable: what a set of the past was made of."""
    rows = pl.read_parquet(world.truth).filter("releasable").select("candidate_id", "url", "wnid")
    (folder / "served").mkdir()
    with httpx.Client(proxy=proxy, trust_env=False) as client:
        for candidate_id, url, _ in rows.iter_rows():
            (folder / "served" / f"{candidate_id}.png").write_bytes(client.get(url).content)
    return rows.with_columns(file=pl.format("{}.png", "candidate_id"))


@pytest.fixture(scope="module")
def published(folder: Path, on_the_web: pl.DataFrame) -> Path:
    """The stand-in of the published set, with pictures of the web among its own, encoded anew."""
    again = folder / "again"
    again.mkdir()
    given = []
    for number, (candidate_id, wnid) in enumerate(on_the_web.select("candidate_id", "wnid").rows()):
        place = again / f"{OURS}{candidate_id}.jpg"
        with Image.open(folder / "served" / f"{candidate_id}.png") as image:
            image.convert("RGB").save(place, quality=80 + number % 15)
        given.append((place, wnid))
    make_published(folder / "set", 1, pictures=given)
    return folder / "set" / ROOT


@pytest.fixture(scope="module")
def embeddings(folder: Path, on_the_web: pl.DataFrame) -> Path:
    """Embeddings of a part of the web, as they are published: every second picture is in it."""
    encoder, half = load_encoder("miniature", "cpu"), on_the_web[::2]
    rows = half.select("candidate_id", "url", path="file")
    _, vectors = embed_images(rows, encoder, folder / "served", EmbedConfig())
    rows = rows.with_columns(caption=pl.lit("a caption"))
    write_embeddings(folder / "laion", 0, vectors, rows)
    return folder / "laion"


@pytest.fixture(scope="module")
def release(relaionet: Command, folder: Path, published: Path) -> Path:
    done = relaionet("adopt", published, "--name", "published", "--out", folder / "releases")
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / "releases" / "published-v1"


def our_rows(release: Path) -> pl.DataFrame:
    """candidate_id and true_id (of the picture on the web) of the rows whose picture is on the web."""
    name = pl.col("path").str.extract(rf"{OURS}([0-9a-f]{{64}})\.jpg$")
    return check_release(release).manifest.select("candidate_id", "wnid", true_id=name).drop_nulls("true_id")


def test_from_the_published_set_to_scores_and_back(
    relaionet: Command, folder: Path, world: World, proxy: str, release: Path, embeddings: Path, published: Path,
    on_the_web: pl.DataFrame,
) -> None:  # fmt: skip
    places = ("--in", embeddings, "--in", world.rows, "--images", published, "--encoder", "miniature")
    out = folder / "found"
    done = relaionet("lookup", release, *places, "--out", out, "--proxy", proxy)
    assert done.returncode == 0, done.stderr[-3000:]

    # every row is told of, those on the web are found, and at no address of another picture
    lookup = pl.read_parquet(out / "lookup" / "all.parquet")
    adopted = check_release(release).manifest
    assert lookup["candidate_id"].to_list() == adopted["candidate_id"].to_list()
    assert sum(count_statuses(lookup).values()) == adopted.height
    ours = our_rows(release).join(lookup.drop("wnid"), on="candidate_id")
    assert ours.height == on_the_web.height
    assert set(ours["status"]) == {"ok"}
    truth = pl.read_parquet(world.truth)
    group = dict(truth.select("url", pl.coalesce("group", pl.lit(-1))).iter_rows())
    own = dict(on_the_web.select("candidate_id", "url").iter_rows())
    for true_id, url, others in ours.select("true_id", "url", "other_urls").iter_rows():
        for found in (url, *(others or [])):
            assert found == own[true_id] or group[found] == group[own[true_id]], (found, own[true_id])
    rest = lookup.filter(~pl.col("candidate_id").is_in(ours["candidate_id"].implode()))
    assert count_statuses(rest).get("ok", 0) == 0

    # the next version: rebuilt by somebody who has nothing but the release
    found = folder / "releases" / "published-v2"
    assert check_release(found).manifest["url"].drop_nulls().len() == on_the_web.height
    assert f"{on_the_web.height:,} of {adopted.height:,}" in done.stderr
    done = relaionet("rebuild", found, "--out", folder / "split", "--proxy", proxy)
    assert done.returncode == 0, done.stderr[-3000:]
    told = read_json_object(folder / "split" / "split.json")
    assert told["kept_count"] == on_the_web.height
    (folder / "evaluation.toml").write_text(EVALUATION.format(split=folder / "split"))
    done = relaionet("evaluate", "--recipe", folder / "evaluation.toml", "--out", folder / "scores")
    assert done.returncode == 0, done.stderr[-3000:]
    scores = pl.read_parquet(folder / "scores" / "scores.parquet")
    assert set(scores["n"]) == {on_the_web.height}

    # and one id leads from the address and the evidence to the score
    one = ours["candidate_id"][0]
    for place, words in ((found, "same_picture"), (folder / "split", "kept"), (folder / "scores", "meanflow")):
        traced = relaionet("trace", one[:16], "--run", place)
        assert traced.returncode == 0, traced.stderr[-2000:]
        assert words in traced.stdout, place


def test_a_second_run_does_nothing_and_a_further_place_only_what_is_new(
    relaionet: Command, folder: Path, world: World, proxy: str, release: Path, embeddings: Path, published: Path
) -> None:
    out, releases = folder / "twice", folder / "releases-twice"
    arguments = ("lookup", release, "--out", out, "--releases", releases, "--proxy", proxy)
    first = (*arguments, "--in", embeddings, "--images", published, "--encoder", "miniature")
    for _ in range(2):
        done = relaionet(*first)
        assert done.returncode == 0, done.stderr[-3000:]
    lines = [line.split() for line in done.stderr.splitlines() if line.startswith("  ")]
    stages = {line[0]: " ".join(line) for line in lines if line}
    assert all("already done" in stages[name] for name in ("embeddings", "downloads", "lookup")), done.stderr
    assert [path.name for path in sorted(releases.iterdir())] == ["published-v1"]
    half = pl.read_parquet(out / "lookup" / "all.parquet")["status"].eq("ok").sum()
    fetched = {path: path.stat().st_mtime_ns for path in (out / "images").rglob("*.*") if path.is_file()}
    done = relaionet(*first, "--in", world.rows)
    assert done.returncode == 0, done.stderr[-3000:]
    assert {path: path.stat().st_mtime_ns for path in fetched} == fetched  # nothing that is here is fetched again
    assert pl.read_parquet(out / "lookup" / "all.parquet")["status"].eq("ok").sum() > half


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    """Until it is there, or nothing will make it any more."""
    wait_until(lambda: path.exists() or process.poll() is not None, every_s=0.01)


def test_killed_anywhere_it_ends_like_one_that_was_left_alone(
    folder: Path, world: World, proxy: str, release: Path, prefect_home: Path, relaionet: Command
) -> None:
    out = folder / "killed"
    start = ("lookup", release, "--in", world.rows, "--proxy", proxy, "--rows-per-shard", 50)
    arguments = (*start, "--out", out, "--releases", folder / "rk")
    for marker in ("candidates", "images"):
        with (folder / "killed.log").open("w") as log:
            process = subprocess.Popen(
                command_line(*arguments), stdout=log, stderr=log, env=clean_environment(PREFECT_HOME=str(prefect_home)),
                start_new_session=True,
            )  # fmt: skip
            wait_for(out / marker, process)
            process.send_signal(signal.SIGKILL)
            process.wait()
    done = relaionet(*arguments)
    assert done.returncode == 0, done.stderr[-3000:]
    alone = relaionet(*start, "--out", folder / "alone", "--releases", folder / "ra")
    assert alone.returncode == 0, alone.stderr[-3000:]
    tables = [pl.read_parquet(place / "lookup" / "all.parquet").drop("served_at") for place in (out, folder / "alone")]
    assert tables[0].equals(tables[1])


def test_what_is_wrong_is_said_before_anything_is_fetched(
    folder: Path, world: World, release: Path, embeddings: Path, published: Path
) -> None:
    out, rows = folder / "wrong", str(world.rows)
    wrong: tuple[tuple[dict[str, Any], str], ...] = (
        ({"places": (str(embeddings),), "images": published}, "does not say which encoder made it; name it with --enc"),
        ({"places": (str(embeddings),), "encoder": "miniature"}, "name the folder that holds them with --images"),
        ({"places": (str(folder / "nowhere"),)}, "nowhere"),
        ({"places": ("http://me:word@127.0.0.1:1",)}, "password"),
        ({"places": (rows,), "download": DownloadConfig(proxy="http://127.0.0.1:1")}, "127.0.0.1:1"),
        ({"places": ("http://127.0.0.1:1",), "images": published}, "127.0.0.1:1"),
        ({"places": (rows,), "workers": 0}, "workers is 0"),
        ({"places": (rows,), "config": LookupConfig(most_rows=10)}, "say --captions match"),
    )
    for settings, says in wrong:
        with pytest.raises(ReLAIONetError) as told, open_lookup(
            LookupOrder(release=str(release), out=out, **settings), Reporter()
        ):  # fmt: skip
            pass
        assert says in " ".join(str(told.value).split())
    assert not out.exists()
