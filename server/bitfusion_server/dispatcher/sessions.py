"""The sessions that the manager has admitted, their workers, and what happens to them."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from bitfusion_server.dispatcher import budget
from bitfusion_server.dispatcher.workers import Worker, WorkerFailed, budget_path

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
    """An admitted session and its workers, by client process."""

    admission: Admission
    uid: int | None
    workers: dict[bytes, asyncio.Task[Worker]] = field(default_factory=dict)
    running: set[Worker] = field(default_factory=set)


Event = dict[str, Any]


class Sessions:
    """Everything runs in the event loop's thread."""

    def __init__(self, run_dir: Path, cache: Path, uids: range, notify: Callable[[Event], None]) -> None:
        self._run_dir = run_dir
        self._cache = cache
        self._uids = uids
        self._free_uids = list(reversed(uids))
        self._notify = notify
        self._sessions: dict[str, Session] = {}
        (run_dir / "budgets").mkdir(parents=True, exist_ok=True)

    def admit(self, admission: Admission) -> None:
        """Let its client processes in; again for a known session changes nothing."""
        if admission.session in self._sessions:
            return
        if self._uids and not self._free_uids:
            raise BadRequest("no user id is left for the session's workers; widen --worker-uids")
        uid = self._free_uids.pop() if self._free_uids else None
        budget.create(budget_path(self._run_dir, admission.session), uid)
        self._sessions[admission.session] = Session(admission, uid)
        _log.info("session admitted", session=admission.session, gpus=len(admission.gpus))

    async def revoke(self, name: str, reason: str) -> None:
        """End its workers; returns when they are gone."""
        session = self._sessions.pop(name, None)
        if session is None:
            return
        # A worker that is still starting cannot be told; its start is called off.
        for task in session.workers.values():
            task.cancel()
        await asyncio.gather(*(worker.stop(reason) for worker in tuple(session.running)))
        budget_path(self._run_dir, name).unlink(missing_ok=True)
        if session.uid is not None:
            self._free_uids.append(session.uid)
        _log.info("session revoked", session=name, reason=reason)

    async def stop(self, reason: str) -> None:
        """End everything."""
        await asyncio.gather(*(self.revoke(name, reason) for name in tuple(self._sessions)))

    def find(self, session_id: bytes) -> Session | None:
        """The session of a hello."""
        return self._sessions.get(str(uuid.UUID(bytes=session_id)))

    async def worker(self, session: Session, process_id: bytes, may_start: bool) -> Worker:
        """The worker of a client process, started if need be."""
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
        config = {
            "session": name,
            "key": admission.key.hex(),
            "process": process_id.hex(),
            "gpus": admission.gpus,
            "memory_bytes": admission.memory_bytes,
            "budget": str(budget_path(self._run_dir, name)),
            "tls": admission.tls,
            "cuda_library": os.environ.get("BITFUSION_CUDA_LIBRARY", "libcuda.so.1"),
            "nvml_library": os.environ.get("BITFUSION_NVML_LIBRARY", "libnvidia-ml.so.1"),
            "cache": str(self._cache),
        }
        try:
            await worker.start(config, session.uid)
        except asyncio.CancelledError:
            await worker.stop("the session has ended")
            raise
        self._notify({"event": "worker_started", "session": name, "process": process_id.hex(), "pid": worker.pid})
        _log.info("worker started", session=name, process=process_id.hex(), pid=worker.pid)
        return worker

    def _worker_ended(self, session: Session, worker: Worker) -> None:
        name = session.admission.session
        session.running.discard(worker)
        session.workers.pop(worker.process_id, None)
        budget.clear(budget_path(self._run_dir, name), worker.pid)
        self._notify(
            {"event": "worker_ended", "session": name, "process": worker.process_id.hex(), "pid": worker.pid, "reason": worker.reason}
        )
        _log.info("worker ended", session=name, process=worker.process_id.hex(), pid=worker.pid, reason=worker.reason)


def _forget_failed(session: Session, process_id: bytes, done: asyncio.Task[Worker]) -> None:
    if done.cancelled() or done.exception() is not None:
        session.workers.pop(process_id, None)
