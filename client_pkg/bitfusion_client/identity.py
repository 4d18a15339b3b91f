"""Who this client is: the token, the id claimed at first use, and the certificate authority it trusts."""

from __future__ import annotations

import os
import pwd
import re
from pathlib import Path
from typing import NamedTuple

from bitfusion_client import config, files, log, yaml
from bitfusion_client.errors import InvalidConfiguration, NotConfigured

_CLIENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}", re.ASCII)
_TOKEN = re.compile(r"[\x21-\x7e]{1,4096}", re.ASCII)


class Identity(NamedTuple):
    """The contents of client.yaml and where they came from."""

    path: Path
    token: str
    ca_file: Path
    client_id: str | None = None

    @property
    def assign_id(self) -> str | None:
        """The public part of the token, by which administrators know it."""
        head, separator, _ = self.token.partition(".")
        return head if separator else None

    @property
    def masked_token(self) -> str:
        """For people to see."""
        return f"{self.assign_id}.***" if self.assign_id else "***"


def load() -> Identity:
    """The identity of this client, or an error that says what is missing."""
    path = config.first_existing("client.yaml", "client.yml")
    if path is None:
        raise NotConfigured(
            f"no access token: neither {config.home() / 'client.yaml'} nor {config.SYSTEM_DIRECTORY / 'client.yaml'} exists"
        )
    fields = _read_fields(path)
    token = fields.get("access_token")
    if not isinstance(token, str) or not valid_token(token):
        raise NotConfigured(f"no access token: {path} has no usable 'access_token'")
    client_id = fields.get("client_id") or None
    if client_id is not None and not valid_client_id(client_id):
        raise InvalidConfiguration(f"cannot use {path}: 'client_id' is not an id", hint=f"Remove the line: rm or edit {path}.")
    return Identity(path, token, _find_ca(path, fields.get("ca_file")), None if client_id is None else str(client_id))


def valid_client_id(value: object) -> bool:
    """Whether this can be a client's id."""
    return isinstance(value, str) and _CLIENT_ID.fullmatch(value) is not None


def valid_token(value: object) -> bool:
    """Whether this can be an access token."""
    return isinstance(value, str) and _TOKEN.fullmatch(value) is not None


def _read_fields(path: Path) -> dict[str, object]:
    try:
        document = yaml.parse(config.read_text(path))
    except yaml.YamlError as error:
        raise InvalidConfiguration(f"cannot use {path}: {error}") from None
    if document is not None and not isinstance(document, dict):
        raise InvalidConfiguration(f"cannot use {path}: it is not a list of 'key: value' lines")
    return document or {}


def _find_ca(client_yaml: Path, given: object) -> Path:
    if given:
        named = client_yaml.parent / str(given)
        if not named.is_file():
            raise NotConfigured(f"no certificate authority: {client_yaml} names {named}, which does not exist")
        return named
    # Beside client.yaml is where a mounted secret has it.
    candidates = (config.home() / "tls" / "ca.crt", client_yaml.parent / "ca.crt", config.SYSTEM_DIRECTORY / "tls" / "ca.crt")
    for path in candidates:
        if path.is_file():
            return path
    raise NotConfigured(f"no certificate authority: neither {candidates[0]} nor {candidates[-1]} exists")


def keep_client_id(identity: Identity, client_id: str) -> Identity:
    """Write a newly claimed id into client.yaml; a file that cannot be written is left alone, the id then holds for this run."""
    claimed = identity._replace(client_id=client_id)
    try:
        text = config.read_text(identity.path)
        lines = [line for line in text.splitlines() if not re.match(r"client_id\s*:", line)]
        files.backup(identity.path, text)
        mode = identity.path.stat().st_mode & 0o777
        files.replace_text(identity.path, "\n".join([*lines, f"client_id: {client_id}"]) + "\n", mode)
    except OSError as error:
        log.warn(f"Cannot write the client id to {identity.path}: {error.strerror}; it is asked for again next time")
    return claimed


def user_name() -> str:
    """Name of the user who runs the command."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())  # Containers run with ids that have no account.
