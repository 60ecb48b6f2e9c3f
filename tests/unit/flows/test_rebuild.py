from __future__ import annotations

import hashlib
import io
import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
from PIL import Image
from rich.console import Console

from relaionet.flows.rebuild import run_rebuild
from relaionet.flows.rebuilding import policy_of
from relaionet.flows.runs.reporter import Reporter
from relaionet.manifests.errors import BadInput, Unavailable
from relaionet.manifests.release.manifest_check import adopted_id
from relaionet.manifests.release.release import Release, make_release, read_release
from relaionet.pipeline.downloads.fetch import DownloadConfig
from relaionet.pipeline.images.perceptual_hash import phash_hex
from relaionet.pipeline.images.thumbnail_hash import thumbprint_hex
from relaionet.pipeline.splits.build import build_split, read_split
from relaionet.pipeline.splits.plan import SplitConfig, plan_split
from tests.unit.manifests.conftest import manifest_rows
from tests.unit.pipeline.conftest import FaultServer, picture


class Heard(Reporter):
    """A reporter whose words can be read."""

    def __init__(self) -> None:
        super().__init__(Console(file=io.StringIO(), width=200))

    @property
    def text(self) -> str:
        return self.console.file.getvalue()  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Web:
    server: FaultServer
    release: Release
    split: Path


def seen(data: bytes) -> dict[str, object]:
    with Image.open(io.BytesIO(data)) as image:
        return {
            "phash": phash_hex(image), "thumbprint": thumbprint_hex(image), "width_px": image.width,
            "height_px": image.height, "bytes_count": len(data), "image_sha256": hashlib.sha256(data).hexdigest(),
        }  # fmt: skip


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """Ten rows: six exact, one re-encoded, one of another picture, one gone, one whose server is out of order."""
    server, folder = FaultServer(), tmp_path_factory.mktemp("web")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    rows = manifest_rows(10)
    data = [picture(number) for number in range(10)]
    facts = pl.DataFrame([seen(one) for one in data])
    rows = rows.with_columns(facts.get_columns())
    for number, one in enumerate(data):
        server.files[f"/{number}.jpg"] = one
    server.files["/1.jpg"] = picture(1, quality=40)
    server.files["/2.jpg"] = picture(1002)
    del server.files["/3.jpg"]
    server.codes["/4.jpg"] = 503
    release = read_release(make_release(rows, folder / "releases", notes={}))
    build_split(release, SplitConfig(), folder / "split", DownloadConfig(proxy=server.url, retries=0))
    yield Web(server, release, folder / "split")
    server.shutdown()
    server.server_close()


def test_it_says_what_became_of_the_rows_and_how_to_cite_it(web: Web) -> None:
    heard, asked = Heard(), web.server.asked.total()
    told = run_rebuild(web.release.path, web.split, reporter=heard)
    assert web.server.asked.total() == asked
    assert "10 = 6 exact + 1 same_picture + 1 changed + 2 gone  (already done)" in heard.text
    assert "7 = 70.0% of the release" in heard.text
    assert "HTTP 404 Not Found" in heard.text
    assert "another picture" in heard.text
    assert "1 of the rows that are gone may come back: run again with --retry" in heard.text
    assert told["citation"] in heard.text
    start = f"reLAIONet v1 (digest {web.release.info.digest[:12]}): 7 of 10 images (70.0%) rebuilt on "
    assert told["citation"].startswith(start)
    assert told["citation"].endswith(
        f"6 byte-identical, 1 the same picture in other bytes; split digest {told['digest'][:12]}."
    )


def test_counts_of_split_json_add_up(web: Web) -> None:
    told = json.loads((web.split / "split.json").read_text())
    assert sum(told["verdicts"].values()) == told["rows_count"] == 10
    for status, reasons in told["reasons"].items():
        assert sum(reasons.values()) == told["verdicts"][status]
    for name in ("rows_count", "kept_count"):
        assert sum(row[name] for row in told["classes"].values()) == told[name]
    for status, count in told["verdicts"].items():
        assert sum(row[status] for row in told["classes"].values()) == count


def test_a_policy_stays_until_another_is_asked_for(web: Web, tmp_path: Path) -> None:
    out = tmp_path / "split"
    shutil.copytree(web.split, out)
    assert policy_of(tmp_path / "new", None) == "same_picture"
    heard = Heard()
    told = run_rebuild(web.release.path, out, policy="exact", reporter=heard)
    assert "judged anew" in heard.text
    assert (told["policy"], told["kept_count"]) == ("exact", 6)
    assert "2 pictures that were fetched but are not kept" in heard.text
    assert policy_of(out, None) == "exact"
    assert run_rebuild(web.release.path, out, reporter=Heard()) == told
    assert run_rebuild(web.release.path, out, policy="same_picture", reporter=Heard())["kept_count"] == 7


@pytest.mark.parametrize(("format", "suffix"), [("hf", "parquet"), ("webdataset", "webdataset")])
def test_a_format_is_written_beside_the_split(web: Web, tmp_path: Path, format: str, suffix: str) -> None:
    out, heard = tmp_path / "split", Heard()
    shutil.copytree(web.split, out)
    told = run_rebuild(web.release.path, out, format=format, reporter=heard)
    info = json.loads((tmp_path / f"split-{suffix}" / "export.json").read_text())
    assert (info["form"], info["rows_count"], info["split"]["digest"]) == (suffix, 7, told["digest"])
    assert "7 images of" in heard.text
    run_rebuild(web.release.path, out, format=format, format_out=tmp_path / "mine", reporter=heard)
    assert (tmp_path / "mine" / "export.json").is_file()
    assert heard.text.count("already done)") == 2  # the split, twice


