"""File systems on servers: web, S3 and the Hugging Face Hub, all spoken to through fsspec.

Credentials come from the environment alone (AWS_*, HF_TOKEN); AWS_ENDPOINT_URL and HF_ENDPOINT name other servers.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from typing import Any

CONNECT_S, READ_S = 30, 120


def file_system(scheme: str) -> Any:
    """The fsspec file system of a scheme, for what the environment says now."""
    makers: dict[str, Callable[[], Any]] = {
        "http": _web, "https": _web, "s3": lambda: _s3(*_s3_setting()), "hf": lambda: _hub(*_hub_setting()),
    }  # fmt: skip
    return makers[scheme]()


@cache
def _web() -> Any:
    import aiohttp
    from fsspec.implementations.http import HTTPFileSystem

    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=READ_S)
    return HTTPFileSystem(client_kwargs={"trust_env": True, "timeout": timeout}, skip_instance_cache=True)


def _s3_setting() -> tuple[str | None, str | None, bool]:
    said = os.environ.get
    endpoint = said("AWS_ENDPOINT_URL_S3") or said("AWS_ENDPOINT_URL")
    region = said("AWS_REGION") or said("AWS_DEFAULT_REGION")
    keys = ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
    return endpoint, region, not any(said(key) for key in keys)


@cache
def _s3(endpoint: str | None, region: str | None, anonymous: bool) -> Any:
    from fsspec.implementations.arrow import ArrowFSWrapper
    from pyarrow.fs import S3FileSystem

    # without a region the library would ask Amazon for the bucket's, whatever the endpoint
    region = region or ("us-east-1" if endpoint else None)
    options = {"endpoint_override": endpoint, "region": region, "anonymous": anonymous}
    given = {key: value for key, value in options.items() if value is not None}
    return ArrowFSWrapper(S3FileSystem(**given, connect_timeout=CONNECT_S, request_timeout=READ_S))


def _hub_setting() -> tuple[str | None, str | None]:
    return os.environ.get("HF_ENDPOINT"), os.environ.get("HF_TOKEN")


@cache
def _hub(endpoint: str | None, token: str | None) -> Any:
    from huggingface_hub import HfFileSystem

    return HfFileSystem(endpoint=endpoint, token=token, skip_instance_cache=True)
