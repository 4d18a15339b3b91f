"""The manager put together, with fake GPUs and a fake dispatcher; and its command line."""

from __future__ import annotations

import asyncio
import datetime
import ssl
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from bitfusion_core.errors import InvalidSetting, ServerUnavailable
from bitfusion_core.settings import Settings
from bitfusion_server.app import Manager
from bitfusion_server.auth import authority, tokens
from bitfusion_server.data_directory import DataDirectory
from bitfusion_server.store.base import GLOBAL, Role, ServerIdentity, Task, TaskState
from tests.server.api.conftest import LeaseStream
from tests.server.fakes import FakeDispatcher, FakeGpus

WHO = {"hostname": "laptop", "user": "ann", "client_id": "c11e0000-0000-4000-8000-000000000001"}


class OpenableFakeGpus(FakeGpus):
    """Fake GPUs as the manager opens them."""

    async def open(self) -> None:
        """Nothing to find."""

    async def close(self) -> None:
        """Nothing to let go."""


@pytest_asyncio.fixture
async def beside(tmp_path: Path) -> AsyncIterator[FakeDispatcher]:
    """A dispatcher where the manager looks for it."""
    (tmp_path / "run").mkdir()
    fake = FakeDispatcher(tmp_path / "run" / "dispatcher.sock")
    await fake.start()
    yield fake
    await fake.stop()


@asynccontextmanager
async def running(data: Path, **settings: object) -> AsyncIterator[Manager]:
    """A manager on loopback, with a dispatcher that is somebody else's business."""
    values = {"manager.listen": "127.0.0.1:0", "dispatcher.managed": False, **{k.replace("__", "."): v for k, v in settings.items()}}
    manager = Manager(DataDirectory(data), Settings(values), OpenableFakeGpus(16000))
    try:
        await manager.start()
        yield manager
    finally:
        await manager.stop()


