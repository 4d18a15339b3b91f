"""Real processes, signals and terminals."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.client.conftest import COMMAND, Cli, eventually
from tests.client.fake_manager import FakeManager

# The words that a terminal test waits for are spelled with "" in the command, which our own log line repeats.
# Starts a process that leaves the session and the process group, and says its number.
DAEMON = "import os,sys,time\nif os.fork()==0:\n os.setsid()\n if os.fork()==0:\n  print(os.getpid(),flush=True); time.sleep(60)\n os._exit(0)\ntime.sleep(60)"


def alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def first_line(process: subprocess.Popen[str]) -> str:
    """The first line of its output."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_killed_launcher_takes_the_application_down(cli: Cli, manager: FakeManager) -> None:
    """kill -9 of `bitfusion run`: the application dies, the lease ends, the allocation file goes, all within 3 s."""
    process = cli.start("run", "-n", "1", "--", "sh", "-c", 'echo "$$ $BITFUSION_ALLOCATION"; sleep 60')
    pid, file = first_line(process).split()
    started = time.monotonic()

    process.kill()

    eventually(lambda: not alive(int(pid)), "the application's end")
    eventually(lambda: not Path(file).exists(), "the removal of the file")
    assert manager.ended.get(timeout=5) == "disconnected"
    assert time.monotonic() - started < 3
    process.communicate(timeout=5)


def test_killed_launcher_takes_daemons_down(cli: Cli) -> None:
    """Processes that have left the application's group and session are found too."""
    process = cli.start("run", "-n", "1", "--", "python3", "-c", DAEMON)
    daemon = int(first_line(process))

    process.kill()

    eventually(lambda: not alive(daemon), "the daemon's end")
    process.communicate(timeout=5)


def test_daemons_outlive_an_ordinary_end(cli: Cli) -> None:
    """Without violence nothing is killed: what the application leaves behind is its own affair."""
    process = cli.start("run", "-n", "1", "--", "sh", "-c", "sleep 60 >/dev/null 2>&1 & echo $!")
    daemon = int(first_line(process))
    process.communicate(timeout=20)

    assert alive(daemon)
    os.kill(daemon, signal.SIGKILL)


def test_killed_application(cli: Cli, manager: FakeManager) -> None:
    """kill -9 of the application: 137, and the GPUs are given back."""
    process = cli.start("run", "-n", "1", "--", "sh", "-c", "echo $$; exec sleep 60")
    os.kill(int(first_line(process)), signal.SIGKILL)

    process.communicate(timeout=20)

    assert process.returncode == 137
    assert manager.ended.get(timeout=5) == "deleted"


@pytest.mark.parametrize("name", ["TERM", "HUP", "INT", "USR1", "USR2"])
def test_signals_are_passed_on(cli: Cli, name: str) -> None:
    """A signal sent to `bitfusion run` reaches the application, whose answer decides."""
    process = cli.start("run", "-n", "1", "--", "sh", "-c", f"trap 'echo got; exit 3' {name}; echo up; while :; do sleep 0.01; done")
    assert first_line(process) == "up"

    process.send_signal(getattr(signal, f"SIG{name}"))
    output, _ = process.communicate(timeout=20)

    assert (output, process.returncode) == ("got\n", 3)


