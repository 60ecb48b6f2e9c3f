"""The frame of every page: one stylesheet, one script, one head; templates are filled in safely."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from relaionet.flows.pages.charts.chart import format_number
from relaionet.manifests.escape import show_text
from relaionet.manifests.files import digest_of
from relaionet.manifests.urls import hide_secrets
from relaionet.manifests.words import format_count, name_counted, say_count, say_seconds

if TYPE_CHECKING:
    from jinja2 import Environment

MADE_BY = '<meta name="generator" content="reLAIONet">'
LINKS_START, LINKS_END = "<!-- pages beside this one -->", "<!-- end of pages -->"
"""What stands between them is written anew when another page comes; no text of a stranger can hold them unescaped."""


DATA_URI = re.compile(r"data:image/(png|webp|jpeg|svg\+xml);base64,[A-Za-z0-9+/=]*")
PATH = re.compile(r"(?!//)[A-Za-z0-9._~%/#-]*")  # as `urllib.parse.quote` gives it


def render(template: str, **values: Any) -> str:
    """Fill in a template.

    Args:
        template: file in `templates`; a page extends `frame.html`.
        **values: what it shows. Every one is escaped; one that is missing is an error.

    Returns:
        HTML: a page is one file that loads nothing from anywhere.
    """
    script = _read("page.js")
    frame = {
        "style": _read("page.css"), "script": script, "links_start": LINKS_START, "links_end": LINKS_END,
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    }  # fmt: skip
    return _environment().get_template(template).render(frame=frame, **{"links": (), "made_of": "", **values})


@cache
def _read(name: str) -> str:
    return files("relaionet.flows.pages").joinpath("templates", name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(_read), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        finalize=_show,
    )  # fmt: skip
    environment.filters["link"] = page_link
    environment.filters["picture"] = page_picture
    environment.filters["anchor"] = lambda name: f"from-{digest_of(name)[:12]}"
    environment.filters["percent"] = lambda value: f"{value:.2f}"
    environment.filters["number"] = format_number
    environment.filters["thousands"] = format_count
    environment.filters["counted"] = say_count
    environment.filters["seconds"] = say_seconds
    environment.filters["share"] = lambda value: "" if value is None else f"{value:.1%}"
    environment.filters["prob"] = lambda value: "" if value is None else f"{value:.3f}"
    environment.tests["nested"] = lambda value: isinstance(value, Mapping)
    return environment


def _show(value: Any) -> Any:
    """What a template shows of a value, before it is escaped: no character that does not show, no password of a URL."""
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return show_text(hide_secrets(value), lines=True)


def count_card(value: int, noun: str, plural: str = "", detail: str = "") -> tuple[str, str, str]:
    """A figure at the top of a page whose words go with its number: (value, what it is, detail).

    Args:
        value: the count.
        noun: what one is.
        plural: what any other number is; the noun's regular plural where empty.
        detail: what stands beneath.
    """
    return format_count(value), name_counted(value, noun, plural), detail


def page_link(address: str) -> str:
    """An address a page may link to, which is a file beside it or a part of it; else `#`.

    Args:
        address: any; a name of a file is quoted by whoever knows that it is one.
    """
    return address if PATH.fullmatch(address) else "#"


def page_picture(address: str) -> str:
    """The address of a picture a page may show, which is one it holds itself; else none.

    Args:
        address: any.
    """
    return address if DATA_URI.fullmatch(address) else ""
