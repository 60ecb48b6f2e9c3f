"""What lies beside a manifest is content, is checked like a stranger's, and is read back as it was told."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import read_labels
from relaionet.manifests.release.beside import check_evidence, check_withdrawn, read_evidence, tell_evidence
from relaionet.manifests.release.manifest_check import adopted_id, check_manifest
from relaionet.manifests.release.release import check_release, make_release
from relaionet.manifests.tables import EVIDENCE, WITHDRAWN
from tests.unit.manifests.conftest import manifest_rows

ID = "a" * 64


def withdrawn(kind: str, value: str, since: str = "2026-11-30", why: str | None = None) -> pl.DataFrame:
    return pl.DataFrame([(kind, value, since, why)], schema=WITHDRAWN.schema, orient="row")


def test_what_lies_beside_is_content(tmp_path: Path) -> None:
    rows = manifest_rows(3)
    ids = rows["candidate_id"].to_list()
    evidence = tell_evidence("blur", pl.DataFrame({"candidate_id": ids, "edge": [0.5, None, 2.0]}))
    bare = make_release(rows, tmp_path, notes={})
    told = make_release(rows, tmp_path, notes={}, evidence=evidence)
    gone = make_release(rows, tmp_path, notes={}, evidence=evidence, withdrawn=withdrawn("host", "b.example"))
    assert [path.name for path in (bare, told, gone)] == ["relaionet-v1", "relaionet-v2", "relaionet-v3"]
    shuffled = evidence.sample(fraction=1.0, shuffle=True, seed=1)
    assert make_release(rows, tmp_path, notes={}, evidence=shuffled) == told
    release = check_release(gone)
    assert release.evidence is not None
    assert read_evidence(release.evidence, ids[0]) == {"blur": {"edge": 0.5}}
    assert read_evidence(release.evidence, ids[1]) == {}
    assert release.withdrawn is not None
    assert release.withdrawn["value"].to_list() == ["b.example"]


values = st.one_of(st.none(), st.text(max_size=20), st.integers(-(2**40), 2**40), st.booleans())


@given(told=st.lists(values, min_size=1, max_size=5))
def test_every_value_comes_back(told: list[object]) -> None:
    for number, value in enumerate(told):
        rows = pl.DataFrame({"candidate_id": [ID], "fact": [value]}, strict=False)
        evidence = check_evidence(tell_evidence(f"s{number}", rows))
        assert read_evidence(evidence, ID).get(f"s{number}", {}).get("fact") == value


def test_lists_times_and_rounded_numbers() -> None:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    rows = pl.DataFrame(
        {"candidate_id": [ID], "near": [["b", "a"]], "none": [[]], "at": [at], "cosine": [0.1], "status": ["ok"]},
        schema_overrides={"cosine": pl.Float32, "none": pl.List(pl.String)},
    )
    found = read_evidence(tell_evidence("near", rows), ID)["near"]
    assert found == {"at": at.isoformat(), "cosine": 0.1, "near": ["b", "a"]}


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("candidate_id", "A" * 64, "64 hex"), ("step", "../x", "step"), ("fact", "", "fact"),
        ("value", "x" * 20_001, "longer"), ("value", None, "longer"),
    ],
)  # fmt: skip
def test_a_strangers_evidence_is_refused(column: str, value: str | None, says: str) -> None:
    good = {"candidate_id": ID, "step": "blur", "fact": "edge", "value": "1"}
    assert check_evidence(pl.DataFrame([good])).height == 1
    with pytest.raises(BadInput, match=says):
        check_evidence(pl.DataFrame([good | {column: value}], schema=EVIDENCE.schema))
    with pytest.raises(BadInput, match="stands twice"):
        check_evidence(pl.DataFrame([good, good | {"value": "2"}]))


def test_evidence_that_is_no_json_is_shown_as_it_stands() -> None:
    rows = pl.DataFrame([{"candidate_id": ID, "step": "s", "fact": "f", "value": "[" * 10_000}])
    assert read_evidence(check_evidence(rows), ID)["s"]["f"] == "[" * 10_000


@pytest.mark.parametrize(
    ("kind", "value"),
    [("url", "https://a.example/x.jpg"), ("host", "photos.a-b.example"), ("image_sha256", ID), ("candidate_id", ID)],
)
def test_withdrawals(kind: str, value: str) -> None:
    assert check_withdrawn(withdrawn(kind, value, why="asked by its owner")).height == 1
    for wrong in (
        withdrawn(kind, "no such thing, ever"), withdrawn(kind, value, since="yesterday"), withdrawn("name", value),
        withdrawn(kind, value, why="\x1b[2J"), withdrawn(kind, value, why="x" * 1001),
    ):  # fmt: skip
        with pytest.raises(BadInput, match="withdrawn: "):
            check_withdrawn(wrong)


def test_a_row_may_have_several_addresses_and_classes() -> None:
    row = manifest_rows(1).to_dicts()[0]
    wnid, other = row["wnid"], read_labels()[9].wnid
    schema = manifest_rows(1).schema

    def checks(**change: object) -> pl.DataFrame:
        return check_manifest(pl.DataFrame([row | change], schema=schema))

    assert checks(other_urls=["https://b.example/1"], wnids=[wnid, other], is_core=True).height == 1
    for wrong in (
        {"other_urls": []}, {"other_urls": [row["url"]]}, {"other_urls": ["ftp://b.example/1"]},
        {"other_urls": ["https://b.example/1"] * 2}, {"other_urls": [None]}, {"other_urls": ["https://b.example/ 1"]},
        {"other_urls": [f"https://b.example/{number}" for number in range(101)]},
        {"other_urls": ["https://b.example/" + "x" * 9000]},
        {"wnids": [wnid]}, {"wnids": []}, {"wnids": [other, read_labels()[8].wnid]}, {"wnids": [wnid, "n00000000"]},
        {"wnids": [wnid, wnid, other]}, {"wnids": [wnid, None]},
    ):  # fmt: skip
        with pytest.raises(BadInput, match=f"{next(iter(wrong))} are"):
            checks(**wrong)


def test_an_adopted_row_keeps_its_id_when_its_address_is_found() -> None:
    row = manifest_rows(1).to_dicts()[0]
    path = {"path": "crane/1.jpg", "candidate_id": adopted_id(row["image_sha256"], "crane/1.jpg")}
    schema = manifest_rows(1).schema
    for url in (None, row["url"]):
        assert check_manifest(pl.DataFrame([row | path | {"url": url}], schema=schema))["url"][0] == url
    with pytest.raises(BadInput, match="candidate_id is not"):
        check_manifest(pl.DataFrame([row | {"path": "crane/1.jpg"}], schema=schema))
    with pytest.raises(BadInput, match="url is not"):
        check_manifest(pl.DataFrame([row | path | {"url": "javascript:alert(1)"}], schema=schema))
    with pytest.raises(BadInput, match="other_urls are"):
        check_manifest(pl.DataFrame([row | path | {"url": None, "other_urls": ["https://a.example"]}], schema=schema))
