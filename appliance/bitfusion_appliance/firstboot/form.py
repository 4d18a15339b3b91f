"""The filled-in form of this boot: read, its secrets resolved and masked at the source, kept for boots without one.

vCenter hands the environment over at power-on only, and a change to a running machine can lose it; the last good one is kept, 0600.
A masked secret means that it has been read before: its value is in what was kept.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

from bitfusion_appliance.firstboot import ovf_environment, transports
from bitfusion_appliance.firstboot.host import Host, StepFailed
from bitfusion_appliance.firstboot.ovf_environment import Adapter, BadEnvironment, OvfEnvironment
from bitfusion_appliance.properties import MASK, Table

CACHE = "/var/lib/bitfusion/firstboot/environment.json"


@dataclass(frozen=True)
class Form:
    """What was filled in, where it came from, and what there is to say about that."""

    properties: dict[str, str] = field(default_factory=dict, repr=False)
    adapters: tuple[Adapter, ...] = ()
    source: str = "none"
    notes: tuple[str, ...] = ()


def read(host: Host, rows: Table) -> Form:
    """This boot's form."""
    kept = _kept(host)
    reading = transports.read(host)
    if reading is None:
        return _fall_back(kept, "no vApp properties were handed over")
    try:
        environment = ovf_environment.parse(reading.xml)
    except BadEnvironment as error:
        return _fall_back(kept, f"the vApp properties from {reading.source} cannot be read: {error}")
    properties = _resolve(environment, kept, rows)
    _keep(host, OvfEnvironment(properties, environment.adapters))
    return Form(properties, environment.adapters, reading.source, _mask(reading, rows))


def recall(host: Host) -> Form:
    """The form as it was read at the beginning of this boot: a CD may be gone by now, and guest variables have been masked."""
    kept = _kept(host)
    return Form() if kept is None else Form(kept.properties, kept.adapters, "kept")


def _fall_back(kept: OvfEnvironment | None, why: str) -> Form:
    if kept is None:
        return Form(notes=(f"{why}; network adapter 1 uses DHCP",))
    return Form(kept.properties, kept.adapters, "kept", (f"{why}; those of the last boot are used",))


def _resolve(environment: OvfEnvironment, kept: OvfEnvironment | None, rows: Table) -> dict[str, str]:
    """Properties of the table, masked secrets replaced by what they were."""
    before = kept.properties if kept is not None else {}
    known = rows.by_key()
    given = {key: value for key, value in environment.properties.items() if key in known}
    return {key: before.get(key, "") if known[key].secret and value == MASK else value for key, value in given.items()}


def _mask(reading: transports.Reading, rows: Table) -> tuple[str, ...]:
    masked = ovf_environment.masked(reading.xml, {row.key for row in rows.properties if row.secret})
    if masked is None or reading.write_back is None:
        return ()
    try:
        reading.write_back(masked)
    except (StepFailed, OSError) as error:
        # The tool's message may repeat the document.
        return (f"passwords could not be blanked in {reading.source} ({type(error).__name__}); users of this machine can read them there",)
    return ()


def _keep(host: Host, environment: OvfEnvironment) -> None:
    content = {"properties": environment.properties, "adapters": [asdict(adapter) for adapter in environment.adapters]}
    host.write(CACHE, json.dumps(content, indent=1, sort_keys=True), 0o600)


def _kept(host: Host) -> OvfEnvironment | None:
    text = host.read(CACHE)
    if text is None:
        return None
    try:
        content = json.loads(text)
        return OvfEnvironment(dict(content["properties"]), tuple(Adapter(**row) for row in content["adapters"]))
    except (ValueError, KeyError, TypeError):
        return None  # as if there had been none; it is written again with the next good one
