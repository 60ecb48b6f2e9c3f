"""A connection to Label Studio: address, age and key checked, every failure told in words of its own.

The only module that knows label_studio_sdk. Answers are read as raw JSON, not as the SDK's objects: those reject fields
that a newer server adds.
"""

from __future__ import annotations

import base64
import json
import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from relaionet.manifests.errors import BadInput, ReLAIONetError, Unavailable
from relaionet.manifests.urls import holds_secret
from relaionet.pipeline.addresses.proxies import is_loopback

if TYPE_CHECKING:
    import httpx
    from label_studio_sdk import LabelStudio

OLDEST = (1, 13)


class StudioClient:
    """A connection to one Label Studio under one key; made by `connect_studio`."""

    def __init__(self, url: str, sdk: LabelStudio, patience_s: float = 0) -> None:
        self.url = url
        self.patience_s = patience_s
        self._sdk = sdk

    def request(self, method: str, path: str, *, once: bool = False, **about: Any) -> Any:
        """One request; its JSON, or None where the answer has no body.

        A server that is being restarted is waited for (`patience_s`) where asking again can do no harm.

        Args:
            method: GET, POST, PATCH or DELETE.
            path: from `/api` on.
            once: never send it a second time: the server may have done what was asked and failed afterwards.
            about: `params`, `json`, `files`.

        Raises:
            BadInput: the key is refused or lacks a permission, or the request is refused as wrong.
            Unavailable: no answer, or the server failed.
        """
        end = time.monotonic() + (self.patience_s if method == "GET" else 0)
        while True:
            try:
                answer = self.get_raw(path, method=method, tries=1 if once else 4, **about)
                return answer.json() if answer.content else None
            except ValueError:
                raise BadInput(f"{self.url}{path} answers, but not as Label Studio does; check the address.") from None
            except Unavailable:
                if time.monotonic() >= end:
                    raise
                time.sleep(1)

    def get_raw(self, path: str, *, method: str = "GET", tries: int = 4, **about: Any) -> httpx.Response:
        """One request; the answer as it came.

        Raises:
            BadInput: the server refuses it.
            Unavailable: no answer, or the server failed.
        """
        import httpx
        from label_studio_sdk.core.api_error import ApiError

        try:
            # the SDK's own client keeps a personal access token fresh
            answer: httpx.Response = self._sdk._client_wrapper.httpx_client.request(
                path, method=method, request_options={"max_retries": tries - 1}, **about
            )
        except ApiError as error:
            raise explain_refusal(self.url, path, error.status_code or 0, str(error.body)) from None
        except (httpx.HTTPError, OSError) as error:
            raise Unavailable(
                f"{self.url} does not answer ({type(error).__name__}: {error}). Is Label Studio running? "
                "`relaionet review serve` starts one."
            ) from None
        if answer.status_code >= 400:
            raise explain_refusal(self.url, path, answer.status_code, answer.text)
        return answer


def explain_refusal(url: str, path: str, status: int, text: str) -> ReLAIONetError:
    """The error for an answer of Label Studio that is none: what it means and what to do.

    Args:
        url: of the server.
        path: asked for.
        status: HTTP status, 0 where there was none.
        text: of the answer.
    """
    detail = _detail(text)
    if status == 401:
        return BadInput(f"{url} refuses the key: {_why_refused(detail)} It said: {detail}")
    if status == 403:
        return BadInput(f"{url}: this key may not use {path}; ask an administrator of the server for access. {detail}")
    if status == 404:
        return BadInput(f"{url} has no {path}: it was deleted, or this user cannot see it. {detail}")
    if status in (408, 409, 429) or status >= 500 or status == 0:
        return Unavailable(f"{url}{path} failed with {status}; the same call may work later. {detail}")
    return BadInput(f"{url}{path} was refused with {status}: {detail}")


