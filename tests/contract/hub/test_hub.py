"""The Hub's protocol against real loading code: the libraries', and ours."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from PIL import Image

from relaionet.flows.export import run_export
from relaionet.flows.rebuilding import locate_release
from relaionet.flows.runs.reporter import Reporter
from relaionet.manifests.errors import BadInput, Corrupt, Unavailable
from relaionet.manifests.release.release import read_release
from relaionet.pipeline.hub import HubAddress, fetch_snapshot, parse_address
from relaionet.pipeline.splits.build import read_split
from relaionet.pipeline.splits.export import ExportConfig, export_split
from relaionet.pipeline.splits.hub_release import fetch_release
from tests.fakes.hub.server import Hub, serve_hub
from tests.fakes.hub.splits import make_split
from tests.waiting import WATCHDOG_S

COUNT = 7
FORMATS = ("imagefolder", "webdataset", "parquet")
WEIGHTS = Path(__file__).parents[3] / "pipeline" / "miniature" / "weights" / "encoder"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release, its split, and the split in every format."""
    root = tmp_path_factory.mktemp("made")
    release, split = make_split(root, COUNT)
    for format in FORMATS:
        export_split(split, ExportConfig(format=format), root / format)
    shutil.copytree(release, root / "one-release")
    return root


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """An empty Hub that this process uses."""
    with serve_hub() as served:
        served.use_here(monkeypatch, tmp_path / "home")
        yield served


@pytest.fixture
def fetch(tmp_path: Path) -> Callable[[str], Path]:
    """Fetch a release into a cache of this test's own."""
    return lambda address: fetch_release(address, tmp_path / "releases")


def folder_of(root: Path, **files: str) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (root / name.replace("__", ".")).write_text(text)
    return root


def model(name: str, revision: str | None = None) -> HubAddress:
    return HubAddress(kind="model", repo_id=name, revision=revision)


LOADERS = """
import json, os, sys
from pathlib import Path
from relaionet.flows.runs.environment import prepare_environment
prepare_environment()
from tests.fakes.hub import models
made, told = Path(sys.argv[1]), {}
models.make_text_model(made / "bert")
models.make_sentence_model(made / "sentence", made / "bert")
models.make_unet_pipeline(made / "ddpm")
models.make_dit_pipeline(made / "dit")
print("made", flush=True)
sys.stdin.readline()

import huggingface_hub
whole = huggingface_hub.snapshot_download("me/parquet", repo_type="dataset")
told["files"] = sorted(path.relative_to(whole).as_posix() for path in Path(whole).rglob("*") if path.is_file())
told["one file"] = Path(huggingface_hub.hf_hub_download("tiny/bert", "config.json", revision="v1")).parent.name

import datasets
for format in ("imagefolder", "parquet", "webdataset"):
    key, image = ("cls", "jpg") if format == "webdataset" else ("label", "image")
    rows = datasets.load_dataset(f"me/{format}", split="test")
    stream = next(iter(datasets.load_dataset(f"me/{format}", split="test", streaming=True)))
    told[format] = [list(rows[key]), rows.features[key].names, rows[0][image].size, stream[key], stream[image].size]
told["release"] = list(datasets.load_dataset("me/release", split="test")["wnid"])

import torch
from transformers import AutoModel, AutoTokenizer
tokens = AutoTokenizer.from_pretrained("tiny/bert", revision="v1")("a photo of the crane", return_tensors="pt")
told["transformers"] = list(AutoModel.from_pretrained("tiny/bert", revision="v1")(**tokens).last_hidden_state.shape)
from diffusers import DDPMPipeline, DiTPipeline
for name, loader, asked in (("tiny/ddpm", DDPMPipeline, {}), ("tiny/dit", DiTPipeline, {"class_labels": [134]})):
    pipeline = loader.from_pretrained(name)
    pipeline.set_progress_bar_config(disable=True)
    told[name] = pipeline(num_inference_steps=2, **asked).images[0].size
from sentence_transformers import SentenceTransformer
told["sentence-transformers"] = list(SentenceTransformer("tiny/sentence", device="cpu").encode(["a crane"]).shape)
import open_clip
network, _ = open_clip.create_model_from_pretrained("hf-hub:tiny/clip")
told["open_clip"] = list(network.encode_text(open_clip.get_tokenizer("hf-hub:tiny/clip")(["a crane"])).shape)
from relaionet.pipeline.embeddings.encoders import load_encoder
told["ours"] = load_encoder("hf-hub:tiny/clip@v1", "cpu").fingerprint
told["built in"] = load_encoder("miniature", "cpu").fingerprint
print(json.dumps(told))
"""


