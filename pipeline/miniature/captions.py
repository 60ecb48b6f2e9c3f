"""Alt texts as the web writes them: right, wrong, missing and ambiguous, with the noise strangers put in."""

from __future__ import annotations

from random import Random

from relaionet.manifests.errors import BadInput, nearest_name
from relaionet.manifests.labels import find_label
from relaionet.pipeline.miniature.drawings.pictures import CLASSES

CAPTION_KINDS = ("right", "wrong", "none", "ambiguous")
BIRD_CRANE, MACHINE_CRANE = "n02012849", "n03126707"

_STYLES = (
    "{name}",
    "{Name}",
    "a {name}",
    "photo of a {name}",
    "{Name} stock photo",
    "{NAME}",
    "{Name} - Wikipedia",
    "{Name} | Free images online",
    "IMG_{n}_{name}.jpg",
    "DSC{n} {name}",
    "{name}-{n}x{m}.jpg",
    "Beautiful {name} in the morning",
    "My {name}, summer {year}",
    "{Name} (No. {n}) by Anna K.",
    "Buy {Name} online, free delivery, ref {n}",
    "How to draw a {name} in 5 easy steps",
    "A {name} I saw yesterday :)",
    "{Name} for sale from ${m}.99",
    "{Name} &amp; more &quot;must see&quot; things",
    "<b>{Name}</b> &lt;3",
    "Foto von {name} – kostenlos herunterladen",
    "une belle photo: {name}",
    "写真 {name} {year}年",
    "{name} фото бесплатно",
    "Photograph - {Name} by Unknown",
    "vector illustration of {name} on white background",
    "#{name} #nature #{year}",
    "{Name} – Getting started, part {m}",
    "<script>alert({n})</script> {name}",
    "'; DELETE FROM images; -- {name}",
)
_EMPTY = (
    "IMG_{n}.jpg", "DSC0{n}", "untitled", "Image {m} of 12", "{year}-08-{m} 17.03.22", "photo", "download (1)",
    "Best prices in town since {year}", "", "   ", "click to enlarge", "Screenshot_{year}", "thumbnail_{n}",
    "The story of our family, chapter {m}", "<img src=x onerror=alert({n})>", "Résumé de l'année {year}", "無題 {n}",
    "What a day!", "=HYPERLINK(\"http://example.invalid\")", "Free delivery from {year}", "{n}", "\u202etxet desrever",
)  # fmt: skip
_PAIRS = ("{one} and {two}", "{One} or {two}? Take the quiz", "{one}, {two} and more", "{One} next to a {two}")


def _name(wnid: str, rng: Random) -> str:
    """Words that name this class and no other."""
    label = find_label(wnid)
    own = [label.name, label.name, *label.lemmas]
    return rng.choice([words for words in own if words != "crane"])


def _fill(style: str, rng: Random, **words: str) -> str:
    numbers = {"n": rng.randint(1000, 9999), "m": rng.randint(10, 99), "year": rng.randint(2004, 2021)}
    text = style
    for key, value in {**words, **{key: str(value) for key, value in numbers.items()}}.items():
        text = text.replace("{" + key + "}", value)
    return text


def write_caption(kind: str, wnid: str, rng: Random) -> str | None:
    """An alt text for a picture of a class.

    Args:
        kind: `right` names the class and no other; `wrong` names another of the miniature's classes; `none` names
            none (null in one of four); `ambiguous` names two, or only "crane", which two classes are called.
        wnid: class of the picture.
        rng: decides which words.

    Returns:
        The text, unescaped, or None where the row has none.

    Raises:
        BadInput: an unknown kind.
    """
    if kind == "none":
        return None if rng.random() < 0.25 else _fill(rng.choice(_EMPTY), rng)
    if kind == "ambiguous":
        if wnid in (BIRD_CRANE, MACHINE_CRANE):
            return _fill(rng.choice(_STYLES), rng, name="crane", Name="Crane", NAME="CRANE")
        one, two = _name(wnid, rng), _name(_another(wnid, rng), rng)
        if rng.random() < 0.5:
            one, two = two, one
        return _fill(rng.choice(_PAIRS), rng, one=one, two=two, One=one.capitalize())
    if kind not in CAPTION_KINDS:
        raise BadInput(f"'{kind}' is no kind of caption.{nearest_name(kind, CAPTION_KINDS)}")
    name = _name(wnid if kind == "right" else _another(wnid, rng), rng)
    return _fill(rng.choice(_STYLES), rng, name=name, Name=name.capitalize(), NAME=name.upper())


def _another(wnid: str, rng: Random) -> str:
    return rng.choice([other for other in CLASSES if other != wnid])
