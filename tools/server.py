"""The demo server: the real manager, dispatcher and workers on loopback, on simulated GPUs, with a client set up for it.

`./dev up` and `./dev down` are here; `./dev demo` and the end-to-end tests use the class.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import itertools
import json
import os
import random
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tools import prepare, shared_python
from tools.layout import BUILD, CLI, LIB, PYTHON, ROOT, ToolError, locked, say

DEMO = Path(os.environ.get("BITFUSION_DEMO_DIR") or BUILD / "demo").resolve()
RUNNING = DEMO / "up.json"
KERNEL_CACHE = DEMO / "kernels"
HOST = "127.0.0.1"
PREFERRED_PORTS: Mapping[str, int | None] = {"manager": 56001, "dispatcher": 55001}
# Several at a time do not compete for the preferred ones.
ANY_PORTS: Mapping[str, int | None] = dict.fromkeys(PREFERRED_PORTS)
_UNUSED_PORTS = range(20000, 32000)
_TRIES = 50
START_S = 60.0
STOP_S = 15.0
# In the environment of every process of a demo server, so that all of them can be found and no other is touched.
MARK = "BITFUSION_DEMO"
# The path of a Unix socket holds 107 characters.
LONGEST_SOCKET_PATH = 100


@dataclass(frozen=True)
class Gpus:
    """The simulated GPUs of a demo server."""

    count: int = 2
    memory: str = "16GiB"

    def environment(self, state: Path, python: Path = PYTHON) -> dict[str, str]:
        """What makes a process see them."""
        return {
            "BITFUSION_CUDA_LIBRARY": str(LIB / "simgpu" / "libcuda.so.1"),
            "BITFUSION_NVML_LIBRARY": str(LIB / "simgpu" / "libnvidia-ml.so.1"),
            "SIMGPU_COUNT": str(self.count),
            "SIMGPU_MEMORY": self.memory,
            "SIMGPU_STATE": str(state),
            "SIMGPU_CACHE": str(KERNEL_CACHE),
            "SIMGPU_COMPILER": shlex.join([str(python), "-I", "-m", "native.ptx.service"]),
        }


class RealGpus:
    """The GPUs of this machine, through NVIDIA's driver."""

    def environment(self, _state: Path, _python: Path = PYTHON) -> dict[str, str]:
        """Nothing: the driver is where programs look for it."""
        return {}


@dataclass(frozen=True)
class Handle:
    """What a script needs to use a running demo server; the JSON line of `./dev up`."""

    url: str
    data: str
    ca: str
    admin_token: str
    home: str
    cli: str
    pid: int

    def client_environment(self) -> dict[str, str]:
        """The environment in which `bitfusion` talks to this server."""
        return {**os.environ, "BITFUSION_HOME": self.home}


