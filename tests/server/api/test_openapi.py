"""The API against its own document: whatever a request looks like, the answer is one the document describes."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from bitfusion_server.api import openapi
from bitfusion_server.api.routes import ROUTES
from tests.server.api.calls import call, lease
from tests.server.api.conftest import CLIENT_ID, OTHER_ID, WHO, Api
from tests.server.conftest import SERVER_ID

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance, response_schema_conformance]
# The probe of an unready server is no fault, and whoever asks for GPUs of a server that is drained is told so.
UNAVAILABLE = {("GET", "/readyz"), ("POST", "/v1/leases")}


async def some_of_everything(api: Api) -> list[str]:
    """Things whose ids a request may name, so that not all are unknown."""
    spare = (await call(api, "POST", "/v1/tokens", {"role": "client"}))[1]["token"]["id"]
    await call(api, "POST", "/v1/users", {"name": "ann", "password": "a long password"})
    task = (await call(api, "POST", "/v1/client-extensions", {}))[1]["id"]
    return [CLIENT_ID, OTHER_ID, SERVER_ID, spare, "ann", task, await lease(api, fraction=0.5), "nobody", "0", "%00", "a/b", "é"]


def fuzz(api: Api, ids: list[str], examples: int) -> int:
    """Send so many requests of each kind to each operation, valid ones and invalid ones; how many there were."""
    document = openapi.document(ROUTES)
    names = itertools.cycle(ids)
    sent = 0
    http = requests.Session()

    def check(case: Case) -> None:
        nonlocal sent
        sent += 1
        if "id" in case.path_parameters and next(names):
            case.path_parameters["id"] = next(names)
        if case.path == "/v1/leases" and isinstance(case.body, dict):
            case.body.update(hold="lease", timeout_s=0.0, **({"client_id": CLIENT_ID} if sent % 2 else {}))
        response = case.call(
            base_url=f"https://127.0.0.1:{api.port}",
            session=http,
            headers={"Authorization": f"Bearer {api.admin}"},
            verify=False,
            timeout=30,
            allow_redirects=False,
        )
        excluded = [not_a_server_error] if (case.method.upper(), case.path) in UNAVAILABLE else []
        case.validate_response(response, checks=[one for one in CHECKS if one not in excluded])

    for result in schemathesis.openapi.from_dict(document).get_all_operations():
        operation = result.ok()
        for mode in GenerationMode:
            if mode is GenerationMode.POSITIVE or operation.body or operation.query:
                _run(operation, mode, check, examples)
    return sent


def _run(operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode, check: Any, examples: int) -> None:
    chosen = settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    chosen(given(case=operation.as_strategy(generation_mode=mode))(check))()


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning", "ignore::DeprecationWarning")
async def test_every_answer_is_documented(api: Api) -> None:
    """No 5xx, no status, type or field that the document does not have."""
    assert await asyncio.to_thread(fuzz, api, await some_of_everything(api), 2) > len(ROUTES)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning", "ignore::DeprecationWarning")
async def test_every_answer_is_documented_many_times(api: Api) -> None:
    """The same for longer."""
    assert await asyncio.to_thread(fuzz, api, await some_of_everything(api), 50) > 25 * len(ROUTES)


async def test_a_client_sees_its_own_problems(api: Api) -> None:
    """What is refused is refused in the documented form also where the HTTP library finds the fault."""
    status, problem = await call(api, "POST", "/v1/leases", {"gpus": 1, **WHO, "fractoin": 0.5}, token=api.client)

    assert status == 400
    assert set(problem) == {"type", "title", "status", "detail", "code", "hint", "request_id"}
    assert "fractoin" in problem["detail"]
