"""The appliance's system without a kernel: what containers boot. Made in a minute or two, and kept until something it is made of changes."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

from bitfusion_appliance.builder import base, playbook, product, programs
from bitfusion_appliance.builder.disk import BuildError
from tools.layout import BUILD, LIB, ROOT

_CACHE = BUILD / "appliance" / "container"
_PROBE = """set -e
ip link add probe1 type veth peer name probe2
mkdir "$1/lower" "$1/upper" "$1/work" "$1/tree"
mount -t overlay probe -o "lowerdir=$1/lower,upperdir=$1/upper,workdir=$1/work" "$1/tree"
"""


def obstacle(scratch: Path) -> str:
    """Why this machine cannot boot containers; empty when it can."""
    if os.geteuid():
        return "containers are booted by root only"
    try:
        programs.ensure(programs.BUILD, programs.BOOT)
    except BuildError as error:
        return str(error)
    command = ["unshare", "--mount", "--net", "--pid", "--fork", "sh", "-c", _PROBE, "sh", scratch]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return f"no namespaces or overlays here: {done.stderr.strip()}" if done.returncode else ""


def refusal(tree: Path) -> str:
    """Why nspawn starts nothing in this directory; empty when it does."""
    command = ["systemd-nspawn", "--quiet", "-D", tree, "--register=no", "--keep-unit", "--private-network", "/bin/true"]
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return f"no containers here: {done.stderr.strip()}" if done.returncode else ""


def base_system() -> Path:
    """The base system's tar, which comes from a Debian mirror."""
    _CACHE.mkdir(parents=True, exist_ok=True)
    return base.archive(base.load_for_container(ROOT / "playbooks/base.toml"), _CACHE, update_lock=False)


def made(tar: Path) -> Path:
    """The directory."""
    archive = _CACHE / "product.tar"
    product.archive(product.Checkout(ROOT, LIB), archive, _CACHE, base.MOMENT)
    tree, stamp = _CACHE / "root", _CACHE / "root.made-of"
    wanted = _digest([tar, archive, *_files("playbooks"), *_files("systemd")])
    if not (stamp.exists() and stamp.read_text() == wanted):
        stamp.unlink(missing_ok=True)
        base.unpack(tar, tree)
        told: list[str] = []
        playbook.play(
            ROOT / "playbooks", tree, {"product_archive": str(archive), "product_version": "test"}, base.MOMENT, told.append, container=True
        )
        stamp.write_text(wanted)
    return tree


def _files(folder: str) -> list[Path]:
    return sorted(path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def _digest(paths: list[Path]) -> str:
    """Of a large tar its name says enough: it has the fingerprint in it."""
    found = hashlib.sha256()
    for path in paths:
        found.update(str(path).encode() + (b"" if path.name.startswith("base-") else path.read_bytes()))
    return found.hexdigest()
