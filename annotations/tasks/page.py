"""The page a reviewer works on, as Label Studio's labelling config.

One picture, one question, one key. The answers are one group of choices, so that exactly one can be given; the
runner-up classes of a task are put into that group by its data and answer in the reviewer's name "another class: this
one". Texts of strangers (the caption) are only ever shown by `Header`, which treats them as plain text and, unlike
`Text`, never fetches one that looks like an address.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from relaionet.manifests.class_groups import groups_by_wnid
from relaionet.manifests.errors import BadInput
from relaionet.manifests.escape import xml_text
from relaionet.manifests.labels import Label, find_label, read_labels

if TYPE_CHECKING:
    import polars as pl

VERSION = "3"
ANSWER = "answer"
OTHER_CLASS = "other_class"
SHOWN_CLASSES, SHOWN_OTHERS = "shown_classes", "shown_others"
RUNNER_UP_KEYS = ("q", "w", "e", "r")
# the row below theirs: the class proposed, then each runner-up under its own key
SHOWN_KEYS = ("a", "s", "d", "f", "g")

CHOICES: dict[str, tuple[str, str]] = {
    "yes": ("Yes, this class", "1"),
    "other": ("Another class …", "2"),
    "several": ("Several classes at once", "3"),
    "drawing": ("Drawing or text only", "4"),
    "unsafe": ("Unsafe or private", "5"),
    "broken": ("Broken picture", "6"),
    "none": ("None of the classes", "7"),
    "unsure": ("Cannot tell", "8"),
}
"""Stored value of an answer -> its words and its key."""

SUBMIT_KEYS = {"key": "enter,ctrl+enter", "mac": "enter,command+enter"}
"""What sends an answer off, where the server is ours: an answer is two keys. Elsewhere it is Ctrl+Enter alone."""

_STYLE = """
.lsf-sidepanels { padding: 0 !important; }
.lsf-sidepanels__wrapper { display: none; }
.lsf-main-content { padding: 0 !important; }
.relaionet { display: flex; gap: 24px; height: calc(100vh - 120px); min-height: 420px; padding: 8px 16px 0; }
.relaionet .picture { flex: 1 1 auto; min-width: 0; height: 100%; overflow: hidden; }
.relaionet .lsf-toolbar { display: none; }
.relaionet .side { flex: 0 0 380px; height: 100%; overflow: hidden; display: flex; flex-direction: column; }
.relaionet .side > * { flex: 0 0 auto; }
.relaionet .side p, .relaionet .side h1, .relaionet .side h2, .relaionet .side h3, .relaionet .side h4 { margin: 0; }
.relaionet .asked, .relaionet .words { flex: 0 1 auto; overflow: hidden; }
.relaionet .words h2, .relaionet .words h4, .relaionet .words p { display: -webkit-box !important;
  -webkit-box-orient: vertical; -webkit-line-clamp: 2; line-clamp: 2; overflow: hidden;
  overflow-wrap: anywhere; unicode-bidi: plaintext; text-align: start; }
