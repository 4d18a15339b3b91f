"""Work that takes longer than a request: it is begun, has an id, and is asked for later. Finished work is remembered until the manager ends."""

from __future__ import annotations

import asyncio
import enum
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import structlog

from bitfusion_core.errors import BitfusionError, NotFound

_log = structlog.get_logger(__name__)

_REMEMBERED = 1000


class TaskState(enum.StrEnum):
    """How far it is."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass
class Task:
    """One piece of work."""

    id: str
    actor: str
    title: str
    started_at: float
    state: TaskState = TaskState.RUNNING
    ended_at: float | None = None
    result: str = ""


class Tasks:
    """Those that run and the last that have ended."""

    def __init__(self, wall_clock: Callable[[], float]) -> None:
        self._wall_clock = wall_clock
        self._tasks: dict[str, Task] = {}
        self._running: set[asyncio.Task[None]] = set()

    def start(self, actor: str, title: str, work: Coroutine[Any, Any, str]) -> Task:
        """Begin; what the work returns is its result."""
        task = Task(str(uuid.uuid4()), actor, title, self._wall_clock())
        self._tasks[task.id] = task
        self._forget_oldest()
        running = asyncio.get_running_loop().create_task(self._run(task, work))
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        return task

    def get(self, task_id: str) -> Task:
        """A task by its id."""
        task = self._tasks.get(task_id)
        if task is None:
            raise NotFound(f"there is no task {task_id}", hint="The server forgets old tasks, and all when it is restarted.")
        return task

    def list(self) -> tuple[Task, ...]:
        """Newest first."""
        return tuple(reversed(self._tasks.values()))

    async def stop(self) -> None:
        """Break off what runs."""
        for running in tuple(self._running):
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _run(self, task: Task, work: Coroutine[Any, Any, str]) -> None:
        try:
            task.result = await work
            task.state = TaskState.DONE
        except BitfusionError as error:
            task.state, task.result = TaskState.FAILED, error.detail
        except Exception:  # noqa: BLE001 - the last edge of a task: the reason goes to the log
            _log.exception("task failed", task=task.id, title=task.title)
            task.state, task.result = TaskState.FAILED, "internal error; see the log of the server"
        finally:
            task.ended_at = self._wall_clock()

    def _forget_oldest(self) -> None:
        ended = [task.id for task in self._tasks.values() if task.state is not TaskState.RUNNING]
        for task_id in ended[: max(0, len(self._tasks) - _REMEMBERED)]:
            del self._tasks[task_id]