@asynccontextmanager
async def client_of(manager: Manager, data: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client that trusts what the manager wrote for clients."""
    token = await tokens.issue(manager.store, Role.CLIENT, "", 0.0, None)
    trust = authority.ssl.create_default_context(cafile=str(data / "tls" / "ca.crt"))
    headers = {"Authorization": token.text}
    connector = aiohttp.TCPConnector(ssl=trust)
    async with aiohttp.ClientSession(f"https://127.0.0.1:{manager.port}", connector=connector, headers=headers) as session:
        if await manager.store.client(WHO["client_id"]) is None:
            (await session.post("/claim_id", json=WHO)).close()
        yield session


async def test_restart_keeps_identity_trust_tokens_and_leases(tmp_path: Path, beside: FakeDispatcher) -> None:
    """After a restart a client needs nothing new, and its lease is still there."""
    async with running(tmp_path) as manager, client_of(manager, tmp_path) as http:
        async with http.post("/v1/leases", json={"gpus": 1, "hold": "lease", **WHO}) as response:
            before = (await LeaseStream(response).next())["lease"]
        authorization = http.headers["Authorization"]
    trusted = (tmp_path / "tls" / "ca.crt").read_bytes()

    async with (
        running(tmp_path) as manager,
        client_of(manager, tmp_path) as http,
        http.get(f"/v1/leases/{before['id']}", headers={"Authorization": authorization}) as response,
    ):
        after = await response.json()

    assert (after["id"], after["server_id"]) == (before["id"], before["server_id"])
    assert trusted == (tmp_path / "tls" / "ca.crt").read_bytes()
    assert list(beside.sessions) == [before["id"]]


async def test_stop_closes_streams_but_not_leases(tmp_path: Path, beside: FakeDispatcher) -> None:
    """A manager that stops breaks off its streams; the leases they hold stay."""
    async with (
        asyncio.timeout(10),
        running(tmp_path) as manager,
        client_of(manager, tmp_path) as http,
        http.post("/v1/leases", json={"gpus": 1, **WHO}) as response,
    ):
        stream = LeaseStream(response)
        lease_id = (await stream.next())["lease"]["id"]
        await manager.stop()
        with pytest.raises((aiohttp.ClientError, AssertionError)):
            await stream.next(skip="heartbeat")

    assert list(beside.sessions) == [lease_id]


async def test_one_manager_for_one_directory(tmp_path: Path) -> None:
    """A second manager on the same data is refused: it would give the same GPUs again."""
    second = Manager(DataDirectory(tmp_path), Settings({}), OpenableFakeGpus(16000))
    async with running(tmp_path):
        with pytest.raises(ServerUnavailable, match="another manager"):
            await second.start()
        await second.stop()


async def test_stored_settings_win(tmp_path: Path) -> None:
    """What an administrator has set outlives a restart; what only the process may set is left alone."""
    async with running(tmp_path) as manager:
        await manager.store.replace_settings(GLOBAL, {"server.accepting": "false", "manager.listen": "127.0.0.1:1"}, {})

    async with running(tmp_path) as manager, client_of(manager, tmp_path) as http:
        async with http.get("/query") as response:
            assert (await response.json())["accepting"] is False
        async with http.post("/v1/leases", json={"gpus": 1, **WHO}) as response:
            assert (response.status, (await response.json())["code"]) == (503, "not_accepting")


async def test_data_is_private(tmp_path: Path) -> None:
    """Nobody but the manager's user can read the data directory."""
    async with running(tmp_path / "data"):
        pass

    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


@pytest.mark.parametrize("listen", ["56001", "localhost:", "127.0.0.1:http", "127.0.0.1:70000"])
async def test_bad_listen_address(tmp_path: Path, listen: str) -> None:
    """The message names the setting and shows the form."""
    with pytest.raises(InvalidSetting, match=r"manager\.listen"):
        async with running(tmp_path, manager__listen=listen):
            pass


async def test_too_long_path(tmp_path: Path) -> None:
    """A data directory whose socket could not be bound is refused before anything is written."""
    with pytest.raises(InvalidSetting, match="too long"):
        async with running(tmp_path / ("x" * 100)):
            pass


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the manager's command."""
    line = [sys.executable, "-m", "bitfusion_server.manager", *arguments]
    return subprocess.run(line, check=False, capture_output=True, text=True, timeout=30)


async def test_issue_token_while_the_manager_runs(tmp_path: Path) -> None:
    """A token issued by the command is good at once; it is all that is printed, and only there."""
    async with running(tmp_path) as manager, client_of(manager, tmp_path) as http:
        issued = await asyncio.to_thread(command, "--data", str(tmp_path), "--issue-token", "client", "--description", "laptop")
        text = issued.stdout.strip()
        async with http.get("/query", headers={"Authorization": f"Bearer {text}"}) as response:
            assert response.status == 200
        (entry,) = (await manager.store.audit(10)).items

    assert (entry.actor, entry.action, entry.subject) == ("local", "token.create", f"token {text[:7]}")
    assert entry.after is not None
    assert entry.after["role"] == "client"
    assert text[8:] not in issued.stderr


@pytest.mark.parametrize(
    "arguments, code, part",
    [
        ([], 2, "--data"),
        (["--data", "{data}", "--dispatcher-port", "70000"], 2, "dispatcher.port: 70000 is outside 1 to 65535"),
        (["--data", "{data}", "--config", "{data}/none.yaml"], 2, "none.yaml"),
    ],
)
def test_bad_command_lines(tmp_path: Path, arguments: list[str], code: int, part: str) -> None:
    """One message that says what, and the documented code."""
    done = command(*(argument.format(data=tmp_path) for argument in arguments))

    assert done.returncode == code
    assert part in done.stderr
    assert "Traceback" not in done.stderr


async def test_given_identity(tmp_path: Path, beside: FakeDispatcher) -> None:
    """A server that replaces another takes its identity; what the store knows already stays; a UUID it must be."""
    given = "2f1c0a52-6f0b-4a0e-9d57-0d9a3f6f7e21"
    for name in (given, "", "11111111-1111-1111-1111-111111111111"):
        async with running(tmp_path, server__id=name) as manager:
            assert (await manager.store.identify_server(ServerIdentity("other", 0.0))).id == given

    with pytest.raises(InvalidSetting, match=r"server\.id"):
        async with running(tmp_path, server__id="me"):
            pass


async def test_hangup_reads_the_certificates_again(tmp_path: Path) -> None:
    """Files that were replaced by hand are used for new connections; a manager whose files are damaged goes on with what it has."""
    async with running(tmp_path) as manager:
        before = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", manager.port))
        files = DataDirectory(tmp_path).tls
        await asyncio.to_thread(authority.renew, files, ("127.0.0.1",), datetime.datetime.now(datetime.UTC))
        assert before == await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", manager.port))

        await manager.reload()
        after = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", manager.port))
        await asyncio.to_thread(files.server_certificate.write_text, "garbage")
        await manager.reload()

        assert before != after == await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", manager.port))


async def test_long_work_is_remembered(tmp_path: Path) -> None:
    """After a restart finished work is still known, and what was broken off says so, with what to do."""
    done, cut = Task("t1", "ann", "a thing", 1e10, TaskState.DONE, 1e10, "3 done"), Task("t2", "ann", "another", 2e10)
    async with running(tmp_path) as manager:
        for task in (done, cut):
            await manager.store.put_task(task)

    async with running(tmp_path) as manager, client_of(manager, tmp_path) as http:
        viewer = await tokens.issue(manager.store, Role.VIEWER, "", 0.0, None)
        async with http.get("/v1/tasks", headers={"Authorization": viewer.text}) as response:
            shown = (await response.json())["tasks"]

    assert [(task["id"], task["state"]) for task in shown] == [("t2", "interrupted"), ("t1", "done")]
    assert (shown[0]["problem"]["code"], shown[0]["ended_at"] is not None) == ("interrupted", True)
    assert "another" in shown[0]["problem"]["detail"]
