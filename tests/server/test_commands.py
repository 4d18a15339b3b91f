"""Commands that are run on a server, against a running manager."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import subprocess
import tarfile
import time
from collections.abc import AsyncIterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import pytest_asyncio
import trustme
from structlog.testing import capture_logs

from bitfusion_server.app import Manager
from bitfusion_server.auth import tokens
from bitfusion_server.command import MODULES
from bitfusion_server.commands import local
from bitfusion_server.commands.resource_scheduler import data_of
from bitfusion_server.manager import administered
from bitfusion_server.store.base import Role
from tests.server.test_manager import running


def run(name: str, arguments: Sequence[str], text: str) -> subprocess.CompletedProcess[str]:
    """A command in this process: starting another costs a second each time."""
    main = import_module(MODULES[name]).main
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), patch("sys.stdin", io.StringIO(text)), capture_logs():
        try:
            code = main(arguments)
        except SystemExit as end:
            code = end.code
    return subprocess.CompletedProcess([name, *arguments], code, out.getvalue(), err.getvalue())


class Server:
    """A running manager and its data directory."""

    def __init__(self, manager: Manager, data: Path) -> None:
        self.manager = manager
        self.data = data

    async def bitfusion(self, name: str, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command beside the manager, with the data directory behind its name."""
        return await asyncio.to_thread(run, name, ("--data", str(self.data), *arguments), text)

    async def must(self, *arguments: str, text: str = "") -> str:
        """Its output; it has to succeed."""
        done = await self.bitfusion(*arguments, text=text)
        assert done.returncode == 0, done.stderr
        return str(done.stdout)

    async def json(self, *arguments: str) -> Any:
        """Its output as JSON."""
        return json.loads(await self.must(*arguments))


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """One with nothing in it."""
    async with running(tmp_path / "data") as manager:
        yield Server(manager, tmp_path / "data")


async def test_token_life(server: Server, tmp_path: Path) -> None:
    """Create, list, download, edit, deactivate, activate, delete; the command's own token is never listed and does not stay."""
    text = (await server.must("token", "create", "--description", "laboratory", "--days", "30")).strip()
    token_id = text[:7]
    (listed,) = [row for row in await server.json("token", "list", "--json") if row["id"] == token_id]
    assert (listed["description"], listed["role"], listed["active"]) == ("laboratory", "client", True)
    assert text not in await server.must("token", "list")

    archive = tmp_path / "files.tar"
    await server.must("token", "download", token_id, "-o", str(archive))
    with tarfile.open(archive) as tar:
        content = tar.extractfile("client.yaml")
        assert content is not None
        assert content.read().decode() == f"access_token: {text}\n"
    assert archive.stat().st_mode & 0o077 == 0

    await server.must("token", "edit", token_id, "--expires", "2040-01-01")
    await server.must("token", "deactivate", token_id)
    token = await server.manager.store.token(token_id)
    assert token is not None
    assert (token.active, token.expires_at) == (False, 2208988800.0)
    await server.must("token", "activate", token_id)
    await server.must("token", "delete", token_id)
    assert await server.manager.store.tokens() == ()

    actors = {entry.actor for entry in (await server.manager.store.audit(20)).items}
    assert all("run on the server" in actor for actor in actors)


async def test_the_data_directory_may_follow_the_verb(server: Server) -> None:
    """As people write it: `token list --data DIR`."""
    for name, verb in (("token", "list"), ("user", "list"), ("tls-certs", "show")):
        done = await asyncio.to_thread(run, name, (verb, "--data", str(server.data)), "")
        assert done.returncode == 0, done.stderr


async def test_users(server: Server) -> None:
    """Passwords come by standard input; what a user may do is changed by role."""
    await server.must("user", "add", "ann", "--role", "operator", text="correct horse\n")
    await server.must("user", "role", "ann", "administrator")
    await server.must("user", "disable", "ann")
    await server.must("user", "passwd", "ann", text="battery staple\n")

    (user,) = await server.json("user", "list", "--json")
    assert (user["name"], user["role"], user["active"]) == ("ann", "administrator", False)
    await server.must("user", "delete", "ann")
    assert await server.manager.store.users() == ()


