"""What a release says about itself: the dataset card people read and the Croissant metadata machines read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from relaionet.manifests.escape import escape_markdown, escape_yaml
from relaionet.manifests.files import write_atomic
from relaionet.manifests.labels import labels_by_wnid
from relaionet.manifests.release.comparisons import tell_comparisons
from relaionet.manifests.release.sentences import (
    cite_release,
    plain_text,
    tell_decisions,
    tell_origin,
    tell_rebuild,
    tell_screens,
)
from relaionet.manifests.tables import MANIFEST
from relaionet.manifests.words import format_count, say_count

# (rows below, Hugging Face's size category)
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
LICENCE_NOTE = (
    "The release holds URLs, hashes and labels, not images. Each image stays under the terms of its owner; whoever "
    "fetches it is bound by them. Captions are alt texts written by others and quoted as they were found."
)
LIMITATIONS = (
    "Web images change and vanish; state the coverage of your rebuilt split beside every number.",
    "Labels are ImageNet's 1000 classes, with their known overlaps; {several}.",
    "Alt texts and images come from the open web and carry its biases.",
)


def size_category(rows_count: int) -> str:
    """Hugging Face's size category of so many rows."""
    return next((category for limit, category in SIZES if rows_count < limit), "n>1M")


def _front_matter(about: Mapping[str, Any]) -> str:
    return f"""---
pretty_name: {escape_yaml(title_of(about))}
license: other
license_name: urls-and-labels-only
language:
- en
task_categories:
- image-classification
size_categories:
- {size_category(about["rows_count"])}
tags:
- imagenet
{_tags(about)}
configs:
- config_name: default
  data_files:
  - split: test
    path: manifest.parquet
---
"""


def _tags(about: Mapping[str, Any]) -> str:
    own = ("adopted",) if about["notes"].get("adopted") else ("out-of-distribution", "laion", "urls")
    return "\n".join(f"- {tag}" for tag in own)


def title_of(about: Mapping[str, Any]) -> str:
    """A release by name and version, as its card is headed."""
    made = " (miniature)" if about["notes"].get("miniature") else ""
    return f"{about['name']} v{about['version']}{made}"


def warning_lines(notes: Mapping[str, Any]) -> str:
    """What must be read first: that this is the miniature, that reviewers were simulated; "" where neither."""
    lines = []
    if notes.get("miniature"):
        lines.append(
            "> **This is the miniature**: pictures drawn by code, made to try the tools on. "
            "No number from it is a number about reLAIONet."
        )
    if notes.get("simulated_reviewers"):
        lines.append("> **The reviewers are simulated**: programs answered, no person looked.")
    return "\n>\n".join(lines) + "\n\n" if lines else ""


def _agreement(agreement: Mapping[str, Any]) -> str:
    if not agreement:
        return "Not stated."
    shown = (
        f"{key}: {value:.3f}" if isinstance(value, float) else f"{key}: {value}" for key, value in agreement.items()
    )
    return escape_markdown("; ".join(shown)) + "."


def _class_table(counts: Mapping[str, int]) -> str:
    labels = labels_by_wnid()
    rows = (
        f"| {wnid} | {labels[wnid].class_index} | {labels[wnid].name} | {format_count(count)} |"
        for wnid, count in counts.items()
    )
    return "| wnid | class_index | name | images |\n|---|---|---|---|\n" + "\n".join(rows)


def _terms(notes: Mapping[str, Any]) -> str:
    terms = plain_text(notes.get("licence"))
    return f"\n\nTerms of the images, as stated by whoever made this release: {escape_markdown(terms)}" if terms else ""


def _limitations(notes: Mapping[str, Any], rows: pl.DataFrame) -> str:
    count = rows.height - rows["wnids"].null_count()
    several = say_count(count, "image shows", "images show") + " several classes (`wnids`), one of which is the label"
    ours = [line.format(several=several if count else "one label per image") for line in LIMITATIONS]
    return "\n".join(f"- {line}" for line in (*ours, *map(_own_words, notes.get("limitations", ()))))


def _own_words(text: Any) -> str:
    return escape_markdown(str(text))


def _columns() -> str:
    rows = (f"| `{name}` | {column.dtype} | {column.meaning} |" for name, column in MANIFEST.columns.items())
    return "| column | type | meaning |\n|---|---|---|\n" + "\n".join(rows)


def _what_is_known(about: Mapping[str, Any], lacking: int) -> str:
    """How many images of how many classes, and how their rows are known, of which some lack an address."""
    count = about["rows_count"]
    how = "by URL" if not lacking else "by hash" if lacking == count else "by URL where one is known"
    labels = "" if about["notes"].get("adopted") else ", with labels settled by review"
    return f"{say_count(count, 'image')} of {say_count(about['classes_count'], 'ImageNet class')}, {how}{labels}"


def write_card(path: Path, about: Mapping[str, Any], rows: pl.DataFrame, decisions_count: int = 0) -> None:
    """Write the dataset card (README.md with Hugging Face front matter).

    Args:
        path: file to write.
        about: fields of `ReleaseInfo` but `files`.
        rows: MANIFEST rows.
        decisions_count: answers shipped with the release.
    """
    notes = about["notes"]
    mean = rows["votes_count"].mean()
    lacking = rows["url"].null_count()  # rows nobody knows an address of
    text = f"""{_front_matter(about)}
# {escape_markdown(title_of(about))}

{warning_lines(notes)}{_what_is_known(about, lacking)}.
Made {about["created"]}; digest `{about["digest"]}`.

{tell_origin(about, mean if isinstance(mean, float) and about["rows_count"] and mean > 0 else None)}

## Agreement of the reviewers

{_agreement(notes.get("agreement", {}))}
{tell_decisions(decisions_count)}{tell_screens(notes)}
{tell_comparisons(notes)}## How to get the images

{tell_rebuild(about, has_urls=lacking < rows.height or not rows.height, has_paths=lacking > 0)}

## How to cite it

    {cite_release(about)}

## Licence

{LICENCE_NOTE}{_terms(notes)}

## Limitations

{_limitations(notes, rows)}

## Columns of manifest.parquet

{_columns()}

## Images per class

{_class_table(about["class_counts"])}
"""
    write_atomic(path, text.encode())
