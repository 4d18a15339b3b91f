"""However an application ends, its GPUs come back."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cuda_builder import Builder
from tests.demo import Demo, wait_until

pytestmark = pytest.mark.gpu
FREE_WITHIN_S = 3.0


def _start_holder(demo: Demo, program: Builder) -> tuple[subprocess.Popen[str], int]:
    process = demo.start("run", "-n", "2", "--", str(program("hold")), "forever")
    assert process.stdout is not None
    status, pid = process.stdout.readline().split()
    assert status == "cudaSuccess"
    assert demo.leases()
    return process, int(pid)


def _gone(pid: int) -> bool:
    try:
        return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True


def test_killed_application_frees_its_gpus(program: Builder, own_demo: Demo) -> None:
    """kill -9 of the application: the launcher reports 137, and the GPUs are free at once."""
    launcher, application = _start_holder(own_demo, program)
    os.kill(application, signal.SIGKILL)

    wait_until(lambda: not own_demo.leases(), FREE_WITHIN_S, "the lease has ended")
    launcher.communicate(timeout=10)
    assert launcher.returncode == 128 + signal.SIGKILL


def test_killed_launcher_takes_its_application_with_it(program: Builder, own_demo: Demo) -> None:
    """kill -9 of `bitfusion run`: the application dies too, and the GPUs are free at once."""
    launcher, application = _start_holder(own_demo, program)
    launcher.kill()

    wait_until(lambda: not own_demo.leases(), FREE_WITHIN_S, "the lease has ended")
    wait_until(lambda: _gone(application), FREE_WITHIN_S, "the application is gone")
    launcher.communicate(timeout=10)


def test_terminated_launcher_passes_the_signal_on(program: Builder, own_demo: Demo) -> None:
    """SIGTERM reaches the application and comes back as its exit code."""
    launcher, application = _start_holder(own_demo, program)
    launcher.terminate()
    launcher.communicate(timeout=10)

    assert launcher.returncode == 128 + signal.SIGTERM
    assert _gone(application)
    wait_until(lambda: not own_demo.leases(), FREE_WITHIN_S, "the lease has ended")


@pytest.mark.parametrize("command, code", [(("true",), 0), (("sh", "-c", "exit 42"), 42), (("/nonexistent",), 127), (("/etc",), 126)])
def test_exit_code_is_the_childs(command: tuple[str, ...], code: int, demo: Demo) -> None:
    """`run` returns what its child returned, 127 for what is not there and 126 for what cannot be run."""
    done = demo.bitfusion("run", "-n", "1", "--", *command)

    assert done.returncode == code, done.stderr
    wait_until(lambda: not demo.leases(), FREE_WITHIN_S, "the lease has ended")


def test_standard_output_is_the_applications(demo: Demo) -> None:
    """Nothing of ours is on standard output, and input passes through."""
    done = subprocess.run(
        [demo.handle.cli, "run", "-n", "1", "cat"],
        check=False,
        env=demo.environment(),
        input="hello\n",
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert done.stdout == "hello\n"
