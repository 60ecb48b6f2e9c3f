"""A stranger's manifest, checked whole before anything is done with it: every value is what it claims to be."""

from __future__ import annotations

import hashlib

import polars as pl

from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.files import HEX_64
from relaionet.manifests.labels import labels_by_wnid, labels_table
from relaionet.manifests.tables import MANIFEST, check_table, shape_table
from relaionet.manifests.tables.releases import FINGERPRINT_VERSIONS
from relaionet.manifests.words import say_count

MAX_URL_CHARS = 8192
MAX_PATH_CHARS = 1024
MAX_CAPTION_CHARS = 1_000_000
MAX_REVIEWERS = 10_000
MAX_OTHER_URLS = 100
MAX_WNIDS = 100
WEB = r"^(?i:https?)://[^\s/?#]+[^\s\x00-\x1f\x7f-\x9f]*$"
CONTROL = r"[\x00-\x1f\x7f-\x9f]"
# `ä/1 (2).jpg` is a path; `/etc`, `a/../b`, `C:\a`, `a//b` and `./a` are none
NO_PATH = r"^/|\\|//|/$|^[A-Za-z]:|(^|/)\.{1,2}(/|$)|" + CONTROL
# never an address: reviewers are known by pseudonyms
PSEUDONYM = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"


def url_id(url: str) -> str:
    """candidate_id of an image that has a URL."""
    return hashlib.sha256(url.encode()).hexdigest()


def adopted_id(image_sha256: str, path: str) -> str:
    """candidate_id of an image that was adopted from a folder."""
    return hashlib.sha256(f"{image_sha256} {path}".encode()).hexdigest()


def shape_manifest(rows: pl.DataFrame) -> pl.DataFrame:
    """The columns of MANIFEST in order; those that older releases lack are null.

    Raises:
        BadInput: a column is missing, or holds something else than its type.
    """
    try:
        return shape_table(rows, MANIFEST)
    except pl.exceptions.PolarsError as error:
        raise BadInput(f"manifest: a column is not of its type: {str(error).splitlines()[0][:200]}.") from None


def check_manifest(rows: pl.DataFrame) -> pl.DataFrame:
    """Return a manifest's rows, shaped, if every value is what it claims to be.

    Raises:
        BadInput: a column is missing, or a row breaks a rule; the message names the first such row and the rule.
    """
    rows = shape_manifest(rows)
    known = labels_table().select("wnid", pl.col("class_index").alias("known_index"))
    checked = rows.join(known, on="wnid", how="left", maintain_order="left")
    rules = _rules_of_ids() | _rules_of_text() | _rules_of_numbers()
    for rule, holds in rules.items():
        _refuse(checked.filter(~holds.fill_null(value=False)), rule, rows.height)
    try:
        check_table(rows, MANIFEST)
    except Corrupt as error:
        raise BadInput(str(error)) from None
    # last: by now lengths are bounded
    there = rows.select("candidate_id", "url", "path", "image_sha256")
    ids = pl.Series([_expected_id(*row) for row in there.drop("candidate_id").iter_rows()], dtype=pl.String)
    _refuse(rows.filter(rows["candidate_id"] != ids), "candidate_id is not that of its url or path", rows.height)
    return rows


def _expected_id(url: str | None, path: str | None, image_sha256: str) -> str:
    # an adopted image stays the row it was when its address is found
    return url_id(url) if path is None and url is not None else adopted_id(image_sha256, path or "")


def _refuse(wrong: pl.DataFrame, rule: str, rows_count: int) -> None:
    if not wrong.is_empty():
        shown = repr(wrong["candidate_id"][0])[:80]
        raise BadInput(
            f"manifest: {rule} in {wrong.height:,} of {say_count(rows_count, 'row')}, first candidate_id {shown}."
        )


