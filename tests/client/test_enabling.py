"""The ways in which a client gets its token, and the `token` command."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
import trustme

from bitfusion_client import enabling
from bitfusion_client.errors import InvalidConfiguration
from tests.client.conftest import Cli
from tests.client.fake_manager import TOKEN, FakeManager

SECRET = "6ZSAEVT.verysecretvalue"


def token_files(authority: trustme.CA, address: str, token: str = TOKEN) -> dict[str, bytes]:
    """What a downloaded token holds."""
    yaml = f"access_token: {token}\n".encode()
    return {"ca.crt": authority.cert_pem.bytes(), "client.yaml": yaml, "servers.conf": f"{address}\n".encode()}


def archive(files: Mapping[str, bytes], mode: str = "w:gz") -> bytes:
    """A tar archive of these files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:  # type: ignore[call-overload]
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def strip(cli: Cli) -> None:
    """Make the client one that is not enabled."""
    shutil.rmtree(cli.home)


def test_token_file(cli: Cli, manager: FakeManager, authority: trustme.CA) -> None:
    """`token install FILE.tar` enables the client; nobody else can read the token, and no output shows it."""
    strip(cli)
    (cli.folder / "t.tar").write_bytes(archive(token_files(authority, manager.address), "w"))

    result = cli.run("token", "install", str(cli.folder / "t.tar"))

    assert (result.returncode, TOKEN in result.stdout + result.stderr) == (0, False)
    assert (cli.home / "client.yaml").stat().st_mode & 0o777 == 0o600
    assert cli.run("run", "-n", "1", "true").returncode == 0


def test_mounted_secrets(cli: Cli, manager: FakeManager, authority: trustme.CA) -> None:
    """A read-only folder with the keys of the Kubernetes secrets is a home by itself."""
    strip(cli)
    cli.home.mkdir()
    for name, data in token_files(authority, manager.address).items():
        (cli.home / name.replace("yaml", "yml")).write_bytes(data)
    cli.home.chmod(0o500)

    assert cli.run("list_gpus").returncode == 0


def test_folder_of_secrets(cli: Cli, manager: FakeManager, authority: trustme.CA) -> None:
    """`token install FOLDER` takes them under their full names too."""
    strip(cli)
    folder = cli.folder / "secrets"
    folder.mkdir()
    for name, data in token_files(authority, manager.address).items():
        (folder / f"bitfusion-client-secret-{name.replace('yaml', 'yml')}").write_bytes(data)

    assert cli.run("token", "install", str(folder)).returncode == 0
    assert cli.run("list_gpus").returncode == 0


def with_host(cli: Cli, answer: bytes, tool: str = "vmtoolsd") -> dict[str, str]:
    """An environment in which the tool of the virtual machine's host answers this."""
    tools = cli.folder / "tools"
    tools.mkdir(exist_ok=True)
    (cli.folder / "answer").write_bytes(answer)
    asked = '"$2"' if tool == "vmtoolsd" else '"$1"'
    question = "info-get guestinfo.bitfusion.client.accesstoken"
    (tools / tool).write_text(f"#!/bin/sh\n[ {asked} = '{question}' ] && cat {cli.folder / 'answer'}\n")
    (tools / tool).chmod(0o755)
    return {**cli.environment, "PATH": f"{tools}:{os.environ['PATH']}"}


@pytest.mark.parametrize("tool", ["vmtoolsd", "vmware-rpctool"])
def test_virtual_machine(cli: Cli, manager: FakeManager, authority: trustme.CA, tool: str) -> None:
    """A client that is not enabled finds the token its host has set, at its first command, without being told."""
    strip(cli)
    environment = with_host(cli, base64.b64encode(archive(token_files(authority, manager.address))), tool)

    assert cli.run("list_gpus", env=environment).returncode == 0
    assert (cli.home / "client.yaml").exists()


def test_moved_client_is_repaired_as_documented(cli: Cli, manager: FakeManager, authority: trustme.CA) -> None:
    """With another cluster's certificate: the x509 error; after removing the two files the command works again."""
    trustme.CA().cert_pem.write_to_path(str(cli.home / "tls" / "ca.crt"))
    environment = with_host(cli, base64.b64encode(archive(token_files(authority, manager.address))))

    refused = cli.run("list_gpus", env=environment)

    assert refused.returncode == 12
    lines = refused.stderr.splitlines()
    assert lines[:3] == [
        f"Error: Error querying server {manager.address}:",
        f"Get https://{manager.address}/query: x509: certificate signed by unknown authority",
        f"Unable to contact any of the existing servers: {manager.address}",
    ]
    assert f"rm {cli.home}/client.yaml; rm {cli.home}/servers.conf" in refused.stderr
    (cli.home / "client.yaml").unlink()
    (cli.home / "servers.conf").unlink()
    assert cli.run("list_gpus", env=environment).returncode == 0


def test_what_was_there_is_kept(cli: Cli, manager: FakeManager, authority: trustme.CA) -> None:
    """A new token leaves dated copies of the old files."""
    before = (cli.home / "client.yaml").read_text()
    (cli.folder / "t.tar").write_bytes(archive(token_files(authority, manager.address, "other-token")))

    assert cli.run("token", "install", str(cli.folder / "t.tar")).returncode == 0

    (backup,) = cli.home.glob("client.yaml.*")
    assert backup.read_text() == before
    assert list(cli.home.glob("servers.conf.*")) == []


def test_bad_tokens(authority: trustme.CA) -> None:
    """A token that lacks something or is damaged changes nothing."""
    good = token_files(authority, "10.0.0.1")
    bad = [b"", b"not a tar", archive({}), archive(good)[:100]]
    bad += [archive({**good, name: b"\xff{"}) for name in good]
    bad += [archive({name: data for name, data in good.items() if name != missing}) for missing in good]

    for data in bad:
        with pytest.raises(InvalidConfiguration):
            enabling.from_archive(data)


def test_archive_cannot_write_elsewhere(authority: trustme.CA, tmp_path: Path) -> None:
    """Only names count; a path in the archive is not followed."""
    given = enabling.from_archive(archive({f"../../{name}": data for name, data in token_files(authority, "10.0.0.1").items()}))

    enabling.install(given, tmp_path / "home")

    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["ca.crt", "client.yaml", "servers.conf"]


def test_no_host(cli: Cli) -> None:
    """`token fetch` outside a virtual machine says what to do."""
    result = cli.run("token", "fetch", env={**cli.environment, "PATH": "/nonexistent"})

    assert (result.returncode, "token install" in result.stderr) == (2, True)


def test_token_is_never_shown(cli: Cli) -> None:
    """Only its public part."""
    (cli.home / "client.yaml").write_text(f"access_token: {SECRET}\n")

    shown = [
        cli.run(*words).stdout
        for words in (("token", "show"), ("token", "show", "--json"), ("config", "show"), ("config", "show", "--json"))
    ]

    assert [("6ZSAEVT" in text, SECRET in text) for text in shown] == [(True, False)] * 4
    assert json.loads(shown[1])["assign_id"] == "6ZSAEVT"


def test_slip_of_the_pen(cli: Cli) -> None:
    """A near miss is not handed to the server package."""
    result = cli.run("token", "innstall", "x")

    assert (result.returncode, "Did you mean 'install'?" in result.stderr) == (2, True)
