"""Gets the distribution's own nvidia-smi for the demo and the tests, without root and without touching the system's packages.

    python tools/nvidia_smi.py DIRECTORY    prints the path of the program; where it cannot be had, says why in one line and exits 1

The program is in a section that machines seldom have enabled (Debian: non-free, Ubuntu: restricted). So the machine's own package sources
are read, the same archives are asked for that section with lists and a cache of our own, and the package is unpacked, never installed.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path("/etc/apt")
TIMEOUT_S = 120

APT_CONFIG = """\
Dir::State "{root}/state";
Dir::State::status "/dev/null";
Dir::Cache "{root}/cache";
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "{root}/sources";
APT::Sandbox::User "";
APT::Architecture "{architecture}";
Acquire::Languages "none";
Acquire::Retries "1";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::CNF::DefaultEnabled "false";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"""


class UnavailableError(Exception):
    """Why there is no nvidia-smi to be had here."""


@dataclass(frozen=True)
class Distribution:
    """Where a distribution keeps nvidia-smi: section of the archive and names of the package, best first."""

    section: str
    packages: tuple[str, ...]


DISTRIBUTIONS: Mapping[str, Distribution] = {
    "debian": Distribution("non-free", ("nvidia-smi",)),
    "ubuntu": Distribution("restricted", ("nvidia-utils-535", "nvidia-utils-550", "nvidia-utils-570", "nvidia-utils-580")),
}
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def fetch(directory: Path) -> Path:
    """The nvidia-smi below `directory`, got first if need be. Raises UnavailableError."""
    program = directory / "nvidia-smi"
    if program.exists():
        return program
    release = _os_release()
    distribution = DISTRIBUTIONS.get(release.get("ID", ""))
    missing = [tool for tool in ("apt-get", "dpkg") if shutil.which(tool) is None]
    if distribution is None or missing:
        raise UnavailableError(f"nvidia-smi is fetched on Debian and Ubuntu only (this is {release.get('PRETTY_NAME', 'unknown')})")
    work = directory / "apt"
    work.mkdir(parents=True, exist_ok=True)
    try:
        package = _download(work.resolve(), distribution, release.get("VERSION_CODENAME", ""))
        _run(["dpkg", "-x", str(package), str(work / "files")])
        unpacked = next((path for path in sorted(work.glob("files/**/nvidia-smi")) if path.is_file() and os.access(path, os.X_OK)), None)
        if unpacked is None:
            raise UnavailableError(f"{package.name} holds no nvidia-smi")
        unpacked.rename(program)
    finally:
        shutil.rmtree(work)
    return program


def _os_release() -> dict[str, str]:
    try:
        lines = Path("/etc/os-release").read_text().splitlines()
    except OSError:
        return {}
    return {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines)}


def _download(work: Path, distribution: Distribution, codename: str) -> Path:
    """Download the first package that there is, with apt's state kept below `work`."""
    _write_apt_files(work, distribution, codename)
    apt = ["apt-get", "-qq", "-c", str(work / "apt.conf")]
    _run([*apt, "update"])
    reasons = []
    for package in distribution.packages:
        try:
            _run([*apt, "download", package], cwd=work)
        except UnavailableError as error:
            reasons.append(str(error))
            continue
        return next(work.glob("*.deb"))
    raise UnavailableError(reasons[0])


def _write_apt_files(work: Path, distribution: Distribution, codename: str) -> None:
    for folder in ("sources", "state/lists/partial", "cache/archives/partial"):
        (work / folder).mkdir(parents=True, exist_ok=True)
    sources = list(with_section(_source_files(), codename, distribution.section))
    if not sources:
        raise UnavailableError(f"no package source of {codename or 'this system'} found in {SOURCES}")
    for number, (suffix, text) in enumerate(sources):
        (work / f"sources/{number}{suffix}").write_text(text)
    architecture = ARCHITECTURES.get(platform.machine(), platform.machine())
    (work / "apt.conf").write_text(APT_CONFIG.format(root=work, architecture=architecture))


def _source_files() -> Iterator[tuple[str, str]]:
    """Suffix and text of every file of package sources that this user may read."""
    for path in [SOURCES / "sources.list", *sorted((SOURCES / "sources.list.d").glob("*"))]:
        if path.suffix in (".list", ".sources") and os.access(path, os.R_OK):
            yield path.suffix, path.read_text()


def with_section(files: Iterator[tuple[str, str]], codename: str, section: str) -> Iterator[tuple[str, str]]:
    """The sources of the distribution itself (suites of `codename` with a section `main`), asked for `section` instead."""
    for suffix, text in files:
        entries = _stanzas(text, codename, section) if suffix == ".sources" else _lines(text, codename, section)
        for entry in entries:
            yield suffix, entry


def _ours(suites: list[str], sections: list[str], codename: str) -> bool:
    return "main" in sections and any(suite == codename or suite.startswith(f"{codename}-") for suite in suites)


def _stanzas(text: str, codename: str, section: str) -> Iterator[str]:
    """Entries of the deb822 form; a field may go on over lines that begin with a blank."""
    plain = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", plain.strip()):
        fields = {m[1].lower(): m[2].strip() for m in re.finditer(r"^([\w-]+):((?:.*)(?:\n[ \t].*)*)", stanza, re.MULTILINE)}
        enabled = fields.get("enabled", "yes").lower() not in ("no", "false", "off", "0")
        if not enabled or not _ours(fields.get("suites", "").split(), fields.get("components", "").split(), codename):
            continue
        fields["types"], fields["components"] = "deb", section
        yield "".join(f"{name}: {value}\n" for name, value in fields.items())


def _lines(text: str, codename: str, section: str) -> Iterator[str]:
    """Entries of the one-line form: deb [options] address suite section..."""
    for line in text.splitlines():
        entry = re.match(r"\s*deb\s+(\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+([^#]+)", line)
        if entry and _ours([entry[3]], entry[4].split(), codename):
            yield f"deb {entry[1] or ''}{entry[2]} {entry[3]} {section}\n"


def _run(command: list[str], cwd: Path | None = None) -> None:
    try:
        subprocess.run(command, cwd=cwd, check=True, timeout=TIMEOUT_S, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"{command[0]} gave up after {TIMEOUT_S} s") from error
    except subprocess.CalledProcessError as error:
        errors = [line for line in error.stderr.splitlines() if line.startswith("E:")] or error.stderr.splitlines()
        raise UnavailableError(f"{command[0]}: {errors[0] if errors else 'no reason given'}") from error


def main() -> int:
    """Print where nvidia-smi is, or why it is not to be had."""
    parser = argparse.ArgumentParser(description="Fetch the distribution's nvidia-smi into a directory of ours.")
    parser.add_argument("directory", type=Path)
    try:
        print(fetch(parser.parse_args().directory))
    except (UnavailableError, OSError) as error:
        print(f"nvidia-smi cannot be had: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
