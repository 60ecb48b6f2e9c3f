"""Tables on which others' programs, and once this one, went wrong without a word; read by the real commands."""

from __future__ import annotations

import json
import re
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from relaionet.flows.cli.curate import source
from relaionet.flows.cli.search import search
from relaionet.manifests.errors import BadInput

PLAIN = {"url": "http://h.invalid/1.jpg", "caption": "a goldfish"}
FULL = {"url": "http://h.invalid/2.jpg", "caption": "a goldfish", "punsafe": 0.99, "width": 10, "height": 10}


def look(*arguments: str | Path) -> dict[str, int]:
    """Rows by status and reason, as the command prints them; they are all rows of the file."""
    done = CliRunner().invoke(source, [str(argument) for argument in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    stated = re.search(r"([\d,]+) rows? ?(\(|$)", done.output.splitlines()[0])
    shown = re.search(r"^first ([\d,]+) rows?:$", done.output, re.MULTILINE)
    assert stated, done.output
    assert shown, done.output
    counts = {name: int(count.replace(",", "")) for count, name in re.findall(
        r"^ *([\d,]+) +[\d.]+%  (.*)$", done.output, re.MULTILINE)}  # fmt: skip
    assert sum(counts.values()) == int(shown[1].replace(",", "")) == int(stated[1].replace(",", "")), done.output
    return counts


@pytest.mark.parametrize("rows", [[PLAIN, FULL], [FULL, PLAIN]])
def test_json_lines_have_the_fields_of_all_lines(rows: list[dict[str, object]], tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert look(tmp_path / "t.jsonl") == {"ok": 1, "unsafe: punsafe > 0.5": 1}


def test_json_lines_whose_first_lacks_a_caption_are_read(tmp_path: Path) -> None:
    rows = [{"url": "http://h.invalid/1.jpg"}, {**PLAIN, "url": "http://h.invalid/2.jpg"}]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert look(tmp_path / "t.jsonl") == {"ok": 1, "no_label: the caption names no class": 1}


def test_two_stray_quotes_cost_two_rows_of_two_hundred(tmp_path: Path) -> None:
    lines = [f"http://h.invalid/{n}.jpg," + '"' * (n in (51, 150)) + f"a goldfish {n}" for n in range(200)]
    (tmp_path / "t.csv").write_text("url,caption\n" + "".join(f"{line}\n" for line in lines))
    counts = look(tmp_path / "t.csv")
    assert counts.pop("ok") == 198
    assert [(name.partition(":")[0], count) for name, count in counts.items()] == [("malformed", 2)]


def test_a_quote_that_is_never_closed_costs_one_row(tmp_path: Path) -> None:
    first = 'http://h.invalid/0.jpg,"goldfish, 5 inch\n'
    rest = "".join(f"http://h.invalid/{n}.jpg,a goldfish\n" for n in range(1, 29))
    (tmp_path / "t.csv").write_text("url,caption\n" + first + rest)
    counts = look(tmp_path / "t.csv")
    assert counts.pop("ok") == 28
    assert sum(counts.values()) == 1


@pytest.mark.parametrize("name", ["t.parquet", "t.tsv", "t.csv"])
def test_two_columns_of_one_name_are_refused_alike_where_one_is_used(name: str, tmp_path: Path) -> None:
    for theirs, expected in (("TEXT", None), ("similarity", {"ok": 1})):
        rows = [["http://h.invalid/1.jpg"], ["a goldfish"], ["0.9"], ["0.8"]]
        names = ["URL", "TEXT", theirs, theirs]
        if name == "t.parquet":
            pq.write_table(pa.Table.from_arrays([pa.array(row) for row in rows], names=names), tmp_path / name)
        else:
            comma = "," if name == "t.csv" else "\t"
            (tmp_path / name).write_text(f"{comma.join(names)}\n{comma.join(row[0] for row in rows)}\n")
        if expected is None:
            with pytest.raises(BadInput, match=r"3 columns are called 'TEXT'.*--column caption="):
                look(tmp_path / name)
        else:
            assert look(tmp_path / name) == expected


def test_what_stands_in_a_table_and_is_not_read_is_said(tmp_path: Path) -> None:
    pq.write_table(pa.table({"URL": ["http://h.invalid/1.jpg"], "TEXT": ["a"], "WIDTH": [[1]]}), tmp_path / "t.parquet")
    said = CliRunner().invoke(source, [str(tmp_path / "t.parquet")]).output
    assert "t.parquet: column 'WIDTH' holds list<element: int64>, no numbers: not read" in said
    assert "(not stated: sizes" in said


def test_files_of_one_source_may_each_have_names_of_their_own(tmp_path: Path) -> None:
    pq.write_table(pa.table({"URL": ["http://h.invalid/1.jpg"], "TEXT": ["a goldfish"]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"caption": pa.nulls(1), "url": ["http://h.invalid/2.jpg"]}), tmp_path / "b.parquet")
    assert look(tmp_path) == {"ok": 1, "no_label: the caption names no class": 1}


def test_a_store_one_of_whose_files_has_no_captions_is_searched(tmp_path: Path) -> None:
    for folder in ("img_emb", "metadata"):
        (tmp_path / folder).mkdir()
    rows = np.random.default_rng(0).normal(size=(2, 5, 16))
    for number in range(2):
        vectors = rows[number] / np.linalg.norm(rows[number], axis=1, keepdims=True)
        np.save(tmp_path / "img_emb" / f"img_emb_{number}.npy", vectors.astype(np.float16))
        urls = [f"http://h.invalid/{number}_{row}.jpg" for row in range(5)]
        captions = pa.array(["c"] * 5) if number else pa.nulls(5)
        pq.write_table(pa.table({"caption": captions, "url": urls}), tmp_path / f"metadata/metadata_{number}.parquet")
    asked = sha256(b"http://h.invalid/1_0.jpg").hexdigest()
    done = CliRunner().invoke(search, [str(tmp_path), "--id", asked, "-k", "10"])
    assert done.exit_code == 0, done.output
    hits = [line for line in done.output.splitlines() if "http://h.invalid/" in line]
    assert len(hits) == 10
    assert asked[:16] in hits[0]
    assert all(line.rstrip().endswith("c") == ("/1_" in line) for line in hits)