@pytest.mark.slow
def test_the_libraries_load_from_it(made: Path, tmp_path: Path) -> None:
    """datasets, transformers, diffusers, sentence-transformers and open_clip, each with an empty cache: about 30 s."""
    with serve_hub() as hub:
        for name in (*FORMATS, "release"):
            hub.add("datasets", f"me/{name}", made / ("one-release" if name == "release" else name))
        environment = hub.environment(tmp_path / "home") | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
        command = [sys.executable, "-c", LOADERS, str(tmp_path / "models")]
        with subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            cwd=Path(__file__).parents[3],
        ) as process:  # fmt: skip
            assert process.stdout is not None
            line = process.stdout.readline()
            for folder in sorted((tmp_path / "models").glob("*")) if line == "made\n" else ():
                hub.add("models", f"tiny/{folder.name}", folder)
            hub.add("models", "tiny/clip", WEIGHTS)
            pinned = {name: hub.tag("models", f"tiny/{name}", "v1") for name in ("bert", "clip") if line == "made\n"}
            out, error = process.communicate("go\n", timeout=WATCHDOG_S)
        assert process.returncode == 0, error[-3000:]
    told = json.loads(out.splitlines()[-1])
    truth = read_split(made / "split")[0]
    for format in FORMATS:
        labels, names, size, first, first_size = told[format]
        assert (labels, first) == (truth["class_index"].to_list(), truth["class_index"][0]), format
        assert (len(names), names[134], size, first_size) == (1000, "n02012849", [64, 48], [64, 48]), format
    assert told["release"] == read_release(made / "release").manifest["wnid"].to_list()
    assert "data/test-00000-of-00001.parquet" in told["files"]
    assert told["one file"] == pinned["bert"]
    assert told["transformers"] == [1, 5, 16]
    assert (told["tiny/ddpm"], told["tiny/dit"]) == ([8, 8], [4, 4])
    assert (told["sentence-transformers"], told["open_clip"]) == ([1, 16], [1, 64])
    assert told["ours"] == told["built in"]


