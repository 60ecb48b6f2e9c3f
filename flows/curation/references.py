"""Reference sets of a run: those added to this machine's store, and a folder that the recipe names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from relaionet.flows.runs.folder_lock import hold_folder
from relaionet.flows.runs.reporter import Reporter
from relaionet.flows.runs.run import Run
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import read_json_object
from relaionet.manifests.words import name_counted, say_count
from relaionet.pipeline.embeddings.embed import EmbedConfig
from relaionet.pipeline.embeddings.encoders import Encoder
from relaionet.pipeline.machine import find_home
from relaionet.pipeline.screens.references import (
    SET_FILE,
    StoredReference,
    add_reference,
    check_name,
    list_pictures,
    open_reference,
    set_folder,
)

FOLDER_NAME = "reference"  # of the set that a folder of pictures makes
RUN_REFERENCES = "references"  # within a run: where that set lies


@dataclass(frozen=True, kw_only=True)
class References:
    """Which pictures must not be in a run's set.

    Attributes:
        names: of reference sets in the store.
        folder: of pictures, any depth; none where None.
        store: folder of the reference sets; this machine's where None.
    """

    names: tuple[str, ...] = ()
    folder: Path | None = None
    store: Path | None = None

    @property
    def all_names(self) -> list[str]:
        """Names of the sets a run is screened against, in order."""
        return [*self.names, *([FOLDER_NAME] if self.folder is not None else [])]


def reference_root(root: Path | None = None) -> Path:
    """Where this machine's reference sets lie: `root`, else under RELAIONET_HOME or the user's cache folder."""
    return root if root is not None else find_home() / "references"


def check_references(references: References, encoder_name: str) -> None:
    """Find wrong names before anything is fetched.

    Args:
        references: which are asked for.
        encoder_name: of the run, to say how a missing set is added.

    Raises:
        BadInput: a name is none, is not in the store, or stands twice.
    """
    root = reference_root(references.store)
    names = references.all_names
    for name in references.names:
        check_name(name)
        if not (root / name).is_dir():
            known = ", ".join(sorted(path.name for path in root.glob("*/"))) or "nothing yet"
            raise BadInput(
                f"reference set '{name}' is not in {root}, which holds {known}. Add it first: "
                f"relaionet reference add DIR --name {name} --encoder '{encoder_name}'."
            )
    if len(set(names)) != len(names):
        raise BadInput(f"references name a set twice: {', '.join(names)}.")


def reference_sets(run: Run, references: References, encoder: Encoder, config: EmbedConfig) -> list[StoredReference]:
    """The sets a run is screened against; a folder of pictures is embedded into the run where it was not yet."""
    root = reference_root(references.store)
    sets = [open_reference(root, name, encoder) for name in references.names]
    if references.folder is not None:
        files = len(list_pictures(references.folder))
        with run.reporter.bar(FOLDER_NAME, files) as advance:
            sets.append(
                add_reference(references.folder, FOLDER_NAME, run.root / RUN_REFERENCES, encoder, config, advance)
            )
    return sets


def reference_folders(references: References, encoder: Encoder) -> dict[str, Path | None]:
    """Set -> folder of its pictures, for a look at them; None where that is not known."""
    root = reference_root(references.store)
    folders = {name: open_reference(root, name, encoder).pictures_folder for name in references.names}
    return folders | ({FOLDER_NAME: references.folder} if references.folder is not None else {})


def add_to_store(
    folder: Path, name: str, encoder_name: str, root: Path | None, config: EmbedConfig, reporter: Reporter
) -> StoredReference:
    """Add a folder of pictures to this machine's store; run again to go on or to take in what changed.

    Args:
        folder: of pictures, any depth.
        name: of the set.
        encoder_name: as in a recipe.
        root: of the store; None for this machine's.
        config: how pictures are embedded.
        reporter: where progress is shown.

    Raises:
        BadInput: no pictures, a wrong name or encoder, or another process adds to the same set.
    """
    from relaionet.pipeline.embeddings.encoders import load_encoder

    check_name(name)
    files = len(list_pictures(folder))
    encoder = load_encoder(encoder_name)
    place = reference_root(root)
    with hold_folder(set_folder(place, name, encoder)), reporter.bar(name, files) as advance:
        return add_reference(folder, name, place, encoder, config, advance)


def describe_store(root: Path | None = None) -> list[str]:
    """One line per set and encoder of the store."""
    place = reference_root(root)
    lines = []
    for folder in sorted(place.glob("*/*/")):
        if (folder / SET_FILE).is_file():
            about = read_json_object(folder / SET_FILE)
            not_read = about["files_count"] - about["pictures_count"]
            lines.append(
                f"{about['name']:<24} {about['pictures_count']:>10,} "
                f"{name_counted(about['pictures_count'], 'picture')}, {say_count(not_read, 'file')} that are none   "
                f"{about['encoder']} ({folder.name})"
            )
        else:
            lines.append(f"{folder.parent.name:<24} not finished ({folder.name}); add it again to go on")
    return lines or [f"{place} holds no reference set; add one: relaionet reference add DIR --name NAME."]
