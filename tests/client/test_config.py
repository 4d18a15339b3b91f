from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitfusion_client import config
from bitfusion_client.config import Server
from bitfusion_client.errors import InvalidConfiguration, NotConfigured, UsageError

OCTET = st.integers(0, 255)
SERVERS = st.builds(
    Server, st.builds("{}.{}.{}.{}".format, OCTET, OCTET, OCTET, OCTET), st.integers(1, 65535) | st.just(56001), st.just(())
)

SPELLINGS = {
    "plain": "172.31.51.20\n172.31.51.26:56003\n172.31.51.42 56003\n",
    "comments": "# ours\n\n  172.31.51.20   # the first\r\n172.31.51.26:56003\n172.31.51.42\t56003",
    "yaml": """servers:
- reachable: 172.31.51.20:56001
  addresses:
  - 172.31.51.20:56001
  - 10.0.0.20:56001
- reachable: 172.31.51.26:56003
  addresses: # all networks
  - "172.31.51.26:56003"
- addresses:
    - 172.31.51.42:56003
""",
    "indented yaml": "---\nservers:\n  - reachable: '172.31.51.20'\n  -\n    reachable: 172.31.51.26:56003\n  - 172.31.51.42:56003\n",
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_spellings(name: str) -> None:
    """All spellings of the guide and the product name the same servers."""
    expected = (Server("172.31.51.20", 56001), Server("172.31.51.26", 56003), Server("172.31.51.42", 56003))

    found = config.parse_servers(SPELLINGS[name].replace("\t", " ") if name != "comments" else SPELLINGS[name])
    assert tuple(server.ways[0] for server in found) == expected


@given(st.lists(SERVERS, min_size=1, max_size=8, unique=True))
def test_round_trip(servers: list[Server]) -> None:
    """What is written is read back, in each spelling."""
    yaml = "servers:\n" + "".join(f"- reachable: {server}\n  addresses:\n  - {server}\n" for server in servers)

    assert config.parse_servers(config.format_servers(servers)) == tuple(servers)
    assert config.parse_servers(yaml) == tuple(servers)
    assert config.parse_server_list(";".join(map(str, servers))) == tuple(servers)


def test_default_port_is_not_written() -> None:
    """As in the guide's example."""
    assert config.format_servers([Server("10.0.0.1"), Server("10.0.0.2", 56003)]) == "10.0.0.1\n10.0.0.2:56003\n"


@given(st.text(max_size=200))
def test_any_text_is_servers_or_an_error(text: str) -> None:
    """No input makes the reader fail in another way."""
    try:
        servers = config.parse_servers(text)
    except ValueError:
        return
    assert all(isinstance(server, Server) for server in servers)


BAD = {
    "10.0.0.300": "'10.0.0.300' is not an IPv4 address",
    "10.0.0": "'10.0.0' is not an IPv4 address",
    "10.0.0.1:0": "'0' is not a port",
    "10.0.0.1:65536": "'65536' is not a port",
    "10.0.0.1:": "has no port after the colon",
    "10.0.0.1:http": "'http' is not a port",
    "10.0.0.1 56001 extra": "'56001 extra' is not a port",
    "fe80::1": "is an IPv6 address; only IPv4 is supported",
    "[fe80::1]:56001": "is an IPv6 address; only IPv4 is supported",
    "-gpu.example": "'-gpu.example' is not an IPv4 address",
}


@pytest.mark.parametrize("line", BAD)
def test_bad_lines_are_named(line: str, tmp_path: Path) -> None:
    """The file, the line and the reason are in the message."""
    path = tmp_path / "servers.conf"
    path.write_text(f"10.0.0.1\n{line}\n")

    with pytest.raises(InvalidConfiguration) as caught:
        config.read_servers(path)

    assert caught.value.detail.startswith(f"cannot use {path}: line 2: ")
    assert BAD[line] in caught.value.detail


@pytest.mark.parametrize("text", ["", "# nothing\n", "servers:\n"])
def test_no_servers(text: str, tmp_path: Path) -> None:
    """A file without servers is its own error."""
    path = tmp_path / "servers.conf"
    path.write_text(text)

    with pytest.raises(NotConfigured, match="lists none"):
        config.read_servers(path)


@pytest.mark.parametrize(
    "text", ["servers: 10.0.0.1\n", "servers:\n- reachable: {a: b}\n", "servers:\n- addresses: []\n", "servers:\n\t- x\n"]
)
def test_bad_yaml(text: str, tmp_path: Path) -> None:
    """YAML that is not a list of servers, or beyond what we read, is refused."""
    path = tmp_path / "servers.conf"
    path.write_text(text)

    with pytest.raises(InvalidConfiguration, match=r"cannot use .*servers.conf"):
        config.read_servers(path)


def test_not_text(tmp_path: Path) -> None:
    """Bytes that are not UTF-8, and files that cannot be read, are refused by name."""
    path = tmp_path / "servers.conf"
    path.write_bytes(b"\xff\xfe")

    with pytest.raises(InvalidConfiguration, match="not text in UTF-8"):
        config.read_servers(path)
    with pytest.raises(InvalidConfiguration, match="Is a directory"):
        config.read_servers(tmp_path)


def test_user_before_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's file wins; without it the system's counts; without both the error names them."""
    monkeypatch.setattr(config, "SYSTEM_DIRECTORY", tmp_path / "etc")
    monkeypatch.setenv("BITFUSION_HOME", str(tmp_path / "home"))
    with pytest.raises(NotConfigured, match="no servers configured"):
        config.servers()

    for name, address in (("etc", "10.0.0.1"), ("home", "10.0.0.2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "servers.conf").write_text(address)
        assert config.servers() == (Server(address),)


def test_no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without HOME the system's file is used."""
    monkeypatch.delenv("BITFUSION_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(config, "SYSTEM_DIRECTORY", tmp_path)
    (tmp_path / "servers.conf").write_text("10.0.0.1")

    assert config.servers() == (Server("10.0.0.1"),)


@pytest.mark.parametrize("text", ["", ";", "10.0.0.1;nonsense:x", "fe80::1"])
def test_bad_server_list(text: str) -> None:
    """-l that names no server, or a wrong one."""
    with pytest.raises(UsageError, match="--server_list"):
        config.parse_server_list(text)
