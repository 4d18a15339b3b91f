"""A running vCenter simulator."""

from __future__ import annotations

import contextlib
import hashlib
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from tools import vcsim

USER, PASSWORD = "administrator", "simulated"


@dataclass(frozen=True)
class Vcenter:
    """Where it listens."""

    url: str
    thumbprint: str


@contextlib.contextmanager
def running() -> Iterator[Vcenter]:
    """With its default inventory, one host and a few virtual machines, over TLS."""
    command = [vcsim.fetch(), "-l", "127.0.0.1:0", "-username", USER, "-password", PASSWORD]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = next(line for line in process.stdout if "GOVC_URL" in line)
            host, port = line.split("@")[-1].split("/")[0].split(":")
            certificate = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate((host, int(port))))
            digest = hashlib.sha256(certificate).hexdigest().upper()
            yield Vcenter(f"https://localhost:{port}", ":".join(digest[at : at + 2] for at in range(0, len(digest), 2)))
        finally:
            process.terminate()
