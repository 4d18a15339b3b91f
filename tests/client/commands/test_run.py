from __future__ import annotations

import re
import resource
import threading
from pathlib import Path

import pytest

from tests.client.conftest import Cli, eventually
from tests.client.fake_manager import CLIENT_ID, FakeManager, gpu, problem


def normal(text: str, manager: FakeManager) -> str:
    """The output with what differs from run to run replaced."""
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", text)
    text = re.sub(r"/\S+/bitfusion\d+", "/tmp/bitfusion1", text)
    return text.replace(str(manager.port), "56001")


TRANSCRIPT = f"""\
[INFO] TIME Query server 127.0.0.1:56001 to claim client id: {CLIENT_ID}
[INFO] TIME Query server 127.0.0.1:56001 gpu availability
[INFO] TIME Choosing GPUs from server list [127.0.0.1:56001]
[INFO] TIME Requesting GPUs [0] with 8080 MiB of memory from server 0, with version 0.1.0
Requested resources:
Server List: 127.0.0.1:56001
Client idle timeout: 0 min
[INFO] TIME Locked 1 GPUs with partial memory 0.5, configuration saved to '/tmp/bitfusion1'
[INFO] TIME Running client command 'sh -c echo result' on 1 GPUs, with the following servers:
[INFO] TIME 127.0.0.1 55001 02491a45-0000-4000-8000-000000000001 56001 0.1.0
[INFO] TIME Command started, launching telemetry process: {CLIENT_ID} | 127.0.0.1:56001
[INFO] TIME Releasing GPUs from config file '/tmp/bitfusion1'...
[INFO] TIME Released GPUs on 1 servers and removed generated config file '/tmp/bitfusion1'
"""


def test_transcript(cli: Cli, manager: FakeManager) -> None:
    """Our talk is the documented transcript, on standard error; standard output is the application's alone."""
    result = cli.run("run", "-n", "1", "-p", "0.5", "--", "sh", "-c", "echo result")

    assert result.stdout == "result\n"
    assert normal(result.stderr, manager) == TRANSCRIPT
    assert result.returncode == 0
    assert manager.ended.get(timeout=5) == "deleted"


@pytest.mark.parametrize(
    "words",
    [
        ("--", "sh", "-c", "exit 7"),
        ("sh", "-c", "exit 7"),
        ("sh -c 'exit 7'",),
        ("--", "sh -c 'exit 7'"),
    ],
)
def test_ways_to_name_the_application(cli: Cli, words: tuple[str, ...]) -> None:
    """After two dashes, without them, and as one quoted word: the exit code is the application's."""
    assert cli.run("run", "-n", "1", *words).returncode == 7


@pytest.mark.parametrize(
    "options, body",
    [
        (("-n", "2"), {"gpus": 2}),
        (("--num_gpus", "1", "--partial", "0.37"), {"gpus": 1, "fraction": 0.37}),
        (("--num-gpus", "1", "--memory", "5461"), {"gpus": 1, "memory_mib": 5461}),
        (("-n", "1", "-p", "5461"), {"gpus": 1, "memory_mib": 5461}),
        (("-n", "1", "-t", "10"), {"gpus": 1, "timeout_s": 10}),
        (("-n", "1", "-t", "10s"), {"gpus": 1, "timeout_s": 10}),
        (("-n", "1", "--timeout", "10m"), {"gpus": 1, "timeout_s": 600}),
        (("-n", "1", "-t", "10h"), {"gpus": 1, "timeout_s": 36000}),
        (
            ("-n", "1", "--filter", "device.name=Tesla", "--filter", "device.name=A100", "--filter", "server.cuda-version=10.2"),
            {"gpus": 1, "filters": {"device.name": ["Tesla", "A100"], "server.cuda-version": ["10.2"]}},
        ),
    ],
)
def test_options_reach_the_server(cli: Cli, manager: FakeManager, options: tuple[str, ...], body: dict[str, object]) -> None:
    """Each option and its long form is what the request says."""
    result = cli.run("run", *options, "--", "true")
    assert result.returncode == 0, result.stderr

    sent = next(request[2] for request in manager.requests if request[:2] == ("POST", "/v1/leases"))
    fixed = {"timeout_s": 1800, "hold": "connection", "client_id": CLIENT_ID, "command": ["true"]}
    assert {**fixed, **body} == {key: sent[key] for key in sent if key not in ("hostname", "user")}


def test_servers_from_a_file_and_from_the_command_line(cli: Cli, manager: FakeManager, tmp_path: Path) -> None:
    """-s names another servers.conf, -l the servers themselves; both win over the configured ones."""
    (cli.home / "servers.conf").write_text("127.0.0.1:1\n")
    other = tmp_path / "other.conf"
    other.write_text(f"127.0.0.1 {manager.port}  # the second spelling\n")

    assert cli.run("run", "-n", "1", "-s", str(other), "true").returncode == 0
    assert cli.run("run", "-n", "1", "-l", f"127.0.0.1:1;{manager.address}", "true").returncode == 0