def _rules_of_ids() -> dict[str, pl.Expr]:
    return {
        "candidate_id is no 64 hex digits": pl.col("candidate_id").str.contains(f"^{HEX_64}$"),
        "image_sha256 is no 64 hex digits": pl.col("image_sha256").str.contains(f"^{HEX_64}$"),
        "phash is no 16 hex digits": pl.col("phash").str.contains(r"^[0-9a-f]{16}$"),
        "thumbprint is no 768 hex digits": pl.col("thumbprint").fill_null("0" * 768).str.contains(r"^[0-9a-f]{768}$"),
        "fingerprint_version is unknown": pl.col("fingerprint_version").fill_null(1).is_in(FINGERPRINT_VERSIONS),
        "url is not http(s)": pl.when(pl.col("url").is_null())
        .then(pl.col("path").is_not_null())
        .otherwise(pl.col("url").str.contains(WEB)),
        "other_urls are no further http(s) addresses": _are_other_urls(),
        f"url is longer than {MAX_URL_CHARS} characters": _at_most("url", MAX_URL_CHARS),
        f"path is longer than {MAX_PATH_CHARS} characters": _at_most("path", MAX_PATH_CHARS),
        "path is no path inside a folder": ~pl.col("path").fill_null("a").str.contains(f"^$|{NO_PATH}"),
        "wnid is no ImageNet-1k wnid": pl.col("known_index").is_not_null(),
        "class_index is not the wnid's": pl.col("class_index") == pl.col("known_index"),
        f"wnids are not 2 to {MAX_WNIDS} ImageNet-1k wnids with the label among them": _are_wnids(),
        "format is no file ending": pl.col("format").str.contains(r"^[a-z0-9]{1,8}$"),
    }


def _rules_of_text() -> dict[str, pl.Expr]:
    reviewers = pl.col("reviewers")
    named = reviewers.list.eval(pl.element().str.contains(PSEUDONYM).fill_null(value=False)).list.all()
    return {
        f"caption is longer than {MAX_CAPTION_CHARS} characters": _at_most("caption", MAX_CAPTION_CHARS),
        "class_name is longer than 200 characters": _at_most("class_name", 200),
        "class_name has control characters": ~pl.col("class_name").fill_null("").str.contains(CONTROL),
        "source is longer than 4096 characters": _at_most("source", 4096),
        "source has control characters": ~pl.col("source").fill_null("").str.contains(CONTROL),
        f"reviewers are more than {MAX_REVIEWERS}": reviewers.list.len().fill_null(0) <= MAX_REVIEWERS,
        "reviewers are no pseudonyms (letters, digits, '.', '_', '-')": reviewers.is_null() | named,
    }


def _rules_of_numbers() -> dict[str, pl.Expr]:
    votes, yes, share = pl.col("votes_count"), pl.col("yes_count"), pl.col("selection_frac")
    return {
        "bytes_count or a size is not positive": pl.all_horizontal(pl.col("bytes_count", "width_px", "height_px") > 0),
        "votes are not 0 ≤ yes_count ≤ votes_count": (yes >= 0) & (yes <= votes),
        "selection_frac is not between 0 and 1": share.is_between(0, 1) | ((votes == 0) & share.is_null()),
        "confidence is not between 0 and 1": pl.col("confidence").is_between(0, 1) | pl.col("confidence").is_null(),
    }


def _are_other_urls() -> pl.Expr:
    """Null, or some addresses, each once, `url` not among them."""
    urls, count = pl.col("other_urls"), pl.col("other_urls").list.len()
    one = pl.element()
    good = one.str.contains(WEB).fill_null(value=False) & (one.str.len_chars() <= MAX_URL_CHARS)
    return urls.is_null() | (
        count.is_between(1, MAX_OTHER_URLS)
        & urls.list.eval(good).list.all()
        & (urls.list.n_unique() == count)
        & pl.col("url").is_not_null()
        & ~urls.list.contains(pl.col("url"))
    )


def _are_wnids() -> pl.Expr:
    wnids, count = pl.col("wnids"), pl.col("wnids").list.len()
    known = list(labels_by_wnid())
    return wnids.is_null() | (
        count.is_between(2, MAX_WNIDS)
        & wnids.list.eval(pl.element().is_in(known).fill_null(value=False)).list.all()
        & (wnids.list.n_unique() == count)
        & wnids.list.contains(pl.col("wnid"))
    )


def _at_most(column: str, chars: int) -> pl.Expr:
    return pl.col(column).str.len_chars().fill_null(0) <= chars