class DemoServer:
    """One demo server in a directory of its own."""

    def __init__(
        self,
        directory: Path,
        gpus: Gpus | RealGpus,
        settings: dict[str, str] | None = None,
        host: str = HOST,
        ports: Mapping[str, int | None] = ANY_PORTS,
    ) -> None:
        self._host = host
        self.data = directory / "data"
        self._directory = directory
        self._home = directory / "home"
        self._gpus = gpus
        self._settings = settings or {}
        self._ports = {name: _free_port(host, preferred) for name, preferred in ports.items()}
        self._python = PYTHON
        self._process: subprocess.Popen[bytes] | None = None
        self._environment: dict[str, str] = {}

    @property
    def log(self) -> Path:
        """Log of the manager, the dispatcher and the workers."""
        return self._directory / "server.log"

    def start(self) -> Handle:
        """Start it and wait until it answers."""
        state = self._directory / "gpus"
        for folder in (self.data, self._home / "tls", state, KERNEL_CACHE):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        isolation = self._isolate_workers(state)
        environment = {
            **os.environ,
            **self._gpus.environment(state, self._python),
            **isolation,
            **self._settings,
            MARK: str(self._directory),
        }
        environment["BITFUSION_SERVER_ADDRESS"] = self._host
        # Where the demo puts the distribution's; clients of a server that has none are told so.
        environment.setdefault("BITFUSION_GPU_NVIDIA_SMI", str(BUILD / "nvidia-smi" / "nvidia-smi"))
        environment["BITFUSION_WORKER_LIBRARY"] = str(LIB / "server" / "libbitfusion_worker.so")
        self._environment = environment
        client_token = self._issue_client_token(environment)
        self._process = self._start_manager(environment)
        self._wait_until_ready(self._process)
        self._write_home(client_token)
        return Handle(
            url=f"https://{self._host}:{self._ports['manager']}",
            data=str(self.data),
            ca=str(self.data / "tls" / "ca.crt"),
            admin_token=(self.data / "admin.token").read_text().strip(),
            home=str(self._home),
            cli=str(CLI),
            pid=self._process.pid,
        )

    def kill_manager(self) -> None:
        """End the manager as the kernel does when memory runs out; dispatcher and sessions stay."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def start_manager_again(self) -> None:
        """Start one on the same data and wait until it answers."""
        self._process = self._start_manager(self._environment)
        self._wait_until_ready(self._process)

    def native_environment(self) -> dict[str, str]:
        """What a program needs to use the same GPUs without the product."""
        driver = {"LD_LIBRARY_PATH": str(LIB / "simgpu")} if isinstance(self._gpus, Gpus) else {}
        return {**self._gpus.environment(self._directory / "gpus"), **driver}

    def stop(self) -> None:
        """End it and everything it started; its files remain."""
        stop_processes(self._directory, self._process)

    def _isolate_workers(self, state: Path) -> dict[str, str]:
        """As root, make what the workers need open to all: each session's are another user. Where that cannot be, they run as root."""
        if os.geteuid():
            return {}
        python = shared_python.find()
        if python is None or not shared_python.open_to_all(self._directory):
            say("the workers run as root: other users may not enter the folders of this checkout, or run its Python")
            return {"BITFUSION_DISPATCHER_WORKER_UIDS": ""}
        self._python = python
        state.chmod(0o711)
        KERNEL_CACHE.chmod(0o1777)
        return {}

    def _manager(self, *arguments: str) -> list[str]:
        return [str(self._python), "-m", "bitfusion_server.manager", "--data", str(self.data), *arguments]

    def _issue_client_token(self, environment: dict[str, str]) -> str:
        command = self._manager("--issue-token", "client", "--description", "demo", "--log-level", "error")
        done = subprocess.run(command, check=False, env=environment, cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            raise ToolError(f"the demo server could not issue a token: {done.stderr.strip()}")
        return done.stdout.strip().splitlines()[-1]

    def _start_manager(self, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        listen = ("--listen", f"{self._host}:{self._ports['manager']}", "--dispatcher-port", str(self._ports["dispatcher"]))
        command = self._manager(*listen, "--own-dispatcher", "--bootstrap-admin")
        with self.log.open("ab") as log:
            return subprocess.Popen(
                command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise ToolError(f"the demo server ended at once; the end of {self.log}:\n{_tail(self.log)}")
            if self._answers("/readyz") and (self.data / "admin.token").exists():
                return
            time.sleep(0.05)
        raise ToolError(f"the demo server was not ready after {START_S:.0f} s; the end of {self.log}:\n{_tail(self.log)}")

    def _answers(self, path: str) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            context = ssl.create_default_context(cafile=str(self.data / "tls" / "ca.crt"))
            connection = http.client.HTTPSConnection(self._host, self._ports["manager"], timeout=2, context=context)
            with contextlib.closing(connection):
                connection.request("GET", path)
                return connection.getresponse().status == http.client.OK
        return False

    def _write_home(self, client_token: str) -> None:
        (self._home / "servers.conf").write_text(f"{self._host}:{self._ports['manager']}\n")
        secret = self._home / "client.yaml"
        secret.touch(mode=0o600)
        secret.write_text(f"access_token: {client_token}\n")
        shutil.copyfile(self.data / "tls" / "ca.crt", self._home / "tls" / "ca.crt")


@contextlib.contextmanager
def temporary_server(
    gpus: Gpus | RealGpus, settings: dict[str, str] | None = None, name: str = "run", host: str = HOST
) -> Iterator[tuple[DemoServer, Handle]]:
    """A demo server that is gone, processes and files, when the block ends."""
    directory = _directory_for(f"{name}-{os.getpid()}")
    shutil.rmtree(directory, ignore_errors=True)
    server = DemoServer(directory, gpus, settings, host)
    try:
        yield server, server.start()
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


def stop_processes(directory: Path, manager: subprocess.Popen[bytes] | None = None, manager_pid: int | None = None) -> None:
    """Ask the manager to end, then end whatever of this server is left."""
    pid = manager.pid if manager else manager_pid
    if pid is not None and pid in marked_processes(directory):
        os.kill(pid, signal.SIGTERM)
        _wait_for_end(directory, manager)
    for left in marked_processes(directory):
        with contextlib.suppress(ProcessLookupError):
            os.kill(left, signal.SIGKILL)
    if manager:
        manager.wait()


def marked_processes(directory: Path) -> list[int]:
    """Processes of the demo server in this directory."""
    mark = f"{MARK}={directory}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return found


def _wait_for_end(directory: Path, manager: subprocess.Popen[bytes] | None) -> None:
    deadline = time.monotonic() + STOP_S
    while time.monotonic() < deadline:
        if manager:
            manager.poll()
        if not marked_processes(directory):
            return
        time.sleep(0.05)


def _directory_for(name: str) -> Path:
    directory = DEMO / name
    if len(str(directory / "data" / "run" / "dispatcher.sock")) > LONGEST_SOCKET_PATH:
        directory = Path(tempfile.gettempdir()) / f"bitfusion-demo-{os.getuid()}-{name}"
    return directory


def _free_port(host: str, preferred: int | None) -> int:
    """`preferred` if it is free, else any of those that the kernel gives to nobody: what it gives out may be gone when the server starts."""
    others = (random.choice(_UNUSED_PORTS) for _ in range(_TRIES))  # noqa: S311 - nothing secret
    for port in itertools.chain([] if preferred is None else [preferred], others):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((host, port))
                return int(probe.getsockname()[1])
    raise ToolError(f"no free port on {host}")


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:])


def up(gpus: Gpus) -> Handle:
    """Start the background server, or find the one that runs."""
    with locked("demo"):
        running = _running()
        if running:
            if running[1] != gpus:
                raise ToolError("a demo server with other GPUs is running; end it first: ./dev down")
            say("the demo server is already running")
            return running[0]
        prepare.demo()
        directory = _directory_for("up")
        shutil.rmtree(directory, ignore_errors=True)
        server = DemoServer(directory, gpus, ports=PREFERRED_PORTS)
        try:
            handle = server.start()
        except BaseException:
            server.stop()
            raise
        RUNNING.write_text(json.dumps({"handle": asdict(handle), "gpus": asdict(gpus)}))
        RUNNING.chmod(0o600)
        return handle


def down() -> None:
    """End the background server, if one runs."""
    with locked("demo"):
        directory = _directory_for("up")
        running = _running()
        if not running and not marked_processes(directory):
            say("no demo server is running")
        stop_processes(directory, manager_pid=running[0].pid if running else None)
        RUNNING.unlink(missing_ok=True)


def _running() -> tuple[Handle, Gpus] | None:
    try:
        document = json.loads(RUNNING.read_text())
        handle, gpus = Handle(**document["handle"]), Gpus(**document["gpus"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return (handle, gpus) if handle.pid in marked_processes(_directory_for("up")) else None


def main() -> int:
    """`python -m tools.server up [--gpus N] [--memory SIZE]` or `down`."""
    parser = argparse.ArgumentParser(prog="./dev", description="A demo server on simulated GPUs, in the background.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    starting = verbs.add_parser("up", help="start it; the last line is JSON for scripts")
    starting.add_argument("--gpus", type=_count, default=2, metavar="N", help="number of simulated GPUs (default 2)")
    starting.add_argument("--memory", default="16GiB", metavar="SIZE", help="memory of each GPU (default 16GiB)")
    verbs.add_parser("down", help="end it")
    arguments = parser.parse_args()
    if arguments.verb == "down":
        down()
        return 0
    handle = up(Gpus(arguments.gpus, arguments.memory))
    say(f"the demo server runs at {handle.url}; try: BITFUSION_HOME={handle.home} {handle.cli} list_gpus")
    print(json.dumps(asdict(handle)), flush=True)
    return 0


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 64:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of GPUs from 1 to 64")
    return int(text)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ToolError as error:
        say(str(error))
        sys.exit(1)
