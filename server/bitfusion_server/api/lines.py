"""An answer that is a stream of JSON lines."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from aiohttp import web


class Lines:
    """Each event is sent at once. A client that takes nothing for `silence_s` is treated as gone."""

    def __init__(self, request: web.Request, silence_s: float) -> None:
        self._request = request
        self._silence_s = silence_s
        self._response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson", "Cache-Control": "no-store"})

    async def open(self) -> None:
        """Send the headers."""
        await self._response.prepare(self._request)

    async def send(self, **event: Any) -> None:
        """Send one event; raises ConnectionError when nobody is there to take it."""
        try:
            async with asyncio.timeout(self._silence_s):
                await self._response.write(msgspec.json.encode(event) + b"\n")
        except TimeoutError as error:
            if self._request.transport is not None:
                self._request.transport.abort()
            raise ConnectionResetError("the client takes no data") from error

    async def close(self) -> web.StreamResponse:
        """End the stream properly."""
        await self._response.write_eof()
        return self._response

    @property
    def response(self) -> web.StreamResponse:
        """The answer, for the server to finish."""
        return self._response
