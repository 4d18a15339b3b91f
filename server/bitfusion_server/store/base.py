"""The interface every engine has: immutable snapshots out, conditional writes in.

Every method is one atomic, durable step: when it returns, the change survives a crash. A method that answers bool says whether its
condition held; if not, nothing was changed. Engines share one contract test suite.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bitfusion_core.models import EndedLease, Lease


class Role(enum.StrEnum):
    """What the holder of a token may do."""

    ADMIN = "admin"
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
    """An access token; of its secret only the hash is kept."""

    id: str
    secret_hash: bytes = field(repr=False)
    role: Role
    description: str
    created_at: float
    expires_at: float | None = None
    active: bool = True


@dataclass(frozen=True)
class Client:
    """A machine and user that has claimed an identity."""

    id: str
    token_id: str
    hostname: str
    user: str
    created_at: float
    state: ClientState = ClientState.ACTIVE


@dataclass(frozen=True)
class ActiveLease:
    """A lease and its session key, which is kept exactly as long."""

    lease: Lease
    key: bytes = field(repr=False)


@dataclass(frozen=True)
class AuditEntry:
    """Who did what to what, and when. `detail` never holds a secret."""

    at: float
    actor: str
    action: str
    subject: str
    detail: str = ""


class Store(ABC):
    """See the module's docstring for what every method promises."""

    @abstractmethod
    async def open(self) -> None:
        """Create or migrate the storage and start to serve."""

    @abstractmethod
    async def close(self) -> None:
        """Finish what was asked and stop."""

    @abstractmethod
    async def identify_server(self, proposed: ServerIdentity) -> ServerIdentity:
        """The identity stored first, which is `proposed` if there was none."""

    @abstractmethod
    async def settings(self) -> Mapping[str, str]:
        """Settings an administrator has changed."""

    @abstractmethod
    async def put_setting(self, name: str, value: str, expected: str | None) -> bool:
        """Change a setting if it still has the value `expected` (None: not set)."""

    @abstractmethod
    async def insert_token(self, token: Token) -> bool:
        """Add a token unless its id is taken."""

    @abstractmethod
    async def replace_token(self, token: Token, expected: Token) -> bool:
        """Change a token if it is still as `expected`."""

    @abstractmethod
    async def token(self, token_id: str) -> Token | None:
        """A token by its id."""

    @abstractmethod
    async def tokens(self) -> Sequence[Token]:
        """All tokens, oldest first."""

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
    async def clients(self) -> Sequence[Client]:
        """All clients, oldest first."""

    @abstractmethod
    async def open_lease(self, active: ActiveLease) -> bool:
        """Add a lease unless its id is taken."""

    @abstractmethod
    async def close_lease(self, lease_id: str, ended_at: float, reason: str) -> bool:
        """Move a lease to the history and forget its key; false if it is not open."""

    @abstractmethod
    async def active_leases(self, server_id: str) -> Sequence[ActiveLease]:
        """Open leases on a server, oldest first."""

    @abstractmethod
    async def ended_leases(self, limit: int, before: float | None = None) -> Sequence[EndedLease]:
        """The newest ended leases, newest first, that ended before a moment."""

    @abstractmethod
    async def append_audit(self, entry: AuditEntry) -> None:
        """Add to the audit log."""

    @abstractmethod
    async def audit(self, limit: int, before: float | None = None) -> Sequence[AuditEntry]:
        """The newest entries, newest first, from before a moment."""
