"""A thread that owns one SQLite connection and does the work of coroutines on it."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from bitfusion_core.errors import ServerUnavailable

T = TypeVar("T")

_BATCH = 256


class StoreFailed(ServerUnavailable):
    """The storage refused: disk full, file damaged, locked by another program."""

    code = "store_failed"
    title = "The server's store does not work"
    hint = "Check free space and permissions of the data directory, then restart the manager."


class Job:
    """Work and where its outcome goes."""

    def __init__(self, work: Callable[[sqlite3.Connection], Any], loop: asyncio.AbstractEventLoop) -> None:
        self.work = work
        self.loop = loop
        self.done: asyncio.Future[Any] = loop.create_future()
        self.result: Any = None
        self.error: Exception | None = None

    def run(self, db: sqlite3.Connection) -> None:
        """Do the work; whatever comes of it is kept for the caller."""
        try:
            self.result = self.work(db)
        except Exception as error:  # noqa: BLE001 - every outcome belongs to the caller
            self.error = error

    def deliver(self) -> None:
        """In the event loop: wake the caller, if it still waits."""
        if self.done.done():
            return
        if self.error is None:
            self.done.set_result(self.result)
        elif isinstance(self.error, sqlite3.Error):
            self.done.set_exception(StoreFailed(str(self.error)))
        else:
            self.done.set_exception(self.error)


class Lane:
    """Runs jobs in order. A transactional lane commits all jobs that were waiting at once and only then reports them done."""

    def __init__(self, connect: Callable[[], sqlite3.Connection], *, transactional: bool) -> None:
        self._connect = connect
        self._transactional = transactional
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    async def start(self) -> None:
        """Start the thread; the first job meets the error if the connection cannot be opened."""
        self._thread = threading.Thread(target=self._main, name="store", daemon=True)
        self._thread.start()
        await self.run(lambda _: None)

    async def stop(self) -> None:
        """Finish the jobs given and end the thread."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._jobs.put(None)
            await asyncio.to_thread(thread.join)

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do work on the connection; returns when it is durable. A cancelled caller's work is done all the same."""
        if self._thread is None:
            raise StoreFailed("the store is closed")
        job = Job(work, asyncio.get_running_loop())
        self._jobs.put(job)
        result: T = await job.done
        return result

    def _main(self) -> None:
        try:
            db = self._connect()
        except (sqlite3.Error, OSError) as error:
            self._refuse_all(sqlite3.OperationalError(str(error)))
            return
        while batch := self._take():
            self.work_off(db, batch)
            _report(batch)
        db.close()

    def work_off(self, db: sqlite3.Connection, batch: list[Job]) -> None:
        """Do jobs that came together; their outcomes are in them."""
        self._transact(db, batch) if self._transactional else self._each(db, batch)

    def _take(self) -> list[Job]:
        """All that waits, at least one; empty at the end."""
        batch = []
        job = self._jobs.get()
        while job is not None:
            batch.append(job)
            if self._jobs.empty() or len(batch) == _BATCH:
                return batch
            job = self._jobs.get()
        if batch:
            self._jobs.put(None)
        return batch

    def _each(self, db: sqlite3.Connection, batch: list[Job]) -> None:
        for job in batch:
            job.run(db)

    def _transact(self, db: sqlite3.Connection, batch: list[Job]) -> None:
        try:
            db.execute("BEGIN IMMEDIATE")
            for job in batch:
                db.execute("SAVEPOINT job")
                job.run(db)
                if job.error is not None:
                    db.execute("ROLLBACK TO job")
                db.execute("RELEASE job")
            db.execute("COMMIT")
        except sqlite3.Error as error:
            if db.in_transaction:
                db.execute("ROLLBACK")
            for job in batch:
                job.error = job.error or error

    def _refuse_all(self, error: Exception) -> None:
        while (job := self._jobs.get()) is not None:
            job.error = error
            _report([job])


def _report(batch: list[Job]) -> None:
    loop = batch[0].loop
    if not loop.is_closed():
        loop.call_soon_threadsafe(_deliver_all, batch)


def _deliver_all(batch: list[Job]) -> None:
    for job in batch:
        job.deliver()
