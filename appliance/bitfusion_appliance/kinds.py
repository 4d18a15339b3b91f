"""Kinds of vApp property values: how a text from the form is checked, and what vCenter is told about it.

A parser takes a text that is not blank and returns the value, or raises ValueError that says what is wrong with it and how to write it.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address, NetmaskValueError, ip_network
from typing import Any
from urllib.parse import urlsplit

LOWEST_MTU, DEFAULT_MTU, HIGHEST_MTU = 576, 1500, 9000
LONGEST_SECRET = 128
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?", re.ASCII)
_HEXADECIMAL = re.compile(r"[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64}", re.ASCII)
_MENU_ITEM = re.compile(r"(\d{1,2})(?:\s*\(([\d.]+)\))?", re.ASCII)
_LONGEST_NAME = 253
_PREFIXES = range(8, 32)


@dataclass(frozen=True)
class Kind:
    """A row: OVF type and qualifiers (DSP0243, 9.5.1) and the check at first boot."""

    ovf_type: str
    parse: Callable[[str], Any]
    qualifiers: str = ""
    secret: bool = False


def netmask_menu() -> list[str]:
    """Items of the drop-down menu, as `24 (255.255.255.0)`."""
    return [_menu_item(prefix) for prefix in _PREFIXES]


def _menu_item(prefix: int) -> str:
    return f"{prefix} ({ip_network(f'0.0.0.0/{prefix}').netmask})"


def _hostname(text: str) -> str:
    if not _LABEL.fullmatch(text):
        raise ValueError("a hostname has up to 63 letters A-Z, digits and hyphens, and does not begin or end with a hyphen")
    return text


def _domain(text: str) -> str:
    name = text.rstrip(".")
    if len(name) > _LONGEST_NAME or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise ValueError(f"{text!r} is not a domain name, such as example.com")
    return name


def _host(text: str) -> str:
    """An address or a name; digits and dots only are meant as an address."""
    return str(_ipv4(text)) if ":" in text or not re.search("[A-Za-z]", text) else _domain(text)


def _boolean(text: str) -> bool:
    values = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    if text.lower() not in values:
        raise ValueError("the switch is either True or False")
    return values[text.lower()]


def _ipv4(text: str) -> IPv4Address:
    try:
        address = IPv4Address(text)
    except AddressValueError:
        raise ValueError("IPv6 is not supported; give an IPv4 address" if _is_ipv6(text) else _not_an_address(text)) from None
    if address.is_unspecified or address.is_multicast or address.is_loopback or address.is_reserved:
        raise ValueError(f"{text} cannot be the address of a machine")
    return address


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text.partition("/")[0])
    except AddressValueError:
        return False
    return True


def _not_an_address(text: str) -> str:
    hint = "; the prefix length belongs into the netmask property" if "/" in text else ""
    return f"{text!r} is not an IPv4 address, such as 192.168.200.111{hint}"


def _netmask(text: str) -> int:
    """An item of the menu, its number alone, or the mask alone."""
    match = _MENU_ITEM.fullmatch(text)
    prefix = int(match[1]) if match else _prefix_of(text)
    if prefix is None or prefix not in _PREFIXES:
        raise ValueError(f"{text!r} is not a netmask; choose one from the menu, such as '24 (255.255.255.0)'")
    if match and match[2] and _menu_item(prefix) != f"{match[1]} ({match[2]})":
        raise ValueError(f"{text!r} contradicts itself; choose an item of the menu, such as {_menu_item(prefix)!r}")
    return prefix


def _prefix_of(mask: str) -> int | None:
    try:
        network = ip_network(f"0.0.0.0/{mask}")
    except (NetmaskValueError, ValueError):
        return None
    return network.prefixlen if str(network.netmask) == mask else None


def _mtu(text: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", text) or not LOWEST_MTU <= int(text) <= HIGHEST_MTU:
        raise ValueError(f"{text!r} is not an MTU; give a number from {LOWEST_MTU} to {HIGHEST_MTU}, or leave it blank for {DEFAULT_MTU}")
    return int(text)


def _guid(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise ValueError(f"{text!r} is not a GUID, such as 2f1c0a52-6f0b-4a0e-9d57-0d9a3f6f7e21") from None


def _url(text: str) -> str:
    """`https://host[:port]`; a bare host is completed, a path such as /ui or /sdk is dropped."""
    parts = urlsplit(text if "://" in text else f"https://{text}")
    if parts.scheme != "https" or not parts.hostname or parts.username is not None:
        raise ValueError(f"{without_user(text)!r} is not an address of a vCenter Server, such as https://vcenter.example.com")
    port = f":{parts.port}" if parts.port not in {None, 443} else ""
    return f"https://{_host(parts.hostname)}{port}"


def without_user(text: str) -> str:
    """An address without the part before @, which may hold a password."""
    return re.sub(r"//[^/@]*@", "//…@", text)


def _username(text: str) -> str:
    if not text.isprintable() or len(text) > LONGEST_SECRET:
        raise ValueError(f"a user name has up to {LONGEST_SECRET} printable characters")
    return text


def _password(text: str) -> str:
    if not text.isprintable() or len(text) > LONGEST_SECRET:
        raise ValueError(f"a password has up to {LONGEST_SECRET} printable characters")
    return text


def _thumbprint(text: str) -> str:
    """Pairs of hexadecimal digits with colons, in capitals."""
    digits = re.sub("[: ]", "", text)
    if not _HEXADECIMAL.fullmatch(digits):
        raise ValueError("a thumbprint has 64 (SHA-256) or 40 (SHA-1) hexadecimal digits, with or without colons")
    return ":".join(re.findall("..", digits.upper()))


def _list_of(parse: Callable[[str], Any]) -> Callable[[str], tuple[Any, ...]]:
    return lambda text: tuple(parse(item) for item in re.split(r"[,;\s]+", text) if item)


KINDS: dict[str, Kind] = {
    # OVF has qualifiers for lengths, ranges and menus only; patterns are checked at first boot.
    "hostname": Kind("string", _hostname, "MaxLen(63)"),
    "boolean": Kind("boolean", _boolean),
    "ipv4": Kind("string", _ipv4, "MaxLen(15)"),
    # The first item is blank: with DHCP there is nothing to choose.
    "netmask": Kind("string", _netmask, "ValueMap{" + ", ".join(f'"{item}"' for item in ("", *netmask_menu())) + "}"),
    # A number cannot be left blank in vCenter, so this has a default.
    "mtu": Kind("uint16", _mtu, f"MinValue({LOWEST_MTU}),MaxValue({HIGHEST_MTU})"),
    "guid": Kind("string", _guid, "MaxLen(36)"),
    "url": Kind("string", _url, "MaxLen(255)"),
    "username": Kind("string", _username, f"MaxLen({LONGEST_SECRET})"),
    "password": Kind("string", _password, f"MaxLen({LONGEST_SECRET})", secret=True),
    "thumbprint": Kind("string", _thumbprint, "MaxLen(95)"),
    "ipv4list": Kind("string", _list_of(_ipv4), "MaxLen(255)"),
    "domainlist": Kind("string", _list_of(_domain), "MaxLen(1024)"),
    "hostlist": Kind("string", _list_of(_host), "MaxLen(1024)"),
}
