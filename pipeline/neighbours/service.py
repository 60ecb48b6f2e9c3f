"""A client of clip-retrieval's service: its JSON over HTTP, bounded in bytes and time, tried again where that may help.

clip-retrieval pins versions that do not fit beside this project's, so nothing of it is imported: the service runs in
an environment, or on a machine, of its own.

Source: the endpoints `/knn-service` and `/indices-list` of `clip-retrieval back` and the fields its `ClipClient`
sends, clip-retrieval 2.45; tests/contract/test_clip_retrieval.py compares the answers of both clients.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from relaionet.manifests.containers.texts import parse_json
from relaionet.manifests.errors import BadInput, Unavailable, nearest_name
from relaionet.manifests.urls import holds_secret
from relaionet.pipeline.addresses.proxies import is_loopback

if TYPE_CHECKING:
    import httpx

AGAIN_CODES = frozenset({408, 425, 429, 500, 502, 503, 504})
MOST_WAIT_S = 30.0
SHOWN_CHARS = 120
KNN, INDICES = "/knn-service", "/indices-list"


class NoAnswer(Unavailable):
    """The service is there and has no usable answer to this one request, also when asked again."""


class _TryAgain(Exception):
    def __init__(self, why: str, *, is_there: bool = True, wait_s: float | None = None) -> None:
        super().__init__(why)
        self.is_there, self.wait_s = is_there, wait_s


def service_address(url: str) -> str:
    """The address of a service without its endpoint, checked.

    Raises:
        BadInput: it is no http(s) address, or it carries a password, which would be stored with the run.
    """
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise BadInput(f"neighbours: service '{url}' is no address: {error}.") from None
    if parts.scheme not in ("http", "https") or not host:
        raise BadInput(f"neighbours: service '{url}' is no address; expected one such as http://127.0.0.1:1234.")
    if holds_secret(url):
        raise BadInput(
            f"neighbours: the address of the service at {host} holds a name or password, or a token; leave them out."
        )
    return url.strip().rstrip("/").removesuffix(KNN)


@dataclass(kw_only=True)
class RetrievalService:
    """One clip-retrieval service; use as a context manager, from any number of threads.

    Attributes:
        url: address, with or without `/knn-service`.
        timeout_s: longest time one request may take in all.
        retries: how often a request that may succeed later is tried again.
        backoff_s: wait before the first of these, doubled each time, 30 s at most; the service's own
            `Retry-After` goes before.
        max_answer_bytes: longest answer read, after decompression.
        wait: waits so many seconds before a further try; True ends the trying.
    """

    url: str
    timeout_s: float = 30.0
    retries: int = 3
    backoff_s: float = 1.0
    max_answer_bytes: int = 32 << 20
    wait: Callable[[float], bool] = threading.Event().wait
    _client: httpx.Client = field(init=False, repr=False)

    def __post_init__(self) -> None:
        import httpx

        self.url = service_address(self.url)
        self._client = httpx.Client(
            timeout=self.timeout_s, headers={"Accept": "application/json"},
            trust_env=not is_loopback(urlsplit(self.url).hostname),
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._client.close()

    def list_indices(self) -> list[str]:
        """Names of the indices the service has.

        Raises:
            BadInput: at this address is no clip-retrieval service.
            Unavailable: it does not answer.
        """
        names = self._ask("GET", INDICES, None)
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            raise BadInput(f"{self.url}{INDICES} lists no indices; is this the address of a clip-retrieval service?")
        return names

    def pick_index(self, name: str) -> str:
        """The name of an index the service has: `name`, or where that is empty its only one.

        Raises:
            BadInput: it has no index of this name, or several to choose from.
            Unavailable: it does not answer.
        """
        names = self.list_indices()
        if name in names:
            return name
        if name:
            raise BadInput(f"{self.url} has no index '{name}'.{nearest_name(name, names)}")
        if len(names) > 1:
            raise BadInput(f"{self.url} has several indices; name one with neighbours.index.{nearest_name('', names)}")
        return names[0]

    def search(self, request: Mapping[str, Any]) -> list[Any]:
        """The results of one search, nearest first, as the service gave them: nothing in them is checked.

        Args:
            request: fields of `/knn-service`.

        Raises:
            BadInput: the service refuses such requests.
            NoAnswer: it has no answer to this one.
            Unavailable: it cannot be reached.
        """
        results = self._ask("POST", KNN, json.dumps(request, allow_nan=False).encode())
        if not isinstance(results, list):
            raise NoAnswer(f"{self.url}{KNN} answered {_shown(json.dumps(results))}; expected a list of results.")
        return results

    def _ask(self, method: str, path: str, body: bytes | None) -> Any:
        for attempt in range(self.retries + 1):
            try:
                return self._ask_once(method, path, body)
            except _TryAgain as error:
                if attempt == self.retries:
                    kind = NoAnswer if error.is_there else Unavailable
                    raise kind(f"{self.url}{path}: {error} (asked {self.retries + 1} times).") from None
                wait_s = error.wait_s if error.wait_s is not None else self.backoff_s * 2**attempt
                if self.wait(min(wait_s, MOST_WAIT_S)):
                    raise Unavailable(f"{self.url}{path}: {error} (stopped before it was asked again).") from None
        raise BadInput(f"neighbours: retries is {self.retries}; it must be 0 or more.")

    def _ask_once(self, method: str, path: str, body: bytes | None) -> Any:
        import httpx

        headers = {} if body is None else {"Content-Type": "application/json"}
        try:
            with self._client.stream(method, self.url + path, content=body, headers=headers) as response:
                text = self._read(response)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise _TryAgain(f"no connection ({_shown(str(error))})", is_there=False) from None
        except httpx.TimeoutException:
            raise _TryAgain(f"no answer within {self.timeout_s:g} s") from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise BadInput(f"neighbours: service '{self.url}' is no address: {error}.") from None
        except httpx.HTTPError as error:
            raise _TryAgain(f"the connection broke off ({_shown(str(error) or type(error).__name__)})") from None
        self._check_code(response, path, text)
        try:
            return parse_json(text)
        except (ValueError, RecursionError):
            raise _TryAgain(f"the answer is no JSON: {_shown(text.decode(errors='replace'))}") from None

    def _read(self, response: httpx.Response) -> bytes:
        """The body within the limits; the client's own limit is per read, which a service that drips never reaches."""
        limit_at = time.monotonic() + self.timeout_s
        parts, count = [], 0
        for part in response.iter_bytes():
            parts.append(part)
            count += len(part)
            if count > self.max_answer_bytes:
                raise NoAnswer(f"{self.url}: an answer of more than {self.max_answer_bytes:,} bytes; ask for fewer.")
            if time.monotonic() > limit_at:
                raise _TryAgain(f"the answer was not complete within {self.timeout_s:g} s")
        return b"".join(parts)

    def _check_code(self, response: httpx.Response, path: str, text: bytes) -> None:
        code = response.status_code
        if code in AGAIN_CODES:
            wait = response.headers.get("Retry-After", "")
            raise _TryAgain(f"HTTP {code} {_shown(text.decode(errors='replace'))}", wait_s=_seconds(wait))
        if response.is_redirect:
            to = _shown(response.headers.get("Location", ""))
            raise BadInput(f"{self.url}{path} sends elsewhere, to {to}; name the service's own address.")
        if code != 200:
            raise BadInput(
                f"{self.url}{path}: HTTP {code} {_shown(text.decode(errors='replace'))}. "
                "Is this the address of a clip-retrieval service?"
            )


def _seconds(text: str) -> float | None:
    return float(text) if text.isascii() and text.isdigit() else None


def _shown(text: str) -> str:
    """A stranger's text in one short line."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text[: 4 * SHOWN_CHARS]).split())
    return f"'{line[:SHOWN_CHARS]}{'…' if len(line) > SHOWN_CHARS else ''}'"
