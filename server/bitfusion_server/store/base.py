"""The interface every engine has: immutable snapshots out, conditional writes in.

Every method is one atomic, durable step: when it returns, the change survives a crash. A method that answers bool says whether its
condition held; if not, nothing was changed. Lists that grow come in pages; a place in a list that the engine did not give out raises
BadPlace. Engines share one contract test suite.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from bitfusion_core.errors import InvalidValue
from bitfusion_core.models import EndedLease, Lease
from bitfusion_server.store.samples import SampleStore

T = TypeVar("T")

GLOBAL = "global"


def server_subject(server_id: str) -> str:
    """Under which name the settings of one server are kept."""
    return f"server/{server_id}"


def client_subject(client_id: str) -> str:
    """Under which name the settings of one client are kept."""
    return f"client/{client_id}"


class Role(enum.StrEnum):
    """What somebody may do: people are one of the first three, machines that run applications are clients."""

    ADMIN = "administrator"
    OPERATOR = "operator"
    VIEWER = "viewer"
    CLIENT = "client"


class ClientState(enum.StrEnum):
    """Disabled clients start nothing new; deleted ones are cut off and never come back under the same id."""

    ACTIVE = "active"
    DISABLED = "disabled"
    DELETED = "deleted"


@dataclass(frozen=True)
class ServerIdentity:
    """Who this server is, for good."""

    id: str
    created_at: float


@dataclass(frozen=True)
class Token:
    """An access token; of its secret only the hash is kept. With a `user` it is that person's login and has no role of its own."""

    id: str
    secret_hash: bytes = field(repr=False)
    role: Role
    description: str
    created_at: float
    expires_at: float | None = None
    active: bool = True
    user: str = ""


@dataclass(frozen=True)
class User:
    """A person who logs in with a password, of which a slow hash is kept."""

    name: str
    role: Role
    password_hash: str = field(repr=False)
    created_at: float
    active: bool = True


@dataclass(frozen=True)
class Client:
    """A machine and user that has claimed an identity. `expires_at` None: never. `version` of its software, when it last said so."""

    id: str
    token_id: str
    hostname: str
    user: str
    created_at: float
    state: ClientState = ClientState.ACTIVE
    expires_at: float | None = None
    version: str = ""


@dataclass(frozen=True)
class ActiveLease:
    """A lease and its session key, which is kept exactly as long. `kept`: its client has confirmed that it has it."""

    lease: Lease
    key: bytes = field(repr=False)
    kept: bool = False


class TaskState(enum.StrEnum):
    """How far long work is. Interrupted: the manager ended before it did."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class Task:
    """One piece of long work. `problem`: why it failed, as RFC 9457 has it."""

    id: str
    actor: str
    title: str
    started_at: float
    state: TaskState = TaskState.RUNNING
    ended_at: float | None = None
    result: str = ""
    problem: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class AuditEntry:
    """Who did what to what, and when; how it was before and after. Neither holds a secret."""

    at: float
    actor: str
    action: str
    subject: str
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Page(Generic[T]):
    """A part of a list. `next` is where the following part begins, for the same method; None at the end."""

    items: tuple[T, ...]
    next: str | None = None


class BadPlace(InvalidValue):
    """A list cannot be read from there."""

    code = "bad_cursor"
    title = "The place in the list is not known"
    hint = "Take the cursor from the page before, or begin without one."


class Store(ABC):
    """See the module's docstring for what every method promises."""

    @abstractmethod
    async def open(self) -> None:
        """Create or migrate the storage and start to serve."""

    @abstractmethod
    async def close(self) -> None:
        """Finish what was asked and stop."""

    @property
    @abstractmethod
    def samples(self) -> SampleStore:
        """The time series."""

    @abstractmethod
    def describe(self) -> str:
        """Engine and schema version, for people."""

    @abstractmethod
    async def identify_server(self, proposed: ServerIdentity) -> ServerIdentity:
        """The identity stored first, which is `proposed` if there was none."""

    @abstractmethod
    async def settings(self) -> Mapping[str, Mapping[str, str]]:
        """What administrators have set: values by name, for each subject that has any."""

    @abstractmethod
    async def replace_settings(self, subject: str, values: Mapping[str, str], expected: Mapping[str, str]) -> bool:
        """Set all values of a subject (`GLOBAL`, a server, a client) if they are still exactly as `expected`."""

    @abstractmethod
    async def insert_token(self, token: Token) -> bool:
        """Add a token unless its id is taken."""

    @abstractmethod
    async def replace_token(self, token: Token, expected: Token) -> bool:
        """Change a token if it is still as `expected`."""

    @abstractmethod
    async def delete_token(self, token_id: str) -> bool:
        """Remove a token; false if there is none."""

    @abstractmethod
    async def token(self, token_id: str) -> Token | None:
        """A token by its id."""

    @abstractmethod
    async def tokens(self) -> Sequence[Token]:
        """All tokens, oldest first."""

    @abstractmethod
    async def insert_user(self, user: User) -> bool:
        """Add a user unless the name is taken."""

    @abstractmethod
    async def replace_user(self, user: User, expected: User) -> bool:
        """Change a user who is still as `expected`."""

    @abstractmethod
    async def delete_user(self, name: str) -> bool:
        """Remove a user; false if there is none."""

    @abstractmethod
    async def user(self, name: str) -> User | None:
        """A user by name."""

    @abstractmethod
    async def users(self) -> Sequence[User]:
        """All users, oldest first."""

    @abstractmethod
    async def insert_client(self, client: Client) -> bool:
        """Add a client unless its id is taken."""

    @abstractmethod
    async def replace_client(self, client: Client, expected: Client) -> bool:
        """Change a client if it is still as `expected`."""

    @abstractmethod
    async def client(self, client_id: str) -> Client | None:
        """A client by its id, deleted ones too."""

    @abstractmethod
    async def clients(self, limit: int, start: str | None = None) -> Page[Client]:
        """Clients, oldest first, deleted ones too."""

    @abstractmethod
    async def open_lease(self, active: ActiveLease) -> bool:
        """Add a lease unless its id is taken."""

    @abstractmethod
    async def keep_lease(self, lease_id: str) -> bool:
        """Note that its client has confirmed an open lease; false if it is not open."""

    @abstractmethod
    async def close_lease(self, lease_id: str, ended_at: float, reason: str) -> bool:
        """Move a lease to the history and forget its key; false if it is not open."""

    @abstractmethod
    async def active_leases(self, server_id: str) -> Sequence[ActiveLease]:
        """Open leases on a server, oldest first."""

    @abstractmethod
    async def ended_leases(self, limit: int, start: str | None = None) -> Page[EndedLease]:
        """Ended leases, newest first."""

    @abstractmethod
    async def put_task(self, task: Task) -> None:
        """Add a task, or what is known of it now."""

    @abstractmethod
    async def task(self, task_id: str) -> Task | None:
        """A task by its id."""

    @abstractmethod
    async def tasks(self, limit: int, start: str | None = None) -> Page[Task]:
        """Tasks, newest first."""

    @abstractmethod
    async def running_tasks(self) -> Sequence[Task]:
        """Those that have not ended, oldest first."""

    @abstractmethod
    async def forget_tasks(self, before: float) -> None:
        """Remove those that were begun before a time."""

    @abstractmethod
    async def append_audit(self, entry: AuditEntry) -> None:
        """Add to the audit log."""

    @abstractmethod
    async def audit(self, limit: int, start: str | None = None) -> Page[AuditEntry]:
        """Entries, newest first."""
