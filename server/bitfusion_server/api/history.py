"""History of the cluster, its servers and its clients: as points for charts, and as CSV."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal

import msgspec
from aiohttp import web

from bitfusion_core.metrics import WINDOW_BY_NAME, Sample, Subject
from bitfusion_server.api.fields import PageQuery, Seconds
from bitfusion_server.api.routing import Call
from bitfusion_server.metrics import table
from bitfusion_server.metrics.history import CLUSTER

CSV = "text/csv"

Values = dict[str, dict[str, float]]


class WindowQuery(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How far back."""

    window: Literal["5m", "1h", "24h", "30d"] = "1h"


class HistoryPoint(msgspec.Struct, frozen=True):
    """Figures over the step that began at `at`: by name, then by GPU or interface (empty: there is one)."""

    at: Seconds
    values: Values


class HistoryShown(msgspec.Struct, frozen=True):
    """Points in the order of time, `step_s` apart; where one is missing, nothing was measured. In the window 5m they are the readings."""

    subject: str
    window: str
    step_s: int
    points: list[HistoryPoint]


class SubjectPage(msgspec.Struct, frozen=True):
    """Ids that have a history, in order."""

    ids: list[str]
    next: str | None


async def cluster(call: Call) -> HistoryShown:
    """GPUs of all servers, and how many of them were allocated."""
    return await _shown(call, Subject.CLUSTER, CLUSTER)


async def servers(call: Call) -> SubjectPage:
    """Servers that have a history, also those that are gone."""
    return await _page(call, Subject.SERVER)


async def server(call: Call) -> HistoryShown:
    """One server: its GPUs, interfaces and allocations."""
    return await _shown(call, Subject.SERVER, call.id)


async def clients(call: Call) -> SubjectPage:
    """Clients that have a history, also those that were deleted."""
    return await _page(call, Subject.CLIENT)


async def client(call: Call) -> HistoryShown:
    """GPUs allocated to one client; where there is no point it had none."""
    return await _shown(call, Subject.CLIENT, call.id)


async def cluster_csv(call: Call) -> web.Response:
    """The history of the cluster as a table, to be saved."""
    return await _csv(call, Subject.CLUSTER, CLUSTER)


async def server_csv(call: Call) -> web.Response:
    """The history of a server as a table, to be saved."""
    return await _csv(call, Subject.SERVER, call.id)


async def client_csv(call: Call) -> web.Response:
    """The history of a client as a table, to be saved."""
    return await _csv(call, Subject.CLIENT, call.id)


async def _shown(call: Call, kind: Subject, subject: str) -> HistoryShown:
    window = WINDOW_BY_NAME[call.query.window]
    samples = await _read(call, kind, subject)
    points = [HistoryPoint(sample.at, {name: dict(values) for name, values in sample.values.items()}) for sample in samples]
    return HistoryShown(subject, window.name, window.step_s, points)


async def _csv(call: Call, kind: Subject, subject: str) -> web.Response:
    gpus = {state.gpu.uuid: f"gpu {state.gpu.index}" for state in call.services.leases.inventory().gpus}
    # Some 20 ms for a month of a large server.
    text = await asyncio.to_thread(table.as_csv, await _read(call, kind, subject), gpus)
    safe = "".join(letter for letter in subject if letter.isalnum() or letter == "-")
    headers = {"Content-Disposition": f'attachment; filename="{kind.value}-{safe}-{call.query.window}.csv"'}
    return web.Response(text=text, content_type=CSV, charset="utf-8", headers=headers)


async def _read(call: Call, kind: Subject, subject: str) -> Sequence[Sample]:
    return await call.services.history.read(WINDOW_BY_NAME[call.query.window], kind, subject)


async def _page(call: Call, kind: Subject) -> SubjectPage:
    query: PageQuery = call.query
    ids = await call.services.history.subjects(kind, query.cursor or "", query.limit)
    return SubjectPage(list(ids), ids[-1] if len(ids) == query.limit else None)
