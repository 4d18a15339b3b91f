"""Long work: look at what was begun."""

from __future__ import annotations

import msgspec

from bitfusion_server.api.fields import PageQuery, Seconds
from bitfusion_server.api.routing import Call
from bitfusion_server.store.base import Task


class TaskProblem(msgspec.Struct, frozen=True):
    """Why work failed, in the words of a refused request."""

    code: str
    title: str
    detail: str
    hint: str


class TaskShown(msgspec.Struct, frozen=True):
    """Work that was begun by a request. `state` is running, done, failed or interrupted; `result` says what was done, or why not."""

    id: str
    actor: str
    title: str
    state: str
    started_at: Seconds
    ended_at: Seconds | None
    result: str
    problem: TaskProblem | None


class TaskPage(msgspec.Struct, frozen=True):
    """Newest first."""

    tasks: list[TaskShown]
    next: str | None


async def index(call: Call) -> TaskPage:
    """What runs, and what has ended in the last 30 days."""
    query: PageQuery = call.query
    page = await call.services.administration.tasks.list(query.limit, query.cursor)
    return TaskPage([shown(task) for task in page.items], page.next)


async def show(call: Call) -> TaskShown:
    """One task. One that a restart of the manager broke off is interrupted."""
    return shown(await call.services.administration.tasks.get(call.id))


def shown(task: Task) -> TaskShown:
    """A task as the API shows it."""
    problem = None if task.problem is None else msgspec.convert(task.problem, TaskProblem)
    return TaskShown(task.id, task.actor, task.title, task.state.value, task.started_at, task.ended_at, task.result, problem)
