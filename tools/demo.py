"""`./dev demo`: a server with two simulated GPUs and a client without any, and what a newcomer would try first."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType

from tools import prepare
from tools.layout import CLI, ToolError, say
from tools.server import Gpus, Handle, temporary_server

VECTOR_MIB = "64"
PARTITION_MIB = "1024"


def show() -> int:
    """The tour; 0 if every stop of it worked."""
    with ThreadPoolExecutor() as pool:
        smi = pool.submit(prepare.real_nvidia_smi)
        environment_ready = pool.submit(prepare.demo)
        environment_ready.result()
        program = pool.submit(prepare.demo_program)
        with temporary_server(Gpus()) as (_, handle):
            say("a server with 2 simulated GPUs of 16 GiB is running; this machine is now its client, and needs no GPU and no driver")
            _add_vectors(handle, program.result())
            _list_gpus(handle)
            _show_partition(handle, smi.result())
    _explain()
    return 0


def _add_vectors(handle: Handle, program: Path) -> None:
    say(f"1. a CUDA program, as nvcc made it, adds two vectors of {VECTOR_MIB} MiB and checks every sum")
    output = _bitfusion(handle, "run", "-n", "1", "--", str(program), VECTOR_MIB)
    _expect("PASSED" in output, "the program did not say PASSED")


def _list_gpus(handle: Handle) -> None:
    say("2. the GPUs of the pool")
    _expect(bool(_bitfusion(handle, "list_gpus").strip()), "list_gpus printed nothing")


def _show_partition(handle: Handle, smi: Path | str) -> None:
    if isinstance(smi, str):
        say(f"3. the real nvidia-smi is left out ({smi}); bitfusion smi instead")
        _bitfusion(handle, "smi")
        return
    say(f"3. the real nvidia-smi, in a partition of {PARTITION_MIB} MiB of one GPU")
    output = _bitfusion(handle, "run", "-n", "1", "-m", PARTITION_MIB, "--", str(smi))
    _expect(f"{PARTITION_MIB}MiB" in output, f"nvidia-smi does not show {PARTITION_MIB}MiB")


def _bitfusion(handle: Handle, *arguments: str) -> str:
    """Run the command line, show what it prints, and return its standard output."""
    print(f"$ bitfusion {shlex.join(_shown(arguments))}", flush=True)
    command = [handle.cli, *arguments]
    with subprocess.Popen(command, env=handle.client_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        output = process.communicate()[0]
    print(output, flush=True)
    _expect(process.returncode == 0, f"{shlex.join(command)} ended with code {process.returncode}")
    return output


def _shown(arguments: tuple[str, ...]) -> list[str]:
    return [os.path.relpath(argument) if argument.startswith("/") else argument for argument in arguments]


def _expect(truth: bool, otherwise: str) -> None:
    if not truth:
        raise ToolError(f"the demo failed: {otherwise}")


def _explain() -> None:
    say("done: the program called CUDA as always; its calls and data went over TLS to the server, which ran them on its GPU")
    say("next:  ./dev demo -- COMMAND...   runs your own CUDA program this way")
    say("       ./dev up                   leaves a server running for you to use; ./dev down ends it")
    say("       README.md                  has the map of the house")


def run(command: list[str]) -> int:
    """Run the user's command on a fresh server with a GPU; returns its exit code."""
    prepare.demo()
    with temporary_server(Gpus()) as (_, handle):
        start_in = os.environ.get("CALLER_DIR") or None
        with subprocess.Popen([str(CLI), "run", "-n", "1", "--", *command], env=handle.client_environment(), cwd=start_in) as process:
            try:
                return _wait(process)
            finally:
                process.terminate()


def _wait(process: subprocess.Popen[bytes]) -> int:
    """The code of the command line; signals from the terminal reach it directly, so they are only waited out here."""
    while True:
        with contextlib.suppress(KeyboardInterrupt):
            code = process.wait()
            return code if code >= 0 else 128 - code


@contextlib.contextmanager
def _ends_cleanly() -> Iterator[None]:
    """Turn termination into an exception, so that the server is stopped on every way out."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    yield


def main(arguments: list[str]) -> int:
    """`python -m tools.demo [-- COMMAND...]`."""
    if arguments in (["-h"], ["--help"]):
        print("usage: ./dev demo [-- COMMAND [ARGUMENT...]]")
        return 0
    if arguments and (arguments[0] != "--" or len(arguments) == 1):
        raise ToolError("write: ./dev demo, or: ./dev demo -- COMMAND [ARGUMENT...]")
    with _ends_cleanly():
        return run(arguments[1:]) if arguments else show()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except ToolError as error:
        say(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
