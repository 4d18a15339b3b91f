"""Asking all servers for the commands that only read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Callable, TypeVar

from bitfusion_client import config, identity, log
from bitfusion_client.config import Server
from bitfusion_client.http import Manager
from bitfusion_client.inventory import ask_all, no_server_answered
from bitfusion_core.errors import BitfusionError

T = TypeVar("T")


def survey(servers: Sequence[Server], ask: Callable[[Manager], T]) -> dict[Server, T]:
    """What each server answered; those that failed are reported on standard error, and it is an error when all did."""
    known = identity.load()
    managers = {server: Manager(server, known) for server in servers}
    try:
        answers = ask_all(managers, ask)
    finally:
        for manager in managers.values():
            manager.close()
    errors = {server: answer for server, answer in answers.items() if isinstance(answer, BitfusionError)}
    config.keep_reachable({server: manager.reached for server, manager in managers.items()})
    good = {server: answer for server, answer in answers.items() if not isinstance(answer, BitfusionError)}
    if not good:
        raise no_server_answered(errors)
    for server, error in errors.items():
        log.plain(f"Error querying server {server}:\n{error.detail}")
    return good
