"""Pictures for reviewers: under a name that gives nothing away, in a format every browser shows."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from relaionet.manifests.errors import BadInput, Unavailable
from relaionet.pipeline.image_privacy import strip_position
from relaionet.pipeline.perceptual_hash import make_upright

if TYPE_CHECKING:
    from relaionet.annotations.studio import StudioClient

_SHOWN = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif"})
_ID = re.compile(r"[0-9a-f]{64}")
_LONGEST_PX = 2048


def stage_image(root: Path, path: str, candidate_id: str, folder: Path) -> Path:
    """Put one picture into `folder` as `<candidate_id>.<ext>`, unless it is there.

    It is linked where the file system allows and copied otherwise, without the place it was taken at where it holds
    one; a format that browsers do not show (also SVG, which can carry scripts, and anything unknown) is decoded and
    stored as PNG.

    Args:
        root: folder that `path` is relative to.
        path: the picture.
        candidate_id: 64 hexadecimal digits.
        folder: where to; made when missing.

    Returns:
        The file in `folder`.

    Raises:
        BadInput: the id is malformed, or the picture is missing, outside `root` or not decodable.
    """
    if not _ID.fullmatch(candidate_id):
        raise BadInput(f"candidate_id {candidate_id!r} is not 64 hexadecimal digits.")
    source = (root / path).resolve()
    if not source.is_relative_to(root.resolve()) or not source.is_file():
        raise BadInput(f"the picture of {candidate_id[:12]}… is not at {root / path}; fetch the images first.")
    suffix = source.suffix.lower()
    for known in (suffix, ".png"):
        if known in _SHOWN and (folder / (candidate_id + known)).exists():
            return folder / (candidate_id + known)
    folder.mkdir(parents=True, exist_ok=True)
    data = source.read_bytes()
    shown = _without_position(data) if suffix in _SHOWN else None
    target = folder / (candidate_id + (suffix if shown is not None else ".png"))
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        if shown is None:
            _convert(source, part)
        elif shown is data:
            _link(source, part)
        else:
            part.write_bytes(shown)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


def _without_position(data: bytes) -> bytes | None:
    """The file's bytes as they may leave this machine; None where they may only be decoded and encoded anew."""
    try:
        return strip_position(data)
    except BadInput:
        return None


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _convert(source: Path, target: Path) -> None:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(source) as image:
            shown = make_upright(image).convert("RGB")
            shown.thumbnail((_LONGEST_PX, _LONGEST_PX))
            shown.info = {}  # EXIF and texts of the original stay here
            shown.save(target, format="PNG")
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise BadInput(f"{source} cannot be shown to reviewers: {error}.") from None


def place_images(
    client: StudioClient, project: int, files: Mapping[str, tuple[Path, str]], documents: Path | None, batch_count: int
) -> dict[str, str]:
    """Bring pictures to where the server can show them; those that are there are left alone.

    Args:
        client: of a user who may change the project.
        project: id of the project they go into.
        files: candidate_id -> (folder, path in it).
        documents: folder of the server's local-file storage as seen from here; None uploads.
        batch_count: pictures per request, where they are uploaded.

    Returns:
        candidate_id -> address for the task's data.

    Raises:
        BadInput: a picture is missing or cannot be shown, or the server serves no local files.
        Unavailable: the server does not answer or lost a picture.
    """
    if documents is not None:
        return _serve_local(client, project, files, documents)
    return _upload(client, project, files, batch_count)


def _serve_local(
    client: StudioClient, project: int, files: Mapping[str, tuple[Path, str]], documents: Path
) -> dict[str, str]:
    """Put the pictures where the server may show them from; its address for each."""
    folder = documents.resolve() / f"project-{project}"
    names = {one: stage_image(root, path, one, folder).name for one, (root, path) in files.items()}
    stores = client.request("GET", "/api/storages/localfiles", params={"project": project})
    if not any(store.get("path") == str(folder) for store in stores):
        about = {"project": project, "path": str(folder), "title": "pictures", "use_blob_urls": False}
        client.request("POST", "/api/storages/localfiles", json=about)
    return {one: f"/data/local-files/?d={quote(f'{folder.name}/{name}')}" for one, name in names.items()}


def _upload(
    client: StudioClient, project: int, files: Mapping[str, tuple[Path, str]], batch_count: int
) -> dict[str, str]:
    """Upload the pictures the server does not have yet; its address for each."""
    found = _uploads(client, project)
    missing = [one for one in files if one not in found]
    with tempfile.TemporaryDirectory() as temporary:
        for start in range(0, len(missing), batch_count):
            staged = [stage_image(*files[one], one, Path(temporary)) for one in missing[start:][:batch_count]]
            client.request(
                "POST", f"/api/projects/{project}/import", params={"commit_to_project": "false"},
                files={path.name: (path.name, path.read_bytes()) for path in staged},
            )  # fmt: skip
    if missing:
        found = _uploads(client, project)
    lost = [one for one in files if one not in found]
    if lost:
        raise Unavailable(f"{client.url} took {len(lost)} pictures but does not list them; push again.")
    return {one: found[one] for one in files}


def _uploads(client: StudioClient, project: int) -> dict[str, str]:
    """Pictures a project has: candidate_id -> address. The server puts eight digits before the name it was given."""
    listed = client.request("GET", f"/api/projects/{project}/file-uploads", params={"all": "true"})
    found = {}
    for one in listed:
        match = re.search(r"(?:^|[-/])([0-9a-f]{64})\.[a-z]+$", str(one.get("file", "")))
        if match:
            found[match[1]] = f"/data/{str(one['file']).lstrip('/')}"
    return found
