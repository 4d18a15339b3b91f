"""The support bundle: what is in it, and above all what is not."""

from __future__ import annotations

import hashlib
import json
import stat
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitfusion_appliance.firstboot import form
from bitfusion_appliance.properties import HOST, SERVER
from bitfusion_appliance.support import bundle, collect
from bitfusion_appliance.support.collect import Collected, Command
from bitfusion_appliance.support.redact import STAND_IN, Redactor, known_secrets

CANARY = "c4n4ry-7f3a"
PEM = f"-----BEGIN EC PRIVATE KEY-----\n{CANARY}\n{CANARY}==\n-----END EC PRIVATE KEY-----"
SETTINGS = f"url: https://vc.example.com\nusername: admin\npassword: '{CANARY} with spaces'\nnested: [{{api_key: {CANARY}, port: 5}}]\n"
LOG = f"""2026-01-01 host bitfusion-manager[1]: {{"event": "login", "password": "{CANARY} x", "user": "ann", "n": 3}}
token={CANARY}; next=1
Authorization: Bearer {CANARY}{CANARY}
GET https://ann:{CANARY}@vc.example.com/sdk
customer:$y$j9T$abc$c4n4ry7f3a:19000
{PEM}
<Property oe:key="guestinfo.bitfusion.server.vcenter-password" oe:value="{CANARY}"/>
the plain word {CANARY} in a sentence
"""


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A file system with a secret in every place where one may be, allowed or not."""
    files = {
        "etc/bitfusion/vcenter.yaml": SETTINGS,
        "etc/bitfusion/bitfusion-manager.yaml": f"# {CANARY}\nqueue: {{max_waiting: 5}}\n",
        "etc/bitfusion/servers.conf": "10.0.0.5\n",
        "etc/bitfusion/client.yaml": f"access_token: {CANARY}",
        "etc/cassandra/cassandra.yaml": f"cluster_name: c\nserver_encryption_options:\n  keystore_password: {CANARY}\n",
        "etc/shadow": f"customer:$y${CANARY}:1::::::",
        "var/lib/bitfusion/data/admin.token": f"{CANARY}\n",
        "var/lib/bitfusion/data/tls/server.key": PEM,
        "var/log/nvidia-installer.log": LOG,
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    cache = tmp_path / form.CACHE[1:]
    cache.parent.mkdir(parents=True)
    cache.write_text(json.dumps({"properties": {HOST + "customer_password": CANARY, SERVER + "vcenter-password": 'second "canary" <&>'}}))
    (tmp_path / "etc/systemd/network").mkdir(parents=True)
    (tmp_path / "etc/systemd/network/10-net1.network").symlink_to("/etc/shadow")
    return tmp_path


def pack(machine: Path, *more: Collected) -> tuple[dict[str, str], Path]:
    """The bundle's files by name."""
    target = machine / "bundle.tar.gz"
    bundle.write(target, [*collect.files(machine), *more], bundle.secrets(machine))
    with tarfile.open(target) as archive:
        rows = {row.name.removeprefix(f"{bundle.FOLDER}/"): archive.extractfile(row) for row in archive}
        return {name: file.read().decode() for name, file in rows.items() if file is not None}, target


def test_no_secret_leaves(machine: Path) -> None:
    """Not one of the planted secrets is in the bundle, whatever its form."""
    more = [Collected("commands/log.txt", LOG), Collected("commands/json.txt", json.dumps({"note": 'the second "canary" <&>'}))]

    files, _ = pack(machine, *more, Collected("commands/xml.txt", 'value="second &quot;canary&quot; &lt;&amp;&gt;"'))

    assert not [name for name, text in files.items() if CANARY in text or "canary" in text or "c4n4ry7f3a" in text]


def test_what_remains_is_useful(machine: Path) -> None:
    """Around the secrets everything is still there."""
    files, _ = pack(machine, Collected("commands/log.txt", LOG))

    assert "username: admin" in files["files/etc/bitfusion/vcenter.yaml"]
    assert "port: 5" in files["files/etc/bitfusion/vcenter.yaml"]
    assert "max_waiting: 5" in files["files/etc/bitfusion/bitfusion-manager.yaml"]
    assert '"user": "ann", "n": 3' in files["commands/log.txt"]
    assert "@vc.example.com/sdk" in files["commands/log.txt"]


def test_only_what_is_allowed(machine: Path) -> None:
    """Neither keys nor tokens, nor what a link leads to."""
    files, _ = pack(machine)

    assert not [
        name for name in files if "shadow" in name or "token" in name or "tls" in name or "client.yaml" in name or "network" in name
    ]


def test_manifest(machine: Path) -> None:
    """Each file's size, hash and how much was taken out; only root can read the bundle."""
    files, target = pack(machine, Collected("commands/slow.txt", "", note="took more than 20 s"))

    manifest = json.loads(files["manifest.json"])
    rows = {row["name"]: row for row in manifest["files"]}
    assert set(rows) == set(files) - {"manifest.json"}
    for name, row in rows.items():
        assert row["sha256"] == hashlib.sha256(files[name].encode()).hexdigest()
        assert row["size"] == len(files[name].encode())
    assert rows["files/etc/bitfusion/vcenter.yaml"]["redactions"] >= 2
    assert rows["commands/slow.txt"]["note"] == "took more than 20 s"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_nothing_is_followed_or_left(machine: Path) -> None:
    """Somebody who puts a link where the bundle goes gains nothing; one that fails leaves nothing behind."""
    victim = machine / "victim"
    victim.write_text("precious")
    (machine / "bundle.tar.gz").symlink_to(victim)

    pack(machine)

    assert victim.read_text() == "precious"
    assert not list(machine.glob(".bundle*"))


@pytest.mark.parametrize(
    "arguments,note,text",
    [
        (("sh", "-c", "echo here; sleep 100"), "took more than", "here\n"),
        (("sh", "-c", "echo oops >&2; exit 3"), "status 3", "oops\n"),
        (("no-such-program",), "cannot be run", ""),
        (("echo", "fine"), "", "fine\n"),
    ],
)
def test_commands(arguments: tuple[str, ...], note: str, text: str) -> None:
    """One that hangs, fails or is missing holds nothing up, and is noted."""
    found = collect.output(Command("x", arguments, timeout_s=0.5))

    assert note in found.note
    assert found.text == text


def test_every_command_has_a_limit() -> None:
    """Time-outs are short enough that the whole ends, and no two commands write one file."""
    assert all(0 < row.timeout_s <= 60 for row in collect.COMMANDS)
    assert len({row.name for row in collect.COMMANDS}) == len(collect.COMMANDS)


@given(st.text(), st.booleans())
def test_any_text(text: str, settings: bool) -> None:
    """Whatever a file holds, redaction ends without an error, and a known secret is gone."""
    redactor = Redactor(known_secrets(["hunter22"]))
    cleaned = redactor.settings(text + "hunter22") if settings else redactor.text(text + "hunter22")

    assert "hunter22" not in cleaned


@given(
    st.text("abcdefghijklmnopqrstuvwxyz0123456789+/%&!?#", min_size=6, max_size=40),
    st.sampled_from(["password", "vcenter-password", "api_key", "token"]),
)
def test_assignments(secret: str, name: str) -> None:
    """The usual ways to write a name and a value."""
    for line in (f"{name}={secret}", f"{name}: {secret}", f'"{name}": "{secret}"', f"x --{name}='{secret}' y"):
        assert secret not in Redactor().text(line).replace(STAND_IN, "").replace(name, "")
