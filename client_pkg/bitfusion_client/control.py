"""The control connection of a `run`: it keeps the lease alive and says when the lease has been taken away.

A manager that is down takes nothing away, so its absence is waited out; a network that is gone ends the lease after the grace that the
server gives us too.
"""

from __future__ import annotations

from typing import Callable

from bitfusion_client.http import ServiceDown
from bitfusion_client.stream import LineStream, StreamError
from bitfusion_core.errors import BitfusionError, ManagerUnreachable, ServerUnavailable

SILENCE_S = 60.0
RETRY_S = 1.0


class ControlLink:
    """Polled by the launcher; `reopen` makes a new stream for the same lease or raises."""

    def __init__(self, stream: LineStream, reopen: Callable[[], LineStream], now: float) -> None:
        self._stream: LineStream | None = stream
        self._reopen = reopen
        self._last_contact = now
        self._next_try = now

    def fileno(self) -> int | None:
        """Descriptor to poll, None while there is no connection."""
        return None if self._stream is None else self._stream.fileno()

    def poll(self, now: float) -> str | None:
        """Take in what has arrived; the reason once the lease has ended, else None."""
        if self._stream is None:
            return self._retry(now) if now >= self._next_try else None
        try:
            events = self._stream.read()
        except StreamError:
            events = []
            self._drop(now)
        for event in events:
            if event.get("event") == "ended":
                return str(event.get("reason") or "the server gave no reason")
        if events:
            self._last_contact = now
        if self._stream is not None and (self._stream.ended or now - self._last_contact > SILENCE_S):
            self._drop(now)
        return None

    def close(self) -> None:
        """Close the connection; the server ends the lease if nobody has yet."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _drop(self, now: float) -> None:
        self.close()
        self._next_try = now

    def _retry(self, now: float) -> str | None:
        self._next_try = now + RETRY_S
        try:
            self._stream = self._reopen()
        except (ServiceDown, ServerUnavailable):
            self._last_contact = now
        except ManagerUnreachable as error:
            if now - self._last_contact > SILENCE_S:
                return f"no contact with the server for {SILENCE_S:g} s: {error.detail}"
        except BitfusionError as error:
            return error.detail
        else:
            self._last_contact = now
        return None
