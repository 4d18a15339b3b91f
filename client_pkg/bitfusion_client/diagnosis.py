"""Runs the health checks of this machine, and asks the servers for theirs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bitfusion_client import application, checks, identity, machine, measuring, state
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


def ask_mtus(servers: Sequence[Server]) -> tuple[int, ...]:
    """The packet sizes of the servers' networks, as far as they say."""
    known = identity.load()
    tickets = ask_all(
        {server: Manager(server, known) for server in servers},
        lambda one: measuring.parse_ticket(one.server, one.request("POST", "/v1/measurements", {})),
    )
    return tuple(mtu for ticket in tickets.values() if isinstance(ticket, measuring.Ticket) for mtu in ticket.mtus)


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
    boot = machine.boot_id()
    try:
        known = json.loads(state.read("interfaces.json") or "{}")
        before = {str(name): int(count) for name, count in known["errors"].items()} if known["boot"] == boot else {}
    except (ValueError, KeyError, TypeError, AttributeError):
        before = {}
    state.write("interfaces.json", json.dumps({"boot": boot, "errors": {one.name: one.errors for one in interfaces}}))
    return before
