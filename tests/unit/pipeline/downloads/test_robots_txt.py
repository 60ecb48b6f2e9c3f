"""robots.txt: what a site's file allows, and that it is asked once and obeyed."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from protego import Protego

from relaionet.manifests.files import digest_of
from relaionet.manifests.release.manifest_check import url_id
from relaionet.pipeline.downloads.fetch import DownloadConfig, fetch_images
from relaionet.pipeline.downloads.robots_txt import read_rules
from tests.unit.pipeline.conftest import picture

FILE = b"""\xef\xbb\xbf# a comment
User-agent: *
Disallow: /private/   # and another
Allow: /private/open/
Disallow: /*.gif$
Disallow: /caf%C3%A9
Disallow:
Crawl-delay: 3

User-Agent: other
User-agent: relaionet
Disallow: /ours
Allow: /ours/yes$

User-agent: Relaionet
Disallow: /more
"""


def is_allowed(rules: Protego, target: str, agent: str = "relaionet") -> bool:
    return rules.can_fetch(f"http://site.invalid{target}", agent)


@pytest.mark.parametrize(
    ("agent", "target", "allowed"),
    [
        ("someone", "/", True), ("someone", "/private/a.jpg", False), ("someone", "/private/open/a.jpg", True),
        ("someone", "/private", True), ("someone", "/a/b.gif", False), ("someone", "/a/b.gif?x", True),
        ("someone", "/caf%c3%a9/a", False), ("someone", "/café", False), ("someone", "/ours", True),
        ("relaionet", "/ours", False), ("RELAIONET", "/ours/a.jpg", False), ("relaionet", "/ours/yes", True),
        ("relaionet", "/ours/yes/x", False), ("relaionet", "/more", False), ("relaionet", "/private/a.jpg", True),
        ("other", "/ours", False), ("other", "/more", True),
    ],
)  # fmt: skip
def test_the_longest_rule_of_our_groups_counts(agent: str, target: str, allowed: bool) -> None:
    assert is_allowed(read_rules(FILE), target, agent) is allowed


@pytest.mark.parametrize("data", [b"", b"\x00\xff\xfe", b"Disallow: /", b"<html></html>", b"User-agent\nDisallow /\n"])
def test_what_is_no_file_forbids_nothing(data: bytes) -> None:
    assert is_allowed(read_rules(data), "/a.jpg")


def test_a_rule_of_many_stars_ends_in_time() -> None:
    rules = read_rules(b"User-agent: *\nDisallow: /" + b"*a" * 200 + b"$\n")
    assert is_allowed(rules, "/" + "a" * 5000 + "b")
    assert not is_allowed(rules, "/" + "a" * 5000)
    assert is_allowed(rules, "/" + "a" * 199)
    assert is_allowed(read_rules(b"User-agent: *\nDisallow: " + b"*" * 5000 + b"x$"), "/" + "y" * 5000)


@given(
    st.lists(st.sampled_from(["/", "a", "b", "*", "ab", "."]), max_size=8).map("".join), st.booleans(),
    st.text("/ab.", max_size=10),
)  # fmt: skip
def test_stars_match_as_the_standard_says(pattern: str, ends: bool, path: str) -> None:
    line = f"/{pattern}{'$' if ends else ''}"
    plain = re.compile("".join(".*" if one == "*" else re.escape(one) for one in line.removesuffix("$")))
    matched = plain.fullmatch(f"/{path}") if ends else plain.match(f"/{path}")
    rules = read_rules(f"User-agent: *\nDisallow: {line}".encode())
    assert is_allowed(rules, f"/{path}") is (matched is None)


def test_equal_rules_allow() -> None:
    assert is_allowed(read_rules(b"user-agent: *\ndisallow: /a\nallow: /a"), "/a")


def fetch(server, urls: list[str], images: Path, **settings: object) -> dict[str, dict[str, object]]:
    rows = pl.DataFrame({"candidate_id": [url_id(url) for url in urls], "url": urls})
    config = DownloadConfig(proxy=server.url, retries=0, **settings)  # type: ignore[arg-type]
    return {row["url"]: row for row in fetch_images(rows, config, images).iter_rows(named=True)}


def test_a_site_is_asked_once_and_obeyed_where_it_is_wanted(fault_server, tmp_path: Path) -> None:
    urls = [f"http://site.invalid/{name}.jpg" for name in ("yes/1", "yes/2", "no/3", "no/4")]
    for number, url in enumerate(urls):
        fault_server.files[url.removeprefix("http://site.invalid")] = picture(number)
    fault_server.files["/robots.txt"] = b"User-agent: *\nDisallow: /no/\n"
    plain = fetch(fault_server, urls, tmp_path / "plain")
    assert [row["status"] for row in plain.values()] == ["ok"] * 4
    assert "/robots.txt" not in fault_server.asked
    fault_server.asked.clear()
    found = fetch(fault_server, urls, tmp_path / "obeyed", robots_txt=True)
    assert [found[url]["status"] for url in urls] == ["ok", "ok", "refused", "refused"]
    assert found[urls[2]]["reason"] == "site.invalid's robots.txt forbids it"
    assert found[urls[2]]["may_come_back"] is False
    assert dict(fault_server.asked) == {"/robots.txt": 1, "/yes/1.jpg": 1, "/yes/2.jpg": 1}


@pytest.mark.parametrize(("code", "status"), [(404, "ok"), (403, "ok"), (503, "gone"), (429, "refused")])
def test_no_file_allows_and_one_that_cannot_be_read_asks_nothing(
    fault_server, tmp_path: Path, code: int, status: str
) -> None:
    fault_server.files["/1.jpg"] = picture(1)
    fault_server.codes["/robots.txt"] = code
    url = "http://site.invalid/1.jpg"
    row = fetch(fault_server, [url], tmp_path, robots_txt=True)[url]
    assert row["status"] == status
    assert fault_server.asked["/1.jpg"] == (1 if status == "ok" else 0)
    assert row["may_come_back"] is (status != "ok")


def test_the_setting_changes_no_digest_of_runs_made_without_it() -> None:
    assert digest_of(DownloadConfig()) == digest_of(DownloadConfig(robots_txt=False))
    assert digest_of(DownloadConfig()) != digest_of(DownloadConfig(robots_txt=True))
