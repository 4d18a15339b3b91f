"""Ansible in a directory that holds a system: programs run in a chroot with namespaces of their own, files are copied."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.connection import ConnectionBase

DOCUMENTATION = """
name: root_tree
short_description: Configure the system in a directory
description:
  - Programs run as root below the directory, with their own mounts, processes and host name.
options:
  remote_addr:
    description: The directory.
    vars:
      - name: ansible_host
"""

_MOUNTS = "mount -t proc proc {root}/proc && mount --rbind /dev {root}/dev && mount -t sysfs -o ro sysfs {root}/sys 2>/dev/null; "


class Connection(ConnectionBase):  # type: ignore[misc]
    """A connection to a directory."""

    transport = "root_tree"
    has_pipelining = True

    def _connect(self) -> Connection:
        self._root = Path(self.get_option("remote_addr"))
        if not (self._root / "usr/bin").is_dir():
            raise AnsibleError(f"{self._root} holds no system; unpack the base system there first")
        self._connected = True
        return self

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Run a shell command in the system."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        script = _MOUNTS.format(root="$1") + 'exec chroot "$1" /bin/sh -c "$2"'
        namespaces = ["unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child"]
        command = [*namespaces, "sh", "-c", script, "sh", str(self._root), cmd]
        environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/run"}
        # Programs that write the date somewhere take this one, if there is one.
        environment |= {name: os.environ[name] for name in ("SOURCE_DATE_EPOCH",) if name in os.environ}
        done = subprocess.run(command, check=False, input=in_data or b"", capture_output=True, env=environment)
        return done.returncode, done.stdout, done.stderr

    def put_file(self, in_path: str, out_path: str) -> None:
        """Copy a file into the system."""
        super().put_file(in_path, out_path)
        shutil.copyfile(in_path, self._inside(out_path))

    def fetch_file(self, in_path: str, out_path: str) -> None:
        """Copy a file out of the system."""
        super().fetch_file(in_path, out_path)
        shutil.copyfile(self._inside(in_path), out_path)

    def close(self) -> None:
        """Nothing stays open."""
        self._connected = False

    def _inside(self, path: str) -> Any:
        return self._root / path.lstrip("/")
