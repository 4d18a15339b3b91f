"""A machine that uses the appliance's GPUs."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tools.layout import LIB, PYTHON

_OUTPUT_TIMEOUT_S = 300.0
# What the administrator runs on the appliance to enable a client.
ISSUE_TOKEN = (
    *("setpriv", "--reuid=bitfusion", "--regid=bitfusion", "--clear-groups", "/usr/lib/bitfusion/venv/bin/python", "-I"),
    *("-m", "bitfusion_server.manager", "--data", "/var/lib/bitfusion/data", "--issue-token", "client", "--log-level", "error"),
)
AUTHORITY = "/var/lib/bitfusion/data/tls/ca.crt"


@dataclass(frozen=True)
class Client:
    """Its `bitfusion`, enabled for one appliance. `within`: a command that starts others in the client's network."""

    home: Path
    within: tuple[str, ...] = ()

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Run it in the background."""
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "BITFUSION_HOME": str(self.home), "BITFUSION_LIB_DIR": str(LIB / "client")}
        command = [*self.within, PYTHON, "-m", "bitfusion_client", *arguments]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    def output(self, *arguments: str) -> str:
        """What it prints."""
        with self.start(*arguments) as process:
            return process.communicate(timeout=_OUTPUT_TIMEOUT_S)[0]


def enabled(home: Path, server: str, authority: str, token: str, within: tuple[str, ...] = ()) -> Client:
    """With the server's address, its certificate authority and a token."""
    (home / "tls").mkdir(parents=True)
    (home / "tls/ca.crt").write_text(authority)
    (home / "client.yaml").write_text(f"access_token: {token}\n")
    (home / "client.yaml").chmod(0o600)
    (home / "servers.conf").write_text(f"{server}\n")
    return Client(home, within)
