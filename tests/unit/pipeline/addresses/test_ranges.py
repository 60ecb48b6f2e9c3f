from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relaionet.pipeline.addresses.ranges import (
    CLOUD,
    PRIVATE,
    cloud_addresses,
    explain_private,
    is_public,
    special_ranges,
)

CLOUDS = ["169.254.169.254", "192.0.0.192", "168.63.129.16", "100.100.100.200", "fd00:ec2::254", "fd20:ce::254"]


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.1.1", "0.0.0.0", "100.64.0.1", "224.0.0.1",
     "255.255.255.255", "192.0.0.1", "192.0.0.9", "192.88.99.1", "198.18.0.1", "198.51.100.7", "203.0.113.9",
     "240.0.0.1", "::1", "fe80::1%eth0", "fc00::1", "::ffff:127.0.0.1", "::", "::127.0.0.1", "64:ff9b::7f00:1",
     "64:ff9b:1::1",     "64:ff9b:1::808:808", "2002:7f00:1::", "fec0::1", "ff02::1", "2001::1", "2001:0:5ef5:79fb::1",
     "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1", "100::1", "100:0:0:1::1", "3fff::1", "3fff:fff::1",
     "5f00::1", "4000::1", "::ffff:0:808:808", "1::1"],
)  # fmt: skip
def test_special_addresses_are_not_public(address: str) -> None:
    assert explain_private(address) == PRIVATE
    assert explain_private(address, allow_private=True) is None


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "192.0.1.1", "192.31.196.1", "2606:4700:4700::1111",
                                     "::ffff:1.1.1.1", "64:ff9b::101:101", "2002:101:101::", "3ffe::1", "2001:200::1",
                                     "2620:4f:8000::1"])  # fmt: skip
def test_public_addresses(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", [*CLOUDS, "::ffff:169.254.169.254", "64:ff9b::a83f:8110", "2002:a83f:8110::1",
                                     "fe80::a9fe:a9fe%2", "2002:a9fe:a9fe::"])  # fmt: skip
def test_clouds_credentials_are_refused_even_where_private_addresses_are_allowed(address: str) -> None:
    assert explain_private(address) == explain_private(address, allow_private=True) == CLOUD


def test_the_tables_are_whole() -> None:
    assert set(map(ipaddress.ip_address, CLOUDS)) <= set(cloud_addresses())
    assert len(special_ranges()) == len({one.network for one in special_ranges()}) == 54
    assert all(one.source.startswith("RFC ") for one in special_ranges())


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_what_python_calls_private_is_never_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    """Python's own table, where it is stricter than the clouds and ranges here, has no address that we would ask."""
    inner = getattr(address, "sixtofour", None) or getattr(address, "ipv4_mapped", None)
    if is_public(address) and inner is None and address not in ipaddress.ip_network("64:ff9b::/96"):
        assert address.is_global or address in ipaddress.ip_network("192.88.99.0/24")
        assert not address.is_multicast


@pytest.mark.parametrize("one", special_ranges(), ids=lambda one: str(one.network))
def test_both_ends_of_a_range_are_judged(one) -> None:
    ends = (one.network.network_address, one.network.broadcast_address)
    if not one.reachable and one.network != ipaddress.ip_network("2002::/16"):
        assert not any(is_public(end) for end in ends if not getattr(end, "ipv4_mapped", None))
