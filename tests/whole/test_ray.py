"""`--on ray://…` on a real Ray cluster of two workers: tables and images of one process, byte for byte."""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from relaionet.manifests.release.release import make_release, read_release
from relaionet.manifests.store import Store
from relaionet.manifests.tables import DOWNLOADS
from relaionet.pipeline.adoption.adopt import AdoptConfig, label_pictures, make_adopted_manifest, plan_adoption
from relaionet.pipeline.downloads.fetch import DownloadConfig
from relaionet.pipeline.images.files import PictureLimits, read_pictures
from relaionet.pipeline.miniature.server import serve_world
from relaionet.pipeline.miniature.world import World, WorldConfig, make_world
from relaionet.pipeline.splits.build import build_split
from relaionet.pipeline.splits.plan import SplitConfig
from tests.waiting import wait_until
from tests.whole.conftest import Command, clean_environment

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (importlib.util.find_spec("ray") and importlib.util.find_spec("prefect_ray")),
        reason="Ray is not installed: pip install 'relaionet[ray]'",
    ),
]
RECIPE = """
name = "small"
source = "{rows}"
encoder = "{encoder}"
reference = "{reference}"
controls = "{controls}"
workers = 2
[candidates]
captions = "any"
rows_per_shard = 60
[download]
proxy = "{proxy}"
timeout_s = 4.0
retries = 0
requests_per_host = 32
"""
# an encoder that says which process encoded, and fails where a picture is asked for that it does not like
ENCODER = """
import os
from pathlib import Path
from relaionet.manifests.errors import BadInput
from relaionet.pipeline.embeddings.encoders import load_encoder

def make(device="auto"):
    log = Path(os.environ["RELAIONET_TEST_LOG"])
    with log.open("a") as file:
        print(f"load {os.getpid()}", file=file)
    encoder = load_encoder("miniature", device)
    encode = encoder.encode_images
    def encode_images(batch):
        if (log.parent / "fail").exists():
            raise BadInput("this picture is not liked; choose another")
        if (log.parent / "die").exists():
            os._exit(7)
        with log.open("a") as file:
            print(f"encode {os.getpid()}", file=file)
        return encode(batch)
    encoder.encode_images = encode_images
    return encoder
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ray")


@pytest.fixture(scope="module")
def world(folder: Path) -> World:
    return make_world(folder / "world", WorldConfig(per_class_count=4, faults_scale=0.2, reference_per_class_count=1))


@pytest.fixture(scope="module")
def recipe(folder: Path, world: World) -> Iterator[Path]:
    (folder / "encoder.py").write_text(ENCODER)
    with serve_world(world.folder) as served:
        path = folder / "recipe.toml"
        path.write_text(
            RECIPE.format(
                rows=world.rows, reference=world.reference, controls=world.controls, proxy=served.proxy,
                encoder=f"{folder / 'encoder.py'}:make",
            )
        )  # fmt: skip
        yield path


@pytest.fixture(scope="module")
def environment(folder: Path) -> dict[str, str]:
    return {
        "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0", "RELAIONET_TEST_LOG": str(folder / "log"),
        # Ray's processes take long to start on a busy machine
        "RAY_CLIENT_SERVER_CHECK_CHANNEL_TIMEOUT_S": "200", "RAY_CLIENT_INITIAL_CONNECTION_TIMEOUT_S": "60",
        # nobody else on this machine may use the cluster
        "RAY_ADDRESS": "", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32),
        # every try of a shard whose process died takes a process of its own, which imports torch anew
        "RAY_TASK_MAX_RETRIES": "1",
        "PYTHONPATH": str(folder),  # of the test's own generator, for the workers too
    }  # fmt: skip


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@pytest.fixture(scope="module")
def cluster(folder: Path, prefect_home: Path, environment: dict[str, str]) -> Iterator[str]:
    """A head node on loopback with two CPUs, in the foreground, so that its end ends all of it."""
    gcs, client = free_ports(2)
    command = [
        str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", "--num-cpus=2", "--num-gpus=0",
        "--node-ip-address=127.0.0.1", f"--port={gcs}", f"--ray-client-server-port={client}",
        "--include-dashboard=false", f"--object-store-memory={80 * 2**20}", "--disable-usage-stats",
    ]  # fmt: skip
    log = (folder / "cluster.log").open("w")
    process = subprocess.Popen(
        command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True, cwd=folder,
        env=clean_environment(PREFECT_HOME=str(prefect_home), **environment),
    )  # fmt: skip
    try:

        def answers() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", client)) == 0

        wait_until(answers, process, every_s=0.2, about=lambda: (folder / "cluster.log").read_text()[-2000:])
        yield f"ray://127.0.0.1:{client}"
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        finally:
            # whatever of it is left is in its session
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            log.close()


def tables(run: Path) -> dict[str, bytes]:
    """Every table and embedding; not the receipts, which say how long a stage took."""
    names = [path for pattern in ("*/*.parquet", "embeddings/clip/**/*.npy") for path in run.glob(pattern)]
    return {path.relative_to(run).as_posix(): path.read_bytes() for path in names}


def without_times(files: dict[str, bytes]) -> dict[str, bytes]:
    """DOWNLOADS says when a picture was fetched."""
    return {name: data for name, data in files.items() if not name.startswith("downloads")}


@pytest.fixture(scope="module")
def alone(relaionet: Command, recipe: Path, folder: Path, environment: dict[str, str]) -> Path:
    done = relaionet("curate", "--recipe", recipe, "--out", folder / "alone", "--no-push", **environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / "alone"


def test_two_workers_make_the_tables_of_one_process(
    relaionet: Command, recipe: Path, folder: Path, cluster: str, alone: Path, environment: dict[str, str]
) -> None:
    log = folder / "log"
    log.unlink(missing_ok=True)
    arguments = ("curate", "--recipe", recipe, "--out", folder / "spread", "--no-push", "--on", cluster)
    done = relaionet(*arguments, **environment)
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = without_times(tables(alone)), without_times(tables(folder / "spread"))
    assert first.keys() == second.keys()
    assert len([name for name in first if name.startswith("embeddings/clip/img_emb")]) >= 3
    assert [name for name in first if first[name] != second[name]] == []
    said = log.read_text().split("\n")
    encoding = {line.split()[1] for line in said if line.startswith("encode")}
    loading = [line.split()[1] for line in said if line.startswith("load")]
    assert len(encoding) >= 2  # shards were on both workers, and the reference pictures here
    assert len(loading) == len(set(loading))  # a model is loaded once per process
    # nothing is left to do, and the receipts hold wherever the next run works
    again = relaionet("curate", "--recipe", recipe, "--out", folder / "spread", "--no-push", **environment)
    assert again.returncode == 0, again.stderr[-3000:]
    lines = [line for line in again.stderr.splitlines() if line.strip().startswith(("embeddings", "proposals"))]
    assert len(lines) == 2
    assert all("already done" in line for line in lines)


@pytest.mark.parametrize(
    ("trouble", "says"), [("fail", "this picture is not liked; choose another"), ("die", "run again")]
)
def test_what_fails_on_a_worker_is_readable_here(
    relaionet: Command, recipe: Path, folder: Path, cluster: str, environment: dict[str, str], trouble: str, says: str
) -> None:
    # one shard: Ray tries each one a process died of again, in a fresh process. The second trouble meets it where the
    # first one stopped
    one_shard = folder / "one-shard.toml"
    one_shard.write_text(recipe.read_text().replace("rows_per_shard = 60", "rows_per_shard = 10_000"))
    (folder / trouble).touch()
    arguments = ("curate", "--recipe", one_shard, "--out", folder / "trouble", "--no-push", "--on", cluster)
    try:
        done = relaionet(*arguments, **environment)
    finally:
        (folder / trouble).unlink()
    assert done.returncode == 2, done.stderr[-3000:]
    assert says in done.stderr
    assert "Traceback" not in done.stderr


# images so large that fifteen are a shard, made by a process that says which it is
SAMPLER = """
import os
import numpy as np
from pathlib import Path
from relaionet.evaluators.generators.protocol import Generated, GeneratorDied, Info

