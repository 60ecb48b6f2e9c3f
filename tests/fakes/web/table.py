"""Fetch all faults with the real fetcher, and write what became of each as a table of docs/reference/security.md."""

from __future__ import annotations

import hashlib
from itertools import groupby
from pathlib import Path
from typing import Any

import polars as pl

from relaionet.pipeline.downloads.fetch import DownloadConfig, fetch_images
from tests.fakes.web.catalogue import DECODE_S, FAULTS, MAX_BYTES, MAX_PIXELS, TIMEOUT_S, answers, urls
from tests.fakes.web.server import serve_faults

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "security.md"
START, END = "<!-- faults: written by `python -m tests.fakes.web --write` -->", "<!-- end of faults -->"


def fetch_faults(images: Path) -> list[dict[str, Any]]:
    """DOWNLOADS rows of all faults, in their order."""
    asked = urls()
    ids = [hashlib.sha256(f"{number} {url}".encode()).hexdigest() for number, url in enumerate(asked)]
    with serve_faults(answers()) as server:
        config = DownloadConfig(
            proxy=server.url, timeout_s=TIMEOUT_S, retries=0, max_bytes=MAX_BYTES, max_pixels=MAX_PIXELS,
            decode_s=DECODE_S,
        )  # fmt: skip
        table = fetch_images(pl.DataFrame({"candidate_id": ids, "url": asked}), config, images)
    return table.rows(named=True)


def render_table(rows: list[dict[str, Any]]) -> str:
    """The faults and what became of them, as Markdown."""
    limits = f"{TIMEOUT_S:g} s, {MAX_BYTES // 1_000_000} MB, {MAX_PIXELS // 1_000_000} million pixels"
    text = [START, "", f"{len(rows)} faults; limits of {limits}, {DECODE_S:g} s to decode; no retries."]
    for group, members in groupby(zip(FAULTS, rows, strict=True), key=lambda pair: pair[0].group):
        text += ["", f"### {group}", "", "| served or asked for | status | HTTP | reason | may come back |",
                 "| --- | --- | --- | --- | --- |"]  # fmt: skip
        for fault, row in members:
            reason = (row["reason"] or "").replace("|", "\\|").replace("<", "&lt;")
            cells = (fault.what, row["status"], row["http_code"] or "", reason, "yes" if row["may_come_back"] else "")
            text.append("| " + " | ".join(map(str, cells)).rstrip() + " |")
    return "\n".join([*text, "", END])


def stored_table() -> str:
    """The table as the page has it."""
    page = PAGE.read_text(encoding="utf-8")
    return page[page.index(START) : page.index(END) + len(END)]


def write_table(table: str) -> None:
    """Put the table into the page."""
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(page.replace(stored_table(), table), encoding="utf-8")
