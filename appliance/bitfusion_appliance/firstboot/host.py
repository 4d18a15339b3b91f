"""The machine as the agent sees it: files below a root directory, and programs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

COMMAND_TIMEOUT_S = 60.0


class StepFailed(Exception):
    """A step could not be done: why, and what to do."""

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


class Runner(Protocol):
    """Starts programs. Secrets go through standard input, never through arguments."""

    def __call__(self, arguments: Sequence[str], stdin: str = "", timeout_s: float = COMMAND_TIMEOUT_S) -> str:
        """Standard output of a program that succeeded; otherwise StepFailed."""


def run(arguments: Sequence[str], stdin: str = "", timeout_s: float = COMMAND_TIMEOUT_S) -> str:
    """The real runner."""
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(arguments, check=False, input=stdin, capture_output=True, text=True, timeout=timeout_s, env=environment)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StepFailed(f"{arguments[0]}: {error}") from error
    if done.returncode:
        last = (done.stderr or done.stdout).strip()[-2000:]
        raise StepFailed(f"{arguments[0]} ended with status {done.returncode}: {last}")
    return done.stdout


class Host:
    """Files below `root`, programs through `runner`."""

    def __init__(self, root: Path = Path("/"), runner: Runner = run) -> None:
        self.root = root
        self.run = runner

    def path(self, absolute: str) -> Path:
        """Where this file lies."""
        return self.root / absolute.lstrip("/")

    def read(self, absolute: str) -> str | None:
        """Content of a file; None if there is none."""
        try:
            return self.path(absolute).read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, absolute: str, content: str, mode: int = 0o644) -> bool:
        """Make a file have this content, at once and durably; whether that was a change."""
        path = self.path(absolute)
        if self.read(absolute) == content and path.stat().st_mode & 0o7777 == mode:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.new")
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        temporary.replace(path)
        return True

    def remove(self, absolute: str) -> None:
        """Make a file not be there."""
        self.path(absolute).unlink(missing_ok=True)
