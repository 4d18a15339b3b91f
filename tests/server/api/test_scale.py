"""Lists of a large installation."""

from __future__ import annotations

import asyncio
import json
import time

from bitfusion_server.store.base import Client, Store
from tests.server.api.conftest import Api

CLIENTS = 10_000
PAGE_WITHIN_S = 0.1


async def test_ten_thousand_clients(api: Api, store: Store) -> None:
    """Every page costs little, also the last. Processor time is measured, of client and server together: the machine does other things too."""
    await asyncio.gather(*(store.insert_client(Client(f"c{number:05}", "T", "host", "ann", float(number))) for number in range(CLIENTS)))
    path, seen, slowest_s = "/v1/clients?limit=1000", 0, 0.0
    async with api.session(api.viewer) as http:
        while path:
            started = time.process_time()
            async with http.get(path) as response:
                page = json.loads(await response.read())
            slowest_s = max(slowest_s, time.process_time() - started)
            seen += len(page["clients"])
            path = f"/v1/clients?limit=1000&cursor={page['next']}" if page["next"] else ""

    print(f"slowest page: {slowest_s * 1000:.0f} ms")
    assert seen == CLIENTS + 2
    assert slowest_s < PAGE_WITHIN_S
