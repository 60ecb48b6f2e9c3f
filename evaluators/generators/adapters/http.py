"""A generator behind a web address: requests go out as JSON, PNGs come back.

`POST <url>/generate` with a job (`job.job_of`); the answer is JSON: `{"images": {sample_id: base64 PNG}, "nfe": number
or {sample_id: number}, …}`. `GET <url>/info` may say `{"name": …, "weights": …}`; it is asked when the generator is
made, so that another model behind the same address is noticed.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from relaionet.evaluators.generators.adapter import GeneratorAdapter
from relaionet.evaluators.generators.job import check_ids, job_of, read_image, read_nfe
from relaionet.evaluators.generators.protocol import (
    Generated,
    GeneratorDied,
    Info,
    Request,
    Settings,
    check_settings,
    make_info,
)
from relaionet.manifests.containers.limits import JSON
from relaionet.manifests.containers.texts import parse_json
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import digest_of
from relaionet.manifests.urls import holds_secret
from relaionet.pipeline.addresses.proxies import is_loopback

if TYPE_CHECKING:
    import httpx

PASSING = (408, 425, 429, 500, 502, 503, 504)
BYTES_PER_IMAGE = 64 << 20


@dataclass(kw_only=True)
class HttpGenerator:
    """Asks a server for images.

    Attributes:
        info: what it is.
        url: without `/generate`.
        client: of httpx.
        tries: requests for ids that are missing, or that got no answer.
        wait_s: before asking again, doubled each time.
        said: what the last answer said besides images.
    """

    info: Info
    url: str
    client: httpx.Client
    tries: int
    wait_s: float
    said: dict[str, Any] = field(default_factory=dict)

    def generate(self, batch: Sequence[Request], settings: Settings) -> Generated:
        """Images of a batch.

        Raises:
            BadInput: a setting it does not have, a request the server refuses as wrong, or an image nobody asked for.
            LookupError: no image came for a request, in `tries` requests.
            GeneratorDied: the server does not answer.
        """
        check_settings(self.info, settings)
        check_ids(batch)
        images: dict[str, NDArray[np.uint8]] = {}
        nfe: dict[str, int] = {}
        trouble = ""
        for attempt in range(self.tries):
            left = [one for one in batch if one.sample_id not in images]
            if not left:
                break
            if attempt:
                time.sleep(self.wait_s * 2 ** (attempt - 1))
            answer, trouble = self._ask(left, settings)
            found = self._read(answer, left)
            images |= found
            nfe |= read_nfe(answer.get("nfe"), found)
            self.said = {key: value for key, value in answer.items() if key not in ("images", "nfe")} or self.said
        if trouble and not images:
            raise GeneratorDied(f"generator '{self.info.name}': {trouble}")
        lost = [one.sample_id for one in batch if one.sample_id not in images]
        if lost:
            raise LookupError(f"no image came for {lost[0]} in {self.tries} requests")
        made = [images[one.sample_id] for one in batch]
        if len({image.shape for image in made}) > 1:
            raise ValueError("the images of this batch differ in size")
        return Generated(images=np.stack(made), nfe=[nfe.get(one.sample_id) for one in batch])

    def describe(self, settings: Settings) -> dict[str, Any]:
        """The address, and what the server said of itself."""
        return {"url": self.url, "said": self.said}

    def _ask(self, batch: Sequence[Request], settings: Settings) -> tuple[dict[str, Any], str]:
        """The answer's JSON, and why there is none, empty where there is."""
        import httpx

        limit = BYTES_PER_IMAGE * len(batch)
        try:
            with self.client.stream(
                "POST", f"{self.url}/generate", json=job_of(self.info.name, batch, settings)
            ) as answer:
                body = bytearray()
                for part in answer.iter_bytes():
                    body += part
                    if len(body) > limit:
                        return {}, f"{self.url} answers with more than {limit:,} bytes for {len(batch)} images"
        except httpx.HTTPError as error:
            return {}, f"{self.url} does not answer ({type(error).__name__}: {error})"
        if answer.status_code in PASSING:
            return {}, f"{self.url} answers {answer.status_code}: {_short(body)}"
        if answer.status_code >= 400:
            raise BadInput(
                f"generator '{self.info.name}': {self.url} refuses with {answer.status_code}: {_short(body)}"
            )
        try:
            found = parse_json(bytes(body), replace(JSON, max_bytes=limit))
        except ValueError:
            return {}, f"{self.url} answers with something that is no JSON: {_short(body)}"
        return (found, "") if isinstance(found, dict) else ({}, f"{self.url} answers with no table of keys")

    def _read(self, answer: Mapping[str, Any], asked: Sequence[Request]) -> dict[str, NDArray[np.uint8]]:
        sent = answer.get("images", {})
        if not isinstance(sent, dict):
            raise BadInput(f"generator '{self.info.name}': 'images' of the answer is no table of sample_id to PNG.")
        extra = sorted(set(sent) - {one.sample_id for one in asked})
        if extra:
            raise BadInput(f"generator '{self.info.name}' made an image nobody asked for: '{extra[0]:.80}'.")
        images = {}
        for name, text in sent.items():
            try:
                images[name] = read_image(base64.b64decode(text, validate=True))
            except (ValueError, TypeError, binascii.Error):
                continue  # asked for again
        return images


def _short(body: bytes | bytearray) -> str:
    return " ".join(bytes(body[:400]).decode("utf-8", errors="replace").split())[:200] or "nothing"


def make_http(
    *,
    name: str,
    url: str,
    tries: int = 3,
    wait_s: float = 1.0,
    time_limit_s: float = 600.0,
    weights: str = "",
    device: str = "cpu",
    base: Path | None = None,
    **about: Any,
) -> HttpGenerator:
    """A generator from a web address.

    Args:
        name: as it stands in tables.
        url: `http(s)://host[:port][/path]`, without `/generate`.
        tries: requests for ids that are missing, or that got no answer.
        wait_s: before asking again, seconds; doubled each time.
        time_limit_s: for one request, seconds.
        weights: where they come from; what the server says of them where empty.
        device: the server's own matter.
        base: folder of the TOML file; not used.
        **about: fields of `generators.Info`, `native_size_px` at least.

    Raises:
        BadInput: the address is none, or nothing answers there.
    """
    import httpx

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or holds_secret(url):
        raise BadInput(
            f"generator '{name}': '{url}' is no address; expected http://127.0.0.1:8000 or the like, without secrets."
        )
    if tries < 1 or time_limit_s <= 0 or wait_s < 0:
        raise BadInput(f"generator '{name}': tries and time_limit_s must be above 0.")
    url = url.rstrip("/")
    client = httpx.Client(timeout=httpx.Timeout(time_limit_s, connect=10), trust_env=not is_loopback(parts.hostname))
    said = _ask_info(client, url, name)
    info = make_info(
        about, name=name, weights=f"{weights or said.get('weights', 'at its address')} (says sha256:{digest_of(said)})"
    )
    return HttpGenerator(info=info, url=url, client=client, tries=tries, wait_s=wait_s)


def _ask_info(client: httpx.Client, url: str, name: str) -> dict[str, Any]:
    import httpx

    try:
        answer = client.get(f"{url}/info", timeout=30)
    except httpx.HTTPError as error:
        raise BadInput(
            f"generator '{name}': nothing answers at {url} ({type(error).__name__}); start its server first."
        ) from None
    try:
        said = answer.json() if answer.status_code == 200 else {}
    except ValueError:
        said = {}
    return said if isinstance(said, dict) else {}


ADAPTER = GeneratorAdapter(
    kind="http",
    about="a model behind a web address",
    factory=make_http,
    order=40,
)