@pytest.mark.parametrize("signum, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_cancelled_while_queued(cli: Cli, manager: FakeManager, signum: int, code: int) -> None:
    """Cancelling before the application starts leaves nothing behind."""
    release = threading.Event()
    manager.behaviour.before = [{"event": "queued", "place": 1, "reason": "full", "waited_s": 0}, release]
    process = cli.start("run", "-n", "1", "--", "true")
    eventually(lambda: ("POST", "/v1/leases") in [request[:2] for request in manager.requests], "the request")

    process.send_signal(signum)
    _, errors = process.communicate(timeout=20)
    release.set()

    assert "Error: cancelled by " in errors
    assert process.returncode == code


def test_default_actions_of_signals_are_restored(cli: Cli) -> None:
    """Python ignores SIGPIPE; the application must not."""
    result = cli.run("run", "-n", "1", "--", "grep", "-E", "SigIgn|SigBlk", "/proc/self/status")
    assert result.returncode == 0, result.stderr

    blocked, ignored = (int(line.split()[1], 16) for line in result.stdout.splitlines())
    assert not ignored & (1 << (signal.SIGPIPE - 1))
    assert blocked == 0


def test_closed_standard_input_of_the_guardian(cli: Cli) -> None:
    """The end of the application closes its output: nothing of ours holds the pipe."""
    process = cli.start("run", "-n", "1", "--", "sh", "-c", "exec 1>&- 2>&-; sleep 1")
    assert process.stdout is not None
    poller = select.poll()
    poller.register(process.stdout, select.POLLHUP)

    assert process.wait(20) == 0
    assert poller.poll(1000)
    process.communicate(timeout=5)


# What a shell does: the job gets its own process group and the terminal; a stopped job is reported and continued in the foreground.
SHELL = """
import os, signal, sys
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
job = os.fork()
if job == 0:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.execv(sys.argv[1], sys.argv[1:])
while True:
    status = os.waitpid(job, os.WUNTRACED)[1]
    if not os.WIFSTOPPED(status):
        os._exit(os.waitstatus_to_exitcode(status))
    os.tcsetpgrp(0, os.getpid())
    os.write(1, b"[stopped]")
    os.tcsetpgrp(0, job)
    os.killpg(job, signal.SIGCONT)
"""


class Terminal:
    """`bitfusion` as the foreground job of a shell on a pseudo-terminal."""

    def __init__(self, cli: Cli, *arguments: str) -> None:
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.execve(COMMAND[0], [COMMAND[0], "-c", SHELL, *COMMAND, *arguments], cli.environment)
        self.output = ""

    def expect(self, words: str, within_s: float = 20) -> None:
        """Read until `words` appear."""
        deadline = time.monotonic() + within_s
        while words not in self.output:
            ready, _, _ = select.select([self.master], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"{words!r} not in {self.output!r}"
            self.output += os.read(self.master, 65536).decode()

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self.master, keys.encode())

    def wait(self) -> int:
        """Exit code of the job."""
        with contextlib.suppress(OSError):
            while os.read(self.master, 65536):
                pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


Open = Callable[..., Terminal]


@pytest.fixture
def terminal(cli: Cli) -> Iterator[Open]:
    """Opens terminals and closes them at the end."""
    opened: list[Terminal] = []

    def start(*arguments: str) -> Terminal:
        opened.append(Terminal(cli, *arguments))
        return opened[-1]

    yield start
    for one in opened:
        os.close(one.master)
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(one.pid, signal.SIGKILL)
            os.waitpid(one.pid, 0)


def test_terminal_belongs_to_the_application(terminal: Open) -> None:
    """It is a terminal for the application, whose size and keys it sees."""
    job = terminal("run", "-n", "1", "--", "sh", "-c", 'test -t 0 && test -t 1 && test -t 2 && echo T""TY; read x; echo got-$x; exit 4')
    job.expect("TTY")
    job.type("keys\n")
    job.expect("got-keys")
    assert job.wait() == 4


def test_interrupt_key(terminal: Open) -> None:
    """ctrl-C reaches the application exactly once; `bitfusion run` lives on until the application has ended."""
    script = """trap 'echo I""NT' INT; echo rol""ling; read x; read x; exit 6"""
    job = terminal("run", "-n", "1", "--", "bash", "-c", script)
    job.expect("rolling")
    job.type("\x03")
    job.expect("INT\r")
    job.type("\n\n")
    assert job.wait() == 6
    assert job.output.count("INT\r") == 1


def test_stop_key(terminal: Open, manager: FakeManager) -> None:
    """ctrl-Z stops the application and with it the job; SIGCONT continues both."""
    job = terminal("run", "-n", "1", "--", "sh", "-c", 'echo rol""ling; read x; exit 8')
    job.expect("rolling")
    job.type("\x1a")
    job.expect("[stopped]")
    job.type("\n")
    assert job.wait() == 8


def test_queue_progress_on_a_terminal(terminal: Open, manager: FakeManager) -> None:
    """Place and reason are shown while queued, and wiped before the application starts."""
    release = threading.Event()
    manager.behaviour.before = [{"event": "queued", "place": 2, "reason": "all GPUs are in use", "waited_s": 0}, release]
    job = terminal("run", "-n", "1", "--", "true")
    job.expect("Waiting for GPUs: place 2 in the queue, all GPUs are in use")
    release.set()
    job.expect("\r\x1b[K[INFO]")
    assert job.wait() == 0
