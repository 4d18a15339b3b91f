"""What an administrator does to running applications."""

from __future__ import annotations

import subprocess
import time

import pytest

import bitfusion_core
from tests.cuda_builder import Builder
from tests.demo import Demo, wait_until

pytestmark = pytest.mark.gpu
CUT_OFF_WITHIN_S = 2.0


def _start(demo: Demo, program: Builder) -> subprocess.Popen[str]:
    """An application that uses a GPU for ever, in calls that would fail without one."""
    process = demo.start("run", "-n", "1", "-p", "0.5", "--", str(program("work")))
    assert process.stdout is not None
    assert process.stdout.readline() == "cudaSuccess\n"
    return process


def test_deleted_client_is_cut_off_within_two_seconds(program: Builder, own_demo: Demo) -> None:
    """Its running application gets a CUDA error, `run` fails, its GPUs are free; it is refused from then on, and its history stays."""
    process = _start(own_demo, program)
    (session,) = own_demo.get("/v1/sessions")["sessions"]

    deleted_at = time.monotonic()
    own_demo.delete(f"/v1/clients/{session['client_id']}")
    assert process.stdout is not None
    error = process.stdout.readline().strip()
    took_s = time.monotonic() - deleted_at

    assert error not in ("", "cudaSuccess")
    assert took_s < CUT_OFF_WITHIN_S
    process.communicate(timeout=20)
    assert process.returncode != 0
    assert own_demo.leases() == []
    assert "was deleted" in own_demo.bitfusion("run", "-n", "1", "--", "true").stderr
    (ended,) = own_demo.get("/v1/ended-sessions")["sessions"]
    assert (ended["id"], ended["reason"]) == (session["id"], "the client was deleted")


def test_disabled_client_finishes_what_runs(program: Builder, own_demo: Demo) -> None:
    """What runs goes on, a new application is refused, enabled again it starts."""
    process = _start(own_demo, program)
    (session,) = own_demo.get("/v1/sessions")["sessions"]
    client = f"/v1/clients/{session['client_id']}"

    own_demo.post(f"{client}/disable", None)
    calls = own_demo.get(f"/v1/sessions/{session['id']}")["calls"]
    refused = own_demo.bitfusion("run", "-n", "1", "-p", "0.5", "--", "true")
    assert (refused.returncode, "disabled" in refused.stderr) == (125, True)
    wait_until(lambda: own_demo.get(f"/v1/sessions/{session['id']}")["calls"] > calls, 10, "the application works on")
    assert process.poll() is None

    own_demo.post(f"{client}/enable", None)
    assert own_demo.bitfusion("run", "-n", "1", "-p", "0.5", "--", "true").returncode == 0
    process.kill()
    process.communicate(timeout=20)


def test_application_outlives_the_manager(program: Builder, own_demo: Demo) -> None:
    """The manager is killed and started again: the same session is there and works on, its figures are seen again, and it can be ended."""
    process = _start(own_demo, program)
    (session,) = own_demo.get("/v1/sessions")["sessions"]

    own_demo.server.kill_manager()
    own_demo.server.start_manager_again()

    (adopted,) = own_demo.get("/v1/sessions")["sessions"]
    assert [adopted[name] for name in ("id", "client_id", "since", "gpus")] == [
        session[name] for name in ("id", "client_id", "since", "gpus")
    ]
    path = f"/v1/sessions/{session['id']}"
    wait_until(lambda: own_demo.get(path)["calls"] > 0, 10, "its calls are counted")
    calls = own_demo.get(path)["calls"]
    wait_until(lambda: own_demo.get(path)["calls"] > calls, 10, "it works on")
    assert process.poll() is None
    own_demo.delete(path)
    process.communicate(timeout=20)
    assert process.returncode != 0


def test_session_page_shows_what_an_application_does(program: Builder, own_demo: Demo) -> None:
    """Bytes, calls and last activity of a running application are those of its worker."""
    process = _start(own_demo, program)
    (session,) = own_demo.get("/v1/sessions")["sessions"]
    path = f"/v1/sessions/{session['id']}"
    wait_until(lambda: own_demo.get(path)["calls"] > 0, 10, "calls are counted")

    shown = own_demo.get(path)

    (client,) = own_demo.get("/v1/clients")["clients"]
    assert (client["id"], client["version"]) == (shown["client_id"], bitfusion_core.__version__)
    assert shown["bytes_in"] > 0
    assert shown["bytes_out"] > 0
    assert shown["processes"] == 1
    assert abs(shown["last_activity"] - time.time()) < 10
    own_demo.delete(path)
    process.communicate(timeout=20)
    assert process.returncode != 0
