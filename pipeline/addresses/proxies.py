"""Proxies of the environment: which one the web is asked through, and that none stands before this machine's own ports.

http_proxy, https_proxy, all_proxy and no_proxy, in lower or upper case; the lower case counts where both are set.
"""

from __future__ import annotations

import ipaddress
import os
import urllib.request
from collections.abc import MutableMapping

from relaionet.manifests.errors import BadInput
from relaionet.pipeline.addresses.parse import RefusedUrl, WebAddress, parse_url, read_host

# hosts of which httpx, aiohttp, gRPC and urllib are told not to ask a proxy
LOOPBACK = ("localhost", "127.0.0.1", "::1")
SCHEMES = ("http", "https", "all")


def web_proxies() -> dict[str, str]:
    """Scheme (http, https) -> the proxy of the environment it is asked through, where there is one.

    What `all_proxy` names counts for both, unless it is of a kind that is not spoken here (SOCKS).

    Raises:
        BadInput: http_proxy or https_proxy names something that is no proxy for HTTP.
    """
    found = urllib.request.getproxies()
    proxies = {scheme: found[scheme] for scheme in ("http", "https") if found.get(scheme)}
    for scheme, proxy in proxies.items():
        read_proxy(proxy, f"{scheme}_proxy of the environment")
    shared = found.get("all", "")
    if shared and shared.partition("://")[0].lower() in ("http", "https", shared.lower()):
        read_proxy(shared, "all_proxy of the environment")
        proxies = {"http": shared, "https": shared} | proxies
    return proxies


def read_proxy(text: str, what: str) -> WebAddress:
    """The address of a proxy, without the name and password it may hold.

    Args:
        text: `http://[name:password@]host:port`, or without the scheme.
        what: where it was set, shown in the error.

    Raises:
        BadInput: it is no such address; the error shows no password.
    """
    scheme, slashes, rest = text.strip().rpartition("://")
    place = rest.rpartition("@")[2]
    try:
        return parse_url(f"{scheme if slashes else 'http'}://{place}")
    except RefusedUrl as error:
        raise BadInput(f"{what} '{scheme}{slashes}{place:.200}': expected http://host:port ({error}).") from None


def is_loopback(host: str | None) -> bool:
    """True for a host that is this machine, so that no proxy can know it better."""
    try:
        host = read_host(host or "") if ":" not in (host or "") else host
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except (RefusedUrl, ValueError):
        return False


def spare_loopback(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let no proxy of the environment stand between this machine and itself: servers started here are asked directly.

    Adds the names of loopback to no_proxy, in both cases, for this process and those it starts; without a proxy in the
    environment nothing is changed.

    Args:
        environment: is changed in place.
    """
    if not any(environment.get(f"{one}_proxy") or environment.get(f"{one}_proxy".upper()) for one in SCHEMES):
        return
    told = ",".join(environment.get(name, "") for name in ("no_proxy", "NO_PROXY"))
    names = dict.fromkeys(name for name in (*map(str.strip, told.split(",")), *LOOPBACK) if name)
    environment["no_proxy"] = environment["NO_PROXY"] = "*" if "*" in names else ",".join(names)
