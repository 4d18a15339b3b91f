from __future__ import annotations

from pathlib import Path

import pytest

from tests.client.conftest import Cli
from tests.client.fake_manager import CLIENT_ID, TOKEN, FakeManager, problem


def test_id_is_claimed_once(cli: Cli, manager: FakeManager) -> None:
    """The first use claims an id and keeps it, with a dated copy of the file before; later uses confirm it."""
    path = cli.home / "client.yaml"
    before = f"# mine\naccess_token: '{TOKEN}'\n"
    path.write_text(before)
    path.chmod(0o640)

    assert cli.run("run", "-n", "1", "true").returncode == 0
    assert path.read_text() == f"{before}client_id: {CLIENT_ID}\n"
    assert path.stat().st_mode & 0o777 == 0o640
    (backup,) = cli.home.glob("client.yaml.*")
    assert backup.read_text() == before
    assert backup.stat().st_mode & 0o777 == 0o600

    assert cli.run("run", "-n", "1", "true").returncode == 0
    claims = [body.get("client_id") for _, path, body in manager.requests if path == "/claim_id"]
    assert claims == [None, CLIENT_ID]
    assert len(list(cli.home.glob("client.yaml*"))) == 2


def test_file_that_cannot_be_replaced(cli: Cli) -> None:
    """A read-only configuration is tolerated: the id holds for this run."""
    real = cli.folder / "real"
    real.mkdir()
    (real / "client.yaml").write_text(f"access_token: {TOKEN}\n")
    path = cli.home / "client.yaml"
    path.unlink()
    # A file whose folder refuses new names, as a bind-mounted or read-only one does, also for root.
    path.symlink_to("/proc/self/environ-of-nobody")
    path.unlink()
    path.symlink_to(real / "client.yaml")

    assert cli.run("run", "-n", "1", "true").returncode == 0


BAD = {
    "missing": (None, "no access token: neither "),
    "empty": ("", "has no usable 'access_token'"),
    "no token": ("client_id: x\n", "has no usable 'access_token'"),
    "token with blanks": ("access_token: a b\n", "has no usable 'access_token'"),
    "bad id": (f"access_token: {TOKEN}\nclient_id: '../x'\n", "'client_id' is not an id"),
    "not yaml": ("{}", "cannot use "),
    "list": ("- a\n", "not a list of 'key: value' lines"),
    "missing CA": (f"access_token: {TOKEN}\nca_file: other.crt\n", "no certificate authority: "),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_identity(cli: Cli, manager: FakeManager, case: str) -> None:
    """Each fault of client.yaml is one message; the server is not contacted and the token is never shown."""
    text, words = BAD[case]
    path = cli.home / "client.yaml"
    path.unlink()
    if text is not None:
        path.write_text(text)

    result = cli.run("list_gpus")

    assert words in result.stderr
    assert TOKEN not in result.stderr
    assert (result.returncode, manager.requests) == (2, [])


def test_ca_file_beside_the_identity(cli: Cli) -> None:
    """`ca_file` is relative to client.yaml."""
    (cli.home / "tls" / "ca.crt").rename(cli.home / "cluster.crt")
    assert "no certificate authority" in cli.run("list_gpus").stderr

    with Path(cli.home / "client.yaml").open("a") as file:
        file.write("ca_file: cluster.crt\n")
    assert cli.run("list_gpus").returncode == 0


@pytest.mark.parametrize(
    "code, words", [("token_expired", "Token expired at: 2026-01-01T00:00:00Z"), ("client_refused", "client x was deleted")]
)
def test_refused_identity(cli: Cli, manager: FakeManager, code: str, words: str) -> None:
    """An expired token and a deleted client are named as such by every command."""
    manager.behaviour.refuse_token = problem(code, words, "Ask the administrator.", 401)

    for command, expected in ((("list_gpus",), 11), (("smi",), 11), (("request_gpus", "-n", "1"), 11), (("run", "-n", "1", "true"), 125)):
        result = cli.run(*command)
        assert f"Error: {words}\nAsk the administrator.\n" in result.stderr
        assert result.returncode == expected
