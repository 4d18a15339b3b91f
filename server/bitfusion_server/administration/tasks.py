"""Work that takes longer than a request: it is begun, has an id, and is asked for later, also after the manager was restarted."""

from __future__ import annotations

import asyncio
import dataclasses
import uuid
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from bitfusion_core.errors import BitfusionError, Interrupted, NotFound
from bitfusion_server.store.base import Page, Store, Task, TaskState

_log = structlog.get_logger(__name__)

_REMEMBERED_S = 30 * 86400.0


class Tasks:
    """Begins work and keeps a record of it in the store."""

    def __init__(self, store: Store, wall_clock: Callable[[], float]) -> None:
        self._store = store
        self._wall_clock = wall_clock
        self._running: set[asyncio.Task[None]] = set()

    async def load(self) -> None:
        """At the start nothing runs: what the store takes for running was broken off. What is old is forgotten."""
        for task in await self._store.running_tasks():
            _log.warning("task interrupted", task=task.id, title=task.title)
            await self._failed(task, Interrupted(f"the manager was restarted during: {task.title}"), TaskState.INTERRUPTED)
        await self._store.forget_tasks(self._wall_clock() - _REMEMBERED_S)

    async def start(self, actor: str, title: str, work: Callable[[], Coroutine[Any, Any, str]]) -> Task:
        """Begin; what the work returns is its result."""
        task = Task(str(uuid.uuid4()), actor, title, self._wall_clock())
        await self._store.put_task(task)
        running = asyncio.get_running_loop().create_task(self._run(task, work()))
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        return task

    async def get(self, task_id: str) -> Task:
        """A task by its id."""
        task = await self._store.task(task_id)
        if task is None:
            raise NotFound(f"there is no task {task_id}", hint="The server forgets tasks after 30 days.")
        return task

    async def list(self, limit: int, start: str | None) -> Page[Task]:
        """Newest first."""
        return await self._store.tasks(limit, start)

    async def stop(self) -> None:
        """Break off what runs; the next start says so."""
        for running in tuple(self._running):
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _run(self, task: Task, work: Coroutine[Any, Any, str]) -> None:
        try:
            result = await work
        except BitfusionError as error:
            await self._failed(task, error)
        except Exception:  # noqa: BLE001 - the last edge of a task: the reason goes to the log
            _log.exception("task failed", task=task.id, title=task.title)
            await self._failed(task, BitfusionError("the server could not do this work"))
        else:
            await self._store.put_task(dataclasses.replace(task, state=TaskState.DONE, ended_at=self._wall_clock(), result=result))

    async def _failed(self, task: Task, error: BitfusionError, state: TaskState = TaskState.FAILED) -> None:
        ended = dataclasses.replace(task, state=state, ended_at=self._wall_clock(), result=error.detail, problem=error.problem())
        await self._store.put_task(ended)
