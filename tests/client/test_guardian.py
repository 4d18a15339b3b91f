"""The process that outlives `bitfusion run`: what it holds on to."""

from __future__ import annotations

import subprocess
import sys

from tests.client.conftest import REPOSITORY

# A pipe above the limit that holds now: whoever goes by the limit does not close it, and where that is a thousand million counts for minutes.
OUTLIVES_A_PIPE = f"""
import os, resource, select, sys
sys.path[:0] = [{str(REPOSITORY / "client_pkg")!r}, {str(REPOSITORY / "core")!r}]
from bitfusion_client.guardian import Guardian
reader, writer = os.pipe()
os.dup2(writer, 300)
os.close(writer)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
guardian = Guardian("0" * 16, None)
os.close(300)
poller = select.poll()
poller.register(reader, select.POLLHUP)
print(bool(poller.poll(5000)))
guardian.dismiss()
"""


def test_guardian_holds_no_descriptor() -> None:
    """Whatever number a descriptor has, the guardian closes it: it must not keep an application's pipe open."""
    done = subprocess.run([sys.executable, "-c", OUTLIVES_A_PIPE], capture_output=True, text=True, timeout=60, check=False)

    assert (done.stdout, done.stderr) == ("True\n", "")
