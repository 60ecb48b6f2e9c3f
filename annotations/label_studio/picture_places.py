"""Where Label Studio takes the pictures from: a folder on its own machine, its uploads, or an address.

Which of them a server can reach is found out, said, and can be overruled (`PushConfig.pictures`).
"""

from __future__ import annotations

import hashlib
import html
import json
import re
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote, urlsplit

from relaionet.annotations.label_studio.projects import find_pictures
from relaionet.annotations.tasks.pictures import SUFFIX, make_strip, reference_pictures, stage_images, store_picture
from relaionet.manifests.errors import BadInput, ReLAIONetError, Unavailable, nearest_name
from relaionet.manifests.files import HEX_64
from relaionet.manifests.places import check_place
from relaionet.manifests.urls import holds_secret

if TYPE_CHECKING:
    import httpx

    from relaionet.annotations.label_studio.client import StudioClient

AUTO, LOCAL, UPLOAD = "auto", "local", "upload"
_CLOUDS = {"s3": ("s3", "bucket"), "gs": ("gcs", "bucket"), "azure-blob": ("azure", "container")}
_UPLOADS_PER_REQUEST = 50
Files = Mapping[str, tuple[Path, str]]  # candidate_id -> (folder, path in it)


class PicturePlace(Protocol):
    """A place a server shows pictures from.

    Attributes:
        words: for people: how reviewers get the pictures.
        folder: where pictures are staged before they go there.
    """

    words: str
    folder: Path

    def attach(self, project: int) -> None:
        """Let a project show them."""

    def trouble(self, address: str) -> str:
        """Why a picture that is there cannot be shown from this address; empty where it can, as far as one can see."""

    def missing(self, ids: Iterable[str]) -> list[str]:
        """Those that have to be staged."""

    def place(self, ids: Iterable[str], staged: Mapping[str, Path]) -> dict[str, str]:
        """Bring staged pictures there; id -> address for a task's data, for all ids."""


def _no_picture(answer: httpx.Response) -> str:
    kind = answer.headers.get("content-type", "")
    return "" if answer.status_code == 200 and kind.startswith("image/") else f"{answer.status_code} {kind}"


class LocalFolder:
    """A folder that the server reads itself; nothing is sent."""

    def __init__(self, client: StudioClient, documents: Path, review: str) -> None:
        name = hashlib.sha256(review.encode()).hexdigest()[:12]
        self.folder = documents.resolve() / f"review-{name}"
        self.words = f"read by the server from {self.folder}"
        self._client = client

    def attach(self, project: int) -> None:
        """Register the folder with the project, unless it is."""
        stores = self._client.request("GET", "/api/storages/localfiles", params={"project": project})
        if not any(store.get("path") == str(self.folder) for store in stores):
            self.folder.mkdir(parents=True, exist_ok=True)
            about = {"project": project, "path": str(self.folder), "title": "pictures", "use_blob_urls": False}
            self._client.request("POST", "/api/storages/localfiles", json=about)

    def trouble(self, address: str) -> str:
        """Ask the server for it."""
        try:
            return _no_picture(self._client.get_raw(address))
        except ReLAIONetError as error:
            return str(error)

    def missing(self, ids: Iterable[str]) -> list[str]:
        """All: staging passes over what is there."""
        return list(ids)

    def place(self, ids: Iterable[str], staged: Mapping[str, Path]) -> dict[str, str]:
        """They are there once staged."""
        return {one: f"/data/local-files/?d={quote(f'{self.folder.name}/{one}{SUFFIX}')}" for one in ids}


class Uploads:
    """Pictures sent to the server, which keeps them under names with eight digits of its own before ours."""

    words = "uploaded to the server"

    def __init__(self, client: StudioClient, review: str) -> None:
        self._client = client
        self._project = find_pictures(client, review)
        self._temporary = tempfile.TemporaryDirectory()
        self.folder = Path(self._temporary.name)
        self._there = self._listed({"all": "true"})

    def attach(self, project: int) -> None:
        """Nothing to do: whoever may see the server's projects may see its uploads."""

    def trouble(self, address: str) -> str:
        """None: the server said that it has it."""
        return ""

    def missing(self, ids: Iterable[str]) -> list[str]:
        """Those the server does not have."""
        return [one for one in ids if one not in self._there]

    def place(self, ids: Iterable[str], staged: Mapping[str, Path]) -> dict[str, str]:
        """Upload the staged ones.

        Raises:
            Unavailable: the server took one but does not list it.
        """
        paths = list(staged.values())
        for start in range(0, len(paths), _UPLOADS_PER_REQUEST):
            some = paths[start:][:_UPLOADS_PER_REQUEST]
            answer = self._client.request(
                "POST", f"/api/projects/{self._project}/import", once=True, params={"commit_to_project": "false"},
                files={path.name: (path.name, path.read_bytes()) for path in some},
            )  # fmt: skip
            self._there |= self._listed({"ids": json.dumps(answer.get("file_upload_ids") or [])})
            for path in some:
                path.unlink()
        ids = list(ids)
        lost = self.missing(ids)
        if lost:
            raise Unavailable(f"{self._client.url} took {len(lost)} pictures but does not list them; push again.")
        return {one: self._there[one] for one in ids}

    def _listed(self, params: Mapping[str, str]) -> dict[str, str]:
        listed = self._client.request("GET", f"/api/projects/{self._project}/file-uploads", params=params)
        found: dict[str, str] = {}
        for one in listed:
            match = re.search(rf"(?:^|[-/])({HEX_64})\.[a-z]+$", str(one.get("file", "")))
            if match:
                found.setdefault(match[1], f"/data/{str(one['file']).lstrip('/')}")
        return found


