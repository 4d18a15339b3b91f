"""Figures of this server: for `bitfusion stats`, and for Prometheus."""

from __future__ import annotations

import msgspec
from aiohttp import web

from bitfusion_core.metrics import BY_NAME, WINDOW_BY_NAME, Subject
from bitfusion_server.api.fields import Seconds
from bitfusion_server.api.history import WindowQuery
from bitfusion_server.api.routing import Call
from bitfusion_server.metrics import prometheus, rollup

PROMETHEUS = "text/plain"


class Figure(msgspec.Struct, frozen=True):
    """One figure now, and its mean and maximum over the window. `instance`: uuid of the GPU or name of the interface, or empty."""

    name: str
    instance: str
    unit: str
    now: float | None
    mean: float | None
    max: float | None


class StatsGpu(msgspec.Struct, frozen=True):
    """A GPU of the server."""

    index: int
    uuid: str
    name: str


class StatsShown(msgspec.Struct, frozen=True):
    """A server's figures; `at` is when they were read last, null before the first reading."""

    server_id: str
    hostname: str
    at: Seconds | None
    window: str
    gpus: list[StatsGpu]
    figures: list[Figure]


async def stats(call: Call) -> StatsShown:
    """What this server measures, now and over a window."""
    query: WindowQuery = call.query
    leases, latest = call.services.leases, call.services.collector.latest_sample
    past = await call.services.history.read(WINDOW_BY_NAME[query.window], Subject.SERVER, leases.server_id)
    now = dict(latest.values) if latest is not None else {}
    summary = rollup.summary(past)
    instances = {(name, one) for values in (now, summary) for name in values if name in BY_NAME for one in values[name]}
    figures = []
    for name, instance in sorted(instances):
        mean, highest = summary.get(name, {}).get(instance, (None, None))
        figures.append(Figure(name, instance, BY_NAME[name].history_unit, now.get(name, {}).get(instance), mean, highest))
    gpus = [StatsGpu(state.gpu.index, state.gpu.uuid, state.gpu.name) for state in leases.inventory().gpus]
    return StatsShown(leases.server_id, leases.server.hostname, latest.at if latest is not None else None, query.window, gpus, figures)


async def scrape(call: Call) -> web.Response:
    """The newest figures in Prometheus' text format; neither GPU nor store is asked for them."""
    body = prometheus.text(call.services.collector.latest, call.services.wall_clock())
    return web.Response(body=body, headers={"Content-Type": prometheus.CONTENT_TYPE})
