"""What has been done so far, written after every module: an interrupted boot goes on from here."""

from __future__ import annotations

import enum
import json
from dataclasses import asdict, dataclass, field
from typing import Any

from bitfusion_appliance.firstboot.host import Host

FILE = "/var/lib/bitfusion/firstboot/state.json"
PUBLIC = "/run/bitfusion/firstboot.json"
VERSION = 1


class Outcome(enum.StrEnum):
    """How a module ended."""

    DONE = "done"
    UNCHANGED = "unchanged"
    KEPT = "kept"  # a value is wrong: what was there before was left
    FAILED = "failed"


@dataclass(frozen=True)
class Record:
    """A module's last run. `digest` stands for the values it was done with."""

    outcome: Outcome
    message: str
    hint: str = ""
    digest: str = ""


@dataclass
class State:
    """Records by module id, and what is wrong with the form."""

    records: dict[str, Record] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    source: str = "none"
    finished: bool = False

    def failures(self) -> dict[str, Record]:
        """Modules whose last run failed."""
        return {name: record for name, record in self.records.items() if record.outcome is Outcome.FAILED}

    @property
    def status(self) -> str:
        """In one word: `running` until this boot's modules have been run, then `done`, or `degraded` when something is wrong."""
        if not self.finished:
            return "running"
        return "degraded" if self.problems or self.failures() else "done"

    def shown(self) -> dict[str, Any]:
        """For `status --json`."""
        records = {name: {"outcome": row.outcome, "message": row.message, "hint": row.hint} for name, row in self.records.items()}
        return {
            "version": VERSION,
            "status": self.status,
            "source": self.source,
            "problems": self.problems,
            "notes": self.notes,
            "modules": records,
        }


def load(host: Host) -> State:
    """What was written; a file that cannot be read counts as none, and everything is done again."""
    try:
        content = json.loads(host.read(FILE) or "{}")
        records = {name: Record(**{**row, "outcome": Outcome(row["outcome"])}) for name, row in content.get("records", {}).items()}
        return State(
            records,
            list(content.get("problems", [])),
            list(content.get("notes", [])),
            str(content.get("source", "none")),
            content.get("finished") is True,
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return State()


def save(host: Host, state: State) -> None:
    """The whole for root only, because digests are made from secrets; the rest for everybody."""
    host.write(FILE, json.dumps(asdict(state), indent=1), 0o600)
    host.write(PUBLIC, json.dumps(state.shown(), indent=1))


def published(host: Host) -> dict[str, Any]:
    """What everybody may see; `running` before the first boot has begun."""
    text = host.read(PUBLIC)
    shown: dict[str, Any] = json.loads(text) if text else State().shown()
    return shown
