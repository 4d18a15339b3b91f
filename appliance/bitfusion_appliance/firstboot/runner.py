"""Runs the modules of a stage, in order. One that fails does not hold up the others: ssh and the console must be reached."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence

from bitfusion_appliance.firstboot import form, state
from bitfusion_appliance.firstboot.host import Host, StepFailed
from bitfusion_appliance.firstboot.module import Boot, Frequency, Module, Stage
from bitfusion_appliance.firstboot.state import Outcome, Record, State
from bitfusion_appliance.properties import Table, check

_log = logging.getLogger("bitfusion-firstboot")


def begins(stage: Stage | None, only: str | None) -> bool:
    """Whether this run is the first of its boot: it reads the form, the others go by what it has read."""
    return only is None and stage is not Stage.NETWORK


def prepare(host: Host, rows: Table, *, fresh: bool = True) -> Boot:
    """Check this boot's form; `fresh`: read it first."""
    filled = form.read(host, rows) if fresh else form.recall(host)
    values, problems = check(filled.properties, rows)
    return Boot(host, filled, values, problems)


def run(boot: Boot, modules: Sequence[Module], stage: Stage | None = None, only: str | None = None) -> State:
    """Run what is due of these modules; the state is saved after each."""
    now = state.load(boot.host)
    if begins(stage, only):
        # A new boot: what the last one said is no longer so, what it has done still is.
        now.problems, now.finished = [], False
        now.source, now.notes = boot.form.source, list(boot.form.notes)
    for module in modules:
        if stage in {None, module.stage} and only in {None, module.id}:
            record = _run(boot, module, now.records.get(module.id))
            _log.log(
                logging.ERROR if record.outcome is Outcome.FAILED else logging.INFO, "%s: %s: %s", module.id, record.outcome, record.message
            )
            now.records[module.id] = record
            now.problems = list(dict.fromkeys([*now.problems, *map(str, boot.problems)]))
            state.save(boot.host, now)
    if only is None and stage is not Stage.LOCAL:
        now.finished = True
        state.save(boot.host, now)
    return now


def _run(boot: Boot, module: Module, before: Record | None) -> Record:
    digest = _digest(boot, module)
    if boot.wrong(module.keys) and not module.tolerant:
        return Record(Outcome.KEPT, "left as it was, because a property is wrong", digest=before.digest if before else "")
    if module.frequency is Frequency.ON_CHANGE and before and before.digest == digest and before.outcome is not Outcome.FAILED:
        return Record(Outcome.UNCHANGED, before.message, before.hint, digest)
    try:
        return Record(Outcome.DONE, module.apply(boot), digest=digest)
    except StepFailed as error:
        return Record(Outcome.FAILED, error.reason, error.hint)
    except OSError as error:
        return Record(Outcome.FAILED, str(error), "Free disk space or repair the file system, then restart the machine.")


def _digest(boot: Boot, module: Module) -> str:
    """Stands for the values of a module's properties."""
    values = {key: str(boot.values.get(key)) for key in module.keys}
    return hashlib.sha256(json.dumps([module.id, values], sort_keys=True).encode()).hexdigest()
