"""Every fault of the catalogue against the real fetcher: its status, and the table in docs/reference/security.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relaionet.pipeline.images.decode import open_image
from relaionet.pipeline.images.fingerprints import take_phash
from relaionet.pipeline.images.picture import show_picture
from tests.fakes.web.catalogue import FAULTS, MAX_PIXELS, UNUSUAL, Fault
from tests.fakes.web.pictures import base_picture
from tests.fakes.web.table import fetch_faults, render_table, stored_table


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    images = tmp_path_factory.mktemp("faults") / "deep" / "images"
    return images, fetch_faults(images)


def test_every_fault_ends_with_the_status_it_must_have(fetched) -> None:
    _, rows = fetched
    wrong = {
        fault.what: (row["status"], row["reason"])
        for fault, row in zip(FAULTS, rows, strict=True)
        if row["status"] != fault.status or (row["reason"] is None) != (row["status"] == "ok")
    }
    assert not wrong
    assert len(FAULTS) >= 100
    assert all(row["tries_count"] == 0 for fault, row in zip(FAULTS, rows, strict=True) if "`" in fault.what)


def test_the_page_shows_what_came_out(fetched) -> None:
    assert render_table(fetched[1]) == stored_table(), "run `python -m tests.fakes.web --write` and read what changed"


def test_files_are_those_of_the_rows_and_nothing_else_is_written(fetched) -> None:
    images, rows = fetched
    stored = {row["path"]: row["bytes_count"] for row in rows if row["path"]}
    assert len(stored) == sum(row["status"] == "ok" for row in rows)
    files = {path.relative_to(images).as_posix(): path for path in images.parent.parent.rglob("*") if path.is_file()}
    assert {name: path.stat().st_size for name, path in files.items()} == stored


def test_unusual_pictures_decode_to_the_right_one(fetched) -> None:
    images, rows = fetched
    base = base_picture()
    cases = [(fault, row) for fault, row in zip(FAULTS, rows, strict=True) if fault.group == UNUSUAL]
    for fault, row in cases:
        stored = open_image(images / row["path"], MAX_PIXELS)
        # grey of 16 bits is scaled where it is shown
        assert stored.image.mode in (fault.mode, "I;16" if fault.mode == "L" else ""), fault.what
        assert take_phash(stored.data, MAX_PIXELS)[1] == row["phash"], fault.what
        assert difference(show_picture(stored), base, fault) < 6, fault.what
    animated = [fault.what for fault, row in cases if row["is_animated"]]
    assert animated == ["animated GIF", "animated WebP", "animated PNG"]


def difference(image: Any, base: Any, fault: Fault) -> float:
    """Mean difference of two pictures, 0 to 255: in colour, or in grey where one has no colour."""
    if fault.mode == "1":
        return abs(float(np.asarray(image.convert("L")).mean()) - float(np.asarray(base.convert("L")).mean()))
    mode = "L" if fault.mode in ("L", "LA") else "RGB"
    left, right = (np.asarray(one.convert(mode)).astype(float) for one in (image, base))
    return float(np.abs(left - right).mean()) if left.shape == right.shape else 255.0