def test_an_unknown_form_is_said_before_anything_is_fetched(web: Web, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="export format 'tar' is not known"):
        run_rebuild(web.release.path, tmp_path / "out", format="tar", reporter=Heard())
    assert not (tmp_path / "out").exists()


def test_images_of_a_release_without_urls_come_from_a_folder(web: Web, tmp_path: Path) -> None:
    folder, rows = tmp_path / "set", []
    for number, row in enumerate(web.release.manifest.head(4).to_dicts()):
        data, path = picture(number), f"{row['wnid']}/{number}.jpg"
        told = seen(data)
        candidate_id = adopted_id(str(told["image_sha256"]), path)
        rows.append(row | told | {"candidate_id": candidate_id, "url": None, "path": path})
        place = folder / "elsewhere" / f"photo-{number}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data if number != 1 else picture(1, quality=40))
    (folder / "elsewhere" / "photo-3.jpg").unlink()
    manifest = pl.DataFrame(rows, schema=web.release.manifest.schema)
    release = read_release(make_release(manifest, tmp_path / "releases", name="adopted", notes={}))
    out = tmp_path / "split"
    with pytest.raises(BadInput, match="--images FOLDER"):
        plan_split(release, SplitConfig(), out)
    table = build_split(release, SplitConfig(), out, DownloadConfig(), images=folder)
    assert dict(zip(table["image_sha256"].is_null(), table["status"], strict=True))[True] == "gone"
    assert sorted(table["status"]) == ["exact", "exact", "gone", "same_picture"]
    kept, told = read_split(out)
    assert all(Path(path).is_file() for path in kept["path"])
    assert plan_split(release, SplitConfig(), out).table is not None
    assert sum(1 for path in folder.rglob("*.jpg")) == 3
    assert told["may_come_back_count"] == 1  # another folder may hold it
    fuller = tmp_path / "fuller"
    fuller.mkdir()
    (fuller / "x.jpg").write_bytes(picture(3))
    again = build_split(release, SplitConfig(), out, DownloadConfig(), images=fuller, retry="passing")
    assert sorted(again["status"]) == ["exact", "exact", "exact", "same_picture"]


def test_the_miniature_without_its_proxy_is_said_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    url = "http://miniature.invalid/1.jpg"
    rows = manifest_rows(1).with_columns(url=pl.lit(url), candidate_id=pl.lit(hashlib.sha256(url.encode()).hexdigest()))
    path = make_release(rows, tmp_path / "releases", name="made", notes={"miniature": True})
    with pytest.raises(BadInput, match="relaionet miniature serve"):
        run_rebuild(path, tmp_path / "out", reporter=Heard())
    with pytest.raises(BadInput, match="expected http://host:port"):
        run_rebuild(path, tmp_path / "out", download=DownloadConfig(proxy="127.0.0.1:80"), reporter=Heard())
    with pytest.raises(Unavailable, match="does not answer"):
        run_rebuild(path, tmp_path / "out", download=DownloadConfig(proxy="http://127.0.0.1:9"), reporter=Heard())


def test_a_split_without_an_image_is_not_exported_and_says_what_to_do(tmp_path: Path) -> None:
    from relaionet.flows.export import run_export

    rows = manifest_rows(2).with_columns(
        url=pl.lit(None, pl.String),
        path=pl.Series(["a/1.jpg", "a/2.jpg"]),
        image_sha256=pl.Series(["0" * 64, "1" * 64]),
    )
    ids = [adopted_id(sha256, path) for sha256, path in rows.select("image_sha256", "path").iter_rows()]
    release = make_release(rows.with_columns(candidate_id=pl.Series(ids)), tmp_path / "releases", name="set", notes={})
    (tmp_path / "empty").mkdir()
    heard = Heard()
    run_rebuild(release, tmp_path / "out", images=tmp_path / "empty", reporter=heard)
    assert "none is kept" in heard.text
    assert "To cite it" not in heard.text
    with pytest.raises(BadInput, match="nothing to export"):
        run_export(tmp_path / "out", tmp_path / "export", format="parquet", reporter=heard)


def test_a_damaged_release_is_said_before_anything_is_fetched(web: Web, tmp_path: Path) -> None:
    from relaionet.manifests.errors import Corrupt

    shutil.copytree(web.release.path, tmp_path / "release")
    with (tmp_path / "release" / "manifest.parquet").open("ab") as file:
        file.write(b"x")
    with pytest.raises(Corrupt, match=r"manifest\.parquet"):
        run_rebuild(tmp_path / "release", tmp_path / "out", reporter=Heard())
    assert not (tmp_path / "out").exists()


def test_a_split_is_citable_without_a_single_image(tmp_path: Path) -> None:
    from relaionet.pipeline.splits.facts import describe_split

    release = read_release(make_release(manifest_rows(0), tmp_path, notes={"miniature": True}))
    table = build_split(release, SplitConfig(), tmp_path / "out", DownloadConfig())
    told = describe_split(table, release, SplitConfig(), [])
    assert "0 of 0 images (0.0%) rebuilt, 0 byte-identical" in told["citation"]
    assert "no number about reLAIONet" in told["citation"]
