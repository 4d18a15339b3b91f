"""Every check that reads code without running it; one line per check, the output of those that fail."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tools import environment
from tools.layout import BUILD, PYTHON, ROOT, VENV, say

BIN = VENV / "bin"
TYPED_FOR_CLIENTS = ("core", "client_pkg")
TYPED = (*TYPED_FOR_CLIENTS, "server", "appliance", "tools", "native/codegen", "native/spec", "native/ptx")


@dataclass(frozen=True)
class Check:
    """A row: its name and its command line."""

    name: str
    command: list[str]


def checks() -> Iterator[Check]:
    """Every check, the slow ones first so that they run side by side."""
    ours = [folder for folder in TYPED if _python(folder)]
    old = [folder for folder in TYPED_FOR_CLIENTS if _python(folder)]
    mypy = [str(BIN / "mypy"), "--no-error-summary"]
    yield Check("types (Python 3.11)", [*mypy, "--python-version=3.11", *ours])
    yield Check("types (Python 3.9)", [*mypy, "--python-version=3.9", f"--cache-dir={BUILD}/.mypy_cache39", *old])
    yield Check("lint", [str(BIN / "ruff"), "check", "--quiet", "--output-format=concise", f"--cache-dir={BUILD}/.ruff_cache", "."])
    yield Check(
        "format", [str(BIN / "ruff"), "format", "--check", "--quiet", "--output-format=concise", f"--cache-dir={BUILD}/.ruff_cache", "."]
    )
    yield Check("imports", [str(BIN / "lint-imports"), "--no-logo", "--cache-dir", f"{BUILD}/.import_linter_cache"])
    yield Check("playbooks", [str(PYTHON), "-m", "ansiblelint", "--offline", "-q", "playbooks/appliance.yml"])
    yield Check("C++ format", [str(BIN / "clang-format"), "--dry-run", "--Werror", *_cpp_files()])
    yield Check("spelling", [str(BIN / "codespell"), *tracked()])
    yield Check("portable text", [str(PYTHON), "-m", "tools.portable", *tracked()])


def _python(folder: str) -> bool:
    return any((ROOT / folder).rglob("*.py"))


def tracked(*patterns: str) -> list[str]:
    """Files of the checkout that git knows and that exist."""
    names = subprocess.run(["git", "ls-files", "-z", "--", *patterns], check=True, cwd=ROOT, capture_output=True, text=True).stdout
    return [name for name in names.split("\0") if name and (ROOT / name).is_file()]


def _cpp_files() -> list[str]:
    return tracked("*.cpp", "*.h", "*.cu", "*.cuh")


def run(check: Check) -> tuple[Check, float, subprocess.CompletedProcess[str]]:
    """Run one check and time it."""
    started = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": ":".join(str(ROOT / path) for path in ("", "core", "client_pkg", "server", "appliance"))}
    done = subprocess.run(check.command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True)
    return check, time.monotonic() - started, done


def main() -> int:
    """`python -m tools.check [NAME...]`."""
    rows = list(checks())
    parser = argparse.ArgumentParser(prog="./dev check", description="Check the code without running it.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these: " + ", ".join(row.name for row in rows))
    parser.add_argument("--fix", action="store_true", help="rewrite what the linters and formatters can repair")
    arguments = parser.parse_args()
    environment.ensure(*environment.RUNTIME, "simgpu", "appliance", "test", "lint")
    if arguments.fix:
        return fix()
    chosen = [row for row in rows if not arguments.names or any(row.name.startswith(name) for name in arguments.names)]
    failures = 0
    with ThreadPoolExecutor(2) as pool:
        for check, seconds, done in pool.map(run, chosen):
            say(f"{'ok    ' if done.returncode == 0 else 'FAILED'} {check.name} ({seconds:.1f} s)")
            if done.returncode:
                failures += 1
                print(done.stdout + done.stderr, flush=True)
    say("all checks passed" if not failures else f"{failures} of {len(chosen)} checks failed; ./dev check --fix repairs lint and format")
    return 1 if failures else 0


def fix() -> int:
    """Let the tools repair what they can."""
    commands = [
        [str(BIN / "ruff"), "check", "--fix", "--quiet", "."],
        [str(BIN / "ruff"), "format", "--quiet", "."],
        [str(BIN / "clang-format"), "-i", *_cpp_files()],
    ]
    return max(subprocess.run(command, check=False, cwd=ROOT).returncode for command in commands)


if __name__ == "__main__":
    sys.exit(main())