def test_a_snapshot_is_of_one_commit_and_is_not_fetched_again(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = folder_of(tmp_path / "repo", a__txt="one", b__bin="large", c__txt="not asked for")
    first = hub.add("models", "me/thing", files)
    folder_of(files, a__txt="two")
    second = hub.add("models", "me/thing", files)
    assert first is not None
    assert second is not None
    hub.tag("models", "me/thing", "v1", first.sha)
    names = ("a.txt", "*.bin")
    for revision, commit, text in (("v1", first, "one"), (first.sha, first, "one"), (None, second, "two")):
        folder = fetch_snapshot(model("me/thing", revision), names=names)
        assert (folder.name, (folder / "a.txt").read_text()) == (commit.sha, text)
        assert sorted(path.name for path in folder.iterdir()) == ["a.txt", "b.bin"]
    asked = {name: count for name, count in hub.asked.items() if name.startswith("GET") and "/api/" not in name}
    assert sum(asked.values()) == 3  # both a.txt and the one b.bin
    fetch_snapshot(model("me/thing", "v1"), names=names)
    assert sum(count for name, count in hub.asked.items() if name in asked) == 3
    hub.stop()
    assert (fetch_snapshot(model("me/thing", "v1"), names=names) / "a.txt").read_text() == "one"
    with pytest.raises(Unavailable, match="could not be fetched"):
        fetch_snapshot(model("me/other"), names=names)


def test_who_may_see_what(hub: Hub, tmp_path: Path) -> None:
    files = folder_of(tmp_path / "repo", a__bin="x")
    hub.add("models", "me/private", files, private=True)
    hub.add("models", "me/gated", files, gated=True)
    hub.add("models", "me/public", files)
    for token in (None, hub.reader_token):
        with pytest.raises(BadInput, match="no such model that you may see"):
            fetch_snapshot(model("me/private"), names=["*"], token=token)
        with pytest.raises(BadInput, match="is gated: accept its terms"):
            fetch_snapshot(model("me/gated"), names=["*"], token=token)
        with pytest.raises(BadInput, match="no such revision"):
            fetch_snapshot(model("me/public", "v9"), names=["*"], token=token)
        with pytest.raises(BadInput, match="no such model"):
            fetch_snapshot(model("me/nothing"), names=["*"], token=token)
    for name in ("me/private", "me/gated"):
        assert (fetch_snapshot(model(name), names=["*"], token=hub.token) / "a.bin").read_text() == "x"
    with pytest.raises(BadInput) as error:
        fetch_snapshot(model("me/public"), names=["*"], token="hf_wrong_and_secret")
    assert "hf_wrong" not in str(error.value)
    with pytest.raises(BadInput, match="at most 0 are fetched"):
        fetch_snapshot(model("me/public"), names=["*"], max_bytes=0)


@pytest.mark.parametrize("name", ["weights.bin", "words.txt"])
def test_wrong_bytes_are_corrupt_and_do_not_stay(name: str, hub: Hub, tmp_path: Path) -> None:
    files = folder_of(tmp_path / "repo")
    (files / name).write_bytes(bytes(range(256)) * 40)
    hub.add("models", "me/thing", files)
    hub.fail(f"GET */resolve/*/{name}" if name.endswith("txt") else "GET /objects/*", "flip", times=1)
    with pytest.raises(Corrupt, match=rf"me/thing .*{name}: the bytes are not those the Hub lists"):
        fetch_snapshot(model("me/thing"), names=["*"])
    assert (fetch_snapshot(model("me/thing"), names=["*"]) / name).read_bytes() == (files / name).read_bytes()


def test_a_hub_in_trouble_is_unavailable_and_a_broken_off_file_is_continued(hub: Hub, tmp_path: Path) -> None:
    files = folder_of(tmp_path / "repo", a__bin="x" * 100_000)
    hub.add("models", "me/thing", files)
    hub.fail("GET /api/*", "status", status=503)
    with pytest.raises(Unavailable, match="could not be fetched"):
        fetch_snapshot(model("me/thing"), names=["*"])
    hub.faults.clear()
    hub.fail("GET /objects/*", "cut", times=1)
    hub.fail("HEAD *", "slow", seconds=0.3, times=1)
    assert (fetch_snapshot(model("me/thing"), names=["*"]) / "a.bin").read_text() == "x" * 100_000


def test_a_release_from_the_hub_is_the_release(
    hub: Hub, fetch: Callable[[str], Path], made: Path, tmp_path: Path
) -> None:
    repo = tmp_path / "repo"
    shutil.copytree(made / "one-release", repo)
    (repo / "huge.bin").write_bytes(b"not part of it")
    first = hub.add("datasets", "me/set", repo)
    assert first is not None
    found = fetch("hf://datasets/me/set")
    assert found.name == first.sha
    assert not (found / "huge.bin").exists()
    (found / "manifest.parquet").write_bytes(b"damaged on this disk")
    assert read_release(fetch("hf://datasets/me/set")).info == read_release(made / "release").info
    assert read_release(found).info == read_release(made / "release").info

    other, _ = make_split(tmp_path / "other", COUNT, seed=1)
    shutil.copytree(other, repo, dirs_exist_ok=True)
    hub.add("datasets", "me/set", repo)
    assert fetch(f"hf://datasets/me/set@{first.sha}") == found
    assert read_release(fetch("hf://datasets/me/set")).info.digest == read_release(other).info.digest

    hub.add("datasets", "me/versions", made / "release")
    assert fetch("hf://datasets/me/versions").name == "relaionet-v1"


def test_a_stranger_s_release_is_checked_before_it_is_used(
    hub: Hub, fetch: Callable[[str], Path], made: Path, tmp_path: Path
) -> None:
    def change(name: str, **told: object) -> str:
        shutil.copytree(made / "one-release", tmp_path / name)
        info = json.loads((tmp_path / name / "release.json").read_text())
        (tmp_path / name / "release.json").write_text(json.dumps(info | told))
        hub.add("datasets", f"me/{name}", tmp_path / name)
        return f"hf://datasets/me/{name}"

    files = read_release(made / "release").info.files
    for name in ("../../../etc/passwd", "*", "a/b.parquet", ".netrc"):
        with pytest.raises(BadInput, match="names the file"):
            fetch(change(f"odd-{abs(hash(name))}", files=dict(files) | {name: "0" * 64}))
    with pytest.raises(Corrupt, match="rows_count"):
        fetch(change("miscounted", rows_count=3))
    with pytest.raises(Corrupt, match="is missing or not what"):
        fetch(change("misses", files=dict(files) | {"votes.parquet": "0" * 64}))
    hub.add("datasets", "me/empty", folder_of(tmp_path / "empty", README__md="nothing"))
    with pytest.raises(BadInput):
        fetch("hf://datasets/me/empty")
    with pytest.raises(BadInput, match="a release is a dataset"):
        fetch("hf://models/me/set")


@pytest.mark.parametrize(
    "address",
    ["hf://datasets/me", "hf://datasets/../set", "hf://spaces/me/x/y", "hf://datasets/me/set@../main", "hf://"],
)
def test_odd_addresses_are_refused(address: str) -> None:
    with pytest.raises(BadInput, match="expected"):
        parse_address(address)


def test_a_split_is_pushed_without_positions_and_only_by_who_says_he_may(
    hub: Hub, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def push(**options: object) -> str | None:
        return run_export(made / "split", tmp_path / "out", push="writer/images", **options)  # type: ignore[arg-type]

    with pytest.raises(BadInput, match="--yes-i-may-share-these-images"):
        push()
    with pytest.raises(BadInput, match="set HF_TOKEN"):
        push(may_share=True)
    assert not (tmp_path / "out").exists()
    monkeypatch.setenv("HF_TOKEN", hub.reader_token)
    with pytest.raises(BadInput, match="the Hub refuses"):
        push(may_share=True)
    monkeypatch.setenv("HF_TOKEN", hub.token)
    hub.fail("POST */commit/*", "status", status=503, times=1)
    with pytest.raises(Unavailable, match="HTTP 503"):
        push(may_share=True)
    commit = push(may_share=True)
    repo = hub.repos["datasets", "writer/images"]
    assert repo.is_private
    assert repo.refs["main"] == commit
    assert push(may_share=True) == commit

    address = HubAddress(kind="dataset", repo_id="writer/images")
    folder = fetch_snapshot(address, names=["*"], token=hub.token)
    rows = pl.read_parquet(folder / "data" / "*.parquet")
    assert rows["image_sha256"].to_list() == read_split(made / "split")[0]["image_sha256"].to_list()
    assert (rows["image_sha256"] != rows["stored_sha256"]).sum() == 1
    place = tmp_path / "picture"
    for data in rows["image"].struct.field("bytes"):
        place.write_bytes(data)
        with Image.open(place) as image:
            assert not image.getexif().get_ifd(0x8825)
    assert not any(path.startswith(".") for path in repo.commits[repo.refs["main"]].files)
    secret = hub.token
    assert not any(secret.encode() in path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())


def test_a_release_is_pushed_by_anyone_and_comes_back_the_same(
    hub: Hub, fetch: Callable[[str], Path], made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from relaionet.flows.cli.main import main

    monkeypatch.setenv("HF_TOKEN", hub.token)
    shutil.copytree(made / "one-release", tmp_path / "mine")
    (tmp_path / "mine" / "notes.txt").write_text("nobody else's business")
    done = CliRunner().invoke(main, ["release", "push", str(tmp_path / "mine"), "writer/set"])
    assert done.exit_code == 0, done.output
    pushed = hub.repos["datasets", "writer/set"]
    assert "notes.txt" not in pushed.commits[pushed.refs["main"]].files
    done = CliRunner().invoke(main, ["export", str(made / "one-release"), "--push", "writer/set"])
    assert done.exit_code == 0, done.output
    assert not hub.repos["datasets", "writer/set"].is_private
    assert read_release(fetch("hf://datasets/writer/set")).info == read_release(made / "release").info
    hub.tag("datasets", "writer/set", "v1")
    monkeypatch.setenv("RELAIONET_HOME", str(tmp_path / "home"))
    found = locate_release("hf://datasets/writer/set@v1", Reporter())
    assert found.parent == tmp_path / "home" / "releases" / "writer--set"
    assert read_release(found).info.name == "relaionet"
    assert locate_release(str(made / "release"), Reporter()) == made / "release"
    wrong = CliRunner().invoke(main, ["export", str(made / "one-release"), "--out", str(tmp_path / "x")])
    assert (wrong.exit_code, "holds no images" in wrong.output) == (2, True)
    again = CliRunner().invoke(main, ["export", str(made / "split"), "--format", "hf", "--out", str(tmp_path / "hf")])
    assert again.exit_code == 0, again.output
    assert (tmp_path / "hf" / "data" / "test-00000-of-00001.parquet").is_file()