def test_environment_of_the_application(cli: Cli, manager: FakeManager) -> None:
    """The library directory comes first, PATH is untouched, and the allocation file is private and complete."""
    cli.environment["LD_LIBRARY_PATH"] = "/opt/other"
    script = 'echo "$LD_LIBRARY_PATH"; echo "$PATH"; stat -c %a "$BITFUSION_ALLOCATION"; cat "$BITFUSION_ALLOCATION"'

    lines = cli.run("run", "-n", "2", "--", "sh", "-c", script).stdout.splitlines()

    assert lines[:3] == [f"{cli.libraries}:/opt/other", cli.environment["PATH"], "600"]
    assert lines[3:] == [
        "version 1",
        "session 02491a45-0000-4000-8000-000000000001",
        "key " + "ab" * 32,
        "address 127.0.0.1:55001",
        "tls on",
        f"server {manager.address} 0.1.0",
        "gpus 2",
        "memory_mib 16160",
        "fraction 1",
        "hold connection",
    ]


def test_standard_streams_pass_through(cli: Cli) -> None:
    """Input, output and error of the application are its own."""
    result = cli.run("run", "-n", "1", "--", "sh", "-c", "cat; echo aside >&2", input="fed\n", stdin=None)

    assert result.stdout == "fed\n"
    assert "\naside\n" in result.stderr


def test_application_ended_by_a_signal(cli: Cli) -> None:
    """128+N, as in a shell."""
    assert cli.run("run", "-n", "1", "--", "sh", "-c", "kill -TERM $$").returncode == 143


def test_script_without_interpreter_line(cli: Cli, tmp_path: Path) -> None:
    """A script without '#!' is run by the shell, as from a shell."""
    script = tmp_path / "script"
    script.write_text("exit 9\n")
    script.chmod(0o755)

    assert cli.run("run", "-n", "1", str(script)).returncode == 9


BAD = {
    "unknown option": (("--timout", "3", "--", "true"), 125, "Did you mean --timeout?"),
    "no number": (("--", "true"), 125, "option -n is missing"),
    "number": (("-n", "0", "--", "true"), 125, "-n 0: not a number of GPUs"),
    "text": (("-n", "two", "--", "true"), 125, "-n two: not a number of GPUs"),
    "fraction": (("-n", "1", "-p", "1.5", "--", "true"), 125, "'1.5' is not a share of a GPU"),
    "negative": (("-n", "1", "-p", "-1", "--", "true"), 125, "'-1' is not a share of a GPU"),
    "memory": (("-n", "1", "-m", "0", "--", "true"), 125, "'0' is not an amount of GPU memory"),
    "both": (("-n", "1", "-m", "1", "-p", "1", "--", "true"), 125, "-p and -m exclude each other"),
    "time": (("-n", "1", "-t", "10x", "--", "true"), 125, "'10x' is not a duration"),
    "filter key": (("-n", "1", "--filter", "device.nam=x", "--", "true"), 125, "Did you mean device.name?"),
    "filter": (("-n", "1", "--filter", "Tesla", "--", "true"), 125, "is not key=value"),
    "no application": (("-n", "1", "--"), 125, "no application given"),
    "quotes": (("-n", "1", "python 'x"), 125, "the quoted application cannot be split"),
    "not found": (("-n", "1", "--", "no-such-program"), 127, "'no-such-program': no such program"),
    "directory": (("-n", "1", "--", "/tmp"), 126, "'/tmp': it is a directory"),
    "IPv6": (("-n", "1", "-l", "[fe80::1]:56001", "--", "true"), 125, "only IPv4 is supported"),
    "no file": (("-n", "1", "-s", "/nonexistent", "--", "true"), 125, "cannot read /nonexistent: No such file or directory"),
    "too many": (("-n", "3", "--", "true"), 125, "3 GPUs of one server are asked for, and no server has more than 2"),
    "too much": (("-n", "1", "-m", "99999", "--", "true"), 125, "the largest GPU has 16160 MiB"),
}


@pytest.mark.parametrize("case", BAD, ids=list(BAD))
def test_bad_input(cli: Cli, manager: FakeManager, case: str) -> None:
    """One message that says what, why and what to do; nothing is asked of a server, nothing is printed as a result."""
    arguments, code, words = BAD[case]
    result = cli.run("run", *arguments)

    assert words in result.stderr
    assert result.stderr.count("Error: ") == 1
    assert result.stderr.endswith(f"exit code {code})\n")
    assert (result.returncode, result.stdout) == (code, "")
    assert ("POST", "/v1/leases") not in [request[:2] for request in manager.requests]


