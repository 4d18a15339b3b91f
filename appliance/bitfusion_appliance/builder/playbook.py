"""Runs the playbook on the directory that becomes the image."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bitfusion_appliance.builder.disk import BuildError

_RECAP = re.compile(r"ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)")
# Where files are put on their way into the image.
_TEMPORARY = ("run/ansible", "run/.ansible")
_TASK = re.compile(r"^TASK \[(.*?)\]")


@dataclass(frozen=True)
class Recap:
    """Ansible's last line."""

    ok: int
    changed: int


def play(
    folder: Path, root: Path, variables: dict[str, str], moment: int, tell: Callable[[str], None], *, container: bool = False
) -> Recap:
    """Apply playbooks/appliance.yml; every task is told. `container`: without what only a machine needs."""
    inventory = f"image ansible_connection=root_tree ansible_host={root}\n"
    hosts = root.parent / "inventory.ini"
    hosts.write_text(f"[appliance]\n{inventory}")
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(hosts), "-e", json.dumps(variables), "appliance.yml"]
    command += ["--skip-tags", "machine"] if container else []
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
        "ANSIBLE_HOME": str(root.parent / "ansible"),
        "ANSIBLE_NOCOLOR": "1",
    }
    environment |= {"ANSIBLE_REMOTE_TEMP": f"/{_TEMPORARY[0]}", "LC_ALL": "C.UTF-8", "SOURCE_DATE_EPOCH": str(moment)}
    lines: list[str] = []
    with subprocess.Popen(
        [sys.executable, *command], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout or ():
            lines.append(line)
            if task := _TASK.match(line):
                tell(task[1])
    for name in _TEMPORARY:
        shutil.rmtree(root / name, ignore_errors=True)
    found = _RECAP.search("".join(lines[-5:]))
    if process.returncode or found is None:
        raise BuildError(f"the playbook failed:\n{''.join(lines[-40:])}")
    return Recap(int(found[1]), int(found[2]))
