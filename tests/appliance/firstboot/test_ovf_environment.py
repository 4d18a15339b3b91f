"""The OVF environment is XML that the agent did not write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitfusion_appliance.firstboot import ovf_environment
from bitfusion_appliance.firstboot.ovf_environment import BadEnvironment
from bitfusion_appliance.properties import MASK
from tests.appliance.machine import MACS, environment

BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
FILE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


def test_adapters_by_unit_number() -> None:
    """vCenter lists adapters in any order; their unit numbers are the order of the form."""
    found = ovf_environment.parse(environment({}, MACS))

    assert [adapter.mac for adapter in found.adapters] == list(MACS)


@pytest.mark.parametrize("prefix", [BOMB, FILE])
def test_document_types_are_refused(prefix: str) -> None:
    """No entity is ever expanded, no file ever read."""
    body = environment({"host.hostname": "x"}).partition("?>")[2]

    with pytest.raises(BadEnvironment, match="document type"):
        ovf_environment.parse(prefix + body.replace('"x"', '"&b;"'))


@given(st.text(max_size=200) | st.text("<>/=&;\"' abE!?[]", max_size=200))
def test_garbage(text: str) -> None:
    """Refused with a reason, never a crash."""
    with pytest.raises(BadEnvironment):
        ovf_environment.parse(text)


def test_too_long() -> None:
    """A document of a size that no form has is not even parsed."""
    with pytest.raises(BadEnvironment, match="longer"):
        ovf_environment.parse(" " * (ovf_environment.LONGEST + 1))


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="￾￿"), min_size=1))
def test_masking(secret: str) -> None:
    """The secret goes, everything else stays, and a masked document needs no masking."""
    xml = environment({"a": secret, "b": "ü & <b>"}, MACS)
    before = ovf_environment.parse(xml)
    masked = ovf_environment.masked(xml, {"guestinfo.bitfusion.a"})
    if secret == MASK:
        assert masked is None
        return
    assert masked is not None

    after = ovf_environment.parse(masked)

    assert after.properties == {**before.properties, "guestinfo.bitfusion.a": MASK}
    assert after.adapters == before.adapters
    assert ovf_environment.masked(masked, {"guestinfo.bitfusion.a"}) is None
