"""The pictures of a run as reviewers see them, for a bucket or a web server that Label Studio takes them from."""

from __future__ import annotations

from pathlib import Path

from relaionet.annotations.tasks.pictures import make_strip, reference_pictures, stage_image, store_picture
from relaionet.flows.reviewing.settings import read_review_settings
from relaionet.flows.runs.run import Run
from relaionet.manifests.errors import BadInput
from relaionet.manifests.tables import TASKS
from relaionet.manifests.words import say_count


def write_pictures(root: Path, folder: Path) -> None:
    """Write a run's pictures as reviewers see them, and the strips of known pictures, into a folder."""
    run = Run(root=root)
    settings = read_review_settings(root)
    tasks = run.store.read_all(TASKS)
    if tasks.is_empty():
        raise BadInput(f"{root} has no tasks; run `relaionet curate` to its end first.")
    files = {one: (run.images, path) for one, path in tasks.select("candidate_id", "image_path").iter_rows()}
    with run.reporter.bar("pictures", len(files)) as advance:
        for one, (images, path) in files.items():
            stage_image(images, path, one, folder)
            advance(1)
    for wnid in sorted(set(tasks["proposed_wnid"])) if settings.examples else ():
        pictures = reference_pictures(settings.examples, wnid)  # type: ignore[arg-type]
        if pictures:
            store_picture(make_strip(pictures), folder)
    run.reporter.say(
        f"  {say_count(len(files), 'picture')} in {folder}; copy them to the address, then push --pictures ADDRESS"
    )
