"""Releases, and the splits that are rebuilt from them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from relaionet.manifests.places import local_path
from relaionet.manifests.release.release import Release

if TYPE_CHECKING:
    from relaionet.pipeline.downloads.fetch import DownloadConfig
    from relaionet.splits import Split

__all__ = ["Release", "load_release", "rebuild"]


def load_release(place: str | Path) -> Release:
    """Read a release and check it.

    Args:
        place: folder of a release or of its versions (the newest is taken), or `hf://datasets/owner/name[@revision]`,
            which is fetched, checked byte by byte and kept on this machine.

    Returns:
        The release: `manifest` is its table (one row per image: url, hashes, wnid, class_index, votes), `info` what
        it says of itself (name, version, digest, counts), `decisions` the answers its votes rest on.

    Raises:
        BadInput: there is no release, or its manifest breaks a rule.
        Corrupt: a file is not what the release says.
        Unavailable: the Hub does not answer.

    Examples:
        >>> release = rn.load_release("release")
        >>> release.info.full_name, release.manifest.height
        ('made-before-v1', 19)
    """
    from relaionet.flows.rebuilding import locate_release
    from relaionet.flows.runs.reporter import Reporter
    from relaionet.manifests.release.release import read_release

    return read_release(locate_release(str(place), Reporter()))


def rebuild(
    release: str | Path,
    out: str | Path,
    *,
    policy: Literal["same_picture", "exact"] | None = None,
    images: str | Path | None = None,
    retry: Literal["passing", "all"] | None = None,
    verify: bool = False,
    download: DownloadConfig | None = None,
    archive: str | None = None,
    withdrawn: str | Path | None = None,
) -> Split:
    """Make a release images again, as far as that was not done yet; as `relaionet rebuild` does.

    Args:
        release: folder of a release, or `hf://datasets/owner/name[@revision]`.
        out: folder of the split; run again, it goes on where it stopped.
        policy: rows kept: of the `same_picture`, or the `exact` bytes alone; None is a split's own, else the former.
        images: folder on this machine that holds the images; None fetches them from the web.
        retry: ask again for rows that were gone: `passing` those whose reason may pass, `all` every one.
        verify: read every byte of what is there.
        download: limits of fetching (`relaionet.pipeline.downloads.DownloadConfig`).
        archive: address of the archive asked for what is gone or changed (`https://web.archive.org`); None asks none.
        withdrawn: a newer release, or a CSV or parquet file, that lists what is not to be in the split.

    Returns:
        The split, as `load_split(out)` gives it.

    Raises:
        BadInput: there is no release, or `out` holds something else.
        Corrupt: a file is not what it should be.
        Unavailable: the network is out of reach; what was done is kept.

    Examples:
        >>> f"{rn.rebuild('release', 'split').coverage:.1%}"
        '94.7%'
    """
    from relaionet.flows.runs.environment import prepare_environment

    prepare_environment()
    from relaionet.flows.rebuild import run_rebuild
    from relaionet.pipeline.downloads.archive import ArchiveConfig
    from relaionet.splits import load_split

    run_rebuild(
        str(release), local_path(out, "out"), policy=policy, retry=retry, verify=verify, download=download,
        images=_place(images, "images"), withdrawn=_place(withdrawn, "withdrawn"),
        archive=ArchiveConfig(base=archive) if archive is not None else None,
    )  # fmt: skip
    return load_split(out)


def _place(place: str | Path | None, name: str) -> Path | None:
    return local_path(place, name) if place is not None else None