async def test_certificates(server: Server, tmp_path: Path) -> None:
    """Shown, renewed, replaced and put back; each is in force at once, for the command itself too."""
    before = await server.json("tls-certs", "show", "--json")
    await server.must("tls-certs", "renew")
    other = trustme.CA()
    issued = other.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "c.pem")
    issued.private_key_pem.write_to_path(tmp_path / "k.pem")
    await server.must("tls-certs", "install", "--certificate", str(tmp_path / "c.pem"), "--key", str(tmp_path / "k.pem"))
    during = await server.json("tls-certs", "show", "--json")
    await server.must("tls-certs", "uninstall")
    after = await server.json("tls-certs", "show", "--json")

    assert "30 days" in await server.must("tls-certs", "replace", "--overlap-days", "30")
    replaced = await server.json("tls-certs", "show", "--json")

    assert {one["kind"] for one in replaced} == {"authority", "handover", "server"}
    used = [{one["kind"] for one in shown if one["in_use"]} for shown in (before, during, after)]
    assert used == [{"authority", "server"}, {"authority", "installed"}, {"authority", "server"}]
    assert before[1]["sha256"] != after[1]["sha256"]
    assert "names" in await server.must("tls-certs", "show")


async def test_refusals(server: Server, tmp_path: Path) -> None:
    """What cannot be done is said with the documented code; nothing is written."""
    for arguments, text, code, part in (
        (("token", "delete", "NOBODY2"), "", 1, "there is no token NOBODY2"),
        (("token", "edit", "NOBODY2"), "", 2, "nothing to change"),
        (("token", "edit", "NOBODY2", "--expires", "soon"), "", 2, "not a date"),
        (("user", "add", "ann"), "short\n", 2, "8"),
        (("tls-certs", "install", "--certificate", "/nowhere", "--key", "/nowhere"), "", 2, "cannot read /nowhere"),
    ):
        done = await server.bitfusion(*arguments, text=text)
        assert (done.returncode, part in done.stderr) == (code, True), done.stderr
        assert "Traceback" not in done.stderr


async def test_without_a_manager(tmp_path: Path) -> None:
    """The commands say that it is not running, and what to do; also when it was killed."""
    async with running(tmp_path / "data") as manager:
        noted = (tmp_path / "data" / "run" / "manager.json").read_bytes()
        server = Server(manager, tmp_path / "data")
    for _ in range(2):
        done = await server.bitfusion("token", "list")
        assert done.returncode == 12
        assert "systemctl start bitfusion-manager" in done.stderr
        (tmp_path / "data" / "run" / "manager.json").write_bytes(noted)


async def test_initdb(tmp_path: Path) -> None:
    """Creates the database, and leaves one that is there as it is."""
    server = Server(None, tmp_path / "data")  # type: ignore[arg-type] - none runs
    for _ in range(2):
        assert "SQLite, schema version" in await server.must("initdb")
    async with running(tmp_path / "data"):
        pass


@pytest.mark.parametrize(
    "arguments, code, part", [(("-n", "0"), 2, "-n"), (("-n", "1", "-d", "0"), 2, "not allowed with"), (("--help",), 0, "--srs_port")]
)
async def test_resource_scheduler_command_line(tmp_path: Path, arguments: tuple[str, ...], code: int, part: str) -> None:
    """The options of the guide; the two ways to choose GPUs exclude each other."""
    done = await Server(None, tmp_path).bitfusion("resource_scheduler", *arguments)  # type: ignore[arg-type] - none runs

    assert done.returncode == code
    assert part in done.stdout + done.stderr


def test_each_resource_scheduler_has_its_own_data() -> None:
    """Several on one machine do not meet; the one at the usual port is the server itself."""
    assert {str(data_of(Path("/d"), port)) for port in (56001, 56002, 56003)} == {"/d", "/d/srs-56002", "/d/srs-56003"}


async def test_the_token_of_a_killed_command(server: Server) -> None:
    """It makes nobody an administrator, and the next command removes it when it has expired."""
    store, now = server.manager.store, time.time()
    for age_s in (0.0, 400.0):
        await tokens.issue(store, Role.ADMIN, "bitfusion token, run on the server", now - age_s, local._TOKEN_DAYS)
    assert not await administered(store)

    await server.must("token", "list")

    assert len(await store.tokens()) == 1
    lasting = await tokens.issue(store, Role.ADMIN, "", now, None)
    assert await administered(store)
    await store.delete_token(lasting.token.id)
    await server.must("user", "add", "ann", "--role", "administrator", text="a long password\n")
    assert await administered(store)
