"""The server itself: what it is, what it has, whether it lives."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import msgspec

import bitfusion_core
from bitfusion_core.models import GpuReading
from bitfusion_server.api.context import address_of
from bitfusion_server.api.fields import ClientId, Name
from bitfusion_server.api.routing import Answer, Call
from bitfusion_server.scheduler.placement import GpuState

_CLIENT_SOFTWARE = re.compile(r"bitfusion/([A-Za-z0-9.+-]{1,32})(?:\s|$)", re.ASCII)


class Status(msgspec.Struct, frozen=True):
    """Whether it works; anything but "ok" says what is missing."""

    status: str


class GpuAvailable(msgspec.Struct, frozen=True):
    """A GPU and what can be had of it."""

    index: int
    uuid: str
    name: str
    pci_bus_id: str
    memory_mib: int
    free_mib: int
    leases: int


class GpuSensed(msgspec.Struct, frozen=True):
    """The same with its sensors; one that the device lacks is null."""

    index: int
    uuid: str
    name: str
    pci_bus_id: str
    memory_mib: int
    free_mib: int
    leases: int
    allocated_mib: int
    used_mib: int | None
    persistence_mode: bool | None
    ecc_uncorrected: int | None
    fan_percent: int | None
    temperature_c: int | None
    pstate: int | None
    power_w: float | None
    power_limit_w: float | None
    utilization_percent: int | None
    compute_mode: str | None


class ServerState(msgspec.Struct, frozen=True):
    """A server and its GPUs."""

    version: str
    server_id: str
    hostname: str
    address: str
    srs_port: int
    dispatcher_port: int
    driver_version: str
    cuda_version: str
    has_rdma: bool
    tasks: int
    accepting: bool
    gpus: list[GpuAvailable]


class ServerSensed(msgspec.Struct, frozen=True):
    """A server and its GPUs with their sensors."""

    version: str
    server_id: str
    hostname: str
    address: str
    srs_port: int
    dispatcher_port: int
    driver_version: str
    cuda_version: str
    has_rdma: bool
    tasks: int
    accepting: bool
    gpus: list[GpuSensed]


class ClaimBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Who wants an identity; with `client_id` the one it has."""

    hostname: Name
    user: Name
    client_id: ClientId | None = None


class Claimed(msgspec.Struct, frozen=True):
    """The identity."""

    client_id: str


async def query(call: Call) -> ServerState:
    """The server, its GPUs, and what can be had of them."""
    states = call.services.leases.inventory().gpus
    return ServerState(**_described(call), gpus=[GpuAvailable(**_available(state)) for state in states])


async def gpus(call: Call) -> ServerSensed:
    """The same with the sensors of each GPU."""
    readings = {reading.gpu.uuid: reading for reading in (await call.services.sensors.report()).gpus}
    states = call.services.leases.inventory().gpus
    rows = [GpuSensed(**_available(state), **_sensed(state, readings.get(state.gpu.uuid))) for state in states]
    return ServerSensed(**_described(call), gpus=rows)


async def claim_id(call: Call) -> Claimed:
    """First contact of a client: a new identity, or the one given if it may be used."""
    body: ClaimBody = call.body
    client = await call.services.clients.claim(call.principal, body.client_id, body.hostname, body.user, _version(call))
    return Claimed(client.id)


async def livez(_: Call) -> Status:
    """The process answers."""
    return Status("ok")


async def readyz(call: Call) -> Answer:
    """Leases can be granted; the status is the answer."""
    ready = call.services.leases.ready
    return Answer(Status("ok" if ready else "the dispatcher is not connected"), status=200 if ready else 503)


def _version(call: Call) -> str:
    """Of the client's software, which it names in every request; empty for others."""
    found = _CLIENT_SOFTWARE.match(call.request.headers.get("User-Agent", ""))
    return found[1] if found is not None else ""


def _described(call: Call) -> dict[str, Any]:
    context = call.services
    facts = context.leases.server
    return {
        "version": bitfusion_core.__version__,
        "server_id": context.leases.server_id,
        "hostname": facts.hostname,
        "address": address_of(call.request),
        "srs_port": context.srs_port,
        "dispatcher_port": context.dispatcher_port,
        "driver_version": facts.driver_version,
        "cuda_version": facts.cuda_version,
        "has_rdma": facts.has_rdma,
        "tasks": len(context.leases.leases()),
        "accepting": context.leases.accepting,
    }


def _available(state: GpuState) -> dict[str, Any]:
    return {**dataclasses.asdict(state.gpu), "free_mib": state.free_mib, "leases": state.leases}


def _sensed(state: GpuState, reading: GpuReading | None) -> dict[str, Any]:
    sensors = dataclasses.asdict(reading if reading is not None else GpuReading(state.gpu))
    del sensors["gpu"]
    return {"allocated_mib": state.used_mib, **sensors}
