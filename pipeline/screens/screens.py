"""Every screen declared once: what it is called and means, what finds it, its evidence, its settings, where it counts.

Columns and statuses of the tables, `run.json`, the summary, the page, the check of settings and the table in
docs/guides/screens.md are read from these values. Another package adds one by an entry point of the group
`relaionet.screens` that leads to a `Screen`; it is on in recipes that have a table `[screen.more.<status>]`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from relaionet.manifests.errors import BadInput
from relaionet.manifests.tables.schema import ALIVE, Column
from relaionet.manifests.tables.screens import SCREENED
from relaionet.pipeline.declared import find_declared
from relaionet.pipeline.detectors.classify import load_classifier
from relaionet.pipeline.detectors.faces import find_faces, tell_faces
from relaionet.pipeline.screens.config import ScreenConfig, most_allowed

if TYPE_CHECKING:
    from PIL import Image

GROUP = "relaionet.screens"
STATUS = re.compile(r"[a-z][a-z0-9_]*")
COMPARING = 70  # screens before this place are judged first: what they rule out takes no part in groups
NOTHING_LOOKED = "no classifier was asked, so nothing looked at the pictures"
READING = 100  # screens from this place on are judged when text has been read


@dataclass(frozen=True, kw_only=True)
class Hint:
    """Rows that a screen let pass and a person may want to see.

    Attributes:
        column: boolean evidence column that marks them.
        title: heading of their section on the page.
        meaning: one line for people.
        remark: what reviewers are told of a picture, text over what is measured on it; null tells nothing.
    """

    column: str
    title: str
    meaning: str
    remark: pl.Expr | None = None


@dataclass(frozen=True, kw_only=True)
class Screen:
    """One screen. `settings` below is a `ScreenConfig` for the built-in ones and else an instance of `config`.

    Attributes:
        status: of the rows it rules out; `[a-z][a-z0-9_]*`.
        place: of several that hold, the one with the least place counts. Built-in ones stand at 10, 20, … 100; those
            before 70 (`COMPARING`) keep what they rule out from being compared with others.
        meaning: of the status, one line for people, without a number.
        finds: settings -> boolean expression over the evidence; null does not rule out.
        reason: settings -> why a row is ruled out, the same for all of them so that they can be counted.
        how: settings and the names of the reference sets -> how it is made, for `run.json` and the page.
        off: settings and the names of the reference sets -> why it is not run, "" without a why; None where it is. It
            is what people are told; `finds` must then find nothing.
        evidence: name -> column, of the columns in which its evidence stands. Those of another package's screen are
            what it derives and measures; a column another screen measures needs not stand here to be used.
        derives: settings -> evidence that is an expression over other columns.
        measures: settings -> function from a picture (RGB, upright, as it is shown) to the evidence measured on it, by
            name. It is called once per shard, which is where a model is loaded, and its function in several threads.
        measured_by: settings -> what of them it measures by; None where it measures nothing.
        keys: what steers it: keys and tables of [screen].
        config: frozen dataclass of its settings, the keys of `[screen.more.<status>]`; None where it has none.
        version: changes when it finds something else with the same settings.
        shown: evidence on the page, in order; all of it where empty.
        doubt: evidence by which the most doubtful is shown first; by id where None.
        largest_first: the largest value of it is the most doubtful; else the smallest.
        beside: columns that name the picture it is the same as, the first with a value counts.
        mosaic: its pictures are shown as mosaics.
        hint: rows it let pass that the page shows too.
    """

    status: str
    place: int
    meaning: str
    finds: Callable[[Any], pl.Expr]
    reason: Callable[[Any], str]
    how: Callable[[Any, Sequence[str]], str]
    off: Callable[[Any, Sequence[str]], str | None] = lambda settings, references: None
    evidence: Mapping[str, Column]
    derives: Callable[[Any], Mapping[str, pl.Expr]] = lambda settings: {}
    measures: Callable[[Any], Callable[[Image.Image], Mapping[str, Any]]] | None = None
    measured_by: Callable[[Any], Any] = lambda settings: settings
    keys: tuple[str, ...] = ()
    config: type | None = None
    version: str = "1"
    shown: tuple[str, ...] = ()
    doubt: str | None = None
    largest_first: bool = False
    beside: tuple[str, ...] = ()
    mosaic: bool = False
    hint: Hint | None = None

    def __post_init__(self) -> None:
        if not STATUS.fullmatch(self.status) or self.status == ALIVE:
            raise BadInput(f"screen '{self.status}': a status is a-z, 0-9 and _, begins with a letter and is not ok.")
        if self.config is not None and not is_dataclass(self.config):
            raise BadInput(f"screen {self.status}: config is {self.config!r}; expected a dataclass of its settings.")


def _built_in(status: str, *evidence: str, **told: Any) -> Screen:
    """A screen whose status and evidence stand in the tables of `manifests`."""
    columns = {name: SCREENED.columns[name] for name in evidence}
    return Screen(status=status, meaning=SCREENED.statuses[status], evidence=columns, **told)


def _find_unsafe(settings: ScreenConfig) -> pl.Expr:
    unsafe = settings.unsafe
    by_source = pl.col("punsafe") > most_allowed(unsafe.max_punsafe, unsafe.by_source)
    by_picture = pl.col("unsafe_picture_score") > unsafe.max_picture_score
    return by_source | (pl.col("unsafe_score") > unsafe.max_score) | by_picture


def _ask_unsafe(settings: ScreenConfig, references: Sequence[str]) -> str:
    unsafe, model = settings.unsafe, settings.unsafe.classifier
    if not unsafe.looks:
        return f"source's punsafe; {NOTHING_LOOKED}"
    head = f", head {unsafe.head.name}" if unsafe.head else ", encoder's texts" if unsafe.ask_encoder else ""
    named = f", classifier of pictures {model.package or Path(str(model.file)).name}" if model.is_named else ""
    return f"source's punsafe{head}{named}"


def _measure_unsafe(settings: ScreenConfig) -> Callable[[Image.Image], Mapping[str, Any]]:
    classifier = load_classifier(settings.unsafe.classifier)
    return lambda image: {"unsafe_picture_score": classifier.score(image)}


UNSAFE = _built_in(
    "unsafe", "punsafe", "unsafe_score", "unsafe_picture_score", place=10, keys=("unsafe",), doubt="unsafe_score",
    mosaic=True, finds=_find_unsafe, how=_ask_unsafe, measures=_measure_unsafe,
    measured_by=lambda settings: settings.unsafe.classifier.measured_by(),
    reason=lambda settings: "the source, a classifier or the encoder takes it for unsafe",
)  # fmt: skip


def _find_watermark(settings: ScreenConfig) -> pl.Expr:
    by_source = pl.col("pwatermark") > most_allowed(settings.watermark.max_pwatermark, settings.watermark.by_source)
    return by_source | (pl.col("watermark_score") > settings.watermark.max_score)


def _ask_watermark(settings: ScreenConfig, references: Sequence[str]) -> str:
    head = settings.watermark.head
    return "source's pwatermark" + (f", head {head.name}" if head else "; no classifier was asked")


WATERMARK = _built_in(
    "watermark", "pwatermark", "watermark_score", place=20, keys=("watermark",), doubt="pwatermark",
    finds=_find_watermark, how=_ask_watermark,
    reason=lambda settings: "the source or a classifier takes it for watermarked",
)  # fmt: skip

TOO_SMALL = _built_in(
    "too_small", "side_px", place=30, keys=("min_side_px",), doubt="side_px", largest_first=True,
    derives=lambda settings: {"side_px": pl.min_horizontal("width_px", "height_px")},
    finds=lambda settings: pl.col("side_px") < settings.min_side_px,
    how=lambda settings, references: f"shorter side under {settings.min_side_px} px",
    reason=lambda settings: f"the shorter side is under {settings.min_side_px} px",
)  # fmt: skip

LONGER, SHORTER = pl.max_horizontal("width_px", "height_px"), pl.min_horizontal("width_px", "height_px")
THIN = _built_in(
    "thin", "aspect", place=40, keys=("max_aspect",), doubt="aspect",
    derives=lambda settings: {"aspect": (LONGER / SHORTER).cast(pl.Float32)},
    finds=lambda settings: pl.col("aspect") > settings.max_aspect,
    how=lambda settings, references: f"longer side over {settings.max_aspect:g} times the shorter",
    reason=lambda settings: f"one side is over {settings.max_aspect:g} times the other",
)  # fmt: skip

PLAIN = _built_in(
    "plain", "contrast", place=50, keys=("min_contrast",), doubt="contrast", largest_first=True,
    finds=lambda settings: pl.col("contrast") < settings.min_contrast,
    how=lambda settings, references: f"contrast under {settings.min_contrast:g}",
    reason=lambda settings: f"the grey values differ by less than {settings.min_contrast:g}",
)  # fmt: skip


def _find_placeholder(settings: ScreenConfig) -> pl.Expr:
    least = settings.placeholder_wnids
    return pl.col("same_bytes_wnids") >= least if least else pl.lit(value=False)


PLACEHOLDER = _built_in(
    "placeholder", "same_bytes_count", "same_bytes_wnids", place=60, keys=("placeholder_wnids",),
    doubt="same_bytes_wnids",
    finds=_find_placeholder,
    how=lambda settings, references: f"same bytes for {settings.placeholder_wnids} classes",
    off=lambda settings, references: None if settings.placeholder_wnids else "",
    reason=lambda settings: f"the same bytes serve for {settings.placeholder_wnids} classes or more",
)  # fmt: skip

# what it and the next one ask of pairs of pictures is found by `duplicates.compare_pictures`
LEAK = _built_in(
    "leak", "reference", "reference_cosine", "reference_distance", "reference_detail", "leak_via", "reference_near",
    "reference_near_cosine", "reference_near_distance", place=COMPARING, keys=("same",), doubt="reference_detail",
    beside=("leak_via", "reference"),
    shown=("reference", "reference_detail", "reference_distance", "reference_cosine", "leak_via"),
    finds=lambda settings: pl.col("reference").is_not_null(),
    how=lambda settings, references: f"against {', '.join(references)}",
    off=lambda settings, references: None if references else "the recipe names no reference set",
    reason=lambda settings: "the same picture as one of the reference set",
)  # fmt: skip

DUPLICATE = _built_in(
    "duplicate", "nearest_id", "nearest_cosine", "phash_distance", "correlation", "detail", "shared_frac",
    "is_mirrored", "duplicate_of", place=80, keys=("same",), doubt="detail", beside=("duplicate_of",),
    shown=("detail", "correlation", "shared_frac", "is_mirrored", "phash_distance", "nearest_cosine"),
    finds=lambda settings: pl.col("duplicate_of").is_not_null(),
    how=lambda settings, references: "pictures laid over each other",
    reason=lambda settings: "the same picture as a candidate that is kept",
)  # fmt: skip


def _is_flat(settings: ScreenConfig) -> pl.Expr:
    drawing = settings.drawing
    return (pl.col("flat_frac") >= drawing.min_flat_frac) & (pl.col("palette_frac") >= drawing.min_palette_frac)


def _is_no_photo(settings: ScreenConfig) -> pl.Expr:
    return (pl.col("photo_score") <= settings.drawing.max_photo_score).fill_null(value=False)


def _find_drawing(settings: ScreenConfig) -> pl.Expr:
    if not settings.drawing.screen_out:
        return pl.lit(value=False)
    return _is_flat(settings) & _is_no_photo(settings) if settings.drawing.ask_encoder else _is_flat(settings)


def _ask_drawing(settings: ScreenConfig, references: Sequence[str]) -> str:
    told = "status" if settings.drawing.screen_out else "hint in looks_drawn"
    return told + (", encoder asked" if settings.drawing.ask_encoder else ", by flatness and palette")


DRAWING = _built_in(
    "drawing", "flat_frac", "palette_frac", "clear_frac", "kind", "photo_score", "looks_drawn", place=90,
    keys=("drawing",), doubt="flat_frac", shown=("flat_frac", "palette_frac", "kind", "photo_score"),
    derives=lambda settings: {"looks_drawn": _is_flat(settings) | _is_no_photo(settings)},
    finds=_find_drawing, how=_ask_drawing,
    reason=lambda settings: "flat and of few colours, or no photo to the encoder",
    hint=Hint(
        column="looks_drawn",
        title="looks drawn, and was not ruled out",
        meaning="a hint only: flat and of few colours, or no photo to the encoder",
    ),
)  # fmt: skip


FACES = _built_in(
    "faces", "faces_count", "faces_frac", "shows_faces", place=95, keys=("faces",), doubt="faces_frac",
    measures=lambda settings: find_faces(settings.faces),
    measured_by=lambda settings: settings.faces.measured_by(), how=lambda settings, references: settings.faces.how,
    derives=lambda settings: {"shows_faces": pl.col("faces_count") > 0},
    finds=lambda settings: pl.col("shows_faces") & settings.faces.screen_out,
    off=lambda settings, references: None if settings.faces.find else "[screen.faces] find is false",
    reason=lambda settings: "a face was found in it",
    hint=Hint(column="shows_faces", title="shows a face", meaning="reviewers are told of it", remark=tell_faces()),
)  # fmt: skip


def _find_words(settings: ScreenConfig) -> pl.Expr:
    return (pl.col("text_words").list.len() > 0) & (pl.col("text_words_frac") >= settings.text.min_words_frac)


TEXT_IN_IMAGE = _built_in(
    "text_in_image", "is_text_read", "text", "text_frac", "text_words", "text_words_frac", place=READING,
    keys=("text",), doubt="text_words_frac", shown=("text_words", "text_words_frac", "text_frac", "text"),
    finds=_find_words,
    how=lambda settings, references: "text read",
    off=lambda settings, references: None if settings.text.read else "[screen.text] read is false",
    reason=lambda settings: "the picture shows the name of its class as text",
)  # fmt: skip

SCREENS = (
    UNSAFE, WATERMARK, TOO_SMALL, THIN, PLAIN, PLACEHOLDER, LEAK, DUPLICATE, DRAWING, FACES, TEXT_IN_IMAGE,
)  # fmt: skip


def find_screens() -> dict[str, Screen]:
    """Status -> screen, of the built-in ones and those that installed packages declare, in the order they count.

    Raises:
        BadInput: a package's screen cannot be loaded, or its name or one of its columns is taken.
    """
    further = find_declared(GROUP, Screen)
    for name, screen in further.items():
        if name != screen.status:
            raise BadInput(f"{GROUP}: '{name}' leads to the screen '{screen.status}'; both must have one name.")
        SCREENED.with_columns(screen.evidence, {screen.status: screen.meaning})
    every = sorted([*SCREENS, *further.values()], key=lambda screen: (screen.place, screen.status))
    return {screen.status: screen for screen in every}
