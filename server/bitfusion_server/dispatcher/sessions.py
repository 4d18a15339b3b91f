"""The sessions that the manager has admitted, their workers, and what happens to them."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog

from bitfusion_server.dispatcher.budget import Budget
from bitfusion_server.dispatcher.cgroups import Groups
from bitfusion_server.dispatcher.measuring import Measurements
from bitfusion_server.dispatcher.privileges import UserIds, end_processes_of
from bitfusion_server.dispatcher.workers import Worker, WorkerFailed

_log = structlog.get_logger(__name__)

_KEY_SIZE = 32
_MOST_WORKERS = 256


class BadRequest(ValueError):
    """The manager asked for something that makes no sense; the message says what."""


@dataclass(frozen=True)
class Admission:
    """What the manager said of a session."""

    session: str
    key: bytes = field(repr=False)
    gpus: tuple[str, ...]
    memory_bytes: int
    tls: bool

    @classmethod
    def parse(cls, request: Mapping[str, Any]) -> Admission:
        """From an `admit` request."""
        try:
            session, key = str(uuid.UUID(request["session"])), bytes.fromhex(request["key"])
            gpus = tuple(str(gpu) for gpu in request["gpus"])
            memory, tls = int(request.get("memory_bytes") or 0), bool(request.get("tls", True))
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise BadRequest(f"admit: {error!r}") from error
        if len(key) != _KEY_SIZE or memory < 0:
            raise BadRequest(f"admit: a session key has {_KEY_SIZE} bytes, memory is not negative")
        return cls(session, key, gpus, memory, tls)


@dataclass
class Session:
    """An admitted session and its workers, by client process. One that is being ended stays until its last worker is gone."""

    admission: Admission
    uid: int | None
    budget: Budget
    workers: dict[bytes, asyncio.Task[Worker]] = field(default_factory=dict)
    running: set[Worker] = field(default_factory=set)
    end: asyncio.Task[None] | None = None
    has_run: bool = False


Event = dict[str, Any]


class Sessions:
    """Everything runs in the event loop's thread."""

    def __init__(self, cache: int, uids: range, notify: Callable[[Event], None], groups: Groups) -> None:
        """`cache` is a descriptor of the directory that all workers share."""
        self._cache = cache
        self._groups = groups
        self._uids = UserIds(uids)
        self._notify = notify
        self._sessions: dict[str, Session] = {}
        self.measurements = Measurements()

    def admit(self, admission: Admission) -> None:
        """Let its client processes in; again for a known session changes nothing."""
        known = self._sessions.get(admission.session)
        if known is not None:
            if known.end is not None:
                raise BadRequest("the session is being ended")
            return
        try:
            uid = self._uids.take()
        except LookupError as error:
            raise BadRequest(str(error)) from error
        try:
            budget = Budget(admission.session, uid)
        except OSError:
            self._uids.give_back(uid)
            raise
        self._sessions[admission.session] = Session(admission, uid, budget)
        _log.info("session admitted", session=admission.session, gpus=len(admission.gpus), uid=uid)

    async def revoke(self, name: str, reason: str) -> None:
        """End its workers; whoever asks, and however often, is answered when they are gone."""
        session = self._sessions.get(name)
        if session is None:
            return
        if session.end is None or session.end.done():  # done, and the session still here: that attempt failed
            session.end = asyncio.create_task(self._end(session, reason))
        await asyncio.shield(session.end)

    async def _end(self, session: Session, reason: str) -> None:
        name = session.admission.session
        # A worker that is still starting cannot be told; its start is called off.
        starting = [task for task in session.workers.values() if not task.done()]
        for task in starting:
            task.cancel()
        await asyncio.gather(*(worker.stop(reason) for worker in tuple(session.running)))
        await asyncio.gather(*starting, return_exceptions=True)
        if session.has_run:
            await self._end_what_is_left(session)
        session.budget.close()
        self._uids.give_back(session.uid)
        del self._sessions[name]
        _log.info("session revoked", session=name, reason=reason)

    async def _end_what_is_left(self, session: Session) -> None:
        """What workers may have left behind."""
        await self._groups.end(session.admission.session)
        if session.uid is not None:
            await end_processes_of(session.uid)

    async def stop(self, reason: str) -> None:
        """End everything."""
        await asyncio.gather(*(self.revoke(name, reason) for name in tuple(self._sessions)))

    def find(self, session_id: bytes) -> Session | None:
        """The session of a hello; one that is being ended is as good as gone."""
        session = self._sessions.get(str(uuid.UUID(bytes=session_id)))
        return session if session is not None and session.end is None else None

    async def worker(self, session: Session, process_id: bytes, may_start: bool) -> Worker:
        """The worker of a client process, started if need be."""
        if session.end is not None:
            raise WorkerFailed("the session has ended")
        task = session.workers.get(process_id)
        if task is None:
            if not may_start:
                raise WorkerFailed("this client process has no worker")
            if len(session.workers) >= _MOST_WORKERS:
                raise WorkerFailed(f"the session already has {_MOST_WORKERS} client processes")
            task = asyncio.create_task(self._start_worker(session, process_id))
            session.workers[process_id] = task
            task.add_done_callback(lambda done: _forget_failed(session, process_id, done))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise WorkerFailed("the session has ended") from None
            raise

    def describe(self) -> list[dict[str, Any]]:
        """For a manager that comes back."""
        return [
            {
                "session": name,
                "gpus": session.admission.gpus,
                "workers": [{"process": worker.process_id.hex(), "pid": worker.pid} for worker in session.running],
            }
            for name, session in self._sessions.items()
        ]

    async def _start_worker(self, session: Session, process_id: bytes) -> Worker:
        admission = session.admission
        name = admission.session

        def on_stats(worker: Worker, stats: Event) -> None:
            self._notify({"event": "stats", "session": name, "process": worker.process_id.hex(), "pid": worker.pid, **stats})

        def on_ended(worker: Worker) -> None:
            self._worker_ended(session, worker)

        worker = Worker(process_id, on_stats, on_ended)
        session.running.add(worker)
        session.has_run = True
        config = {
            "session": name,
            "key": admission.key.hex(),
            "process": process_id.hex(),
            "gpus": admission.gpus,
            "memory_bytes": admission.memory_bytes,
            "tls": admission.tls,
            "cuda_library": os.environ.get("BITFUSION_CUDA_LIBRARY", "libcuda.so.1"),
            "nvml_library": os.environ.get("BITFUSION_NVML_LIBRARY", "libnvidia-ml.so.1"),
        }
        place = partial(self._groups.add, name)
        try:
            await worker.start(config, session.uid, place, session.budget.descriptor, self._cache)
        except BaseException:  # called off, or failed in whatever way: nothing of it stays
            await worker.stop("the session has ended")
            session.running.discard(worker)
            raise
        self._notify({"event": "worker_started", "session": name, "process": process_id.hex(), "pid": worker.pid})
        _log.info("worker started", session=name, process=process_id.hex(), pid=worker.pid)
        return worker

    def _worker_ended(self, session: Session, worker: Worker) -> None:
        name = session.admission.session
        session.running.discard(worker)
        _forget(session, worker)
        session.budget.clear(worker.pid)
        self._notify(
            {"event": "worker_ended", "session": name, "process": worker.process_id.hex(), "pid": worker.pid, "reason": worker.reason}
        )
        _log.info("worker ended", session=name, process=worker.process_id.hex(), pid=worker.pid, reason=worker.reason)


def _forget(session: Session, worker: Worker) -> None:
    """The next connection of its client process starts another; a start that is under way forgets itself."""
    task = session.workers.get(worker.process_id)
    if task is not None and task.done() and not task.cancelled() and task.exception() is None and task.result() is worker:
        del session.workers[worker.process_id]


def _forget_failed(session: Session, process_id: bytes, done: asyncio.Task[Worker]) -> None:
    failed = done.cancelled() or done.exception() is not None or done.result() not in session.running
    if failed and session.workers.get(process_id) is done:
        del session.workers[process_id]
