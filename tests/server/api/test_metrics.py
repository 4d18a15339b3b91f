"""Figures of the server and their history, as people and programs read them."""

from __future__ import annotations

import csv
import io

from bitfusion_core.metrics import WINDOWS, Sample, Subject
from bitfusion_server.store.samples import Point
from tests.server.api.conftest import Api
from tests.server.conftest import SERVER_ID


async def test_stats(api: Api) -> None:
    """A client sees what every server measures, now and over the window, also before the first reading."""
    async with api.session() as http:
        before = await (await http.get("/v1/stats")).json()
        await api.services.collector.collect()
        after = await (await http.get("/v1/stats", params={"window": "5m"})).json()

    assert (before["at"], before["figures"]) == (None, [])
    assert [gpu["uuid"] for gpu in after["gpus"]] == ["GPU-0", "GPU-1"]
    figure = next(one for one in after["figures"] if one["name"] == "gpu_temperature_celsius")
    assert figure == {
        "name": "gpu_temperature_celsius",
        "instance": "GPU-0",
        "unit": "celsius",
        "now": 40.0,
        "mean": 40.0,
        "max": 40.0,
    }


async def test_history(api: Api) -> None:
    """Points of server, client and cluster by window; the list has who has a history."""
    await api.services.collector.collect()
    await api.services.history.tick(5.0)
    await api.services.store.samples.put(WINDOWS[3], [Point(Subject.CLIENT, "gone", Sample(0.0, {"client_leases": {"": 1.0}}))])

    async with api.session(api.viewer) as http:
        server = await (await http.get(f"/v1/history/servers/{SERVER_ID}", params={"window": "5m"})).json()
        cluster = await (await http.get("/v1/history/cluster", params={"window": "5m"})).json()
        clients = await (await http.get("/v1/history/clients")).json()
        servers = await (await http.get("/v1/history/servers", params={"limit": 1})).json()
        wrong = await http.get("/v1/history/cluster", params={"window": "2h"})

    assert [point["values"]["server_gpus"] for point in server["points"]] == [{"": 2.0}]
    assert (server["step_s"], server["subject"]) == (5, SERVER_ID)
    assert [point["values"]["cluster_gpus"] for point in cluster["points"]] == [{"": 2.0}]
    assert clients == {"ids": ["gone"], "next": None}
    assert servers == {"ids": [SERVER_ID], "next": SERVER_ID}
    assert wrong.status == 400


async def test_csv(api: Api) -> None:
    """The same as a file; GPUs by their number."""
    await api.services.collector.collect()

    async with api.session(api.viewer) as http:
        answer = await http.get(f"/v1/history/servers/{SERVER_ID}/csv", params={"window": "5m"})
        rows = list(csv.reader(io.StringIO(await answer.text())))
        empty = await (await http.get("/v1/history/clients/nobody/csv")).text()

    assert answer.headers["Content-Disposition"] == f'attachment; filename="server-{SERVER_ID}-5m.csv"'
    assert answer.content_type == "text/csv"
    assert rows[0][:3] == ["time", "gpu_memory_total_bytes gpu 0", "gpu_memory_total_bytes gpu 1"]
    assert len(rows) == 2
    assert empty == "time\r\n"


async def test_scrape(api: Api) -> None:
    """Prometheus reads with a viewer's token, and no one without."""
    await api.services.collector.collect()

    async with api.session(api.viewer) as http, api.session("") as stranger, api.session() as client:
        answer = await http.get("/metrics")
        text = await answer.text()
        assert (await stranger.get("/metrics")).status == 401
        assert (await client.get("/metrics")).status == 403

    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert 'bitfusion_gpu_temperature_celsius{gpu="GPU-0",server="gpu-1"} 40.0' in text
