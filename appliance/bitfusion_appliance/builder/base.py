"""The base system: mmdebstrap's work, kept for the next build, and held to the packages of playbooks/base.lock, by version and SHA-256."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path

from bitfusion_appliance.builder.disk import BuildError, run

# The time stamp of everything in the base system, so that it does not depend on when it was made.
MOMENT = 1767225600
# What apt knows of every installed package, hashes included; apt's lists are gone when mmdebstrap has ended.
_RECORDS = """chroot "$1" sh -c 'dpkg-query --show --showformat="\\${Package}=\\${Version}\\n" | xargs apt-cache show' """
_EXCLUDED = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*")


@dataclass(frozen=True)
class BaseSystem:
    """What is to be installed, from where, and the file with the agreed versions; without one, whatever versions there are."""

    suite: str
    components: tuple[str, ...]
    packages: tuple[str, ...]
    lock: Path | None
    mirror: str = ""

    def command(self, target: Path) -> list[str]:
        """mmdebstrap's. Without a mirror it uses the distribution's own, security updates included."""
        excluded = [f"--dpkgopt=path-exclude={pattern}" for pattern in _EXCLUDED]
        kept = "--dpkgopt=path-include=/usr/share/doc/*/copyright"
        options = ["--mode=root", "--format=tar", "--variant=minbase", '--aptopt=Apt::Install-Recommends "false"', *excluded, kept]
        choice = [f"--components={','.join(self.components)}", f"--include={','.join(self.packages)}"]
        hook = f"--customize-hook={_RECORDS}> {shlex.quote(str(_records(target)))}"
        return ["mmdebstrap", "--quiet", *options, *choice, hook, self.suite, str(target), *([self.mirror] if self.mirror else [])]

    def fingerprint(self) -> str:
        """Another one, another base system."""
        versions = self.lock.read_text() if self.lock and self.lock.exists() else ""
        return hashlib.sha256(json.dumps([self.command(Path("base")), versions]).encode()).hexdigest()[:16]


def load(file: Path, mirror: str) -> BaseSystem:
    """From playbooks/base.toml: a machine's."""
    row = tomllib.loads(file.read_text())
    return BaseSystem(
        row["suite"], tuple(row["components"]), (*row["packages"], *row["machine_packages"]), file.with_suffix(".lock"), mirror
    )


def load_for_container(file: Path) -> BaseSystem:
    """The same without a kernel and what belongs to it, in the versions of the day."""
    row = tomllib.loads(file.read_text())
    return BaseSystem(row["suite"], tuple(row["components"]), tuple(row["packages"]), None)


def archive(base: BaseSystem, cache: Path, *, update_lock: bool) -> Path:
    """The base system as a tar, made only if this one has not been made before."""
    target = cache / f"base-{base.fingerprint()}.tar"
    if target.exists() and not update_lock:
        return target
    partial = cache / "base.partial.tar"
    run(*base.command(partial), environment={"SOURCE_DATE_EPOCH": str(MOMENT)})
    found = installed(_records(partial).read_text())
    if base.lock and update_lock:
        base.lock.write_text(found)
        target = cache / f"base-{base.fingerprint()}.tar"
    elif base.lock:
        hold(base.lock, found)
    partial.replace(target)
    for old in cache.glob("base-*.tar"):
        if old != target:
            old.unlink()
    return target


def _records(tar: Path) -> Path:
    return tar.with_suffix(".records")


def installed(records: str) -> str:
    """A line `package version SHA-256` for each package, from apt's records."""
    rows = [dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and line[0] != " ") for block in records.split("\n\n")]
    return "".join(sorted(f"{row['Package']} {row['Version']} {row['SHA256']}\n" for row in rows if row))


def hold(lock: Path, found: str) -> None:
    """Refuse other packages than those that were agreed on; the same version with another content is another package."""
    if not lock.exists():
        raise BuildError(f"{lock} is missing; make it with: ./dev ova --update-lock")
    differences = sorted({line.rpartition(" ")[0] for line in {*lock.read_text().splitlines()} ^ {*found.splitlines()}})
    if differences:
        raise BuildError(
            f"the mirror has other packages than {lock.name}: {', '.join(differences[:6])}{' …' if len(differences) > 6 else ''}. "
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
