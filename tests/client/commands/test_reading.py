"""Commands that only read: list_gpus, smi, version, help; and what they say when a server cannot be asked."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest
import trustme

from bitfusion_client.commands import list_gpus, smi
from bitfusion_client.config import Server
from bitfusion_client.inventory import parse_offer
from tests.client.conftest import Cli
from tests.client.fake_manager import FakeManager, gpu, write_home

SMI = """\
+----------------------------------------------------------------------------------------+
| 172.16.31.243:56001                                          Driver Version: 440.64.00 |
+--------------------------------------+-------------------------+-----------------------+
| GPU  Name              Persistence-M | Virt Mem    Alloc / All | BusId  Vol Uncorr ECC |
| Fan  Temp  Perf        Pwr:Usage/Cap | Phy Mem     Used  / All | GPU-Util   Compute M. |
|======================================+=========================+=======================|
| 0    Tesla T4               Disabled | 0       MB / 15109   MB | 00000000:13:00.0    0 |
| 0 %   36C  P8             10W /  70W | 11      MB / 15109   MB |   0%          Default |
+--------------------------------------+-------------------------+-----------------------+
+----------------------------------------------------------------------------------------+
| 172.16.31.241:56001                                                                    |
+----------------------------------------------------------------------------------------+"""


def test_smi_as_in_the_guide() -> None:
    """The table of the guide, character for character."""
    reports: dict[Server, dict[str, Any]] = {
        Server("172.16.31.243"): {"driver_version": "440.64.00", "gpus": [gpu(0, memory_mib=15109)]},
        Server("172.16.31.241"): {"driver_version": "440.64.00", "gpus": []},
    }

    assert "\n".join(smi.render(reports)) == SMI


def test_smi_without_sensors(cli: Cli, manager: FakeManager) -> None:
    """Missing sensors read N/A, long names give way, and no line changes its width."""
    bare = {name: None for name in gpu(0) if name not in ("index", "uuid", "memory_mib")}
    manager.behaviour.gpus = [{**gpu(0), **bare, "name": "A very long name of a very large GPU", "pci_bus_id": "00000000:13:00.0"}]

    result = cli.run("smi")

    assert {len(line) for line in result.stdout.splitlines()} == {90}
    assert "| N/A   N/A N/A             N/A /  N/A | N/A     MB / 16160   MB |  N/A              N/A |" in result.stdout
    assert "| 0    A very long name of a very  N/A |" in result.stdout
    assert result.returncode == 0


def test_list_gpus(cli: Cli, manager: FakeManager) -> None:
    """The list of the guide."""
    manager.behaviour.tasks = 3
    manager.behaviour.gpus = [gpu(0, 12000), gpu(1, 12000, free_mib=4000)]

    result = cli.run("list_gpus")

    assert result.stdout == (
        f"- server 0 [{manager.address}]: running 3 tasks\n"
        "|- GPU 0: free memory 12000 MiB / 12000 MiB\n"
        "|- GPU 1: free memory 4000 MiB / 12000 MiB\n"
    )
    assert (result.stderr, result.returncode) == ("", 0)


LIST = """\
- server 0 [172.31.51.20:56001]: running 0 tasks
|- GPU 0: free memory 12000 MiB / 12000 MiB
|- GPU 1: free memory 12000 MiB / 12000 MiB
|- GPU 2: free memory 12000 MiB / 12000 MiB
|- GPU 3: free memory 12000 MiB / 12000 MiB
- server 1 [172.31.51.26:56003]: running 0 tasks
|- GPU 0: free memory 12000 MiB / 12000 MiB
|- GPU 1: free memory 12000 MiB / 12000 MiB
- server 2 [172.31.51.42:56003]: running 0 tasks
|- GPU 0: free memory 12000 MiB / 12000 MiB
|- GPU 1: free memory 12000 MiB / 12000 MiB"""


def test_list_of_several_servers_as_in_the_guide() -> None:
    """Three servers, character for character."""
    counts = {Server("172.31.51.20"): 4, Server("172.31.51.26", 56003): 2, Server("172.31.51.42", 56003): 2}
    query = {"version": "0.1.0", "hostname": "h", "address": "172.31.51.20", "driver_version": "1", "cuda_version": "1"}
    offers = {
        server: parse_offer(
            server, {**query, "has_rdma": False, "tasks": 0, "accepting": True, "gpus": [gpu(n, 12000) for n in range(count)]}
        )
        for server, count in counts.items()
    }

    assert "\n".join(list_gpus.render(offers)) == LIST


def test_json(cli: Cli, manager: FakeManager) -> None:
    """--json is versioned and carries what the text does."""
    listed = json.loads(cli.run("list_gpus", "--json").stdout)
    assert listed["version"] == 1
    assert listed["servers"][0]["gpus"][1]["free_mib"] == 16160
    shown = json.loads(cli.run("smi", "--json").stdout)
    assert (shown["version"], shown["servers"][0]["gpus"][0]["temperature_c"]) == (1, 36)
    assert json.loads(cli.run("version", "--json").stdout)["bitfusion_version"]


def test_json_error(cli: Cli) -> None:
    """A failure with --json is one JSON object on standard error."""
    result = cli.run("list_gpus", "--json", "-l", "127.0.0.1:1")

    error = json.loads(result.stderr)["error"]
    assert (error["code"], error["exit_code"]) == ("manager_down", 12)
    assert (result.stdout, result.returncode) == ("", 12)


def test_unreachable(cli: Cli) -> None:
    """The texts that scripts and support pages know, and what to do."""
    result = cli.run("list_gpus", "-l", "127.0.0.1:1")

    assert result.stderr == (
        "Error: Error querying server 127.0.0.1:1:\n"
        "Get https://127.0.0.1:1/query: dial tcp 127.0.0.1:1: connect: connection refused\n"
        "Unable to contact any of the existing servers: 127.0.0.1:1\n"
        "Check the addresses in servers.conf, the network, and that the server runs.\n"
        "(manager_down, exit code 12)\n"
    )
    assert result.returncode == 12


def test_one_of_several_unreachable(cli: Cli, manager: FakeManager) -> None:
    """The others are listed, the dead one is reported."""
    result = cli.run("list_gpus", "-l", f"127.0.0.1:1;{manager.address}")

    assert f"- server 0 [{manager.address}]" in result.stdout
    assert "Error querying server 127.0.0.1:1:" in result.stderr
    assert result.returncode == 0


def test_unknown_authority(cli: Cli, manager: FakeManager) -> None:
    """A client that was cloned or moved: the x509 text, and the repair."""
    write_home(cli.home, trustme.CA(), manager.address)

    result = cli.run("list_gpus")

    assert f"Get https://{manager.address}/query: x509: certificate signed by unknown authority\n" in result.stderr
    assert f"Unable to contact any of the existing servers: {manager.address}\nEnable this client again" in result.stderr
    assert result.returncode == 12
    assert "Error: none of the servers responded correctly to client id claim requests." in cli.run("run", "-n", "1", "true").stderr


def test_expired_certificate(cli: Cli, authority: trustme.CA) -> None:
    """An expired certificate is named as such, with the clocks to compare."""
    with FakeManager(authority, expired=True) as server:
        result = cli.run("list_gpus", "-l", server.address)

    assert "x509: certificate has expired or is not yet valid" in result.stderr
    assert "Compare the clocks" in result.stderr
    assert result.returncode == 12


def test_authority_file_is_garbage(cli: Cli) -> None:
    """A broken ca.crt is named."""
    (cli.home / "tls" / "ca.crt").write_text("nonsense")

    assert f"cannot use {cli.home / 'tls' / 'ca.crt'}" in cli.run("list_gpus").stderr


RAW = {
    "not HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "not JSON": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "HTML error": b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\n\r\n<html>",
    "wrong type": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
    "wrong fields": b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{"gpus": 17}',
    "cut off": b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{",
    "silence": b"",
}


@pytest.mark.parametrize("case", RAW)
def test_answers_of_something_else(cli: Cli, manager: FakeManager, case: str) -> None:
    """Whatever listens there, it is one message and exit code 12."""
    manager.behaviour.raw = {"/query": RAW[case], "/v1/gpus": RAW[case]}

    for command in ("list_gpus", "smi"):
        result = cli.run(command)
        assert result.returncode == 12, result.stderr
        assert "Traceback" not in result.stderr
        assert str(manager.port) in result.stderr


def test_server_without_tls(cli: Cli) -> None:
    """A port that speaks no TLS."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        process = cli.start("list_gpus", "-l", f"127.0.0.1:{listener.getsockname()[1]}")
        connection, _ = listener.accept()
        with connection:
            connection.recv(100)
            connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")
            _, errors = process.communicate(timeout=20)

    assert "tls: " in errors
    assert process.returncode == 12


def test_version(cli: Cli) -> None:
    """The line of the guide, by each name."""
    for name in ("version", "v", "--version"):
        result = cli.run(name)
        assert result.stdout == "Bitfusion version: 0.1.0 release\n"
        assert (result.stderr, result.returncode) == ("", 0)


def test_closed_output(cli: Cli) -> None:
    """A reader that goes away ends us quietly."""
    process = cli.start("list_gpus")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None

    assert process.wait(20) == 141
    assert process.stderr.read() == ""
    process.stderr.close()


def test_other_version_is_said_once(cli: Cli, manager: FakeManager) -> None:
    """A server of another version: one warning, on standard error, and the command goes on."""
    manager.behaviour.version = "9.9.9"

    for arguments in (("list_gpus",), ("run", "-n", "1", "true")):
        result = cli.run(*arguments)
        assert (result.returncode, result.stderr.count("9.9.9; install the same version on both")) == (0, 1)
