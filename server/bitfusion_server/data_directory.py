"""The data directory of a manager: what lies where."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bitfusion_core.errors import InvalidSetting
from bitfusion_server import files
from bitfusion_server.auth.authority import TlsFiles
from bitfusion_server.store.base import Store
from bitfusion_server.store.sqlite import SqliteStore

_LONGEST_SOCKET_PATH = 107  # sun_path of Linux, less its end


@dataclass(frozen=True)
class Running:
    """The manager that runs on a data directory, and where it can be reached from this machine."""

    pid: int
    host: str
    port: int


@dataclass(frozen=True)
class DataDirectory:
    """What lies where. Only the manager's user may read it."""

    path: Path

    def prepare(self) -> None:
        """Make the directories."""
        if len(os.fsencode(self.dispatcher_socket)) > _LONGEST_SOCKET_PATH:
            raise InvalidSetting(f"the path of the data directory is too long: {self.path}", hint="Choose a shorter --data.")
        for directory in (self.path, self.run):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def run(self) -> Path:
        """Sockets and locks."""
        return self.path / "run"

    @property
    def dispatcher_socket(self) -> Path:
        """The dispatcher's control socket."""
        return self.run / "dispatcher.sock"

    @property
    def tls(self) -> TlsFiles:
        """Authority and certificate."""
        return TlsFiles(self.path / "tls")

    @property
    def token_key(self) -> Path:
        """What the secrets of client tokens follow from."""
        return self.path / "token.key"

    def store(self) -> Store:
        """The store of a single server."""
        return SqliteStore(self.path / "store.db")

    def note_running(self, running: Running) -> None:
        """Tell the commands of this machine where the manager is."""
        files.replace(self._running, msgspec.json.encode(running), 0o600)

    def forget_running(self) -> None:
        """The manager ends."""
        self._running.unlink(missing_ok=True)

    def running(self) -> Running | None:
        """The manager that has said it runs here; it may have been killed since."""
        try:
            return msgspec.json.decode(self._running.read_bytes(), type=Running)
        except FileNotFoundError:
            return None

    @property
    def _running(self) -> Path:
        return self.run / "manager.json"
