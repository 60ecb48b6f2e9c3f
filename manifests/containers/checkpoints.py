"""Checkpoints of torch, in the form of a zip and in the older one, looked at whole before torch reads them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO

from relaionet.manifests.containers.limits import PICKLE, ZIP, Limits, Refused
from relaionet.manifests.containers.pickles import Asked, check_pickle
from relaionet.manifests.containers.safetensors import check_safetensors
from relaionet.manifests.containers.zips import ZipMember, list_zip, read_member

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
COUNT_BYTES = 8
PICKLES_IN_FRONT = 5  # magic number, version, machine, the state, the storages' keys
SAFETENSORS_SUFFIX = ".safetensors"


def check_weights(path: Path, limits: Limits = ZIP) -> None:
    """Look at a file of weights: safetensors by its name, else a checkpoint of torch.

    Args:
        path: of the file.
        limits: of a checkpoint's zip.

    Raises:
        Refused: it is damaged, or would become more than it is; the message has no file's name and no full stop.
        OSError: it cannot be read.
    """
    if path.suffix == SAFETENSORS_SUFFIX:
        check_safetensors(path)
        return
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(4) == b"PK\x03\x04":
            _check_zip(file, size, limits)
        else:
            _check_older(file, size)


def check_model_folder(folder: Path) -> None:
    """Look at every text and every file of weights of a folder with a model, at any depth.

    Raises:
        Refused: one is damaged or holds more than such a file does; the message names it and has no full stop.
    """
    from relaionet.manifests.containers.texts import check_json_file

    for path in sorted(folder.rglob("*")):
        look = {".json": check_json_file, SAFETENSORS_SUFFIX: check_weights}.get(path.suffix)
        if look is None or not path.is_file():
            continue
        try:
            look(path)
        except Refused as error:
            raise Refused(f"{path.relative_to(folder)}: {error}") from None


def _check_zip(file: BinaryIO, size: int, limits: Limits) -> None:
    members = list_zip(file, limits)
    by_name = {member.name.partition("/")[2]: member for member in members}
    if "constants.pkl" in by_name or any(name.startswith("code/") for name in by_name):
        raise Refused("a program (TorchScript), not weights alone")
    if any(member.is_packed for member in members):
        raise Refused("packed members, which torch does not write")
    state = by_name.get("data.pkl")
    if state is None:
        raise Refused("no data.pkl, so no checkpoint of torch")
    asked = check_pickle(io.BytesIO(read_member(file, state, PICKLE.max_bytes)), size)
    _check_storages(asked, by_name)


def _check_storages(asked: Asked, by_name: dict[str, ZipMember]) -> None:
    for key, bytes_count in asked.storages.items():
        member = by_name.get(f"data/{key}")
        if member is None or member.bytes_count < bytes_count:
            raise Refused(f"the storage {key[:40]!r} is missing or shorter than it says")


def _check_older(file: BinaryIO, size: int) -> None:
    file.seek(0)
    front = io.BytesIO(file.read(PICKLE.max_bytes))
    found = []
    for _ in range(PICKLES_IN_FRONT):
        found.append(check_pickle(front, size))
        if found[0].top != MAGIC_NUMBER:
            raise Refused("no checkpoint of torch")
    wanted = sum(found[3].storages.values())
    if front.tell() + wanted + COUNT_BYTES * len(found[3].storages) > size:
        raise Refused("it ends early")
