"""Which rows a list of withdrawals takes out: by address, host, bytes or id.

An address counts however it is spelled and by http as by https; a host counts with all hosts below it. A row is out
where any of its addresses is: a copy somewhere else shows the same picture.
"""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from relaionet.pipeline.addresses.parse import RefusedUrl, WebAddress, parse_url


def find_withdrawn(rows: pl.DataFrame, withdrawn: pl.DataFrame | None) -> pl.Series:
    """Why each row is out.

    Args:
        rows: some or all of candidate_id, image_sha256, url and other_urls; rows of MANIFEST or of ADOPTED.
        withdrawn: WITHDRAWN; None takes out nothing.

    Returns:
        [rows] str, the reason in words; null where the row stays.
    """
    if withdrawn is None or withdrawn.is_empty():
        return pl.Series("withdrawn", [None] * rows.height, dtype=pl.String)
    listed = _Listed(withdrawn)
    columns = [name for name in ("candidate_id", "image_sha256", "url", "other_urls") if name in rows.columns]
    told = [listed.explain(row) for row in rows.select(columns).iter_rows(named=True)]
    return pl.Series("withdrawn", told, dtype=pl.String)


def withdrawn_bytes(withdrawn: pl.DataFrame | None) -> pl.DataFrame:
    """The hashes on a list.

    Args:
        withdrawn: WITHDRAWN; None lists nothing.

    Returns:
        image_sha256, and withdrawn_bytes: the reason in words.
    """
    rows = withdrawn.filter(kind="image_sha256") if withdrawn is not None else None
    if rows is None or rows.is_empty():
        return pl.DataFrame(schema={"image_sha256": pl.String, "withdrawn_bytes": pl.String})
    told = [_tell(row) for row in rows.iter_rows(named=True)]
    return pl.DataFrame({"image_sha256": rows["value"], "withdrawn_bytes": told})


class _Listed:
    """A list of withdrawals, by what it names."""

    def __init__(self, withdrawn: pl.DataFrame) -> None:
        self._by_kind: dict[str, dict[str, str]] = {}
        for row in withdrawn.iter_rows(named=True):
            value = row["value"] if row["kind"] != "url" else address_key(row["value"])
            self._by_kind.setdefault(row["kind"], {})[value] = _tell(row)

    def explain(self, row: dict[str, object]) -> str | None:
        """Why a row is out; None where it stays."""
        for kind in ("candidate_id", "image_sha256"):
            why = self._by_kind.get(kind, {}).get(str(row.get(kind)))
            if why is not None:
                return why
        others = row.get("other_urls")
        addresses = [row.get("url"), *(others if isinstance(others, Iterable) else ())]
        found = (self._explain_address(str(one)) for one in addresses if one is not None)
        return next((why for why in found if why is not None), None)

    def _explain_address(self, url: str) -> str | None:
        urls, hosts = self._by_kind.get("url", {}), self._by_kind.get("host", {})
        if not urls and not hosts:
            return None
        why = urls.get(address_key(url))
        address = _read(url)
        if why is None and hosts and address is not None:
            labels = address.host.split(".")
            above = (".".join(labels[at:]) for at in range(len(labels)))
            why = next((hosts[name] for name in above if name in hosts), None)
        return why


def address_key(url: str) -> str:
    """What equal addresses have in common: host, port and target, without the scheme and its own port.

    Args:
        url: any; one that is no address is its own key.
    """
    address = _read(url)
    return f"{address.netloc}{address.target}" if address is not None else url


def _read(url: str) -> WebAddress | None:
    try:
        return parse_url(url)
    except RefusedUrl:
        return None


def _tell(row: dict[str, object]) -> str:
    why = f": {row['why']}" if row["why"] else ""
    return f"withdrawn since {row['since']}{why}"
