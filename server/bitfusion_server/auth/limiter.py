"""Slows down whoever guesses tokens: after some failures an address is refused for a while, whatever it presents."""

from __future__ import annotations

from collections import OrderedDict, deque

_FAILURES = 20
_WINDOW_S = 60.0
_ADDRESSES = 10_000


class FailureLimiter:
    """Counts failures by address within a sliding window; forgets the oldest address when it knows too many."""

    def __init__(self, failures: int = _FAILURES, window_s: float = _WINDOW_S, addresses: int = _ADDRESSES) -> None:
        self._failures = failures
        self._window_s = window_s
        self._addresses = addresses
        self._by_address: OrderedDict[str, deque[float]] = OrderedDict()

    def retry_after_s(self, address: str, now: float) -> float:
        """0 if the address may try, else how long it has to wait."""
        times = self._by_address.get(address)
        if times is None or len(times) < self._failures:
            return 0.0
        return max(0.0, times[0] + self._window_s - now)

    def failed(self, address: str, now: float) -> None:
        """Note a failure."""
        times = self._by_address.setdefault(address, deque(maxlen=self._failures))
        times.append(now)
        self._by_address.move_to_end(address)
        if len(self._by_address) > self._addresses:
            self._by_address.popitem(last=False)

    def succeeded(self, address: str) -> None:
        """Forget the failures of an address that has shown a good token."""
        self._by_address.pop(address, None)
