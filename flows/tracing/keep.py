"""What an evaluation keeps of the split it scores, so that it can tell of each row without the split."""

from __future__ import annotations

from pathlib import Path

from relaionet.manifests.files import digest_of, read_json_object, write_json
from relaionet.manifests.release.copy import RELEASE_FOLDER, copy_release
from relaionet.manifests.release.info import INFO_FILE
from relaionet.manifests.release.release import read_release
from relaionet.manifests.store import Store
from relaionet.manifests.tables import SPLIT
from relaionet.pipeline.splits.plan import INFO_FILE as SPLIT_FILE
from relaionet.pipeline.splits.plan import read_table

ROWS_FOLDER = "rows"  # within an evaluation


def keep_rows(split: Path, evaluation: Path) -> None:
    """Copy a split's verdicts and the release it keeps into an evaluation; pictures are left where they are.

    Args:
        split: folder of the split.
        evaluation: folder of the evaluation.
    """
    about, rows = read_json_object(split / SPLIT_FILE), read_table(split)
    if rows is None:
        return
    kept = evaluation / ROWS_FOLDER
    digest = digest_of(about.get("build_digest"), about.get("digest"))
    store = Store(kept)
    if not store.has_table(SPLIT, digest):
        store.write(rows, SPLIT, digest, seconds=0.0)
        write_json(kept / SPLIT_FILE, about)
    if (split / RELEASE_FOLDER / INFO_FILE).is_file():
        copy_release(read_release(split / RELEASE_FOLDER), kept / RELEASE_FOLDER)
