"""A value of a table in few characters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from relaionet.manifests.escape import show_text
from relaionet.manifests.files import HEX_64
from relaionet.manifests.labels import labels_by_wnid

LONGEST = 90
LONGEST_LIST = 400


def show_value(key: str, value: object) -> str:
    """A value in few characters: hashes cut, classes named, strangers' text without control characters."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, list):
        return _cut(", ".join(show_value(key, item) for item in value), LONGEST_LIST)
    text = show_text(str(value))
    if key.endswith(("wnid", "wnids")) and text in labels_by_wnid():
        return f"{labels_by_wnid()[text].name} ({text})"
    if re.fullmatch(HEX_64, text):
        return text[:12] + "…"
    return _cut(text, LONGEST)


def show_values(values: Mapping[str, Any]) -> str:
    """The values of a step on one line."""
    return " · ".join(f"{show_text(key)} {show_value(key, value)}" for key, value in values.items())


def how_near(hit: Mapping[str, Any]) -> str:
    """How near a search found a picture."""
    cosine = f"{hit['cosine']:.3f}, " if "cosine" in hit else ""
    asked = f", by {show_value('asked', hit['asked'])}" if "asked" in hit else ""
    return f"{cosine}rank {hit.get('rank', '?')}{asked}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
