"""The words by which captions name the 1000 classes: lemmas, their plurals and spellings, and which of them are unsure.

`lemma_forms` is the table of them all; `ambiguous_lemmas.tsv` and `lemma_spellings.tsv` beside this file are read by
people and edited by hand (docs/decisions/009-ambiguous-lemmas.md).
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from relaionet.manifests.labels import read_labels

KINDS = ("lemma", "name", "plural", "spelling", "misspelling")
# last words whose plural no rule below makes
IRREGULAR_PLURALS = {
    "abacus": ("abacuses", "abaci"), "cicada": ("cicadas", "cicadae"), "fungus": ("fungi", "funguses"),
    "goose": ("geese",), "helix": ("helices", "helixes"),
    "hippopotamus": ("hippopotamuses", "hippopotami"), "knife": ("knives",), "loaf": ("loaves",), "mouse": ("mice",),
    "nautilus": ("nautiluses", "nautili"), "ox": ("oxen",), "planetarium": ("planetariums", "planetaria"),
    "platypus": ("platypuses", "platypi"), "potato": ("potatoes",), "scarf": ("scarfs", "scarves"),
    "syrinx": ("syrinxes", "syringes"),
}  # fmt: skip


def fold_text(text: str) -> str:
    """Lower-case words of a-z and 0-9, one space between; accents fall, every other character separates words."""
    plain = "".join(char for char in unicodedata.normalize("NFKD", text) if unicodedata.category(char)[0] != "M")
    return " ".join(re.findall(r"[a-z0-9]+", plain.lower()))


def _plural_words(word: str) -> set[str]:
    if word in IRREGULAR_PLURALS:
        return set(IRREGULAR_PLURALS[word])
    if re.search(r"[^aeiosu]s$", word):  # binoculars, jeans: plural already
        return set()
    if re.search(r"[^aeiou]y$", word):
        return {word[:-1] + "ies"}
    if word.endswith(("s", "x", "sh")):
        return {word + "es"}
    forms = {word + "s"}
    if word.endswith(("z", "ch", "o")):
        forms.add(word + "es")
    if word.endswith("man"):
        forms.add(word[:-3] + "men")
    if word.endswith("wolf"):
        forms.add(word[:-1] + "ves")
    return forms


def plural_forms(words: str) -> set[str]:
    """Plurals of a folded lemma: on its last word, and before "of", "in" and "for" where it has one of them.

    "wild boar" -> "wild boars"; "hen of the woods" -> "hens of the woods" too; irregular ones of `IRREGULAR_PLURALS`.
    """
    head, _, last = words.rpartition(" ")
    forms = {f"{head} {form}".strip() for form in _plural_words(last)}
    inner = re.fullmatch(r"(.+?)( (?:of|built|in|and) .+)", words)
    if inner:
        forms |= {form + inner[2] for form in plural_forms(inner[1])}
    return forms


def written_forms(lemma: str) -> set[str]:
    """Spellings of a lemma as the search sees them: each character that is no letter or digit is one space.

    A lemma of several words is also known written as one ("t-shirt", "t shirt", "tshirt"; "bow tie", "bowtie"), with
    its punctuation left out ("judges robe") or closed up ("jack o lantern").
    """
    plain = "".join(char for char in unicodedata.normalize("NFKD", lemma) if unicodedata.category(char)[0] != "M")
    by_character = re.sub(r"[^a-z0-9]", " ", plain.lower()).strip()
    unpointed = re.sub(r"[^a-z0-9 ]", "", plain.lower())
    joined = re.sub(r"[^a-z0-9]", "", plain.lower())
    return {by_character, " ".join(by_character.split()), " ".join(unpointed.split()), joined}


def read_rows(name: str) -> list[dict[str, str]]:
    """Rows of a table of tab-separated values beside this file."""
    text = files("relaionet.pipeline.captions").joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """Why a lemma is not trusted alone.

    Attributes:
        kind: shared, person_name, brand, place, other_meaning or common_word.
        also: what else it means in captions.
    """

    kind: str
    also: str


@cache
def read_doubts() -> dict[str, Doubt]:
    """Folded lemma, and the same written as one word -> why it is ambiguous."""
    rows = read_rows("ambiguous_lemmas.tsv")
    doubts = {fold_text(row["lemma"]): Doubt(kind=row["kind"], also=row["also"]) for row in rows}
    return {words.replace(" ", ""): doubt for words, doubt in doubts.items()} | doubts


@dataclass(kw_only=True)
class Form:
    """One way to write the name of a class, or of several.

    Attributes:
        words: as searched: lower case, a space for each character that is no letter or digit.
        lemma: the lemma, name or spelling it comes from, as written in its list.
        kind: lemma, name, plural, spelling or misspelling: the nearest of them.
        class_indices: the classes it names, in order.
        doubt: why it is not trusted alone; None where it is.
    """

    words: str
    lemma: str
    kind: str
    class_indices: tuple[int, ...]
    doubt: Doubt | None


@dataclass
class _Entry:
    lemma: str
    rank: int
    classes: set[int] = field(default_factory=set)
    doubts: list[Doubt | None] = field(default_factory=list)


def _lemma_entries() -> Iterator[tuple[str, str, int]]:
    """(lemma, kind, class index) of every lemma, name and listed spelling."""
    classes: dict[str, set[int]] = defaultdict(set)
    for label in read_labels():
        for lemma in label.lemmas:
            classes[lemma].add(label.class_index)
            yield lemma, "lemma", label.class_index
        if label.name not in label.lemmas:
            classes[label.name].add(label.class_index)
            yield label.name, "name", label.class_index
    for row in read_rows("lemma_spellings.tsv"):
        for index in classes[row["lemma"]]:
            yield row["written"], row["kind"], index


def _variants(lemma: str, kind: str) -> Iterator[tuple[str, str, str]]:
    """(words, kind, singular) of all forms of a lemma; the first is the lemma itself."""
    direct = fold_text(lemma)
    yield direct, kind, direct
    for written in sorted(written_forms(lemma)):
        yield written, "spelling", written
        for plural in sorted(plural_forms(written)):
            yield plural, "plural", written


@cache
def lemma_forms() -> dict[str, Form]:
    """Words as searched -> what they name.

    Words that are a lemma or name themselves are judged as such ("jeans" names denim trousers although "Jean" is a
    name); words that only come from others by plural or spelling name the classes of all of those.
    """
    doubts = read_doubts()
    origin = {fold_text(row["written"]): fold_text(row["lemma"]) for row in read_rows("lemma_spellings.tsv")}
    entries: dict[str, _Entry] = {}
    for lemma, kind, index in _lemma_entries():
        direct = fold_text(lemma)
        doubt = doubts.get(direct, None if kind == "name" else doubts.get(origin.get(direct, "")))
        for words, form_kind, singular in _variants(lemma, kind):
            rank = KINDS.index(form_kind)
            entry = entries.get(words)
            if entry is None or (rank > 1) < (entry.rank > 1):
                entry = entries[words] = _Entry(lemma, rank)
            elif (rank > 1) > (entry.rank > 1):
                continue
            entry.rank = min(entry.rank, rank)
            entry.classes.add(index)
            entry.doubts.append(doubts.get(words) or doubts.get(singular) or doubt)
    return {words: _settle(words, entry) for words, entry in entries.items() if words}


def _settle(words: str, entry: _Entry) -> Form:
    known = [doubt for doubt in entry.doubts if doubt is not None]
    doubt = known[0] if known else None
    if doubt is None and len(entry.classes) > 1:
        doubt = Doubt(kind="shared", also="names two classes")
    return Form(
        words=words,
        lemma=entry.lemma,
        kind=KINDS[entry.rank],
        class_indices=tuple(sorted(entry.classes)),
        doubt=doubt,
    )
