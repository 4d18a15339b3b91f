"""`./dev ova`: builds the appliance, with each step's time."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bitfusion_appliance.builder import base, disk, ova, playbook, product, programs, vmdk
from bitfusion_appliance.builder.disk import BuildError, Identity
from bitfusion_appliance.builder.ova import Hardware, Signer
from bitfusion_appliance.properties import table

ROOT = Path(__file__).resolve().parents[3]
NAME = "bitfusion-server"
DISK_MIB = 32 * 1024
_DEFAULT_MOMENT = base.MOMENT


@dataclass(frozen=True)
class Places:
    """Where the build keeps what."""

    cache: Path
    dist: Path
    libraries: Path

    @property
    def root(self) -> Path:
        """The directory that becomes the image."""
        return self.cache / "root"


class Progress:
    """Numbered steps with their times, on standard error."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._number = 0
        self._began = self._step_began = time.monotonic()

    def step(self, text: str) -> None:
        """The next one begins."""
        self._end()
        self._number += 1
        print(f"ova: [{self._number}/{self._steps}] {text}", file=sys.stderr, flush=True)

    def tell(self, text: str) -> None:
        """Something within the step."""
        print(f"ova:       {text}", file=sys.stderr, flush=True)

    def finish(self, text: str) -> None:
        """The last one has ended."""
        self._end()
        print(f"ova: {text} in {time.monotonic() - self._began:.0f} s", file=sys.stderr, flush=True)

    def _end(self) -> None:
        now = time.monotonic()
        if self._number:
            self.tell(f"{now - self._step_began:.0f} s")
        self._step_began = now


def main(arguments: Sequence[str] | None = None) -> int:
    """Build; prints the path of the OVA."""
    chosen = _parser().parse_args(arguments)
    build = chosen.build.absolute()
    places = Places(build / "appliance", chosen.dist.absolute(), build / "lib")
    try:
        programs.ensure(programs.BUILD)
        if os.geteuid():
            raise BuildError("a system is built as root; run it again with: sudo ./dev ova")
        if chosen.root_only:
            print(build_root(chosen, places, Progress(4)))
        else:
            print(build_all(chosen, places, Progress(7)))
    except BuildError as error:
        print(f"ova: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./dev ova", description="Build the appliance into dist/.")
    parser.add_argument("--mirror", default="", metavar="URL", help="Debian mirror; several lines of sources.list or a folder do as well")
    parser.add_argument(
        "--update-lock",
        nargs="?",
        const="all",
        choices=["all", "base", "wheels"],
        help="take today's packages of the base system, or Python wheels, or both into playbooks/*.lock",
    )
    parser.add_argument("--root-only", action="store_true", help="stop when the image's directory is ready")
    parser.add_argument("--sign", nargs=2, type=Path, metavar=("KEY", "CERTIFICATE"), help="sign the manifest with this RSA key")
    parser.add_argument("--build", type=Path, default=ROOT / "build", help=argparse.SUPPRESS)
    parser.add_argument("--dist", type=Path, default=ROOT / "dist", metavar="DIR", help="where the OVA goes (default: dist)")
    return parser


def build_root(chosen: argparse.Namespace, places: Places, progress: Progress) -> Path:
    """The directory that becomes the image."""
    places.cache.mkdir(parents=True, exist_ok=True)
    progress.step("base system (mmdebstrap; kept for the next build)")
    system = base.load(ROOT / "playbooks" / "base.toml", chosen.mirror)
    tar = base.archive(system, places.cache, update_lock=chosen.update_lock in {"all", "base"})
    progress.step("unpack it")
    base.unpack(tar, places.root)
    progress.step("the product")
    checkout = product.Checkout(ROOT, places.libraries)
    if chosen.update_lock in {"all", "wheels"}:
        product.update_lock(checkout)
    product.archive(checkout, places.cache / "product.tar", places.cache, release()[1])
    progress.step("playbook")
    recap = playbook.play(ROOT / "playbooks", places.root, variables(places), release()[1], progress.tell)
    progress.tell(f"{recap.ok} tasks, {recap.changed} of them changed something")
    return places.root


def variables(places: Places) -> dict[str, str]:
    """What the playbook is given."""
    return {"product_archive": str(places.cache / "product.tar"), "product_version": release()[0]}


def build_all(chosen: argparse.Namespace, places: Places, progress: Progress) -> Path:
    """Everything."""
    build_root(chosen, places, progress)
    version, moment = release()
    places.dist.mkdir(parents=True, exist_ok=True)
    progress.step("disk")
    base.clamp_times(places.root, moment)
    raw = places.cache / "disk.raw"
    disk.make(places.root, raw, DISK_MIB, Identity(version, moment), places.cache)
    progress.step("VMDK")
    hardware = Hardware()
    file = places.cache / f"{NAME}-{version}-disk1.vmdk"
    written = vmdk.write(raw, file, hardware.version)
    progress.step("OVF and OVA")
    target = places.dist / f"{NAME}-{version}.ova"
    _package(chosen, places, target, file, ova.descriptor(table(), version, hardware, file.name, written), moment)
    progress.finish(f"{target} has {target.stat().st_size / 1e6:.0f} MB;")
    return target


def _package(chosen: argparse.Namespace, places: Places, target: Path, file: Path, descriptor: str, moment: int) -> None:
    described = places.cache / f"{target.stem}.ovf"
    described.write_text(descriptor)
    listed = places.cache / f"{target.stem}.mf"
    listed.write_text(ova.manifest([described, file]))
    parts = [described, listed]
    if chosen.sign:
        signed = places.cache / f"{target.stem}.cert"
        signed.write_text(ova.signature(listed, Signer(*chosen.sign)))
        parts.append(signed)
    ova.archive(target, [*parts, file], moment)


def release() -> tuple[str, int]:
    """The version, and its moment: that of the commit, unless SOURCE_DATE_EPOCH says otherwise."""
    import tomllib

    version = str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return version, int(given)
    done = subprocess.run(["git", "-C", str(ROOT), "log", "-1", "--format=%ct"], check=False, capture_output=True, text=True)
    return version, int(done.stdout) if done.returncode == 0 and done.stdout.strip() else _DEFAULT_MOMENT


if __name__ == "__main__":
    sys.exit(main())