def test_waited_in_vain(cli: Cli, manager: FakeManager) -> None:
    """124 when the server says that the time is over; without a terminal no progress is shown."""
    manager.behaviour.before = [{"event": "queued", "place": 1, "reason": "all GPUs are in use", "waited_s": 0.0}]
    manager.behaviour.decision = {"event": "timeout"}

    result = cli.run("run", "-n", "1", "-t", "3s", "--", "true")

    assert "Error: waited 3 s for 1 GPUs" in result.stderr
    assert "all GPUs are in use" in result.stderr
    assert "Waiting for GPUs" not in result.stderr
    assert result.returncode == 124


@pytest.mark.parametrize("code", ["never_fits", "client_refused", "queue_full", "token_expired", "not_a_code"])
def test_refused(cli: Cli, manager: FakeManager, code: str) -> None:
    """The server's reason and advice are printed; 125, whatever the reason."""
    manager.behaviour.decision = {"event": "refused", "problem": problem(code, "because of this", "Do that.", 409)}

    result = cli.run("run", "-n", "1", "--", "true")

    assert "Error: because of this\nDo that.\n" in result.stderr
    assert result.returncode == 125


def test_allocation_file_that_cannot_be_written(cli: Cli, manager: FakeManager) -> None:
    """No room for the file: said in full, nothing half written stays, and the GPUs go back."""
    no_room = (resource.RLIMIT_FSIZE, (0, 0))

    result = cli.run("run", "-n", "1", "--", "true", preexec_fn=lambda: resource.setrlimit(*no_room))

    told = re.search(
        r"Error: cannot write (/\S+/bitfusion\d+): File too large\nMake room in /\S+ or correct its permissions\.\n", result.stderr
    )
    assert told, result.stderr
    assert result.stderr.endswith("(cannot_start, exit code 125)\n")
    assert result.returncode == 125
    assert manager.ended.get(timeout=5) == "deleted"
    assert not Path(told[1]).exists()


def test_hostile_lease(cli: Cli, manager: FakeManager) -> None:
    """A lease whose fields could add lines to the allocation file is refused."""
    manager.behaviour.lease_changes = {"address": "127.0.0.1\nkey 00"}

    result = cli.run("run", "-n", "1", "--", "true")

    assert "sent a lease that cannot be used" in result.stderr
    assert result.returncode == 125


def test_terminal_is_safe_from_the_server(cli: Cli, manager: FakeManager) -> None:
    """Control characters in a server's words do not reach the terminal."""
    manager.behaviour.decision = {"event": "refused", "problem": problem("no_capacity", "red \x1b[31m alert", status=409)}

    assert "\x1b" not in cli.run("run", "-n", "1", "--", "true").stderr


def test_allocation_taken_away(cli: Cli, manager: FakeManager) -> None:
    """When the server ends the lease the application is stopped, the reason is told, and the exit code is a failure."""
    process = cli.start("run", "-n", "1", "--", "sh", "-c", "trap 'exit 0' TERM; echo up; while :; do read x; done", stdin=-1)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"

    manager.revoke("the client was deleted")
    _, errors = process.communicate(timeout=20)

    assert "The server has ended this allocation: the client was deleted" in errors
    assert process.returncode != 0


def test_manager_restart_is_survived(cli: Cli, manager: FakeManager) -> None:
    """A control connection that breaks off is made anew for the same lease; the application notices nothing."""
    process = cli.start("run", "-n", "1", "--", "sh", "-c", "echo up; read x; exit 5", stdin=-1)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"

    manager.break_connection()
    eventually(lambda: any(request[1].endswith("/hold") for request in manager.requests), "the client's return")
    process.communicate("go\n", timeout=20)

    assert process.returncode == 5


def test_lease_gone_after_restart(cli: Cli, manager: FakeManager) -> None:
    """When the server no longer knows the lease, the application is stopped."""
    process = cli.start("run", "-n", "1", "--", "sleep", "60")
    manager.granted.wait(20)
    lease = next(iter(manager.leases))
    manager.leases.pop(lease)
    manager.streams[lease].put(None)

    _, errors = process.communicate(timeout=20)

    assert "the lease has ended" in errors
    assert process.returncode == 143


def test_second_server_is_asked_when_the_first_refuses(cli: Cli, manager: FakeManager) -> None:
    """A server that is full is passed over for one that can grant at once."""
    manager.behaviour.gpus = [gpu(0, leases=1, free_mib=0)]
    manager.behaviour.before = [threading.Event()]
    dead = "127.0.0.1:1"

    result = cli.run("run", "-n", "2", "-l", f"{dead};{manager.address}", "--", "true")

    assert (
        f"[WARN] {result.stderr.split(' ')[1]} Error contacting server {dead} to verify client id: Get https://{dead}/claim_id: "
        in result.stderr
    )
    assert "no server has more than 1" in result.stderr
    assert result.returncode == 125
