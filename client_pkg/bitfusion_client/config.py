"""Which servers this client may use: servers.conf in all its spellings, -s and -l."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bitfusion_client import files, yaml
from bitfusion_client.errors import InvalidConfiguration, NotConfigured, UsageError
from bitfusion_core.models import DEFAULT_MANAGER_PORT

SYSTEM_DIRECTORY = Path("/etc/bitfusion")
SERVERS_FILE = "servers.conf"
LIST_VARIABLE = "BITFUSION_SERVER_LIST"
MAX_FILE_BYTES = 1 << 20

_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}", re.ASCII)
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)


class Server(NamedTuple):
    """Address of a manager, and all addresses of that server where it is known to have several."""

    host: str
    port: int = DEFAULT_MANAGER_PORT
    addresses: tuple[Server, ...] = ()

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def ways(self) -> tuple[Server, ...]:
        """The addresses to try, the one that answered last before the others."""
        own = Server(self.host, self.port)
        return (own, *(address for address in self.addresses if address != own))

    def as_line(self) -> str:
        """As a line of servers.conf, where the default port is not written."""
        return self.host if self.port == DEFAULT_MANAGER_PORT else str(self)


def home() -> Path:
    """The user's configuration directory."""
    given = os.environ.get("BITFUSION_HOME")
    if given:
        return Path(given)
    # HOME may be unset (services, minimal containers): then only the system's files count.
    return Path(os.environ.get("HOME") or "/nonexistent") / ".bitfusion"


def checkout() -> Path | None:
    """The source checkout that we run from, if we do; installed packages look like one but for this file."""
    root = Path(__file__).resolve().parents[2]
    return root if (root / "pyproject.toml").is_file() else None


def is_ipv4(text: str) -> bool:
    """Whether this is a dotted IPv4 address."""
    return _IPV4.fullmatch(text) is not None


def parse_server(text: str) -> Server:
    """`ip`, `ip:port` or `ip port`; ValueError says what is wrong."""
    text = text.strip()
    if text.count(":") > 1 or text.startswith("["):
        raise ValueError(f"{text!r} is an IPv6 address; only IPv4 is supported")
    host, *rest = re.split(r"[:\s]\s*", text, maxsplit=1)
    if rest == [""]:
        raise ValueError(f"{text!r} has no port after the colon")
    if not _is_host(host):
        raise ValueError(f"{host!r} is not an IPv4 address")
    return Server(host, _parse_port(rest[0]) if rest else DEFAULT_MANAGER_PORT)


def _is_host(host: str) -> bool:
    # What is made of digits and dots is meant as an address, and must be a good one.
    return is_ipv4(host) or (_HOST_NAME.fullmatch(host) is not None and not re.fullmatch(r"[\d.]+", host))


def _parse_port(text: str) -> int:
    if not re.fullmatch(r"\d{1,5}", text, re.ASCII) or not 0 < int(text) < 65536:
        raise ValueError(f"{text!r} is not a port (1 to 65535)")
    return int(text)


def parse_server_list(text: str) -> tuple[Server, ...]:
    """The value of -l: `ip:port;ip:port`."""
    try:
        servers = _distinct(parse_server(item) for item in text.split(";") if item.strip())
    except ValueError as error:
        raise UsageError(f"--server_list: {error}", hint='Write it as "10.0.0.1:56001;10.0.0.2:56001", in quotes.') from None
    if not servers:
        raise UsageError("--server_list names no server", hint='Write it as "10.0.0.1:56001;10.0.0.2:56001", in quotes.')
    return servers


def parse_servers(text: str) -> tuple[Server, ...]:
    """The contents of a servers.conf; ValueError names the line."""
    if re.search(r"^servers\s*:", text, re.MULTILINE):
        return _distinct(_yaml_servers(yaml.parse(text)))
    return _distinct(_plain_servers(text))


def format_servers(servers: Iterable[Server]) -> str:
    """The plain spelling of servers.conf."""
    return "".join(f"{server.as_line()}\n" for server in servers)


def format_yaml_servers(servers: Iterable[Server]) -> str:
    """The YAML spelling, which keeps all addresses of a server."""
    lines = ["servers:"]
    for server in servers:
        lines += [f"- reachable: {server}", "  addresses:", *(f"  - {address}" for address in server.addresses or server.ways)]
    return "\n".join(lines) + "\n"


