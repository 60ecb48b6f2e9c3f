"""Sentences a release says about itself: what it is, how it was made, how to get its images, how to cite it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from relaionet.manifests.escape import escape_markdown, markdown_link, one_line
from relaionet.manifests.words import say_count

TITLES = {"relaionet": "reLAIONet"}
DIGEST_SHOWN = 12
MAX_CHARS = 2000


def plain_text(value: Any) -> str:
    """A maker's words on one line, without control characters and of bounded length; "" for what is no text."""
    if not isinstance(value, str):
        return ""
    return one_line(value, MAX_CHARS)


def cite_release(about: Mapping[str, Any]) -> str:
    """How to name a release in a paper: name, version, rows, digest; for an adopted set also its own citation.

    Args:
        about: fields of `ReleaseInfo`.
    """
    name = TITLES.get(about["name"], about["name"])
    made = " (miniature)" if about["notes"].get("miniature") else ""
    own = plain_text(about["notes"].get("cite"))
    images = say_count(about["rows_count"], "image")
    told = f"{name} v{about['version']}{made}, {images}, digest {about['digest'][:DIGEST_SHOWN]}"
    return f"{told}; {own}" if own else told


def tell_origin(about: Mapping[str, Any], mean_votes: float | None) -> str:
    """The parts "What it is" and "How it was made" of a card.

    Args:
        about: fields of `ReleaseInfo`.
        mean_votes: answers per image on average; None where there are none.
    """
    adopted = about["notes"].get("adopted")
    if isinstance(adopted, Mapping):
        homepage = plain_text(about["notes"].get("homepage"))
        return _tell_adopted(adopted, homepage) + _tell_lookup(about["notes"].get("lookup"))
    votes = f" ({mean_votes:.1f} answers per image on average)" if mean_votes is not None else ""
    return f"""## What it is

Images found through LAION's metadata, given an ImageNet-1k label and proofread, for use as an out-of-distribution
reference beside ImageNet's validation images.

## How it was made

Captions that name a class and images near a class in an image-text model give a proposed label. Near-duplicates,
unsafe, watermarked and too small images and known leaks are screened out. Reviewers look at each remaining image
and accept, correct or reject the label{votes}. Settings and the digests of the tables it
came from are in `release.json`."""


def _tell_adopted(adopted: Mapping[str, Any], homepage: str) -> str:
    layout = escape_markdown(plain_text(adopted.get("layout"))) or "a folder"
    where = f" It comes from {markdown_link(homepage)}." if homepage else ""
    return f"""## What it is

An image set that exists already, described file by file so that others can check that they have the same one, and
compare, rebuild and cite it like any other release.{where}

## How it was made

Its files were read where they lay: {layout}.

The labels are the set's own, written as wnid and ImageNet class index. Nobody was asked about them again: the votes
are empty."""


def _tell_lookup(lookup: Any) -> str:
    """A paragraph about where the addresses are from; "" where none was looked for."""
    sought, found = (lookup.get(name) if isinstance(lookup, Mapping) else None for name in ("sought", "found"))
    if not isinstance(sought, int) or not isinstance(found, int):
        return ""
    images = say_count(sought, "image")
    return f"""

The addresses were found again: {found:,} of the {images} that lacked one were seen at an address that served the
same picture; how is in `evidence.parquet`, row by row."""


def tell_rebuild(about: Mapping[str, Any], *, has_urls: bool, has_paths: bool) -> str:
    """The part "How to get the images" of a card."""
    told = []
    if has_urls:
        told.append(
            """    relaionet rebuild <this folder> --out split

fetches every URL, compares bytes and pictures with the manifest, and states what came back."""
        )
    if has_paths:
        which = "some of these" if has_urls else "these"
        told.append(
            f"""No address of {which} images is known. With a copy of them in FOLDER, whatever its files are called,

    relaionet rebuild <this folder> --images FOLDER --out split

finds each by its bytes, or else by its picture, and states what is there."""
        )
    return "\n\n".join(told)


def tell_screens(notes: Mapping[str, Any]) -> str:
    """The part "What looked at the pictures" of a card; "" where nothing is said of it.

    Args:
        notes: of the release; `screens` says how each screen was made, or why it was not.
    """
    screens = notes.get("screens")
    if not isinstance(screens, Mapping) or not screens:
        return ""
    lines = [f"| {escape_markdown(plain_text(name))} | {escape_markdown(plain_text(how))} |"
             for name, how in screens.items()]  # fmt: skip
    return "\n".join(["\n## What looked at the pictures\n", "| screen | how |", "|---|---|", *lines, ""])


def tell_decisions(decisions_count: int) -> str:
    """The part about decisions.parquet of a card; "" where there is none."""
    if not decisions_count:
        return ""
    return f"""
## The answers it rests on

`decisions.parquet` holds every answer of the review under pseudonyms, {decisions_count:,} in all, also those about
pictures that were not released (as ids). `relaionet release check <this folder>` compares the votes of every row with
them and settles them again by the rules in `release.json`.
"""