def _why_refused(detail: str) -> str:
    said = detail.lower()
    if "legacy" in said and ("disabled" in said or "no longer" in said):
        return (
            "legacy tokens are switched off there. Make a personal access token (Account & Settings, Personal Access "
            "Token) and set LABEL_STUDIO_API_KEY to it."
        )
    if "expired" in said or "blacklist" in said:
        return (
            "it is a personal access token that has expired or was revoked. Make a new one (Account & Settings, "
            "Personal Access Token) and set LABEL_STUDIO_API_KEY to it."
        )
    return (
        "it is no key of a user of this server. Take one from Account & Settings in Label Studio (a personal access "
        "token or a legacy token) and set LABEL_STUDIO_API_KEY to it."
    )


def _detail(text: str) -> str:
    """What Label Studio says went wrong, without the frame it says it in."""
    try:
        body = json.loads(text)
        said = body.get("validation_errors") or body.get("detail") or body
    except (ValueError, AttributeError):
        said = text
    return " ".join(str(said).split())[:300]


def connect_studio(url: str, key: str, *, timeout_s: float = 300, patience_s: float = 30) -> StudioClient:
    """Connect to a Label Studio and check address, age and key.

    Args:
        url: its address, `http(s)://host[:port][/path]`.
        key: legacy token or personal access token of the user to act as; a secret.
        timeout_s: for one request, in seconds.
        patience_s: how long a server that stops answering later is waited for, in seconds.

    Returns:
        A client.

    Raises:
        BadInput: the address or key is wrong, the key has expired, or the server is older than 1.13.
        Unavailable: nothing answers there.
    """
    import httpx
    from label_studio_sdk import LabelStudio
    from label_studio_sdk.core.api_error import ApiError

    host = _check_url(url)
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise BadInput("the key for Label Studio is empty or malformed; set LABEL_STUDIO_API_KEY.")
    url = url.rstrip("/")
    _check_date(key)
    local = is_loopback(host)
    http = httpx.Client(
        timeout=timeout_s,
        follow_redirects=True,
        trust_env=not local,
        # its built-in web server answers a kept connection 40 ms later than a new one
        headers={"Connection": "close"} if local else {},
    )
    _check_age(url, http)
    try:
        client = StudioClient(url, LabelStudio(base_url=url, api_key=key, httpx_client=http))
    except ApiError as error:
        raise explain_refusal(url, "/", error.status_code or 401, str(error.body)) from None
    client.request("GET", "/api/current-user/whoami")
    client.patience_s = patience_s
    return client


def _check_url(url: str) -> str:
    """The host of a server's address."""
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadInput(f"'{url}' is no address of a Label Studio; it looks like http://127.0.0.1:8080.")
    if holds_secret(url):
        raise BadInput(
            f"'{url}': the address holds a name, password or token, which pages would show; give it without, and the "
            "key in LABEL_STUDIO_API_KEY."
        )
    return parts.hostname


def _check_date(key: str) -> None:
    """Refuse a personal access token (a JSON Web Token) whose own date is over."""
    parts = key.split(".")
    if len(parts) != 3:
        return
    try:
        ends_s = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))["exp"]
        ends = datetime.fromtimestamp(float(ends_s), UTC)
    except (ValueError, KeyError, TypeError, OverflowError, OSError):
        return
    if ends < datetime.now(UTC):
        raise BadInput(
            f"the key for Label Studio is a personal access token that expired on {ends:%Y-%m-%d}. Make a new one "
            "(Account & Settings, Personal Access Token) and set LABEL_STUDIO_API_KEY to it."
        )


def _check_age(url: str, http: Any) -> None:
    import httpx

    try:
        release = str(http.get(f"{url}/api/version").json()["release"])
    except httpx.HTTPError as error:
        raise Unavailable(
            f"nothing answers at {url} ({type(error).__name__}). Is Label Studio running? "
            "`relaionet review serve` starts one."
        ) from None
    except (ValueError, KeyError, TypeError):
        raise BadInput(f"{url} answers, but is no Label Studio; check the address.") from None
    found = tuple(int(part) for part in re.findall(r"\d+", release)[:2])
    if found < OLDEST:
        raise BadInput(f"{url} is Label Studio {release}; 1.13 or later is needed.")
