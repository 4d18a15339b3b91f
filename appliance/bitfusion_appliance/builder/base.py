"""The base system: mmdebstrap's work, kept for the next build, and held to the versions of playbooks/base.lock."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path

from bitfusion_appliance.builder.disk import BuildError, run

# The time stamp of everything in the base system, so that it does not depend on when it was made.
MOMENT = 1767225600
_EXCLUDED = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*")


@dataclass(frozen=True)
class BaseSystem:
    """What is to be installed, from where, and the file with the versions."""

    suite: str
    components: tuple[str, ...]
    packages: tuple[str, ...]
    lock: Path
    mirror: str = ""

    def command(self, target: Path) -> list[str]:
        """mmdebstrap's. Without a mirror it uses the distribution's own, security updates included."""
        excluded = [f"--dpkgopt=path-exclude={pattern}" for pattern in _EXCLUDED]
        kept = "--dpkgopt=path-include=/usr/share/doc/*/copyright"
        options = ["--mode=root", "--format=tar", "--variant=minbase", '--aptopt=Apt::Install-Recommends "false"', *excluded, kept]
        choice = [f"--components={','.join(self.components)}", f"--include={','.join(self.packages)}"]
        return ["mmdebstrap", "--quiet", *options, *choice, self.suite, str(target), *([self.mirror] if self.mirror else [])]

    def fingerprint(self) -> str:
        """Another one, another base system."""
        versions = self.lock.read_text() if self.lock.exists() else ""
        return hashlib.sha256(json.dumps([self.command(Path("base")), versions]).encode()).hexdigest()[:16]


def load(file: Path, mirror: str) -> BaseSystem:
    """From playbooks/base.toml."""
    row = tomllib.loads(file.read_text())
    return BaseSystem(row["suite"], tuple(row["components"]), tuple(row["packages"]), file.with_suffix(".lock"), mirror)


def archive(base: BaseSystem, cache: Path, *, update_lock: bool) -> Path:
    """The base system as a tar, made only if this one has not been made before."""
    target = cache / f"base-{base.fingerprint()}.tar"
    if target.exists() and not update_lock:
        return target
    partial = cache / "base.partial.tar"
    run(*base.command(partial), environment={"SOURCE_DATE_EPOCH": str(MOMENT)})
    found = installed(partial)
    if update_lock:
        base.lock.write_text(found)
        target = cache / f"base-{base.fingerprint()}.tar"
    else:
        _hold(base, found)
    partial.replace(target)
    for old in cache.glob("base-*.tar"):
        if old != target:
            old.unlink()
    return target


def installed(tar: Path) -> str:
    """A line `package version` for each package, from dpkg's own record."""
    status = run("tar", "-xOf", str(tar), "./var/lib/dpkg/status")
    rows = [dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and line[0] != " ") for block in status.split("\n\n")]
    return "".join(sorted(f"{row['Package']} {row['Version']}\n" for row in rows if "Version" in row))


def _hold(base: BaseSystem, found: str) -> None:
    if not base.lock.exists():
        raise BuildError(f"{base.lock} is missing; make it with: ./dev ova --update-lock")
    wanted = set(base.lock.read_text().splitlines())
    differences = sorted(wanted ^ set(found.splitlines()))
    if differences:
        raise BuildError(
            f"the mirror has other versions than {base.lock.name}: {', '.join(differences[:6])}{' …' if len(differences) > 6 else ''}. "
            "Take them with ./dev ova --update-lock, or name a mirror that has the old ones with --mirror."
        )


def unpack(tar: Path, root: Path) -> None:
    """A fresh directory with the base system."""
    if root.exists():
        shutil.rmtree(root)
    root.mkdir(parents=True)
    run("tar", "-C", str(root), "--numeric-owner", "--xattrs", "--xattrs-include=*", "-xf", str(tar))


def clamp_times(root: Path, moment: int) -> None:
    """Nothing is newer than the release, and nothing was read later: the time of the build must not be in the image."""
    for folder, folders, files in os.walk(root, topdown=False):
        for name in (*files, *folders, "."):
            path = Path(folder) / name
            os.utime(path, (moment, min(moment, int(path.lstat().st_mtime))), follow_symlinks=False)
