import dataclasses

import pytest

from relaionet.evaluators.metrics.lookup import find_extra
from relaionet.evaluators.protocols import PROTOCOLS, check_comparable, check_made_alike, find_protocol
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import digest_of


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


def test_every_protocol_says_what_its_peer_does() -> None:
    adm, clean, ours = (find_protocol(name) for name in ("adm", "clean", "ours"))
    assert (adm.is_split_images, adm.is_seed, adm.extras) == (5000, 2020, ("sFID",))
    assert clean.real == clean.generated
    assert clean.size_px == ours.size_px == 299
    assert (clean.real.fit, ours.real.fit) == ("squash", "crop")
    assert clean.real.is_float
    assert find_protocol("paper").mmhm_raw


def test_the_same_name_with_other_weights_is_not_comparable() -> None:
    check_made_alike(["a", "a"])
    with pytest.raises(BadInput, match="different models or choices"):
        check_made_alike(["a", "b"])


@pytest.mark.parametrize("name", ["sFID", "neighbours", "FD:encoder:ViT-B-32/openai", "CMMD:my.py:make"])
def test_extra_metrics_are_found_by_name(name: str) -> None:
    assert find_extra(name).name == name


def test_an_unknown_extra_names_the_nearest() -> None:
    with pytest.raises(BadInput, match="Did you mean 'neighbours'"):
        find_extra("neighbors")
    with pytest.raises(BadInput, match="no extra metric"):
        find_extra("FD:")