class Noise:
    def __init__(self, fault=""):
        self.info = Info(name="noise", native_size_px=1180, guidance="none", steps=(1,))
        self.fault = fault
        self.say("load")
    def say(self, what):
        with Path(os.environ["RELAIONET_TEST_LOG"]).open("a") as file:
            print(what, os.getpid(), file=file)
    def generate(self, batch, settings):
        if self.fault:
            raise GeneratorDied(self.fault)
        self.say("sample")
        small = [np.random.default_rng(one.seed).integers(0, 256, (20, 20, 3), np.uint8) for one in batch]
        return Generated(images=np.stack(small).repeat(59, 1).repeat(59, 2), nfe=[1] * len(batch))
    def describe(self, settings):
        return {"precision": "none", "parameters_count": 0}
"""
EVALUATION = """
split = "{split}"
protocol = "miniature"
batch_size = 4
[[generators]]
generator = "my_ray_sampler:Noise"
"""


@pytest.fixture(scope="module")
def evaluation(folder: Path) -> Path:
    """A split of 50 pictures of five classes, and a recipe with a generator of the test's own."""
    (folder / "my_ray_sampler.py").write_text(SAMPLER)
    pictures = folder / "pictures"
    for place in range(50):
        wnid = ("n01440764", "n01443537", "n01484850", "n01491361", "n01494475")[place % 5]
        (pictures / wnid).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 40), (5 * place, 40, 200 - 3 * place)).save(pictures / wnid / f"{place}.png")
    adoption = plan_adoption(pictures, AdoptConfig(name="set"))
    read = read_pictures(pictures, [place.path for place in adoption.places], PictureLimits())
    manifest = make_adopted_manifest(read, label_pictures(read, adoption))
    release = read_release(make_release(manifest, folder / "releases", name="set", notes={}))
    build_split(release, SplitConfig(), folder / "split", DownloadConfig(), images=pictures)
    path = folder / "evaluation.toml"
    path.write_text(EVALUATION.format(split=folder / "split"))
    return path


