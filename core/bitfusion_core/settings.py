"""Every setting of the server, in one typed table.

A value comes, weakest first, from the default, bitfusion-manager.yaml, the environment (`BITFUSION_` and the name in capitals, `.` and `-`
as `_`), the command line, and, where the scope allows it, the store. Code, help text and the reference page read this table.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Union

from bitfusion_core.errors import BitfusionError, InvalidSetting
from bitfusion_core.units import parse_duration

Value = Union[str, int, float, bool]


class Scope(enum.Enum):
    """Where it may be set: only for the process, at its start; for all servers at once; for one server; for one client.

    What may be set for one server or client has a default for all of them, which an administrator sets in the same way.
    """

    PROCESS = "process"
    GLOBAL = "global"
    SERVER = "server"
    CLIENT = "client"


@dataclass(frozen=True)
class Setting:
    """One row. `low` and `high` bound a number, both or neither; a float in seconds also takes `10m` and the like."""

    name: str
    type: type
    default: Value
    scope: Scope
    help: str
    low: float | None = None
    high: float | None = None
    secret: bool = False

    def parse(self, given: Any) -> Value:
        """A value of the right type within its range, or an error that says what is wrong."""
        value = self._convert(given)
        if self.low is not None and self.high is not None and not self.low <= float(value) <= self.high:
            raise InvalidSetting(f"{self.name}: {given!r} is outside {self.low:g} to {self.high:g}")
        return value

    def _convert(self, given: Any) -> Value:
        try:
            if self.type is bool:
                return _boolean(given)
            if self.type is float and isinstance(given, str) and self.name.endswith("_s"):
                return parse_duration(given)
            if self.type is int and isinstance(given, (bool, float)):
                raise ValueError(given)
            return self.type(given)  # type: ignore[no-any-return]
        except (ValueError, TypeError, KeyError, BitfusionError) as error:
            raise InvalidSetting(f"{self.name}: {given!r} is not a valid {self.type.__name__}") from error


_BOOLEANS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def _boolean(given: Any) -> bool:
    return _BOOLEANS[str(given).lower()]


TABLE: tuple[Setting, ...] = (
    Setting("manager.listen", str, "0.0.0.0:56001", Scope.PROCESS, "address and port of the manager's HTTPS API"),
    Setting("manager.max_connections", int, 4096, Scope.PROCESS, "connections the API serves at once", 16, 65536),
    Setting("dispatcher.port", int, 55001, Scope.PROCESS, "port of the data connections", 1, 65535),
    Setting("dispatcher.managed", bool, True, Scope.PROCESS, "start the dispatcher when it is not running; off: it is its own service"),
    Setting(
        "dispatcher.worker_uids", str, "60706-61183", Scope.PROCESS, "user ids of workers, one a session, if root starts them; empty: none"
    ),
    Setting("data.tls", bool, True, Scope.SERVER, "encrypt data connections; turn off only on isolated data networks"),
    Setting("server.address", str, "", Scope.PROCESS, "address clients reach this server at; empty: that of the default route"),
    Setting("server.id", str, "", Scope.PROCESS, "identity of this server in a new store, a UUID; empty: a new one is made"),
    Setting("server.accepting", bool, True, Scope.SERVER, "allow new client connections; off: running applications finish"),
    Setting("gpu.simulated_count", int, 0, Scope.PROCESS, "appliance: simulated GPUs instead of real ones, to try it out; 0: none", 0, 16),
    Setting("gpu.simulated_memory", str, "16GiB", Scope.PROCESS, "appliance: memory of each simulated GPU"),
    Setting("gpu.context_reserve_mib", int, 0, Scope.SERVER, "memory kept for the driver's own context in each partition", 0, 4096),
    Setting("metrics.interval_s", float, 5.0, Scope.SERVER, "time between two readings of the GPUs", 0.5, 3600),
    Setting("history.managed", bool, True, Scope.PROCESS, "keep the history in the manager; off: `bitfusion analytics` does"),
    Setting("queue.max_waiting", int, 10000, Scope.SERVER, "requests that may wait at once", 1, 1000000),
    Setting("queue.max_wait_s", float, 86400.0, Scope.SERVER, "longest wait a client may ask for", 1, 31536000),
    Setting("lease.silence_s", float, 60.0, Scope.SERVER, "time without a sign of life after which a client's lease ends", 2, 3600),
    Setting("lease.reconnect_s", float, 60.0, Scope.SERVER, "time clients have to come back after a restart of the manager", 1, 3600),
    Setting("lease.idle_timeout_min", int, 0, Scope.CLIENT, "minutes without GPU work after which a session ends; 0: never", 0, 525600),
    Setting("gpu.devices", str, "", Scope.PROCESS, "indexes of the GPUs to lease, such as 0,2; empty: all"),
    Setting("gpu.nvidia_smi", str, "", Scope.PROCESS, "nvidia-smi that clients are given; empty: the one on PATH"),
    Setting("client.gpu_quota", float, 64.0, Scope.CLIENT, "GPUs a client may have at once, partitions counted by their share", 0, 1000000),
    Setting("client.lifetime_days", int, 365, Scope.GLOBAL, "days a new client may use the servers before it has to be extended", 1, 36500),
    Setting("token.lifetime_days", int, 365, Scope.GLOBAL, "days a new client token is valid", 1, 36500),
    Setting("login.lifetime_min", int, 720, Scope.GLOBAL, "minutes after which a login ends", 1, 43200),
)
BY_NAME: dict[str, Setting] = {row.name: row for row in TABLE}


class Settings:
    """Effective values; immutable."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        unknown = sorted(set(values) - set(BY_NAME))
        if unknown:
            raise InvalidSetting(f"unknown setting {unknown[0]!r}", hint="Settings: " + ", ".join(BY_NAME) + ".")
        self._values = {row.name: row.parse(values.get(row.name, row.default)) for row in TABLE}

    def with_values(self, values: Mapping[str, Any]) -> Settings:
        """A copy in which these win."""
        return Settings({**self._values, **values})

    def text(self, name: str) -> str:
        """Value of a text setting."""
        return str(self._values[name])

    def number(self, name: str) -> float:
        """Value of a setting with fractions, such as seconds."""
        return float(self._values[name])

    def integer(self, name: str) -> int:
        """Value of a whole-number setting."""
        return int(self._values[name])

    def flag(self, name: str) -> bool:
        """Value of an on/off setting."""
        return bool(self._values[name])

    def shown(self) -> dict[str, Value]:
        """All values for people to see; secrets are blanked."""
        return {row.name: "***" if row.secret else self._values[row.name] for row in TABLE}


def environment_name(setting: Setting) -> str:
    """`lease.silence_s` is BITFUSION_LEASE_SILENCE_S."""
    return "BITFUSION_" + setting.name.upper().replace(".", "_").replace("-", "_")


def from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Settings given as environment variables."""
    return {row.name: environment[environment_name(row)] for row in TABLE if environment_name(row) in environment}
