"""Runs built samples, each straight on the simulated driver and through the product."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tools.samples.recipe import Recipe
from tools.server import DemoServer, Handle

# How NVIDIA's samples say that they cannot run here.
WAIVED_CODE = 2
PASSED, WAIVED, FAILED, TIMED_OUT = "passed", "waived", "failed", "timed out"
LONGEST_TAIL = 400


@dataclass(frozen=True)
class Outcome:
    """What became of a sample, and the end of what it printed."""

    word: str
    seconds: float = 0.0
    tail: str = ""


@dataclass(frozen=True)
class Machine:
    """The two ways to run a program: prefix of the command, and environment."""

    prefix: Callable[[int], list[str]]
    environment: Callable[[int], dict[str, str]]


def straight(server: DemoServer) -> Machine:
    """On the simulated driver itself."""

    def environment(gpus: int) -> dict[str, str]:
        return {**os.environ, **server.native_environment(), "CUDA_VISIBLE_DEVICES": ",".join(map(str, range(gpus)))}

    return Machine(lambda _: [], environment)


def remoted(handle: Handle) -> Machine:
    """Through the product."""
    return Machine(lambda gpus: [handle.cli, "run", "-n", str(gpus), "--"], lambda _: handle.client_environment())


def run(recipe: Recipe, executable: Path, machine: Machine, timeout_s: float) -> Outcome:
    """All runs of a sample, until one does not pass."""
    started = time.monotonic()
    outcome = Outcome(PASSED)
    for arguments in recipe.runs:
        command = [*machine.prefix(recipe.gpus), str(executable), *arguments]
        outcome = _run_once(command, machine.environment(recipe.gpus), executable.parent, timeout_s)
        if outcome.word != PASSED:
            break
    return Outcome(outcome.word, round(time.monotonic() - started, 1), outcome.tail)


def _run_once(command: list[str], environment: dict[str, str], folder: Path, timeout_s: float) -> Outcome:
    """A process group of its own, so that samples that start processes leave none behind."""
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
        errors="replace",
    ) as process:
        try:
            output = process.communicate(timeout=timeout_s)[0]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return Outcome(TIMED_OUT, tail=process.communicate()[0][-LONGEST_TAIL:])
    return Outcome(_word(process.returncode), tail=output[-LONGEST_TAIL:])


def _word(code: int) -> str:
    return {0: PASSED, WAIVED_CODE: WAIVED}.get(code, f"{FAILED} ({code})")
