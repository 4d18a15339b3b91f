"""Long work: look at what was begun."""

from __future__ import annotations

import msgspec

from bitfusion_server.administration.tasks import Task
from bitfusion_server.api.fields import Seconds
from bitfusion_server.api.routing import Call


class TaskShown(msgspec.Struct, frozen=True):
    """Work that was begun by a request. `state` is running, done or failed; `result` says what was done, or why not."""

    id: str
    actor: str
    title: str
    state: str
    started_at: Seconds
    ended_at: Seconds | None
    result: str


class TaskList(msgspec.Struct, frozen=True):
    """Newest first."""

    tasks: list[TaskShown]


async def index(call: Call) -> TaskList:
    """What runs and what has ended since the manager started."""
    return TaskList([shown(task) for task in call.services.administration.tasks.list()])


async def show(call: Call) -> TaskShown:
    """One task."""
    return shown(call.services.administration.tasks.get(call.id))


def shown(task: Task) -> TaskShown:
    """A task as the API shows it."""
    return TaskShown(task.id, task.actor, task.title, task.state.value, task.started_at, task.ended_at, task.result)
