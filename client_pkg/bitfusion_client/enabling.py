"""The ways in which a client gets its token: an archive, a folder of mounted secrets, or the guestinfo of its virtual machine.

Each carries the same three files: `ca.crt`, `client.yaml` and `servers.conf`.
"""

from __future__ import annotations

import base64
import binascii
import io
import os
import shutil
import ssl
import subprocess
import tarfile
from pathlib import Path
from typing import NamedTuple

from bitfusion_client import config, files, log, yaml
from bitfusion_client.errors import InvalidConfiguration, NotConfigured
from bitfusion_client.identity import valid_token

GUESTINFO = "guestinfo.bitfusion.client.accesstoken"
MAX_BYTES = 1 << 20
_TOOL_TIMEOUT_S = 10
_SECRET_PREFIX = "bitfusion-client-secret-"  # noqa: S105 - a file name
_AGAIN = "Ask the administrator for a new token file."


class TokenFiles(NamedTuple):
    """The contents of the three files, checked."""

    ca_crt: str
    client_yaml: str
    servers_conf: str


def from_archive(data: bytes) -> TokenFiles:
    """The files of a downloaded token, a tar archive."""
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:*") as archive:
            found = {}
            for member in archive:
                content = archive.extractfile(member) if member.isfile() and member.size <= MAX_BYTES else None
                if content is not None:
                    found[os.path.basename(member.name)] = content.read()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise InvalidConfiguration(f"the token file is no tar archive: {error}", hint=_AGAIN) from None
    return _checked(found)


def from_folder(folder: Path) -> TokenFiles:
    """The files of a folder, such as secrets that Kubernetes has mounted."""
    try:
        found = {path.name: path.read_bytes()[: MAX_BYTES + 1] for path in folder.iterdir() if path.is_file()}
    except OSError as error:
        raise InvalidConfiguration(f"cannot read {folder}: {error.strerror}") from None
    return _checked(found)


def from_guestinfo() -> TokenFiles | None:
    """What the virtual machine's host has set for it; None without a host, or when nothing is set."""
    text = _ask_host()
    if not text:
        return None
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise InvalidConfiguration(f"{GUESTINFO} is not base64", hint="Enable this client again.") from None
    return from_archive(data)


def install(given: TokenFiles, folder: Path) -> None:
    """Write the files below this folder; what was there is kept under a dated name."""
    try:
        (folder / "tls").mkdir(mode=0o755, parents=True, exist_ok=True)
        _put(folder / "tls" / "ca.crt", given.ca_crt, 0o644)
        _put(folder / "client.yaml", given.client_yaml, 0o640 if folder == config.SYSTEM_DIRECTORY else 0o600)
        _put(folder / "servers.conf", given.servers_conf, 0o644)
    except OSError as error:
        raise InvalidConfiguration(f"cannot write {error.filename or folder}: {error.strerror}", hint="Check its permissions.") from None
    if folder == config.SYSTEM_DIRECTORY:
        _give_to_group(folder / "client.yaml")


def wanted() -> bool:
    """Whether one of the files is missing altogether, rather than faulty."""
    return config.first_existing("client.yaml", "client.yml") is None or config.first_existing(config.SERVERS_FILE) is None


def enable_by_guestinfo() -> bool:
    """Enable this client if its host has a token for it; whether it had."""
    given = from_guestinfo()
    if given is None:
        return False
    install(given, config.home())
    log.info(f"Enabled this client with the token of its virtual machine; see {config.home()}")
    return True


def _checked(found: dict[str, bytes]) -> TokenFiles:
    names = {name.removeprefix(_SECRET_PREFIX): data for name, data in found.items()}
    ca, client, servers = names.get("ca.crt"), names.get("client.yaml", names.get("client.yml")), names.get("servers.conf")
    if ca is None or client is None or servers is None:
        raise InvalidConfiguration("ca.crt, client.yaml and servers.conf are needed, and not all of them are there", hint=_AGAIN)
    try:
        given = TokenFiles(ca.decode(), client.decode(), servers.decode())
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=given.ca_crt)
        if not config.parse_servers(given.servers_conf):
            raise ValueError("servers.conf lists no server")
        identity = yaml.parse(given.client_yaml)
        if not isinstance(identity, dict) or not valid_token(identity.get("access_token")):
            raise ValueError("client.yaml has no access_token")
    except (ssl.SSLError, ValueError) as error:
        raise InvalidConfiguration(f"the token cannot be used: {error}", hint=_AGAIN) from None
    return given


def _put(path: Path, text: str, mode: int) -> None:
    if path.exists():
        before = config.read_text(path)
        if before == text:
            return
        files.backup(path, before)
    files.replace_text(path, text, mode)


def _give_to_group(path: Path) -> None:
    """The members of the group may read the system's token."""
    try:
        shutil.chown(path, group="bitfusion")
    except (LookupError, PermissionError) as error:
        log.warn(f"Cannot give {path} to the group bitfusion ({error}); only root can use it")


def _ask_host() -> str:
    question = f"info-get {GUESTINFO}"
    for tool, arguments in (("vmtoolsd", ["--cmd", question]), ("vmware-rpctool", [question])):
        path = shutil.which(tool)
        if path is None:
            continue
        try:
            done = subprocess.run([path, *arguments], check=False, capture_output=True, timeout=_TOOL_TIMEOUT_S)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0:
            return done.stdout.decode("ascii", errors="replace").strip()
    return ""


def require(given: TokenFiles | None) -> TokenFiles:
    """The files, or an error that says what to do."""
    if given is None:
        raise NotConfigured(
            f"no token: the host of this machine has set no {GUESTINFO}",
            hint="Enable the client on this virtual machine in vCenter, or use a token file: bitfusion token install FILE.tar",
        )
    return given
