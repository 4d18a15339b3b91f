"""Starts the application and stays out of its way: same terminal, same process group, same standard streams.

The terminal's signals reach the application directly, because it is in our process group; we neither act on them nor repeat them. Signals
that somebody sends to us with kill() are passed on. When the application is stopped by its terminal, so are we, so that the shell sees a
stopped job. Should we die, the application dies with us.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import time
from pathlib import Path

from bitfusion_client import cancelling, linux, log
from bitfusion_client.application import Application, environment
from bitfusion_client.control import ControlLink
from bitfusion_client.errors import CannotExecute, CannotStart, CommandNotFound
from bitfusion_client.guardian import Guardian, kill_launch
from bitfusion_core.errors import EXIT_SIGNAL_BASE

TERMINATION_GRACE_S = 5.0
_POLL_S = 1.0
_REALTIME = range(signal.SIGRTMIN, signal.SIGRTMAX + 1)
_PASSED_ON = frozenset(
    (
        signal.SIGHUP,
        signal.SIGINT,
        signal.SIGQUIT,
        signal.SIGUSR1,
        signal.SIGUSR2,
        signal.SIGALRM,
        signal.SIGTERM,
        signal.SIGCONT,
        signal.SIGTSTP,
        signal.SIGWINCH,
        *_REALTIME,
    )
)
_TERMINAL_STOPS = frozenset((signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU))
# Python ignores these two; an application expects the system's default.
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)


def launch(application: Application, libraries: Path, allocation: Path, control: ControlLink | None = None) -> int:
    """Run the application to its end and return its exit code, or 128+N for signal N.

    With a control connection the allocation is ours: it dies with us. All signals stay blocked afterwards, for the clean-up.
    """
    identifier = os.urandom(8).hex()
    # Whoever started us may ignore it, and then nobody could wait for a child.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, {*_PASSED_ON, *_TERMINAL_STOPS, signal.SIGCHLD})
    signals = linux.signal_descriptor((*_PASSED_ON, signal.SIGCHLD))
    guardian = Guardian(identifier, allocation if control is not None else None)
    try:
        cancelling.check()
        pid = _start(application, environment(libraries, allocation, identifier), cancelling.released(previous))
        return _Supervisor(pid, identifier, signals, control).wait()
    finally:
        guardian.dismiss()
        os.close(signals)


def _start(application: Application, variables: dict[str, str], mask: set[signal.Signals | int]) -> int:
    """Fork and execute; an error of the execution is reported here, not by the child."""
    reader, writer = os.pipe()
    parent = os.getpid()
    try:
        pid = os.fork()
    except OSError as error:
        raise CannotStart(f"cannot start '{application.shown}': {error.strerror}") from None
    if pid == 0:
        _become(application, variables, mask, parent, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        failure = file.read()
    if failure:
        os.waitpid(pid, 0)
        raise _start_failure(application, int(failure))
    return pid


def _become(application: Application, variables: dict[str, str], mask: set[signal.Signals | int], parent: int, writer: int) -> None:
    """In the child: turn into the application. Never returns."""
    try:
        linux.die_with_parent()
        if os.getppid() != parent:
            os._exit(EXIT_SIGNAL_BASE + signal.SIGKILL)
        for signum in _IGNORED_BY_PYTHON:
            signal.signal(signum, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        _execute(application, variables)
    except OSError as error:
        os.write(writer, str(error.errno).encode())
    finally:
        os._exit(EXIT_SIGNAL_BASE - 1)


def _execute(application: Application, variables: dict[str, str]) -> None:
    try:
        os.execve(application.program, application.arguments, variables)  # noqa: S606 - the user's own program
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
        # A script without '#!' is run by the shell, as execvp(3) does.
        os.execve("/bin/sh", ["/bin/sh", application.program, *application.arguments[1:]], variables)  # noqa: S606


def _start_failure(application: Application, number: int) -> Exception:
    name = application.arguments[0]
    if number == errno.ENOENT:
        return CommandNotFound(f"'{name}': no such program, or its interpreter is missing")
    if number in (errno.EACCES, errno.ENOEXEC, errno.EISDIR, errno.EPERM):
        return CannotExecute(f"'{name}': {os.strerror(number).lower()}")
    return CannotStart(f"cannot start '{name}': {os.strerror(number).lower()}")


class _Supervisor:
    """Waits for the application while signals and the control connection are served."""

    def __init__(self, pid: int, identifier: str, signals: int, control: ControlLink | None) -> None:
        self._pid = pid
        self._identifier = identifier
        self._signals = signals
        self._control = control
        self._revoked = False
        self._kill_at: float | None = None

    def wait(self) -> int:
        """The application's exit code. One that was cut off has failed, whatever it says itself."""
        while True:
            status = self._reap()
            if status is not None:
                code = _exit_code(status)
                return code or 1 if self._revoked else code
            self._poll()
            self._serve_control(time.monotonic())
            self._pass_on(linux.read_signals(self._signals))

    def _poll(self) -> None:
        poller = select.poll()
        poller.register(self._signals, select.POLLIN)
        descriptor = None if self._control is None else self._control.fileno()
        if descriptor is not None:
            poller.register(descriptor, select.POLLIN)
        poller.poll(None if self._control is None else _POLL_S * 1000)

    def _reap(self) -> int | None:
        """The wait status of the ended application; a stopped one stops us too."""
        while True:
            pid, status = os.waitpid(self._pid, os.WNOHANG | os.WUNTRACED)
            if pid == 0:
                return None
            if not os.WIFSTOPPED(status):
                return status
            if os.WSTOPSIG(status) in _TERMINAL_STOPS:
                os.kill(os.getpid(), signal.SIGSTOP)
                # Here somebody has continued us; whoever continued only us means the application as well.
                os.kill(self._pid, signal.SIGCONT)

    def _pass_on(self, arrived: list[linux.SignalInfo]) -> None:
        for info in arrived:
            if info.signum != signal.SIGCHLD and info.from_process and info.pid != self._pid:
                _send(self._pid, info.signum)

    def _serve_control(self, now: float) -> None:
        if self._control is None:
            return
        if self._kill_at is not None:
            if now >= self._kill_at:
                kill_launch(self._identifier)
            return
        reason = self._control.poll(now)
        if reason is not None:
            log.warn(f"The server has ended this allocation: {reason}; stopping the application")
            self._revoked = True
            self._kill_at = now + TERMINATION_GRACE_S
            self._control.close()
            _send(self._pid, signal.SIGTERM)


def _send(pid: int, signum: int) -> None:
    try:
        os.kill(pid, signum)
    except (ProcessLookupError, PermissionError):
        pass  # It has just ended, or runs as somebody else now; its end is seen by waitpid.


def _exit_code(status: int) -> int:
    if os.WIFSIGNALED(status):
        return EXIT_SIGNAL_BASE + os.WTERMSIG(status)
    return os.WEXITSTATUS(status)
