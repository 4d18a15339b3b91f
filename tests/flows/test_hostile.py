"""Strangers: wrong tokens and garbage are refused, logged, and disturb nobody."""

from __future__ import annotations

import random
import shutil
import socket
import subprocess
import urllib.error
from pathlib import Path

import pytest
import trustme

from tests.cuda_builder import Builder
from tests.demo import Demo, wait_until
from tools.server import marked_processes

PATIENCE_S = 30


def _ports(demo: Demo) -> tuple[int, int]:
    facts = demo.get("/query")
    return int(demo.handle.url.rpartition(":")[2]), int(facts["dispatcher_port"])


def _throw(port: int, data: bytes) -> None:
    """Send bytes and read until the server hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
        except (ConnectionError, BrokenPipeError):
            pass


def _home_with(demo: Demo, folder: Path, client_yaml: str) -> str:
    home = folder / "home"
    shutil.copytree(demo.handle.home, home)
    (home / "client.yaml").write_text(client_yaml)
    return str(home)


@pytest.mark.parametrize("client_yaml", ["access_token: not-the-token\n", ""])
def test_wrong_or_missing_token_never_reaches_a_worker(client_yaml: str, demo: Demo, tmp_path: Path) -> None:
    """The command says so and ends with 125; there is no lease and no worker."""
    home = _home_with(demo, tmp_path, client_yaml)
    done = demo.bitfusion("run", "-n", "1", "--", "true", BITFUSION_HOME=home)

    assert done.returncode == 125, done.stderr
    assert "token" in done.stderr.lower()
    assert not demo.leases()


def test_api_refuses_strangers(demo: Demo) -> None:
    """Without a good token every route of the API is closed."""
    for path in ("/query", "/v1/leases", "/v1/gpus"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            demo.get(path, token="nonsense")
        assert refused.value.code == 401
        refused.value.close()


def test_garbage_disturbs_nobody(program: Builder, own_demo: Demo) -> None:
    """While an application runs, garbage on both ports is refused and logged, and the application goes on."""
    manager, dispatcher = _ports(own_demo)
    application = subprocess.Popen(
        [own_demo.handle.cli, "run", "-n", "1", "--", str(program("hold"))],
        env=own_demo.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert application.stdout is not None
        assert application.stdout.readline().startswith("cudaSuccess")
        before = own_demo.server.log.stat().st_size
        for size in (0, 1, 39, 160, 161, 100_000):
            data = random.Random(size).randbytes(size)
            _throw(dispatcher, data)
            _throw(dispatcher, b"BFHELLO1" + data)
            _throw(manager, data)
        wait_until(lambda: own_demo.server.log.stat().st_size > before, 5, "the refusals are logged")
        assert application.poll() is None
    finally:
        application.communicate(input="", timeout=30)

    assert application.returncode == 0
    again = own_demo.bitfusion("run", "-n", "1", "--", "true")
    assert again.returncode == 0, again.stderr


def test_plain_http_on_the_tls_port(demo: Demo) -> None:
    """A request without TLS is hung up on."""
    manager, _ = _ports(demo)
    _throw(manager, b"GET /query HTTP/1.1\r\nHost: x\r\n\r\n")

    assert demo.get("/query")["gpus"]


def test_unknown_certificate_authority(demo: Demo, tmp_path: Path) -> None:
    """A client that does not know the server's authority refuses to talk, and says x509."""
    home = tmp_path / "home"
    shutil.copytree(demo.handle.home, home)
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    shutil.copyfile(other, home / "tls" / "ca.crt")
    done = demo.bitfusion("list_gpus", BITFUSION_HOME=str(home))

    assert done.returncode != 0
    assert "x509" in done.stderr


def test_no_process_is_left_after_the_server(own_demo: Demo) -> None:
    """Stopping the server ends the dispatcher and every worker."""
    directory = Path(own_demo.handle.data).parent
    assert marked_processes(directory)
    own_demo.server.stop()
    assert not marked_processes(directory)
