"""`python -m bitfusion_server.worker FD`: serve one client process; FD is the control socket to the dispatcher."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import sys
import threading
from typing import Any, NoReturn

from bitfusion_server.worker.native import NativeWorker, WorkerError

_LONGEST_MESSAGE = 64 * 1024
_MOST_DESCRIPTORS = 2
_STATS_EVERY_S = 1.0
# A driver call that does not return must not keep the process alive.
_LAST_GRACE_S = 1.0


class Worker:
    """The control loop around the native worker."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._native: NativeWorker | None = None
        self._last_stats: dict[str, Any] = {}

    def serve(self) -> NoReturn:
        """Take messages until the dispatcher goes; the process ends with the session."""
        signal.signal(signal.SIGTERM, lambda *_: self._stop("the worker was told to end"))
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ)
            while True:
                if selector.select(_STATS_EVERY_S) and not self._receive():
                    self._stop("the dispatcher has gone")
                    selector.unregister(self._control)
                self._report()

    def _receive(self) -> bool:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._control, _LONGEST_MESSAGE, _MOST_DESCRIPTORS)
        except OSError:
            return False
        if not data:
            return False
        message = json.loads(data)
        if message["op"] == "start":
            self._start(message, *descriptors)
        elif message["op"] == "connection":
            threading.Thread(target=self._attach, args=(descriptors[0], message["kind"] == "bulk"), daemon=True).start()
        elif message["op"] == "stop":
            self._stop(message["reason"])
        return True

    def _start(self, message: dict[str, Any], budget: int, cache: int) -> None:
        # Each worker opens the account anew: a lock belongs to an opening, and the workers of a session exclude each other by locks.
        places = {"budget": f"/proc/self/fd/{budget}", "cache": f"/proc/self/fd/{cache}"}
        try:
            self._native = NativeWorker({**message, **places})
        except WorkerError as error:
            self._end(str(error))
        threading.Thread(target=self._run, args=(self._native,), daemon=True).start()
        self._send({"op": "ready", "pid": os.getpid(), "spec_hash": self._native.spec_hash().hex()})

    def _run(self, native: NativeWorker) -> None:
        self._end(native.run())

    def _attach(self, descriptor: int, bulk: bool) -> None:
        assert self._native is not None  # noqa: S101 - the dispatcher sends connections after "ready"
        try:
            self._native.attach(descriptor, bulk)
        except WorkerError as error:
            self._stop(str(error))

    def _stop(self, reason: str) -> None:
        timer = threading.Timer(_LAST_GRACE_S, self._end, (reason,))
        timer.daemon = True
        timer.start()
        if self._native is not None:
            self._native.stop(reason)

    def _report(self) -> None:
        if self._native is None:
            return
        stats = self._native.stats()
        if stats != self._last_stats:
            self._send({"op": "stats", **stats})
        self._last_stats = stats

    def _send(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # the dispatcher has gone: the receiving side notices and ends us
            self._control.send(json.dumps(message).encode())

    def _end(self, reason: str) -> NoReturn:
        self._send({"op": "ended", "reason": reason})
        # Threads that are in the driver are not waited for.
        os._exit(0)


def main() -> NoReturn:
    """Serve on the control socket named by the only argument."""
    if len(sys.argv) != 2 or not sys.argv[1].isdigit():
        sys.exit("usage: python -m bitfusion_server.worker FD (started by the dispatcher)")
    Worker(socket.socket(fileno=int(sys.argv[1]))).serve()


if __name__ == "__main__":
    main()