def test_images_sampled_on_two_workers_are_those_of_one_process(
    relaionet: Command, evaluation: Path, folder: Path, cluster: str, environment: dict[str, str]
) -> None:
    log = folder / "log"

    def evaluate(out: str, *more: object) -> dict[str, bytes]:
        log.write_text("")
        done = relaionet("evaluate", "--recipe", evaluation, "--out", folder / out, *more, **environment)
        assert done.returncode == 0, done.stderr[-3000:]
        made = folder / out / "samples" / "noise-steps1-guidance1"
        files = [path for kind in ("images/*.npy", "samples/*.parquet") for path in made.glob(kind)]
        return {path.relative_to(made).as_posix(): path.read_bytes() for path in files}

    alone = evaluate("scores-alone")
    assert len(alone) == 2 * 4
    spread = evaluate("scores-spread", "--on", cluster)
    assert spread == alone
    said = [line.split() for line in log.read_text().splitlines()]
    sampling = {pid for what, pid in said if what == "sample"}
    loading = [pid for what, pid in said if what == "load"]
    assert len(sampling) == 2  # both workers, and not this process, which only looked what it is
    assert len(loading) == len(set(loading)) == 3
    first, second = (
        json.loads((folder / out / "samples" / "noise-steps1-guidance1" / "sampling.json").read_text())
        for out in ("scores-alone", "scores-spread")
    )
    for same in ("generator", "settings", "realised", "counts", "nfe"):
        assert first[same] == second[same]
    assert second["images_per_s"] > 0
    scores = [pl.read_parquet(folder / out / "scores.parquet") for out in ("scores-alone", "scores-spread")]
    assert scores[0].equals(scores[1])
    again = evaluate("scores-spread")
    assert again == alone
    assert "sample" not in log.read_text()


def test_a_generator_that_dies_on_a_worker_is_said_here(
    relaionet: Command, evaluation: Path, folder: Path, cluster: str, environment: dict[str, str]
) -> None:
    broken = folder / "broken.toml"
    text = evaluation.read_text()
    broken.write_text(text + 'name = "dead"\noptions = { fault = "out of memory" }\n')
    arguments = ("evaluate", "--recipe", broken, "--out", folder / "scores-broken", "--on", cluster)
    done = relaionet(*arguments, **environment)
    assert done.returncode == 2, done.stderr[-3000:]
    assert "1 of 1 set could not be made" in done.stderr
    assert "out of memory" in done.stderr
    assert "Traceback" not in done.stderr
    limited = folder / "limited.toml"
    limited.write_text("time_limit_s = 5.0\n" + text)
    done = relaionet("evaluate", "--recipe", limited, "--out", folder / "x", "--on", cluster, **environment)
    assert done.returncode == 2
    assert "time_limit_s is for processes of this machine" in done.stderr


def test_a_lookup_on_two_workers_is_that_of_one_process(
    relaionet: Command, recipe: Path, world: World, alone: Path, folder: Path, cluster: str,
    environment: dict[str, str],
) -> None:  # fmt: skip
    """Pictures of the world without their addresses, sought in the embeddings of the run, in three shards."""
    fetched = Store(alone).read_all(DOWNLOADS).filter(pl.col("status") == "ok").head(60)
    for number, path in enumerate(fetched["path"]):
        place = folder / "nameless" / "n01440764" / f"{number}{Path(path).suffix}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes((alone / "images" / path).read_bytes())
    adoption = plan_adoption(folder / "nameless", AdoptConfig(name="nameless"))
    read = read_pictures(folder / "nameless", [place.path for place in adoption.places], PictureLimits())
    manifest = make_adopted_manifest(read, label_pictures(read, adoption))
    release = make_release(manifest, folder / "nameless-releases", name="nameless", notes={})
    with serve_world(world.folder) as served:

        def look_up(out: str, *more: object) -> pl.DataFrame:
            arguments = (
                "lookup", release, "--in", alone, "--images", folder / "nameless", "--out", folder / out,
                "--releases", folder / f"{out}-releases", "--proxy", served.proxy, "--encoder", "miniature",
                "--rows-per-shard", 20,
            )  # fmt: skip
            done = relaionet(*arguments, *more, **environment)
            assert done.returncode == 0, done.stderr[-3000:]
            return pl.read_parquet(folder / out / "lookup" / "all.parquet").drop("served_at")

        here, there = look_up("looked-up"), look_up("looked-up-spread", "--on", cluster)
    assert here.equals(there)
    assert here["status"].eq("ok").all()
