"""Pictures for reviewers: under a name that gives nothing away, in a format every browser shows."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from relaionet.manifests.errors import BadInput

_SHOWN = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif"})
_ID = re.compile(r"^[0-9a-f]{64}$")
_LONGEST_PX = 2048


def stage_image(root: Path, path: str, candidate_id: str, folder: Path) -> Path:
    """Put one picture into `folder` as `<candidate_id>.<ext>`, unless it is there.

    It is linked where the file system allows and copied otherwise; a format that browsers do not show (also SVG, which
    can carry scripts, and anything unknown) is decoded and stored as PNG.

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
    if not _ID.match(candidate_id):
        raise BadInput(f"candidate_id {candidate_id!r} is not 64 hexadecimal digits.")
    source = (root / path).resolve()
    if not source.is_relative_to(root.resolve()) or not source.is_file():
        raise BadInput(f"the picture of {candidate_id[:12]}… is not at {root / path}; fetch the images first.")
    suffix = source.suffix.lower()
    target = folder / (candidate_id + (suffix if suffix in _SHOWN else ".png"))
    if target.exists():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        if suffix not in _SHOWN:
            _convert(source, part)
        else:
            _link(source, part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _convert(source: Path, target: Path) -> None:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(source) as image:
            shown = image.convert("RGB")
            shown.thumbnail((_LONGEST_PX, _LONGEST_PX))
            shown.save(target, format="PNG")
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise BadInput(f"{source} cannot be shown to reviewers: {error}.") from None
