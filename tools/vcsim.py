"""VMware's vCenter simulator, and govc: built from pinned releases by the Go on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tools.layout import BUILD, ToolError, locked, say

VERSION = "v0.46.3"
_FOLDER = BUILD / f"govmomi-{VERSION}"


def fetch(name: str = "vcsim") -> Path:
    """Path of `vcsim` or `govc`, built if need be."""
    program = _FOLDER / name
    with locked("govmomi"):
        if not program.exists():
            _build(name)
    return program


def _build(name: str) -> None:
    if not shutil.which("go"):
        raise ToolError(f"{name} is built with Go 1.22 or newer, which is not installed; on Debian 13: sudo apt-get install golang-go")
    say(f"building {name} {VERSION}")
    command = ["go", "install", f"github.com/vmware/govmomi/{name}@{VERSION}"]
    done = subprocess.run(command, check=False, env={**os.environ, "GOBIN": str(_FOLDER)}, capture_output=True, text=True)
    if done.returncode:
        raise ToolError(f"could not build {name}: {done.stderr.strip()}")
