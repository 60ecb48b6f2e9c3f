"""Where an image set comes from: a folder of this disk, a repository of the Hub, or rows that `datasets` reads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from relaionet.flows.runs.reporter import Reporter
from relaionet.manifests.errors import BadInput
from relaionet.manifests.places import local_path
from relaionet.manifests.words import say_count
from relaionet.pipeline.adoption.adopt import AdoptConfig
from relaionet.pipeline.adoption.archives import find_top, name_archive, unpack_set
from relaionet.pipeline.adoption.hub_sets import fetch_set, find_set, pick_archive, tell_form
from relaionet.pipeline.adoption.published import NAMED
from relaionet.pipeline.adoption.rows.stream import RowsSource
from relaionet.pipeline.hub import HubAddress, is_address

UNPACKED = "unpacked"


@dataclass(frozen=True, kw_only=True)
class Opened:
    """An image set, once it is known what it is.

    Attributes:
        place: folder of its pictures, or the split whose rows are read.
        config: how it is adopted.
        shown: its place in words.
        address: its repository at a commit; None where it is on this disk.
    """

    place: Path | RowsSource
    config: AdoptConfig
    shown: str
    address: HubAddress | None = None

    @property
    def rows(self) -> RowsSource:
        """The split whose rows are read.

        Raises:
            BadInput: the set is a folder.
        """
        if isinstance(self.place, Path):
            raise BadInput(f"{self.shown} is a folder of pictures, not rows.")
        return self.place

    @property
    def notes(self) -> dict[str, object]:
        """What a release says about where it comes from; nothing of this machine."""
        told: dict[str, object] = {} if self.address is None else {"source": str(self.address)}
        if self.address is not None and isinstance(self.place, RowsSource) and self.place.config is not None:
            told["config"] = self.place.config
        return told

    def tell_rebuild(self, release: Path, folder: Path) -> str:
        """The command that gets the images back."""
        if isinstance(self.place, RowsSource) and self.address is not None:
            fetch = f"hf download {self.address.repo_id} --repo-type dataset --revision {self.address.revision}"
            return f"{fetch} --local-dir FILES; relaionet rebuild {release} --images FILES --out DIR"
        return f"relaionet rebuild {release} --images {folder} --out DIR"


def open_source(source: str | Path, config: AdoptConfig, work: Path, reporter: Reporter) -> Opened:
    """Say where a set's pictures are read from; what must be fetched first is fetched.

    Args:
        source: a folder, or `hf://datasets/owner/name[@revision]`.
        config: how it is adopted.
        work: folder of the adoption, where archives are unpacked.
        reporter: where it is said.

    Raises:
        BadInput: there is no such set, one may not have it, or it does not say what is meant.
        Unavailable: the Hub does not answer.
    """
    if not is_address(str(source)):
        place = local_path(source, "source")
        is_rows = config.kind == "rows" or any((config.config, config.split, config.label))
        return Opened(place=_rows(str(place), None, config) if is_rows else place, config=config, shown=str(place))
    listing = find_set(str(source))
    address, commit = listing.address, str(listing.address.revision)
    reporter.say(
        f"  commit      {commit}: {say_count(len(listing.sizes), 'file')}, {sum(listing.sizes.values()):,} bytes"
    )
    form = "rows" if config.kind == "rows" or config.config or config.label else tell_form(listing.sizes)
    if form == "rows":
        rows = _rows(address.repo_id, commit, config)
        return Opened(place=rows, config=config, shown=str(address), address=address)
    if config.kind == "auto" and NAMED.search(address.repo_id):
        config = replace(config, kind="published")
    if form == "folders":
        folder = fetch_set(address, ["*"])
    else:
        name = pick_archive(listing, config.split)
        reporter.say(f"  archive     {name}")
        folder = find_top(unpack_set(fetch_set(address, [name]) / name, work / UNPACKED / _named(commit, name)))
    return Opened(place=folder, config=config, shown=str(address), address=address)


def _named(commit: str, name: str) -> str:
    return f"{commit[:12]}-{name_archive(name)}"


def _rows(place: str, revision: str | None, config: AdoptConfig) -> RowsSource:
    return RowsSource(
        place=place, revision=revision, config=config.config, split=config.split, label=config.label,
        max_bytes=config.limits.max_bytes,
    )  # fmt: skip
