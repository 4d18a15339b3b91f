"""Runs the health checks of this machine, and asks the servers for theirs."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bitfusion_client import application, checks, config, identity, machine
from bitfusion_client.checks import Result
from bitfusion_client.config import Server
from bitfusion_client.http import Manager
from bitfusion_client.inventory import Offer, ask_all, parse_offer
from bitfusion_core import __version__
from bitfusion_core.errors import BitfusionError, ManagerUnreachable, NotFound

Offers = Mapping[Server, "Offer | BitfusionError"]


def ask_offers(servers: Sequence[Server]) -> Offers:
    """What each server has, or why it does not say."""
    known = identity.load()
    return ask_all(
        {server: Manager(server, known) for server in servers}, lambda one: parse_offer(one.server, one.request("GET", "/query"))
    )


def this_machine(offers: Offers | BitfusionError, server_mtus: Sequence[int] = ()) -> tuple[Result, ...]:
    """The checks of this machine. `offers` may be the reason why no server could even be asked."""
    interfaces = machine.interfaces()
    answered = {} if isinstance(offers, BitfusionError) else {str(key): one for key, one in offers.items() if isinstance(one, Offer)}
    totals = [sum(gpu.gpu.memory_mib for gpu in offer.gpus) for offer in answered.values()]
    return (
        checks.shadow_mem(machine.memory_mib(), max(totals, default=None)),
        checks.mtu(interfaces, server_mtus),
        checks.network(interfaces, _remember_counters(interfaces)),
        checks.ulimit_n(machine.open_files_limit()),
        _installation(),
        checks.servers(len(answered), _failures(offers)),
        checks.version(__version__, {server: offer.version for server, offer in answered.items()}),
    )


def ask_servers(servers: Sequence[Server]) -> dict[Server, tuple[Result, ...]]:
    """The servers' own checks; one that cannot be asked has failed."""
    known = identity.load()
    answers = ask_all({server: Manager(server, known) for server in servers}, _server_checks)
    return {
        server: (Result("servers", checks.STABILITY, checks.CRITICAL, answer.detail),) if isinstance(answer, BitfusionError) else answer
        for server, answer in answers.items()
    }


def _server_checks(manager: Manager) -> tuple[Result, ...]:
    try:
        answer = manager.request("GET", "/v1/health")
    except NotFound:
        return (Result("servers", checks.STABILITY, checks.PASS, "answers; this version of the server reports no checks"),)
    try:
        return tuple(_result(row) for row in answer["checks"])
    except (KeyError, TypeError, ValueError) as error:
        raise ManagerUnreachable(f"{manager.server} does not answer as a server should: {error!r}") from None


def _result(row: Mapping[str, Any]) -> Result:
    if row["status"] not in checks.STATUSES:
        raise ValueError(f"status {row['status']!r}")
    return Result(str(row["name"]), str(row["type"]), str(row["status"]), str(row.get("details") or ""))


def _failures(offers: Offers | BitfusionError) -> dict[str, str]:
    if isinstance(offers, BitfusionError):
        return {"configuration": offers.detail}
    return {str(server): one.detail for server, one in offers.items() if isinstance(one, BitfusionError)}


def _installation() -> Result:
    try:
        return checks.install(None, str(application.library_directory()))
    except BitfusionError as error:
        return checks.install(error.detail, "")


def _remember_counters(interfaces: Sequence[machine.Interface]) -> Mapping[str, int]:
    """The counters at the last check since the boot; those of now take their place."""
    path = _state_directory() / "interfaces.json"
    boot = machine.boot_id()
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        before = {str(name): int(count) for name, count in known["errors"].items()} if known["boot"] == boot else {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        before = {}
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(json.dumps({"boot": boot, "errors": {one.name: one.errors for one in interfaces}}), encoding="utf-8")
    except OSError:
        pass  # A read-only home: every check is then the first.
    return before


def _state_directory() -> Path:
    """Where what may be lost is kept."""
    given = os.environ.get("XDG_CACHE_HOME")
    if given:
        return Path(given) / "bitfusion"
    home = os.environ.get("HOME")
    return Path(home) / ".cache" / "bitfusion" if home else config.home()
