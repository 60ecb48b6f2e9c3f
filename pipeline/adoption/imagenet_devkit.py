"""ILSVRC2012's validation labels from its development kit: its ids are not class indices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import labels_by_wnid

META, TRUTH = "meta.mat", "ILSVRC2012_validation_ground_truth.txt"
MAX_META_BYTES, MAX_TRUTH_BYTES = 50_000_000, 1_000_000
CLASSES = 1000


def find_devkit(folder: Path) -> Path:
    """The folder of a devkit's two files: `folder` itself, or one inside it.

    Raises:
        BadInput: they are not there.
    """
    for place in (folder, folder / "data", *sorted(folder.glob("*/")), *sorted(folder.glob("*/data"))):
        if (place / META).is_file() and (place / TRUTH).is_file():
            return place
    raise BadInput(
        f"{folder} holds no ILSVRC2012 devkit ({META} and {TRUTH}, as in ILSVRC2012_devkit_t12/data). The numbers of "
        "the validation files say nothing about classes without it; name its folder with --devkit."
    )


def read_validation_labels(devkit: Path) -> dict[int, str]:
    """Number of a validation image (from 1) -> wnid.

    Args:
        devkit: from `find_devkit`.

    Raises:
        BadInput: a file is not what the devkit's is.

    Source: ILSVRC2012_devkit_t12/readme.txt; same result as torchvision's ImageNet.
    """
    wnids = _read_wnids(devkit / META)
    file = devkit / TRUTH
    if file.stat().st_size > MAX_TRUTH_BYTES:
        raise BadInput(f"{file} is longer than {MAX_TRUTH_BYTES:,} bytes; expected one number per line.")
    try:
        numbers = [int(line) for line in file.read_text(encoding="ascii").split()]
    except ValueError:
        raise BadInput(f"{file}: expected one ILSVRC2012_ID (1 to {CLASSES}) per line.") from None
    wrong = [number for number in numbers if number not in wnids]
    if wrong or not numbers:
        raise BadInput(f"{file}: {wrong[0] if wrong else 'nothing'} is no ILSVRC2012_ID; expected 1 to {CLASSES}.")
    return {place: wnids[number] for place, number in enumerate(numbers, start=1)}


def _read_wnids(file: Path) -> dict[int, str]:
    """ILSVRC2012_ID (1 to 1000) -> wnid, of the synsets that are classes."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    if file.stat().st_size > MAX_META_BYTES:
        raise BadInput(f"{file} is longer than {MAX_META_BYTES:,} bytes; the devkit's is about 6 MB.")
    try:
        synsets: Any = loadmat(file, squeeze_me=True, variable_names=["synsets"])["synsets"]
        leaves = [row for row in synsets if int(row["num_children"]) == 0]
        wnids = {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in leaves}
    except (MatReadError, KeyError, ValueError, TypeError, IndexError, OSError, NotImplementedError) as error:
        raise BadInput(f"{file} is no {META} of the ILSVRC2012 devkit: {str(error)[:120] or 'not readable'}.") from None
    if sorted(wnids) != list(range(1, CLASSES + 1)) or set(wnids.values()) != set(labels_by_wnid()):
        raise BadInput(f"{file}: expected the {CLASSES} classes of ILSVRC2012 with ids 1 to {CLASSES}; found others.")
    return wnids
