"""LAIONet's rule as a plain loop over captions and lemmas, written from its description: the yardstick.

loop_matches        as there, each lemma is padded anew for every caption, which takes more than half of the time
tight_loop_matches  the same with the lemmas padded once, as somebody would write it who watches the time
"""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Iterable
from random import Random

from relaionet.manifests.labels import read_labels

TO_SPACES = str.maketrans(dict.fromkeys(string.punctuation, " "))
ADVERSARIAL = (
    "-",
    "_",
    ", ",
    ". ",
    "'",
    "’",
    "  ",
    "\t",
    "\n",
    "\u00a0",
    "&amp;",
    "|",
    "#",
    "/",
    "",
    "é",
    "\x00",
    "日",
)


def unique_lemmas() -> dict[str, str]:
    times = Counter(lemma for label in read_labels() for lemma in label.lemmas)
    return {lemma: label.wnid for label in read_labels() for lemma in label.lemmas if times[lemma] == 1}


def pad(words: str) -> str:
    return " " + words + " "


def loop_matches(captions: Iterable[str | None]) -> list[tuple[set[str], set[str]]]:
    """(lemmas, wnids) found in each caption."""
    lemmas = unique_lemmas()
    matches = []
    for caption in captions:
        found, wnids = set(), set()
        if caption is not None:
            text = pad(caption.translate(TO_SPACES))
            for lemma, wnid in lemmas.items():
                if pad(lemma) in text:
                    found.add(lemma)
                    wnids.add(wnid)
        matches.append((found, wnids))
    return matches


def tight_loop_matches(captions: Iterable[str | None]) -> list[tuple[set[str], set[str]]]:
    """(lemmas, wnids) found in each caption."""
    padded = [(pad(lemma), lemma, wnid) for lemma, wnid in unique_lemmas().items()]
    matches = []
    for caption in captions:
        text = "" if caption is None else pad(caption.translate(TO_SPACES))
        found = [(lemma, wnid) for words, lemma, wnid in padded if words in text]
        matches.append(({lemma for lemma, _ in found}, {wnid for _, wnid in found}))
    return matches


def made_captions(count: int, words: list[str], seed: int = 0) -> list[str]:
    """Captions of ordinary words and lemmas, in any case, with all kinds of characters between them."""
    random = Random(seed)
    lemmas = [lemma for label in read_labels() for lemma in (*label.lemmas, label.name)]
    spellings = (str, str, str.lower, str.upper, str.title, lambda word: word + "s", lambda word: word[:-1])
    captions = []
    for _ in range(count):
        parts = []
        for _ in range(random.randint(0, 9)):
            word = random.choice(words) if random.random() < 0.7 else random.choice(lemmas)
            parts += [random.choice(spellings)(word), random.choice(ADVERSARIAL) if random.random() < 0.3 else " "]
        captions.append("".join(parts))
    return captions
