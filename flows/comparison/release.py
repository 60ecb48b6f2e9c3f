"""The next version of a release, with a comparison of its pictures on its card; the version there is stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from relaionet.evaluators.comparison.sources import Source
from relaionet.flows.comparison.read_sets import ReadSet
from relaionet.flows.versions import next_version
from relaionet.manifests.errors import BadInput
from relaionet.manifests.release.comparisons import KEY
from relaionet.manifests.release.release import Release, check_release
from relaionet.manifests.words import say_count


def find_compared(release: Path, source: Source) -> Release:
    """The release whose card is to hold a comparison; looked at before anything is compared.

    Args:
        release: its folder.
        source: the first set of the comparison.

    Raises:
        BadInput: the set is a split of another release, or none.
        Corrupt: the release is damaged.
    """
    found = check_release(release)
    about = getattr(source, "about", {})
    if about and about.get("release_digest") != found.info.digest:
        raise BadInput(
            f"{source.name} is a split of another release than {found.path} (digest {found.info.digest[:12]}); name "
            "the release that A was rebuilt from."
        )
    return found


def add_to_release(found: Release, read: ReadSet, facts: Mapping[str, Any]) -> Path:
    """Write the release's next version: the same rows, with the comparison among its notes and on its card.

    Args:
        found: from `find_compared`.
        read: the first set, whose pictures must be the release's.
        facts: of the comparison.

    Returns:
        Its folder. The same comparison again gives the version that is there; one with another set is added, and one
        with a set of the same name takes the place of the older.

    Raises:
        BadInput: the pictures are not the release's.
    """
    known = set(found.manifest["image_sha256"])
    ours = set(read.prints["image_sha256"])
    if not read.source.about and not known <= ours:
        raise BadInput(
            f"{read.source.name} lacks {len(known - ours):,} of the {say_count(len(known), 'picture')} "
            f"of {found.path}; its card "
            "can hold a comparison of its own pictures alone. Compare a split that was rebuilt from it."
        )
    before = [one for one in found.info.notes.get(KEY, []) if one.get("other") != facts["other"]]
    return next_version(found, notes={**found.info.notes, KEY: [*before, facts]})