def keep_reachable(reached: Mapping[Server, Server]) -> None:
    """Write into servers.conf at which of its addresses a server has answered; a file that cannot be written is left alone."""
    path = first_existing(SERVERS_FILE)
    if path is None or all(server.ways[0] == way for server, way in reached.items()):
        return
    try:
        text = read_text(path)
        known = parse_servers(text)
        moved = [reached[server]._replace(addresses=server.addresses) if server in reached else server for server in known]
        if moved != list(known):
            files.backup(path, text)
            files.replace_text(path, format_yaml_servers(moved), path.stat().st_mode & 0o777)
    except (OSError, ValueError, InvalidConfiguration):
        pass  # It is tried anew next time.


def _plain_servers(text: str) -> Iterable[Server]:
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.partition("#")[0].strip()
        if not line:
            continue
        try:
            yield parse_server(line)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None


def _yaml_servers(document: Any) -> Iterable[Server]:
    entries = document.get("servers") if isinstance(document, dict) else None
    if entries is None:
        return
    if not isinstance(entries, list):
        raise ValueError("'servers' is not a list")  # noqa: TRY004 - the text is wrong, not a program
    for entry in entries:
        yield _yaml_server(entry)


def _yaml_server(entry: Any) -> Server:
    """One entry: `reachable` is the address that answered last, `addresses` are all of that server's networks."""
    if isinstance(entry, str):
        return parse_server(entry)
    addresses = entry.get("addresses") if isinstance(entry, dict) else None
    known = [parse_server(str(address)) for address in addresses] if isinstance(addresses, list) else []
    reachable = entry.get("reachable") if isinstance(entry, dict) else None
    if not known and not reachable:
        raise ValueError("an entry has neither 'reachable' nor 'addresses'")
    first = parse_server(reachable) if isinstance(reachable, str) and reachable else known[0]
    several = tuple(dict.fromkeys((*known, *([] if first in known else [first]))))
    return first._replace(addresses=several) if len(several) > 1 else first


def _distinct(servers: Iterable[Server]) -> tuple[Server, ...]:
    return tuple(dict.fromkeys(servers))


def read_text(path: Path) -> str:
    """A configuration file, or an error that says why it cannot be read."""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise InvalidConfiguration(f"cannot read {path}: it is larger than 1 MiB")
        return data.decode("utf-8")
    except OSError as error:
        raise InvalidConfiguration(f"cannot read {path}: {error.strerror}", hint="Check the path and its permissions.") from None
    except UnicodeDecodeError:
        raise InvalidConfiguration(f"cannot read {path}: it is not text in UTF-8") from None


def read_servers(path: Path) -> tuple[Server, ...]:
    """The servers in this file; at least one."""
    hint = "Each line is an IPv4 address, with a port if it is not 56001: '10.0.0.1' or '10.0.0.1:56003'."
    try:
        servers = parse_servers(read_text(path))
    except ValueError as error:
        raise InvalidConfiguration(f"cannot use {path}: {error}", hint=hint) from None
    if not servers:
        raise NotConfigured(f"no servers configured: {path} lists none", hint=hint)
    return servers


def first_existing(*names: str) -> Path | None:
    """The user's file before the system's; the names are spellings of one."""
    candidates: list[Path] = [folder / name for folder in (home(), SYSTEM_DIRECTORY) for name in names]
    for path in candidates:
        try:
            path.stat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            pass  # It is there but out of reach: reading it reports why.
        return path
    return None


def servers(file: str | None = None, listed: str | None = None) -> tuple[Server, ...]:
    """The servers to use: -l, else -s, else BITFUSION_SERVER_LIST, else servers.conf."""
    if listed is not None:
        return parse_server_list(listed)
    if file is not None:
        return read_servers(Path(file))
    if os.environ.get(LIST_VARIABLE):
        return parse_server_list(os.environ[LIST_VARIABLE])
    path = first_existing(SERVERS_FILE)
    if path is None:
        raise NotConfigured(f"no servers configured: neither {home() / SERVERS_FILE} nor {SYSTEM_DIRECTORY / SERVERS_FILE} exists")
    return read_servers(path)


def servers_origin() -> str:
    """Where `servers()` takes them from."""
    return LIST_VARIABLE if os.environ.get(LIST_VARIABLE) else str(first_existing(SERVERS_FILE))
