"""`sets.json` of an evaluation: what was scored, what could not be and why; its report needs no generator."""

from __future__ import annotations

import errno
import os
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from relaionet.evaluators.generators.protocol import GeneratorDied, Settings
from relaionet.evaluators.protocols import Protocol, find_protocol
from relaionet.evaluators.sampling.sample import read_record
from relaionet.evaluators.scoring.influences import Influences, read_influences
from relaionet.evaluators.scoring.warnings import say_lacking
from relaionet.evaluators.set_labels import set_label
from relaionet.flows.evaluation.recipe import EvaluateRecipe, read_protocol
from relaionet.flows.runs.recipes import build
from relaionet.manifests.containers.parquet_table import read_guarded
from relaionet.manifests.errors import BadInput, Corrupt, ReLAIONetError
from relaionet.manifests.files import read_json, write_atomic, write_json
from relaionet.manifests.words import say_count
from relaionet.pipeline.splits.plan import INFO_FILE

if TYPE_CHECKING:
    from relaionet.flows.evaluation.plan import ScoredSet

FILE = "sets.json"
LACKING, LOG = "lacking.json", "failure.log"
OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A set that could not be scored.

    Attributes:
        slug: file-safe name of the set.
        label: how tables and pages name it.
        why: in a sentence, without full stop.
    """

    slug: str
    label: str
    why: str


@dataclass(frozen=True, kw_only=True)
class StoredSet:
    """One scored set of a stored evaluation.

    Attributes:
        name: of the generator, as it stands in tables.
        slug: its folder within `samples`.
        asked: settings the recipe asked for.
        settings: settings it ran at.
        role: `upper bound`, `lower bound`, or empty where it competes.
        root: folder of the evaluation.
    """

    name: str
    slug: str
    asked: Settings
    settings: Settings
    role: str
    root: Path

    @property
    def label(self) -> str:
        """How tables and pages name the set."""
        return set_label(self.name, self.asked.steps, self.asked.guidance)

    @property
    def folder(self) -> Path:
        """Where its samples are."""
        return self.root / "samples" / self.slug

    def record(self) -> dict[str, Any]:
        """What was asked for, run and measured."""
        return {"settings": asdict(self.settings), "asked": asdict(self.asked), **read_record(self.folder)}

    def warnings(self) -> list[str]:
        """What a reader of its numbers should know."""
        path = self.root / "doubts" / f"{self.slug}.json"
        return [str(text) for text in read_json(path)] if path.is_file() else []


@dataclass(frozen=True, kw_only=True)
class StoredEvaluation:
    """One evaluation as it lies in its folder.

    Attributes:
        root: the folder.
        title: name of the recipe.
        split: folder of the split; it may be gone.
        split_name: as it stands in tables.
        split_digest: of the split's kept rows.
        protocol: name of the protocol.
        own_choices: choices of the protocol; None in evaluations of earlier versions, of one known by name.
        limit: requests at most; 0 is all.
        sets: what was scored.
        release_digest: of the release the split was rebuilt from; empty where nothing says so.
        unscored: sets that could not be scored.
        core: scored on the release's core alone.
        ids: rows the evaluation is looked at on; None is all it scored.
    """

    root: Path
    title: str
    split: Path
    split_name: str
    split_digest: str
    protocol: str
    limit: int
    sets: tuple[StoredSet, ...]
    own_choices: Mapping[str, Any] | None = None
    release_digest: str = ""
    unscored: tuple[Failure, ...] = ()
    core: bool = False
    ids: frozenset[str] | None = None

    @property
    def choices(self) -> Protocol:
        """The protocol.

        Raises:
            BadInput: no protocol of that name is there any more, or the stored choices are none.
        """
        if self.own_choices is None:
            return find_protocol(self.protocol)
        return build(Protocol, dict(self.own_choices), where=str(self.root / FILE))

    def read(self, name: str) -> pl.DataFrame:
        """`scores`, `class_scores` or `differences`.

        Raises:
            BadInput: the file is missing or cannot be read.
        """
        path = self.root / f"{name}.parquet"
        try:
            rows = read_guarded(path)[0]
        except (OSError, BadInput) as error:
            raise BadInput(f"{path} cannot be read ({error}); run the evaluation again.") from None
        # the split may be named apart from another of the same release
        return rows.with_columns(split=pl.lit(self.split_name)) if "split" in rows.columns else rows

    def influences(self) -> list[Influences]:
        """What each image of every set does to its scores."""
        return [read_influences(one.folder / "influences.npz") for one in self.sets]


def write_sets(
    root: Path, recipe: EvaluateRecipe, split_name: str, split_digest: str, sets: Sequence[ScoredSet],
    unscored: Sequence[Failure] = (),
) -> None:  # fmt: skip
    """Write `sets.json` into the folder of an evaluation: what was scored, and what could not be and why."""
    protocol = read_protocol(recipe.protocol)
    kept = [
        {
            "name": one.name, "slug": one.slug, "asked": asdict(one.asked), "settings": asdict(one.settings),
            "role": one.entry.role,
        }
        for one in sets
    ]  # fmt: skip
    value = {
        "title": recipe.name, "split": os.path.relpath(recipe.split, root), "split_name": split_name,
        "split_digest": split_digest, "protocol": protocol.name, "limit": recipe.limit, "sets": kept,
        "release_digest": _read_release_digest(recipe.split),
        # its file may be gone, or a later version choose otherwise, when the report is made
        "protocol_choices": asdict(protocol),
    }  # fmt: skip
    if recipe.core:
        value["core"] = True
    if unscored:
        value["unscored"] = [asdict(one) for one in unscored]
    write_json(root / FILE, value)


def _read_release_digest(split: Path) -> str:
    """Digest of the release a split was rebuilt from; empty where the split is not there any more."""
    told = read_json(split / INFO_FILE) if (split / INFO_FILE).is_file() else {}
    return str(told.get("release_digest", ""))


def read_sets(root: Path) -> StoredEvaluation:
    """Read an evaluation's folder.

    Raises:
        BadInput: it holds no finished evaluation.
        Corrupt: its `sets.json` is not what was written.
    """
    path = root / FILE
    if not path.is_file():
        raise BadInput(f"{root} holds no finished evaluation ({FILE} is missing); run `relaionet evaluate` into it.")
    value = read_json(path)
    try:
        sets = tuple(
            StoredSet(
                name=one["name"], slug=Path(one["slug"]).name, asked=Settings(**one["asked"]),
                settings=Settings(**one["settings"]), role=one["role"], root=root,
            )
            for one in value["sets"]
        )  # fmt: skip
        return StoredEvaluation(
            root=root, title=value["title"], split=root / value["split"], split_name=value["split_name"],
            split_digest=value["split_digest"], protocol=value["protocol"], limit=int(value["limit"]), sets=sets,
            own_choices=value.get("protocol_choices"),
            core=bool(value.get("core", False)),
            unscored=tuple(Failure(**one) for one in value.get("unscored", ())),
            release_digest=str(value.get("release_digest") or _read_release_digest(root / value["split"])),
        )  # fmt: skip
    except (TypeError, KeyError, ValueError) as error:
        raise Corrupt(f"{path} is not what an evaluation writes ({error!r}); run the evaluation again.") from None


def explain_failure(error: Exception, folder: Path) -> str:
    """Why a set could not be scored, without full stop.

    Args:
        error: what was raised while it was made or scored. What is none of the project's own errors is written with
            its traceback into the folder, so that it can be looked at.
        folder: of the set.

    Raises:
        OSError: the disk is full or cannot be written to, which is no set's own.
    """
    if isinstance(error, OSError) and error.errno in OF_THE_DISK:
        raise error
    if isinstance(error, ReLAIONetError | GeneratorDied):
        return str(error).rstrip(".")
    log = folder / LOG
    write_atomic(log, "".join(traceback.format_exception(error)).encode())
    return f"{type(error).__name__}: {error} (all of it in {log})"


def keep_lacking(folder: Path, lacking: Mapping[str, str]) -> None:
    """Keep which metrics a set has not, and why; nothing is written where it has all.

    Args:
        folder: of the set.
        lacking: metric -> why.
    """
    if lacking:
        write_json(folder / LACKING, dict(lacking))
    else:
        (folder / LACKING).unlink(missing_ok=True)


def read_lacking(folder: Path) -> dict[str, str]:
    """Metric that a scored set has not -> why; empty where it has all."""
    path = folder / LACKING
    return {str(name): str(why) for name, why in read_json(path).items()} if path.is_file() else {}


def say_failures(count: int, dead: Sequence[Failure], partial: Mapping[str, Mapping[str, str]]) -> str:
    """What came of an evaluation that is not whole, for who reads only its last line.

    Args:
        count: sets of the recipe.
        dead: those that could not be scored.
        partial: slug of a set that was scored in part -> metric it has not -> why.
    """
    what = [f"{len(dead)} of {say_count(count, 'set')} could not be made or scored"] * bool(dead)
    what += [f"{len(partial)} of {say_count(count, 'set')} could be scored only in part"] * bool(partial)
    told = [f"{one.slug}: {one.why}" for one in dead]
    told += [f"{slug}: {' '.join(say_lacking(lacking)).rstrip('.')}" for slug, lacking in partial.items()]
    return f"{', '.join(what)}; the others are scored. {'. '.join(told)}. Run again to try what failed once more."
