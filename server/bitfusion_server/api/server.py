"""The server itself: what it is, what it has, whether it lives."""

from __future__ import annotations

import dataclasses
from typing import Any

from aiohttp import web

import bitfusion_core
from bitfusion_core.models import GpuReading
from bitfusion_server.api.bodies import ClaimBody, read_body
from bitfusion_server.api.context import PRINCIPAL, address_of, services
from bitfusion_server.api.middleware import json_response
from bitfusion_server.auth import clients
from bitfusion_server.scheduler.placement import GpuState


async def query(request: web.Request) -> web.StreamResponse:
    """GPU availability."""
    states = services(request).leases.inventory().gpus
    return json_response(_described(request, [_available(state) for state in states]))


async def gpus(request: web.Request) -> web.StreamResponse:
    """GPU availability and sensors."""
    context = services(request)
    readings = {reading.gpu.uuid: reading for reading in (await context.sensors.report()).gpus}
    states = context.leases.inventory().gpus
    rows = [{**_available(state), **_sensed(state, readings.get(state.gpu.uuid))} for state in states]
    return json_response(_described(request, rows))


async def claim_id(request: web.Request) -> web.StreamResponse:
    """First contact of a client."""
    context = services(request)
    body = await read_body(request, ClaimBody)
    client = await clients.claim(context.store, request[PRINCIPAL], body.client_id, body.hostname, body.user, context.wall_clock())
    return json_response({"client_id": client.id})


async def livez(_: web.Request) -> web.StreamResponse:
    """The process answers."""
    return json_response({"status": "ok"})


async def readyz(request: web.Request) -> web.StreamResponse:
    """Leases can be granted; the status is the answer."""
    ready = services(request).leases.ready
    return json_response({"status": "ok" if ready else "the dispatcher is not connected"}, 200 if ready else 503)


def _described(request: web.Request, rows: list[dict[str, Any]]) -> dict[str, Any]:
    context = services(request)
    facts = context.leases.server
    return {
        "version": bitfusion_core.__version__,
        "server_id": context.leases.server_id,
        "hostname": facts.hostname,
        "address": address_of(request),
        "srs_port": context.srs_port,
        "dispatcher_port": context.dispatcher_port,
        "driver_version": facts.driver_version,
        "cuda_version": facts.cuda_version,
        "has_rdma": facts.has_rdma,
        "tasks": len(context.leases.leases()),
        "accepting": context.leases.accepting,
        "gpus": rows,
    }


def _available(state: GpuState) -> dict[str, Any]:
    return {**dataclasses.asdict(state.gpu), "free_mib": state.free_mib, "leases": state.leases}


def _sensed(state: GpuState, reading: GpuReading | None) -> dict[str, Any]:
    sensors = dataclasses.asdict(reading if reading is not None else GpuReading(state.gpu))
    del sensors["gpu"]
    return {"allocated_mib": state.used_mib, **sensors}
