import dataclasses

import pytest

from relaionet.evaluators.protocols import PROTOCOLS, check_comparable, find_protocol
from relaionet.manifests.errors import BadInput
from relaionet.manifests.store import digest_of


def test_names_of_protocols_are_their_keys_and_their_choices_differ() -> None:
    assert {name: protocol.name for name, protocol in PROTOCOLS.items()} == {name: name for name in PROTOCOLS}
    assert len({digest_of(protocol) for protocol in PROTOCOLS.values()}) == len(PROTOCOLS)


def test_the_name_fid_is_kept_for_inception() -> None:
    for protocol in PROTOCOLS.values():
        assert (protocol.fd_name == "FID") == (protocol.fd_extractor == "inception")


def test_a_protocol_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        find_protocol("paper").size_px = 64  # type: ignore[misc]


def test_unknown_protocol_names_the_nearest() -> None:
    with pytest.raises(BadInput, match="Did you mean 'miniature'"):
        find_protocol("minature")


def test_two_versions_of_one_protocol_are_not_comparable() -> None:
    one = find_protocol("paper")
    check_comparable([one, one])
    check_comparable([])
    with pytest.raises(BadInput, match="paper v1, paper v2"):
        check_comparable([one, dataclasses.replace(one, version="2")])
