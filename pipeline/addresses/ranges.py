"""Which IP addresses are servers of the public web, by a table of our own: what Python knows changes with its patches.

The tables beside this file: IANA's registries of special-purpose addresses, and the addresses at which clouds hand out
a machine's credentials.
"""

from __future__ import annotations

import ipaddress
from functools import cache
from importlib.resources import files
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import NamedTuple

CLOUD, PRIVATE = "the metadata address of a cloud", "a private address"
NAT64 = IPv6Network("64:ff9b::/96")
SIX_TO_FOUR = IPv6Network("2002::/16")
# the only IPv6 addresses IANA has given out for hosts; whatever lies outside is translated, local or not in use
UNICAST = IPv6Network("2000::/3")


class SpecialRange(NamedTuple):
    """A block of addresses with a purpose of its own.

    Attributes:
        network: the block.
        name: its purpose, as the registry calls it.
        source: where that is laid down.
        reachable: the registry calls it globally reachable.
    """

    network: IPv4Network | IPv6Network
    name: str
    source: str
    reachable: bool


def _read_table(name: str) -> list[list[str]]:
    text = files("relaionet.pipeline.addresses").joinpath(name).read_text(encoding="utf-8")
    return [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")][1:]


@cache
def special_ranges() -> tuple[SpecialRange, ...]:
    """IANA's special-purpose ranges."""
    rows = _read_table("special_ranges.tsv")
    return tuple(
        SpecialRange(ipaddress.ip_network(block), name, source, reachable == "yes")
        for block, name, source, reachable in rows
    )


@cache
def cloud_addresses() -> dict[IPv4Address | IPv6Address, str]:
    """Metadata addresses of clouds -> what is there."""
    return {ipaddress.ip_address(address): name for address, name, _ in _read_table("cloud_addresses.tsv")}


def explain_private(address: str | IPv4Address | IPv6Address, *, allow_private: bool = False) -> str | None:
    """Why an IP address may not be asked; None where anyone on the internet may ask it.

    An IPv6 address that stands for an IPv4 one (mapped, NAT64, 6to4) is judged by that one. A range within one that is
    not reachable is not reachable either, whatever the registry says of it: what is there answers to the network one
    is in, such as a router.

    Args:
        address: one, as text with or without a zone.
        allow_private: only the clouds' metadata addresses are refused.
    """
    parsed = ipaddress.ip_address(address.partition("%")[0]) if isinstance(address, str) else address
    if parsed in cloud_addresses():
        return CLOUD
    inner = _inner(parsed)
    if inner is not None:
        return explain_private(inner, allow_private=allow_private)
    if allow_private:
        return None
    unused = isinstance(parsed, IPv6Address) and parsed not in UNICAST
    if unused or any(not one.reachable and parsed in one.network for one in special_ranges()):
        return PRIVATE
    return None


def _inner(address: IPv4Address | IPv6Address) -> IPv4Address | None:
    """The IPv4 address an IPv6 one stands for."""
    if isinstance(address, IPv4Address):
        return None
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    if address in SIX_TO_FOUR:
        return IPv4Address(int(address) >> 80 & 0xFFFFFFFF)
    return address.ipv4_mapped


def is_public(address: str | IPv4Address | IPv6Address) -> bool:
    """True for an address anyone on the internet may ask; false for loopback, private, link-local and the like."""
    return explain_private(address) is None
