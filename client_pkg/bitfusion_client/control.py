"""The control connection of a `run`: it keeps the lease alive and says when the lease has been taken away.

A manager that is down takes nothing away, so its absence is waited out; a network that is gone ends the lease after the grace that the
server gives us too.
"""

from __future__ import annotations

from typing import Callable, Union

from bitfusion_client.http import ServiceDown
from bitfusion_client.stream import LineStream, StreamError
from bitfusion_core.errors import BitfusionError, ManagerUnreachable, ServerUnavailable

_Outcome = Union[LineStream, Exception]
SILENCE_S = 60.0
RETRY_S = 1.0


class _Attempt:
    """One attempt to come back, in a thread: to connect may take seconds, in which the application may end and signals arrive."""

    def __init__(self, reopen: Callable[[], LineStream]) -> None:
        import threading  # Seldom needed, and every start of an application would pay for it.

        self._reopen = reopen
        self._lock = threading.Lock()
        self._outcome: _Outcome | None = None
        self._abandoned = False
        threading.Thread(target=self._run, daemon=True).start()

    def outcome(self) -> _Outcome | None:
        """The stream or the error that it ended with; None while it is under way."""
        with self._lock:
            return self._outcome

    def abandon(self) -> None:
        """Nobody wants its stream any more."""
        with self._lock:
            self._abandoned = True
            self._close_unwanted()

    def _run(self) -> None:
        try:
            outcome: _Outcome = self._reopen()
        except Exception as error:  # noqa: BLE001 - raised again in the thread that asked
            outcome = error
        with self._lock:
            self._outcome = outcome
            self._close_unwanted()

    def _close_unwanted(self) -> None:
        if self._abandoned and self._outcome is not None and not isinstance(self._outcome, Exception):
            self._outcome.close()


class ControlLink:
    """Polled by the launcher and never blocking; `reopen` makes a new stream for the same lease or raises, and runs in another thread."""

    def __init__(self, stream: LineStream, reopen: Callable[[], LineStream], now: float) -> None:
        self._stream: LineStream | None = stream
        self._attempt: _Attempt | None = None
        self._reopen = reopen
        self._last_contact = now
        self._next_try = now

    def fileno(self) -> int | None:
        """Descriptor to poll, None while there is no connection."""
        return None if self._stream is None else self._stream.fileno()

    def poll(self, now: float) -> str | None:
        """Take in what has arrived; the reason once the lease has ended, else None."""
        if self._stream is None:
            return self._come_back(now)
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
        if self._attempt is not None:
            self._attempt.abandon()
            self._attempt = None

    def _drop(self, now: float) -> None:
        self.close()
        self._next_try = now

    def _come_back(self, now: float) -> str | None:
        """Begin an attempt when its time has come, and judge it when it has ended."""
        if self._attempt is None:
            if now >= self._next_try:
                self._next_try = now + RETRY_S
                self._attempt = _Attempt(self._reopen)
            return None
        outcome = self._attempt.outcome()
        if outcome is None:
            return None
        self._attempt = None
        return self._judge(outcome, now)

    def _judge(self, outcome: _Outcome, now: float) -> str | None:
        if isinstance(outcome, (ServiceDown, ServerUnavailable)):
            self._last_contact = now
        elif isinstance(outcome, ManagerUnreachable):
            if now - self._last_contact > SILENCE_S:
                return f"no contact with the server for {SILENCE_S:g} s: {outcome.detail}"
        elif isinstance(outcome, BitfusionError):
            return outcome.detail
        elif isinstance(outcome, Exception):
            raise outcome
        else:
            self._stream = outcome
            self._last_contact = now
        return None
