"""The table of vApp properties: complete, consistent, and its checks."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitfusion_appliance import reference
from bitfusion_appliance.kinds import KINDS, netmask_menu
from bitfusion_appliance.properties import HOST, MASK, SERVER, check, table

ROWS = table()
BY_KEY = ROWS.by_key()
GUIDE = {
    "guestinfo.bitfusion.host.hostname",
    "guestinfo.bitfusion.server.vcenter-guid",
    "guestinfo.bitfusion.server.vcenter-url",
    "guestinfo.bitfusion.server.vcenter-username",
    "guestinfo.bitfusion.server.vcenter-password",
    "guestinfo.bitfusion.host.install_nvidia_packages",
    *(f"guestinfo.bitfusion.host.net1.{name}" for name in ("ipv4address", "netmask", "mtu", "gateway", "dns", "domain", "ntp")),
    *(f"guestinfo.bitfusion.host.net{n}.{name}" for n in (2, 3, 4) for name in ("configure", "ipv4address", "netmask", "mtu")),
}


def test_keys_of_the_guide() -> None:
    """Every key of the user guide, letter by letter, and no other claims to be one."""
    assert {row.key for row in ROWS.properties if row.since == "guide"} == GUIDE


def test_rows_are_complete() -> None:
    """Each key stands once, has a known kind and category, a label and a description; no placeholder is left."""
    assert len(BY_KEY) == len(ROWS.properties)
    for row in ROWS.properties:
        assert row.kind in KINDS
        assert row.category in {category.id for category in ROWS.categories}
        assert row.label
        assert row.description.endswith(".")
        assert "{" not in row.key + row.label + row.description
        assert row.since in {"guide", "addition"}


def test_every_category_is_used() -> None:
    """No heading of the form is empty."""
    assert all(ROWS.of(category) for category in ROWS.categories)


def test_defaults_are_valid() -> None:
    """A blank form has no problems, and installs and configures nothing."""
    values, problems = check({}, ROWS)

    assert problems == []
    assert values.get(HOST + "install_nvidia_packages") is False
    assert values.get(HOST + "net2.configure") is False


def test_passwords_are_secret() -> None:
    """What is called a password is hidden in every form."""
    assert {row.key for row in ROWS.properties if row.secret} == {row.key for row in ROWS.properties if "password" in row.key}


def test_menu_of_netmasks() -> None:
    """Items look as in the guide, and every item is accepted."""
    assert "24 (255.255.255.0)" in netmask_menu()
    assert [BY_KEY[HOST + "net1.netmask"].parse(item) for item in netmask_menu()] == list(range(8, 32))
    assert '"24 (255.255.255.0)"' in BY_KEY[HOST + "net1.netmask"].qualifiers


GOOD = [
    ("host.hostname", "gpu-Server-01", "gpu-Server-01"),
    ("host.net1.ipv4address", "192.168.200.111", IPv4Address("192.168.200.111")),
    ("host.net1.netmask", "24", 24),
    ("host.net1.netmask", "255.255.0.0", 16),
    ("host.net2.mtu", "9000", 9000),
    ("host.net2.configure", "True", True),
    ("host.net1.dns", "10.0.0.1, 10.0.0.2", (IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2"))),
    ("host.net1.domain", "example.com lab.example.com", ("example.com", "lab.example.com")),
    ("host.net1.ntp", "10.0.0.1;time.example.com", ("10.0.0.1", "time.example.com")),
    ("server.vcenter-url", "https://vcenter.example.com/ui/", "https://vcenter.example.com"),
    ("server.vcenter-url", "vcenter.example.com:8443", "https://vcenter.example.com:8443"),
    ("server.vcenter-thumbprint", "ab" * 20, ":".join(["AB"] * 20)),
    ("server.vcenter-guid", "2F1C0A52-6F0B-4A0E-9D57-0D9A3F6F7E21", "2f1c0a52-6f0b-4a0e-9d57-0d9a3f6f7e21"),
    ("host.customer_password", " 'a \"b$c` ", " 'a \"b$c` "),
]


@pytest.mark.parametrize("name,text,value", GOOD)
def test_good_values(name: str, text: str, value: object) -> None:
    """What people write is understood; a password is taken to the letter."""
    key = f"guestinfo.bitfusion.{name}"

    values, problems = check({key: text}, ROWS)

    assert (values.get(key), problems) == (value, [])


BAD = [
    ("host.hostname", "-gpu", "hyphen"),
    ("host.hostname", "gpu_1", "hostname"),
    ("host.hostname", "gpü", "hostname"),
    ("host.net1.ipv4address", "2001:db8::1", "IPv6 is not supported"),
    ("host.net1.ipv4address", "10.0.0.5/24", "netmask property"),
    ("host.net1.ipv4address", "127.0.0.1", "cannot be"),
    ("host.net1.netmask", "24 (255.255.0.0)", "contradicts"),
    ("host.net1.netmask", "255.0.255.0", "menu"),
    ("host.net1.netmask", "0", "menu"),
    ("host.net1.mtu", "65536", "576 to 9000"),
    ("host.net1.mtu", "jumbo", "576 to 9000"),
    ("host.net2.configure", "maybe", "True or False"),
    ("host.net1.dns", "10.0.0.1,fe80::1", "IPv6"),
    ("server.vcenter-url", "http://vcenter.example.com", "https://"),
    ("server.vcenter-url", "https://me:secret@vcenter.example.com", "https://"),
    ("server.vcenter-thumbprint", "12:34", "hexadecimal"),
    ("host.customer_password", "two\nlines", "printable"),
]


@pytest.mark.parametrize("name,text,reason", BAD)
def test_bad_values(name: str, text: str, reason: str) -> None:
    """A wrong value is missing, and the problem names its property and says how to mend it."""
    key = f"guestinfo.bitfusion.{name}"

    values, problems = check({key: text}, ROWS)

    assert values.get(key) in {None, False}
    assert [problem.key for problem in problems] == [key]
    assert reason in problems[0].reason


def test_problems_hide_secrets() -> None:
    """Neither a password nor the user part of an address is ever repeated."""
    _, problems = check({HOST + "customer_password": "canary\t", SERVER + "vcenter-url": "https://u:canary@host/"}, ROWS)

    assert len(problems) == 2
    assert MASK in str(problems[0])
    assert "canary" not in f"{problems}"


@given(st.dictionaries(st.sampled_from(sorted(BY_KEY)), st.text(max_size=40)))
def test_any_text(form: dict[str, str]) -> None:
    """Whatever is typed, each property ends as a value or as a problem, never as a crash."""
    values, problems = check(form, ROWS)

    for key in {problem.key for problem in problems}:
        assert values.get(key) is None


def test_reference_page_is_current(repository: Path) -> None:
    """The committed page is what the table says."""
    assert (repository / "docs/reference/vapp-properties.md").read_text() == reference.page(ROWS)
