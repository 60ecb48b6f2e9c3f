"""Archives of strangers: files alone, inside the folder, within limits, whole or not at all."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from relaionet.manifests.errors import BadInput
from relaionet.pipeline.adoption import archives
from relaionet.pipeline.adoption.archives import find_top, name_archive, unpack_set
from tests.fakes.hub.sets import add_member


def tar(path: Path, *names: str, mode: str = "w:gz", data: bytes = b"picture") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name in names:
            add_member(archive, name, data)
    return path


def zipped(path: Path, *names: str, data: bytes = b"picture") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, data)
    return path


def inside(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


@pytest.mark.parametrize("ending", ["tar.gz", "tgz", "tar", "zip"])
def test_files_come_out_and_what_leads_elsewhere_does_not(tmp_path: Path, ending: str) -> None:
    names = (
        "top/0/a.jpg",
        "./top/1/b.jpg",
        "../out.jpg",
        "/abs.jpg",
        "top/../../x.jpg",
        "a\\b.jpg",
        "top/2/c.jpg/d.jpg",
    )
    place, names = tmp_path / f"set.{ending}", (*names, "top/2/c.jpg")
    archive = zipped(place, *names) if ending == "zip" else tar(place, *names, mode="w" if ending == "tar" else "w:gz")
    folder = unpack_set(archive, tmp_path / "work" / "set")
    assert inside(folder) == ["top/0/a.jpg", "top/1/b.jpg", "top/2/c.jpg/d.jpg"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"set.{ending}", "work"]
    assert find_top(folder) == folder / "top"
    archive.unlink()
    assert unpack_set(archive, folder) == folder  # what is there is taken as it is


def test_links_and_devices_are_left_out(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "set.tar", "w") as archive:
        for name, kind, target in (
            ("0/link", tarfile.SYMTYPE, "/etc"), ("0/hard", tarfile.LNKTYPE, "/etc/passwd"),
            ("0/pipe", tarfile.FIFOTYPE, ""), ("0/device", tarfile.CHRTYPE, ""),
        ):  # fmt: skip
            about = tarfile.TarInfo(name)
            about.type, about.linkname = kind, target
            archive.addfile(about)
        add_member(archive, "0/link/passwd", b"mine")
        add_member(archive, "0/a.jpg", b"a")
    folder = unpack_set(tmp_path / "set.tar", tmp_path / "work")
    assert inside(folder) == ["0/a.jpg", "0/link/passwd"]
    assert not (folder / "0" / "link").is_symlink()


@pytest.mark.parametrize("cut", [5, 60])
def test_damaged_ones_leave_nothing_behind(tmp_path: Path, cut: int) -> None:
    for archive in (
        tar(tmp_path / "a.tar.gz", "0/a.jpg", data=bytes(range(256)) * 40), zipped(tmp_path / "a.zip", "0/a.jpg"),
        tar(tmp_path / "a.tar", "0/a.jpg", mode="w"),
    ):  # fmt: skip
        archive.write_bytes(archive.read_bytes()[:cut])
        with pytest.raises(BadInput, match=rf"{archive.name} cannot be unpacked"):
            unpack_set(archive, tmp_path / "work" / archive.name)
    assert list((tmp_path / "work").iterdir()) == []


def test_bombs_end_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "FLOOR_BYTES", 1 << 20)
    bomb = tmp_path / "bomb.tar.gz"
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w") as archive:
        add_member(archive, "0/a.jpg", bytes(8 << 20))
    bomb.write_bytes(gzip.compress(inner.getvalue()))
    hidden = tmp_path / "hidden.tar.gz"  # what is passed over is unpacked too
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w") as archive:
        add_member(archive, "../a.jpg", bytes(8 << 20))
    hidden.write_bytes(gzip.compress(inner.getvalue()))
    packed = zipped(tmp_path / "bomb.zip", "0/a.jpg", data=bytes(40 << 20))
    for file in (bomb, hidden, packed):
        with pytest.raises(BadInput, match="cannot be unpacked: it unpacks to"):
            unpack_set(file, tmp_path / "work" / file.name)
    many = tar(tmp_path / "many.tar", *(f"0/{number}" for number in range(12)), mode="w")
    monkeypatch.setattr(archives, "MAX_MEMBERS", 10)
    with pytest.raises(BadInput, match="more than 10 files"):
        unpack_set(many, tmp_path / "work" / "many")


def test_a_file_longer_than_a_picture_is_cut_behind_the_limit(tmp_path: Path) -> None:
    archive = tar(tmp_path / "set.tar", "0/a.jpg", data=b"x" * 100, mode="w")
    assert (unpack_set(archive, tmp_path / "work", max_bytes=10) / "0" / "a.jpg").stat().st_size == 11


def test_names_of_archives_become_names_of_folders() -> None:
    assert name_archive("a/../b c.tar.gz") == "a-..-b-c.tar.gz"
