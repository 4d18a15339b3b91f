"""What a module is: something the agent does, when, and with which properties."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field

from bitfusion_appliance.firstboot.form import Form
from bitfusion_appliance.firstboot.host import Host
from bitfusion_appliance.properties import Problem, Values


class Stage(enum.StrEnum):
    """Before networks are configured, or once they are up."""

    LOCAL = "local"
    NETWORK = "network"


class Frequency(enum.StrEnum):
    """At every boot, or when one of the properties has another value than when it was last done."""

    EVERY_BOOT = "every-boot"
    ON_CHANGE = "on-change"


@dataclass
class Boot:
    """What a module works with. It may add problems."""

    host: Host
    form: Form
    values: Values
    problems: list[Problem] = field(default_factory=list)

    def wrong(self, keys: tuple[str, ...]) -> bool:
        """Whether one of these properties has a value that cannot be used."""
        return any(problem.key in keys for problem in self.problems)


@dataclass(frozen=True)
class Module:
    """A row of the list in `modules/__init__.py`. `apply` may be repeated at any time; it returns one sentence on what is so now.

    With `tolerant` it is run although one of its properties is wrong, and copes.
    """

    id: str
    stage: Stage
    frequency: Frequency
    keys: tuple[str, ...]
    apply: Callable[[Boot], str]
    tolerant: bool = False
