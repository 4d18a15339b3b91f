"""`bitfusion token …` on a server: list, create, download, edit, activate, deactivate and delete access tokens."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bitfusion_core.errors import InvalidValue
from bitfusion_server.commands import local
from bitfusion_server.commands.local import LocalManager
from bitfusion_server.store.base import Role


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    arguments = _parser().parse_args(words)

    def command() -> None:
        with local.manager(arguments.data, "token") as manager:
            arguments.do(manager, arguments)

    return local.run(command)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bitfusion token", description="Manage the access tokens of this server.")
    local.add_data_option(parser)
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")
    listing = _verb(verbs, "list", _list, "list all tokens")
    listing.add_argument("--json", action="store_true", help="as JSON")
    create = _verb(verbs, "create", _create, "create a token")
    create.add_argument("--role", default=Role.CLIENT.value, choices=[role.value for role in Role], help="what it is for (default client)")
    create.add_argument("--description", default="", metavar="TEXT", help="whose it is")
    create.add_argument("--days", type=int, metavar="N", help="how long it is good")
    create.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="write the files that enable a client to FILE instead of printing the token"
    )
    download = _verb(verbs, "download", _download, "write the files that enable a client", "id")
    download.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: ID.tar")
    edit = _verb(verbs, "edit", _edit, "change description or expiry", "id")
    edit.add_argument("--description", metavar="TEXT")
    edit.add_argument("--expires", metavar="DATE", help="such as 2030-12-31, or never")
    _verb(verbs, "activate", lambda manager, given: _change(manager, given.id, {"active": True}), "make a token good again", "id")
    _verb(verbs, "deactivate", lambda manager, given: _change(manager, given.id, {"active": False}), "allow nothing new with it", "id")
    _verb(verbs, "delete", _delete, "delete a token and cut off what runs with it", "id")
    return parser


def _verb(verbs: Any, name: str, do: Any, text: str, *positional: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text.capitalize() + ".")
    for argument in positional:
        parser.add_argument(argument, metavar=argument.upper())
    local.add_data_option(parser, again=True)
    parser.set_defaults(do=do)
    return parser


def _list(manager: LocalManager, given: argparse.Namespace) -> None:
    tokens = manager.json("GET", "/v1/tokens")["tokens"]
    if given.json:
        print(json.dumps(tokens, indent=2))
        return
    rows = [
        (t["id"], t["role"], "yes" if t["active"] else "no", local.moment(t["created_at"]), local.moment(t["expires_at"]), t["description"])
        for t in tokens
        if t["id"] != manager.token.partition(".")[0]  # its own, which is gone in a moment
    ]
    print(local.table(("ASSIGN ID", "ROLE", "ACTIVE", "CREATED", "EXPIRES", "DESCRIPTION"), rows))


def _create(manager: LocalManager, given: argparse.Namespace) -> None:
    body = {"role": given.role, "description": given.description, "lifetime_days": given.days}
    created = manager.json("POST", "/v1/tokens", body)
    if given.output is None:
        print(created["text"])
    else:
        _write(given.output, manager.bytes("GET", f"/v1/tokens/{created['token']['id']}/download"))


def _download(manager: LocalManager, given: argparse.Namespace) -> None:
    _write(given.output or Path(f"{given.id}.tar"), manager.bytes("GET", f"/v1/tokens/{given.id}/download"))


def _write(path: Path, content: bytes) -> None:
    """For nobody else to read: it holds the token."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
    except FileExistsError as error:
        raise InvalidValue(f"{path} exists already", hint="Choose another name with --output.") from error
    print(f"{path} written; give it to the client and run there: bitfusion token install {path.name}")


def _edit(manager: LocalManager, given: argparse.Namespace) -> None:
    changes: dict[str, Any] = {}
    if given.description is not None:
        changes["description"] = given.description
    if given.expires is not None:
        changes["expires_at"] = _expiry(given.expires)
    if not changes:
        raise InvalidValue("nothing to change", hint="Give --description or --expires.")
    _change(manager, given.id, changes)


def _expiry(text: str) -> float | None:
    if text == "never":
        return None
    try:
        return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC).timestamp()
    except ValueError as error:
        raise InvalidValue(f"{text!r} is not a date", hint="Write it as 2030-12-31, or never.") from error


def _change(manager: LocalManager, token_id: str, changes: dict[str, Any]) -> None:
    manager.json("PATCH", f"/v1/tokens/{token_id}", changes)
    print(f"Token {token_id} changed.")


def _delete(manager: LocalManager, given: argparse.Namespace) -> None:
    manager.json("DELETE", f"/v1/tokens/{given.id}")
    print(f"Token {given.id} deleted.")


if __name__ == "__main__":
    sys.exit(main())