class Address:
    """Pictures that somebody put under an address (`relaionet review pictures` makes the files).

    A cloud address (s3, gs, azure-blob) is opened by the server with credentials of its own, a web address by the
    reviewers' browsers.
    """

    def __init__(self, client: StudioClient, base: str) -> None:
        self.folder = Path()
        self._client = client
        self._base = base.rstrip("/")
        self._parts = urlsplit(self._base)
        cloud = self._parts.scheme in _CLOUDS
        by = "the server, with its own credentials," if cloud else "reviewers' browsers"
        self.words = f"read by {by} from {self._base}"

    def attach(self, project: int) -> None:
        """Connect the project to the bucket, where the address names one.

        Raises:
            BadInput: the server cannot open it.
        """
        if self._parts.scheme not in _CLOUDS:
            return
        kind, word = _CLOUDS[self._parts.scheme]
        stores = self._client.request("GET", f"/api/storages/{kind}", params={"project": project})
        if any(store.get(word) == self._parts.netloc for store in stores):
            return
        about = {
            "project": project, word: self._parts.netloc, "prefix": self._parts.path.strip("/"), "title": "pictures",
            "presign": True, "use_blob_urls": False,
        }  # fmt: skip
        try:
            self._client.request("POST", f"/api/storages/{kind}", json=about)
        except ReLAIONetError as error:  # a server without any credentials fails with 500
            raise BadInput(
                f"project {project} cannot open {self._base} with credentials of its server; connect it by hand "
                f"(project, Settings, Cloud Storage, Add Source Storage, {word} {self._parts.netloc}, pre-signed "
                f"URLs on), then push again. {error}"
            ) from None

    def trouble(self, address: str) -> str:
        """Ask for a web address as a browser would; a cloud address only the server can open."""
        import httpx

        if self._parts.scheme in _CLOUDS:
            return ""
        try:
            return _no_picture(httpx.get(address, timeout=20, follow_redirects=True))
        except httpx.HTTPError as error:
            return type(error).__name__

    def missing(self, ids: Iterable[str]) -> list[str]:
        """None: they are there."""
        return []

    def place(self, ids: Iterable[str], staged: Mapping[str, Path]) -> dict[str, str]:
        """Their addresses."""
        return {one: f"{self._base}/{one}{SUFFIX}" for one in ids}


def choose_place(client: StudioClient, review: str, pictures: str, documents: Path | None) -> PicturePlace:
    """The place that was asked for; by itself the server's folder where one is shared, else uploads.

    Args:
        client: of the server.
        review: its name.
        pictures: auto, local, upload, or an address.
        documents: folder of the server's local-file storage as seen from here, where there is one.

    Raises:
        BadInput: `pictures` is nothing known, or local is wanted where no folder is shared.
    """
    if pictures == UPLOAD or (pictures == AUTO and documents is None):
        return Uploads(client, review)
    if pictures in (LOCAL, AUTO):
        if documents is None:
            raise BadInput(f"{client.url} shares no folder with this machine; leave out `--pictures local`.")
        return LocalFolder(client, documents, review)
    if "://" in pictures:
        check_place(pictures, "pictures", "pictures")
        if holds_secret(pictures):
            raise BadInput(f"pictures '{pictures}': the address holds a secret, which reviewers would be shown.")
        return Address(client, pictures)
    raise BadInput(
        f"pictures '{pictures}' is none of auto, local, upload and an address (s3://, gs://, azure-blob://, https://)."
        + nearest_name(pictures, (AUTO, LOCAL, UPLOAD))
    )


def place_pictures(place: PicturePlace, files: Files) -> dict[str, str]:
    """Stage pictures and bring them to their place; those that are there are left alone.

    Args:
        place: where to.
        files: candidate_id -> (folder, path in it).

    Returns:
        candidate_id -> address for a task's data.

    Raises:
        BadInput: a picture is missing or cannot be decoded.
        Unavailable: the server does not answer or lost a picture.
    """
    staged = stage_images({one: files[one] for one in place.missing(files)}, place.folder)
    return place.place(files, staged)


class ReferenceStrips:
    """Known pictures of each class, side by side in one small picture per class, made and placed when first needed.

    Args:
        folder: holds a folder of pictures per wnid; None shows none.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._made: dict[str, str] = {}

    def html(self, place: PicturePlace, wnid: str) -> str:
        """What the page shows for a class; empty where there are no pictures of it."""
        if self._folder is None:
            return ""
        if wnid not in self._made:
            pictures = reference_pictures(self._folder, wnid)
            address = self._place(place, make_strip(pictures)) if pictures else ""
            self._made[wnid] = f'<img src="{html.escape(address)}" alt="">' if address else ""
        return self._made[wnid]

    def _place(self, place: PicturePlace, data: bytes) -> str:
        one = hashlib.sha256(data).hexdigest()
        staged = {one: store_picture(data, place.folder) for one in place.missing([one])}
        return place.place([one], staged)[one]
