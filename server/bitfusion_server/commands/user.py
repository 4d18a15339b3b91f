"""`bitfusion user …`: the people who may log in to this server."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from collections.abc import Sequence
from typing import Any

from bitfusion_core.errors import InvalidValue
from bitfusion_server.commands import local
from bitfusion_server.commands.local import LocalManager
from bitfusion_server.store.base import Role

_ROLES = [role.value for role in Role if role is not Role.CLIENT]


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    arguments = _parser().parse_args(words)

    def command() -> None:
        with local.manager(arguments.data, "user") as manager:
            arguments.do(manager, arguments)

    return local.run(command)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bitfusion user",
        description="Manage the people who may log in to this server. Passwords are asked for, or read from standard input.",
    )
    local.add_data_option(parser)
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")
    listing = verbs.add_parser("list", help="list all users")
    listing.add_argument("--json", action="store_true", help="as JSON")
    local.add_data_option(listing, again=True)
    listing.set_defaults(do=_list)
    add = _verb(verbs, "add", _add, "add a user")
    add.add_argument("--role", default=Role.VIEWER.value, choices=_ROLES, help="what the user may do (default viewer)")
    _verb(verbs, "passwd", _passwd, "set a new password")
    _verb(verbs, "role", _role, "set what a user may do").add_argument("role", choices=_ROLES)
    _verb(verbs, "enable", lambda manager, given: _change(manager, given.name, {"active": True}), "let a user log in again")
    _verb(verbs, "disable", lambda manager, given: _change(manager, given.name, {"active": False}), "let a user log in no more")
    _verb(verbs, "delete", _delete, "delete a user")
    return parser


def _verb(verbs: Any, name: str, do: Any, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text.capitalize() + ".")
    parser.add_argument("name", metavar="NAME")
    local.add_data_option(parser, again=True)
    parser.set_defaults(do=do)
    return parser


def _list(manager: LocalManager, given: argparse.Namespace) -> None:
    users = manager.json("GET", "/v1/users")["users"]
    if given.json:
        print(json.dumps(users, indent=2))
        return
    rows = [(user["name"], user["role"], "yes" if user["active"] else "no", local.moment(user["created_at"])) for user in users]
    print(local.table(("NAME", "ROLE", "ACTIVE", "CREATED"), rows))


def _add(manager: LocalManager, given: argparse.Namespace) -> None:
    manager.json("POST", "/v1/users", {"name": given.name, "role": given.role, "password": _new_password()})
    print(f"User {given.name} added.")


def _passwd(manager: LocalManager, given: argparse.Namespace) -> None:
    _change(manager, given.name, {"password": _new_password()})


def _role(manager: LocalManager, given: argparse.Namespace) -> None:
    _change(manager, given.name, {"role": given.role})


def _change(manager: LocalManager, name: str, changes: dict[str, Any]) -> None:
    manager.json("PATCH", f"/v1/users/{name}", changes)
    print(f"User {name} changed; old logins have ended.")


def _delete(manager: LocalManager, given: argparse.Namespace) -> None:
    manager.json("DELETE", f"/v1/users/{given.name}")
    print(f"User {given.name} deleted.")


def _new_password() -> str:
    """Never from the command line, where everybody on the machine could read it."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    password = getpass.getpass("New password: ")
    if getpass.getpass("Again: ") != password:
        raise InvalidValue("the two passwords differ", hint="Try again.")
    return password


if __name__ == "__main__":
    sys.exit(main())
