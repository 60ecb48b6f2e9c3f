"""What ends a run none of whose images could be fetched: the reasons, and what lets the rows through."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import polars as pl
import pytest

from relaionet.manifests.errors import BadInput, Unavailable
from relaionet.pipeline.addresses.parse import RefusedUrl
from relaionet.pipeline.downloads.fetch import DownloadConfig
from relaionet.pipeline.downloads.no_images import ALLOWING, allowing_setting, explain_no_images
from relaionet.pipeline.downloads.web_rules import judge_url

PRIVATE = [
    "http://127.0.0.1/a.jpg", "http://localhost/a.jpg", "http://10.1.2.3/a.jpg", "http://[::1]/a.jpg", "http://nas/a.jpg",
    "http://printer.local/a.jpg", "http://pub.example:22/a.jpg", "http://2130706433/a.jpg", "http://[fd00::1]/a.jpg",
]  # fmt: skip
NEVER = ["http://169.254.169.254/a.jpg", "ftp://a.example/a.jpg", "http://me:pw@a.example/a.jpg", "http:///a.jpg"]


def refusal(url: str, *, allow_private: bool = False) -> str | None:
    try:
        judge_url(url, allow_private=allow_private)
    except RefusedUrl as error:
        return str(error)
    return None


def failed(*rows: tuple[str, str, bool]) -> pl.DataFrame:
    schema: dict[str, Any] = {"status": pl.String, "reason": pl.String, "may_come_back": pl.Boolean}
    return pl.DataFrame(rows, schema=schema, orient="row")


@pytest.mark.parametrize("url", [*PRIVATE, *NEVER])
@pytest.mark.parametrize("before", ["", "redirected to where "])
def test_the_setting_that_is_named_does_let_it_through_and_none_is_named_where_none_does(url: str, before: str) -> None:
    reason = refusal(url)
    assert reason is not None
    lets_through = refusal(url, allow_private=True) is None
    assert lets_through == (url in PRIVATE)
    assert allowing_setting(before + reason) == ("allow_private = true" if lets_through else None)


def test_names_that_resolve_to_private_addresses_are_told_from_those_of_clouds() -> None:
    assert allowing_setting("cdn.example resolves to a private address") == "allow_private = true"
    assert allowing_setting("cdn.example resolves to the metadata address of a cloud") is None
    assert allowing_setting("the server's X-Robots-Tag header says noai") is None


def test_every_setting_that_is_named_is_one() -> None:
    known = {field.name for field in fields(DownloadConfig)}
    for _, setting in ALLOWING:
        assert known & set(setting.replace(",", "").split()), setting


def test_reasons_are_counted_over_hosts_and_shown_with_their_settings() -> None:
    rows = failed(*[("refused", f"10.0.0.{number} is a private address", False) for number in range(9)],
                  ("gone", "HTTP 404 Not Found", False))  # fmt: skip
    error = explain_no_images(rows)
    assert isinstance(error, BadInput)
    assert str(error) == (
        "none of 10 images could be fetched, so the run stops here. 9 refused: the host is a private address "
        "([download] allow_private = true lets them through); 1 gone: HTTP 404 Not Found."
    )


def test_what_may_come_back_is_to_be_tried_again_and_many_reasons_are_cut() -> None:
    error = explain_no_images(failed(*[("slow", f"reason {number}", True) for number in range(9)]))
    assert isinstance(error, Unavailable)
    assert str(error).endswith("; 4 for 4 further reasons. All may come back: run again with --retry.")


def test_no_rows_are_no_reasons() -> None:
    assert "no row is to be fetched" in str(explain_no_images(failed()))
