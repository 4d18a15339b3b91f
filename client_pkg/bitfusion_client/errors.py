"""Failures that only the command line knows, and the exit code each failure has."""

from __future__ import annotations

import signal

from bitfusion_core.errors import (
    EXIT_CANNOT_EXECUTE,
    EXIT_COMMAND_NOT_FOUND,
    EXIT_NOT_STARTED,
    EXIT_SIGNAL_BASE,
    EXIT_WAIT_TIMED_OUT,
    BitfusionError,
    WaitTimedOut,
)


class UsageError(BitfusionError):
    code = "usage"
    title = "The command line is not valid"
    hint = "See 'bitfusion help'."
    exit_code = 2


class InvalidConfiguration(BitfusionError):
    code = "invalid_configuration"
    title = "A configuration file cannot be used"
    hint = "Correct the file, or enable this client again."
    exit_code = 2


class NotConfigured(InvalidConfiguration):
    code = "not_configured"
    title = "This client is not enabled"
    hint = "Ask the administrator to enable this client, or unpack the token file you were given (client.yaml, servers.conf, ca.crt)."


class NotAServer(BitfusionError):
    code = "not_a_server"
    title = "The command works on a server only"
    hint = "Run it in a terminal of a server (ssh customer@ADDRESS), where the server package is installed."
    exit_code = 15


class NoVcenter(BitfusionError):
    code = "no_vcenter"
    title = "There is no vCenter to talk to"
    hint = "Run it in a terminal of a server that was deployed with the address of its vCenter."
    exit_code = 16


class NoCluster(BitfusionError):
    code = "no_cluster"
    title = "There is no cluster"
    hint = "Run it in a terminal of a running server of the cluster."
    exit_code = 17


class NotRoot(BitfusionError):
    code = "not_root"
    title = "Only root may do this"
    hint = "Repeat the command with sudo."
    exit_code = 11


class NotMember(BitfusionError):
    code = "not_member"
    title = "This user is not a member of the group bitfusion"
    hint = "Ask the administrator for 'usermod -aG bitfusion USER', then log in again."
    exit_code = 11


class NoAllocation(BitfusionError):
    code = "no_allocation"
    title = "There is no allocation"
    hint = "Run 'bitfusion request_gpus' first, or name the file with -f or BITFUSION_ALLOCATION."
    exit_code = 2


class LibrariesMissing(BitfusionError):
    code = "libraries_missing"
    title = "The client libraries are missing"
    hint = "Install the client package again; in a source checkout run './dev build'."


class CannotStart(BitfusionError):
    code = "cannot_start"
    title = "The application could not be started"
    hint = "Check the limits of this machine (ulimit -a, free memory)."


class CommandNotFound(BitfusionError):
    code = "command_not_found"
    title = "The application was not found"
    hint = "Check its name and PATH."
    exit_code = EXIT_COMMAND_NOT_FOUND


class CannotExecute(BitfusionError):
    code = "cannot_execute"
    title = "The application cannot be executed"
    hint = "Make it executable, or start it through its interpreter."
    exit_code = EXIT_CANNOT_EXECUTE


class Cancelled(BitfusionError):
    code = "cancelled"
    title = "Cancelled"
    hint = ""

    def __init__(self, signum: int) -> None:
        super().__init__(f"cancelled by {signal.Signals(signum).name}")
        self.signum = signum


def exit_code(error: BitfusionError, launches: bool) -> int:
    """The documented exit code; commands that start an application keep 1-123 free for it."""
    if isinstance(error, Cancelled):
        return EXIT_SIGNAL_BASE + error.signum
    if not launches or isinstance(error, (CommandNotFound, CannotExecute)):
        return error.exit_code
    return EXIT_WAIT_TIMED_OUT if isinstance(error, WaitTimedOut) else EXIT_NOT_STARTED