.relaionet .hint h4, .relaionet .hint p { color: #b45309 !important; }
.relaionet .reference img { display: block; width: 372px; height: 118px; margin: 5px 0; border-radius: 4px; }
.relaionet .reference .lsf-object, .relaionet .reference .lsf-richtext__container { margin: 0; padding: 0; border: 0; }
.relaionet .side .lsf-choices { display: flex; flex-direction: column; margin: 6px 0 0; }
.relaionet .side .lsf-choice { order: 3; }
.relaionet .side .lsf-choice:nth-child(n+FIRST) { order: 2; }
.relaionet .side .lsf-choice:first-child { order: 1; }
.relaionet .side .lsf-choice__item { margin: 0; padding: 1px 0; line-height: 21px; white-space: nowrap; }
.relaionet .side .lsf-choice__item label { max-width: 100%; overflow: hidden; text-overflow: ellipsis; }
.relaionet .side .lsf-taxonomy { margin-top: 4px; }
.relaionet .several .lsf-choices { display: grid; grid-template-columns: 1fr 1fr; }
.relaionet .several .lsf-choice { min-width: 0; }
.relaionet .side:has(.several .lsf-choices:not([style*="none"])) .reference img { height: 70px; object-fit: contain;
  object-position: left; }
@media (max-width: 800px) {
  .relaionet { flex-direction: column; height: auto; padding: 8px 0 0; }
  .relaionet .picture { flex: 0 0 auto; width: 100%; height: 36vh; }
  .relaionet .side { flex: 0 0 auto; width: 100%; height: auto; }
  .relaionet .reference img { width: 100%; height: auto; }
}
""".replace("FIRST", str(len(CHOICES) + 1))  # the runner-ups, which the page adds behind the fixed answers


@dataclass(frozen=True, kw_only=True)
class InterfaceConfig:
    """How the page looks.

    Attributes:
        runner_ups_count: runner-up classes offered by a key, 0 to 4.
        search: offer the search over all classes for "another class".
        references: show known pictures of the class, from the task's `reference`.
    """

    runner_ups_count: int = 3
    search: bool = True
    references: bool = False


def page_labels(tasks: pl.DataFrame, labels: Sequence[Label] | None = None) -> list[Label]:
    """The classes that tasks propose or offer as runner-ups, in class order: a short search list for a small set.

    A page with all 1000 costs the server about 60 ms more at every answer, which people do not notice.

    Args:
        tasks: TASKS.
        labels: further classes to offer.
    """
    wnids = set(tasks["proposed_wnid"]) | set(tasks["runner_up_wnids"].explode().drop_nulls())
    wnids |= {label.wnid for label in labels or ()} | set(tasks["control_wnid"].drop_nulls())
    return [label for label in read_labels() if label.wnid in wnids]


def _text(parent: ET.Element, kind: str, value: str, size: int) -> None:
    place = ET.SubElement(parent, "View", className=kind)
    small = "font-weight: 400; font-size: 15px; line-height: 1.33" if size > 3 else "font-size: 23px; line-height: 1.15"
    ET.SubElement(place, "Header", value=xml_text(value), size=str(size), style=small)


def class_words(label: Label) -> str:
    """A class as one line a reviewer can find it by: its name, then WordNet's other words for it."""
    others = [word for word in label.lemmas if word.lower() != label.name.lower()]
    return f"{label.name} ({', '.join(others)})" if others else label.name


def namesakes(label: Label) -> list[Label]:
    """Other classes that go by one of the class's names, as both cranes do."""
    return [other for other in read_labels() if other.wnid in _namesakes().get(label.wnid, ())]


@lru_cache(maxsize=1)
def _namesakes() -> dict[str, set[str]]:
    by_name: dict[str, set[str]] = {}
    for label in read_labels():
        for word in {label.name.casefold(), *(lemma.casefold() for lemma in label.lemmas)}:
            by_name.setdefault(word, set()).add(label.wnid)
    found: dict[str, set[str]] = {}
    for wnids in by_name.values():
        for wnid in wnids:
            found.setdefault(wnid, set()).update(wnids - {wnid})
    return found


def hint_line(label: Label) -> str:
    """A warning of classes that look alike on pictures or go by the same name; empty where there are none."""
    group = groups_by_wnid().get(label.wnid)
    alike = [find_label(wnid) for wnid in group.wnids if wnid != label.wnid] if group else []
    others = [one for one in namesakes(label) if one not in alike]
    told = [("Looks alike: ", alike), ("Not: ", others)]
    return " ".join(start + "; ".join(f"{one.name} ({one.gloss})" for one in some) for start, some in told if some)


def label_config(labels: Sequence[Label], config: InterfaceConfig | None = None) -> str:
    """Label Studio's XML for the page.

    Args:
        labels: classes to choose "another class" from; usually all 1000.
        config: how it looks.

    Returns:
        XML that reads `image`, `proposed`, `gloss`, `hint`, `caption_line`, `runner_ups`, `shown_classes` and, where
        asked for, `reference` from a task's data and gives results named `answer` (one of `CHOICES`, or the wnid of a
        runner-up), `other_class` (a wnid), `shown_classes` and `shown_others` (wnids: of several classes at once).

    Raises:
        BadInput: there are no labels, or more runner-ups than keys.
    """
    config = config or InterfaceConfig()
    if not labels:
        raise BadInput("the page needs at least one class to choose from; got none.")
    if not 0 <= config.runner_ups_count <= len(RUNNER_UP_KEYS):
        raise BadInput(f"runner_ups_count must be 0 to {len(RUNNER_UP_KEYS)}, got {config.runner_ups_count}.")
    view = ET.Element("View")
    ET.SubElement(view, "Style").text = _STYLE
    page = ET.SubElement(view, "View", className="relaionet")
    picture = ET.SubElement(page, "View", className="picture")
    ET.SubElement(
        picture, "Image", name="image", value="$image", zoom="true", zoomControl="true",
        selectionControl="false", defaultZoom="fit", maxHeight="calc(100vh - 140px)", horizontalAlignment="center",
    )  # fmt: skip
    side = ET.SubElement(page, "View", className="side")
    _text(side, "asked", "Does the picture show", 5)
    _text(side, "words", "$proposed", 3)
    _text(side, "words", "$gloss", 5)
    _text(side, "words hint", "$hint", 5)
    if config.references:
        place = ET.SubElement(side, "View", className="reference")
        ET.SubElement(place, "HyperText", name="reference", value="$reference", inline="true")
    _text(side, "words", "$caption_line", 5)
    _answers(side)
    if config.search:
        message = "Name the class, or choose another answer."
        about = {"maxUsages": "1", "required": "true", "requiredMessage": message, "placeholder": "Search the class …"}
        _search(_shown_with(side, "other"), labels, OTHER_CLASS, about)
    _classes_at_once(_shown_with(side, "several"), labels if config.search else ())
    return ET.tostring(view, encoding="unicode")


def _answers(side: ET.Element) -> None:
    answers = ET.SubElement(
        side, "Choices", name=ANSWER, toName="image", value="$runner_ups", choice="single-radio", required="true",
        requiredMessage="Choose an answer first (keys 1 to 8).",
    )  # fmt: skip
    for value, (words, key) in CHOICES.items():
        ET.SubElement(answers, "Choice", value=words, alias=value, hotkey=key)


def _shown_with(side: ET.Element, choice: str) -> ET.Element:
    """A part of the page that is there while an answer is chosen."""
    words = CHOICES[choice][0]
    return ET.SubElement(
        side, "View", className=choice, visibleWhen="choice-selected", whenTagName=ANSWER, whenChoiceValue=words
    )


def _classes_at_once(where: ET.Element, labels: Sequence[Label]) -> None:
    """The classes proposed, each on a key, and a search for others; to name none is an answer too."""
    about = {"name": SHOWN_CLASSES, "toName": "image", "value": "$shown_classes"}
    ET.SubElement(where, "Choices", about, choice="multiple", layout="inline")
    if labels:
        _search(where, labels, SHOWN_OTHERS, {"placeholder": "Search further classes …"})


def _search(where: ET.Element, labels: Sequence[Label], name: str, about: dict[str, str]) -> None:
    classes = ET.SubElement(
        where, "Taxonomy", about, name=name, toName="image", leafsOnly="true", minWidth="310px", maxWidth="330px",
        dropdownWidth="330px",
    )  # fmt: skip
    for label in sorted(labels, key=lambda one: one.name.casefold()):
        words, gloss = xml_text(class_words(label)), xml_text(label.gloss)
        ET.SubElement(classes, "Choice", value=words, alias=label.wnid, hint=gloss)


def runner_up_choices(labels: Sequence[Label]) -> list[dict[str, str]]:
    """Runner-up classes as further answers of a task's page, each on a key of its own."""
    return [
        {"value": f"It is: {label.name}", "alias": label.wnid, "hotkey": key, "hint": label.gloss}
        for label, key in zip(labels, RUNNER_UP_KEYS, strict=False)
    ]


def shown_choices(proposed: Label, runner_ups: Sequence[Label]) -> list[dict[str, str]]:
    """The class proposed and the runner-ups, to be named together where a picture shows several classes."""
    return [
        {"value": label.name, "alias": label.wnid, "hotkey": key, "hint": label.gloss}
        for label, key in zip((proposed, *runner_ups), SHOWN_KEYS, strict=False)
    ]
