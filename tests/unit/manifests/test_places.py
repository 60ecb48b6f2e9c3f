from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relaionet.manifests.errors import BadInput
from relaionet.manifests.places import PLACES, WORDS, check_place, local_path, scheme_of, schemes_for

ELSEWHERE = ["s3://bucket/x", "S3://bucket/x", " s3://bucket/x", "gs://b/x", "hf://datasets/me/x", "https://h/x", "http://h",
             "azure-blob://c/x", "s3:/bucket/x", "hf:/datasets/me/x", "s3:", "s3:\\\\bucket\\x"]  # fmt: skip
UNKNOWN = ["s4://bucket/x", "gcs://b/x", "ftp://h/x", "abfs://c@a/x", "wandb://x", "x-y.z+1://x", "dbfs:/mnt/x"]
HERE = ["x", "./x", "../x", "/x/y", "C:\\Users\\me\\runs", "C:/Users/me", "c:", "c://x", "D:", "runs:1", "a:b/c", "x/s3://y",
        "runs/2026-01-01T10:00:00/x", "ab:c", "http:x", "~", " x", "", "s3", "run #1: x", "://x", "1s://x"]  # fmt: skip


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("place", HERE)
def test_paths_stay_paths_whatever_colons_they_have(place: str) -> None:
    assert scheme_of(place) == "file"
    assert local_path(place) == Path(place)
    assert local_path(Path(place)) == Path(place)


@pytest.mark.parametrize("place", [*ELSEWHERE, *UNKNOWN])
def test_no_folder_is_made_of_an_address(place: str, tmp_path: Path) -> None:
    given = [place, Path(place.strip())]
    for one in given:
        with pytest.raises(
            BadInput, match=r"^--out '.*': [a-z].*:// .* For folders .*: file:// \(this machine"
        ) as caught:
            local_path(one, "--out")
        assert ("none of the schemes known" in str(caught.value)) == (place in UNKNOWN)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", UNKNOWN)
def test_an_unknown_scheme_is_told_all_that_are_known(place: str) -> None:
    for use in WORDS:
        with pytest.raises(BadInput) as caught:
            check_place(place, use)
        assert "azure-blob, file, gs, hf, http, https, s3" in str(caught.value)
        assert all(f"{scheme}://" in str(caught.value) for scheme in schemes_for(use))


@pytest.mark.parametrize(
    ("place", "path"),
    [("file:///tmp/x", "/tmp/x"), ("file://localhost/tmp/x", "/tmp/x"), ("FILE:///a%20b", "/a b"),
     ("file:///a/../b", "/a/../b")],
)  # fmt: skip
def test_file_addresses_are_paths(place: str, path: str) -> None:
    assert local_path(place) == Path(path)


@pytest.mark.parametrize("place", ["file://host/x", "file://x", "file:///x?y", "file:///x#y", "x\0y", "file:///x%00y"])
def test_what_is_no_path_is_refused(place: str) -> None:
    with pytest.raises(BadInput):
        local_path(place)


def test_each_use_has_its_schemes() -> None:
    for kind in PLACES:
        for use in WORDS:
            if use in kind.uses:
                assert check_place(f"{kind.scheme}://x/y", use) == kind.scheme
            else:
                with pytest.raises(BadInput, match="cannot be used here"):
                    check_place(f"{kind.scheme}://x/y", use)


def test_a_path_that_is_there_is_a_path(tmp_path: Path) -> None:
    (tmp_path / "ab:" / "x").mkdir(parents=True)
    assert local_path(Path("ab:/x")) == local_path("ab:/x") == tmp_path / "ab:/x"
    assert local_path("./ab:/new") == tmp_path / "ab:/new"
    with pytest.raises(BadInput):
        local_path("ab://x")


def test_errors_show_no_password() -> None:
    with pytest.raises(BadInput) as caught:
        local_path("s3://me:SECRET@b/x?token=SECRET", "--out")
    assert "SECRET" not in str(caught.value)


@given(st.text(max_size=30))
def test_any_text_is_a_path_or_refused(text: str) -> None:
    try:
        path = local_path(text)
    except BadInput:
        return
    assert "\0" not in str(path)
    assert scheme_of(path) == "file" or path.as_posix()[0] == "/"
