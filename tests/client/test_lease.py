"""The body of a lease request."""

from __future__ import annotations

import json

from bitfusion_client.lease import request_body
from bitfusion_core.models import LeaseRequest


def test_any_command_line_can_be_sent() -> None:
    """Arguments that are not UTF-8, very long or very many do not keep a program from running."""
    command = ("prog", "\udcff", "x" * 100_000, *("file" for _ in range(10_000)))

    body = json.dumps(request_body(LeaseRequest(gpus=1, timeout_s=1.0, command=command), "id")).encode()

    assert b"udcff" not in body
    assert len(body) < 100_000
    assert json.loads(body)["command"][:2] == ["prog", "?"]
