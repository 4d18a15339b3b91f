"""Leases: asking a manager for GPUs, waiting for them, and giving them back."""

from __future__ import annotations

import os
import re
import select
import socket
import sys
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from bitfusion_client import cancelling, config
from bitfusion_client.config import Server
from bitfusion_client.http import Manager
from bitfusion_client.identity import user_name
from bitfusion_client.stream import LineStream, StreamError
from bitfusion_core.errors import ManagerUnreachable, NotFound, WaitTimedOut, from_problem
from bitfusion_core.models import LeaseRequest

# The manager keeps the time; past its own limit by this much it is taken for hung.
_GRACE_S = 30.0
_TEXT = re.compile(r"[\x21-\x7e]{1,128}", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_KEY = re.compile(r"[0-9a-f]{64}", re.ASCII)


class GrantedGpu(NamedTuple):
    """One GPU of a lease."""

    number: int
    uuid: str
    memory_mib: int


class Grant(NamedTuple):
    """A granted lease, every field checked: it goes into a file of lines and into the environment of a program."""

    server: Server
    id: str
    key: str
    address: str
    dispatcher_port: int
    srs_port: int
    version: str
    tls: bool
    gpus: tuple[GrantedGpu, ...]
    memory_mib: int
    fraction: float
    idle_timeout_min: int
    hold: str


# The command is shown to administrators, never run by them: its beginning is enough.
_MOST_WORDS = 64
_LONGEST_WORD = 1024


def _shown(word: str) -> str:
    """A word of the command line as JSON can carry it; arguments need not be UTF-8."""
    return word[:_LONGEST_WORD].encode(errors="replace").decode()


def request_body(request: LeaseRequest, client_id: str) -> dict[str, Any]:
    """The JSON of a request."""
    body: dict[str, Any] = {"gpus": request.gpus, "timeout_s": request.timeout_s, "hold": request.hold, "client_id": client_id}
    if request.fraction is not None:
        body["fraction"] = request.fraction
    if request.memory_mib is not None:
        body["memory_mib"] = request.memory_mib
    if request.filters:
        body["filters"] = {key: list(values) for key, values in request.filters.items()}
    if request.auto_release_s:
        body["auto_release_s"] = request.auto_release_s
    if request.command:
        body["command"] = [_shown(word) for word in request.command[:_MOST_WORDS]]
    return {**body, "hostname": host_name(), "user": user_name()}


def host_name() -> str:
    """Name of this machine, as the servers' lists show it."""
    return socket.gethostname()


def acquire(manager: Manager, request: LeaseRequest, client_id: str) -> tuple[Grant, LineStream]:
    """Wait until the GPUs are granted. The stream is the control connection of a `hold: connection` lease.

    Cancelling signals are held back afterwards: GPUs that have been granted must be given back.
    """
    stream = manager.open_lines("POST", "/v1/leases", request_body(request, client_id))
    progress = Progress()
    try:
        grant = _await_grant(manager.reached, request, stream, progress)
        cancelling.hold_back()
        return grant, stream
    except StreamError as error:
        stream.close()
        raise ManagerUnreachable(f"{manager.server} broke off while GPUs were awaited: {error}", hint="Try again.") from None
    except BaseException:
        stream.close()  # Also cancels the request, if it is still waiting.
        raise
    finally:
        progress.clear()


def _await_grant(server: Server, request: LeaseRequest, stream: LineStream, progress: Progress) -> Grant:
    deadline = time.monotonic() + request.timeout_s + _GRACE_S
    poller = select.poll()
    poller.register(stream, select.POLLIN)
    while time.monotonic() < deadline:
        for event in stream.read():
            grant = _on_event(server, request, event, progress)
            if grant is not None:
                return grant
        if stream.ended:
            raise StreamError("the answer ended without a decision")
        progress.draw()
        poller.poll(min(1.0, max(deadline - time.monotonic(), 0.0)) * 1000)
    raise WaitTimedOut(f"{server} gave no decision within {request.timeout_s:g} s")


def _on_event(server: Server, request: LeaseRequest, event: Mapping[str, Any], progress: Progress) -> Grant | None:
    kind = event.get("event")
    if kind == "granted":
        return parse_grant(server, event.get("lease"), request)
    if kind == "refused":
        problem = event.get("problem")
        raise from_problem(problem if isinstance(problem, dict) else {})
    if kind == "timeout":
        waited = f"{request.timeout_s:g} s"
        raise WaitTimedOut(
            f"waited {waited} for {request.gpus} GPUs of {server}: {event.get('reason') or progress.reason or 'none became free'}"
        )
    if kind == "queued":
        progress.update(event)
    return None


def parse_grant(server: Server, lease: Any, request: LeaseRequest) -> Grant:
    """Check what a manager sent as a lease."""
    try:
        gpus = tuple(GrantedGpu(_number(gpu["index"]), _text(gpu["uuid"]), _number(gpu["memory_mib"])) for gpu in lease["gpus"])
        memory_mib = _number(lease["memory_mib"])
        fraction = lease.get("fraction")
        return Grant(
            server=server,
            id=_match(_UUID, lease["id"]),
            key=_match(_KEY, lease["key"]),
            address=_address(lease["address"]),
            dispatcher_port=_port(lease["dispatcher_port"]),
            srs_port=_port(lease["srs_port"]),
            version=_text(lease["version"]),
            tls=lease["tls"] is not False,
            gpus=gpus,
            memory_mib=memory_mib,
            fraction=float(fraction) if isinstance(fraction, (int, float)) else memory_mib / max(1, min(gpu.memory_mib for gpu in gpus)),
            idle_timeout_min=_number(lease.get("idle_timeout_min") or 0),
            hold=request.hold,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ManagerUnreachable(
            f"{server} sent a lease that cannot be used: {error}", hint="Compare the versions of client and server."
        ) from None


def _match(pattern: re.Pattern[str], value: Any) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError(f"unexpected {str(value)[:40]!r}")
    return value


def _text(value: Any) -> str:
    return _match(_TEXT, value)


def _address(value: Any) -> str:
    if not isinstance(value, str) or not config.is_ipv4(value):
        raise ValueError(f"{str(value)[:40]!r} is not an IPv4 address")
    return value


def _number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"unexpected number {str(value)[:40]!r}")
    number: int = value
    return number


def _port(value: Any) -> int:
    number = _number(value)
    if not 0 < number < 65536:
        raise ValueError(f"{number} is not a port")
    return number


def keep(manager: Manager, lease_id: str) -> None:
    """Tell the server that the grant was read and saved; one that may have reached nobody ends by itself."""
    manager.request("POST", f"/v1/leases/{lease_id}/keep", {})


def release(manager: Manager, lease_id: str) -> bool:
    """End a lease; False when the server no longer knew it."""
    try:
        manager.request("DELETE", f"/v1/leases/{lease_id}")
    except NotFound:
        return False
    return True


class Progress:
    """One line while queued (place, reason, time waited), redrawn in place and only on a terminal."""

    def __init__(self) -> None:
        self._shown = sys.stderr is not None and sys.stderr.isatty()
        self._started = time.monotonic()
        self._place = 0
        self._drawn = False
        self.reason = ""

    def update(self, event: Mapping[str, Any]) -> None:
        """Take over what the manager says about our place."""
        place = event.get("place")
        self._place = place if isinstance(place, int) else 0
        self.reason = str(event.get("reason") or "")[:200]

    def draw(self) -> None:
        """Show the current state."""
        if not self._shown or not self.reason:
            return
        waited = int(time.monotonic() - self._started)
        line = f"Waiting for GPUs: place {self._place} in the queue, {self.reason} ({waited} s)"
        sys.stderr.write("\r\x1b[K" + "".join(char for char in line if char.isprintable())[: _columns() - 1])
        sys.stderr.flush()
        self._drawn = True

    def clear(self) -> None:
        """Remove the line before anything else is printed."""
        if self._drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def _columns() -> int:
    try:
        return os.get_terminal_size(2).columns or 80
    except OSError:
        return 80
