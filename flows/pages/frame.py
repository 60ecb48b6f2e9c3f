"""The frame of every page: one stylesheet, one script, templates filled in safely."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from relaionet.flows.pages.charts.chart import format_number
from relaionet.manifests.files import digest_of

if TYPE_CHECKING:
    from jinja2 import Environment


@cache
def _text(name: str) -> str:
    return files("relaionet.flows.pages").joinpath("templates", name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(_text), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["anchor"] = lambda name: f"from-{digest_of(name)[:12]}"
    environment.filters["percent"] = lambda value: f"{value:.2f}"
    environment.filters["number"] = format_number
    environment.tests["nested"] = lambda value: isinstance(value, Mapping)
    return environment
