"""Every constraint that botocore's models document, for every operation that the simulator has.

Each constraint of a shape is tried once; `SLIPWAY_CONSTRAINTS=all pytest tests/simulator/test_constraints.py` tries it in every operation.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import pytest
from starlette.requests import Request

from slipway.simulator.clock import VirtualClock
from slipway.simulator.contract import QUERY_SERVICES, SERVICES, service
from slipway.simulator.endpoint import KEY, Endpoint
from slipway.simulator.registry import ImageStore, RegistryProtocol
from tests.simulator.account import UNCHANGED, amiss
from tests.simulator.requests import fitting, violations

ALL = os.environ.get("SLIPWAY_CONSTRAINTS") == "all"
REFUSALS = {
    "apprunner": "InvalidRequestException",
    "ssm": "ValidationException",
    "acm": "ValidationException",
    "service-quotas": "IllegalArgumentException",
} | dict.fromkeys((*QUERY_SERVICES, "cloudwatch"), "ValidationError")


def form(shape: Any, value: Any, place: str) -> Iterator[tuple[str, str]]:
    """Yield the parameters of the query protocol; a value of another type is sent as text."""
    if shape.type_name == "structure" and isinstance(value, Mapping):
        for name, inner in value.items():
            member = shape.members.get(name)
            at = f"{place}.{member.serialization.get('name', name) if member else name}".removeprefix(".")
            yield from form(member, inner, at) if member else [(at, inner)]
    elif shape.type_name == "map" and isinstance(value, Mapping):
        for index, (key, inner) in enumerate(value.items(), 1):
            yield from form(shape.key, key, f"{place}.entry.{index}.key")
            yield from form(shape.value, inner, f"{place}.entry.{index}.value")
    elif shape.type_name == "list" and isinstance(value, list) and value:
        below = "" if shape.serialization.get("flattened") else f".{shape.member.serialization.get('name', 'member')}"
        for index, inner in enumerate(value, 1):
            yield from form(shape.member, inner, f"{place}{below}.{index}")
    else:
        yield place, str(value).lower() if isinstance(value, bool) else "" if value in ([], {}) else str(value)


async def ask(endpoint: Endpoint, operation: Any, request: Any) -> tuple[int, bytes]:
    """Send a request as a client without a validation of its own would."""
    model, headers = operation.service_model, {"authorization": f"Credential={KEY}/20261101/eu-west-1/"}
    if model.service_name in QUERY_SERVICES:
        parameters = dict(form(operation.input_shape, request, "")) if operation.input_shape else {}
        content = urlencode({"Action": operation.name, "Version": model.metadata["apiVersion"]} | parameters).encode()
    else:
        content = json.dumps(request).encode()
        headers["x-amz-target"] = f"{model.metadata['targetPrefix']}.{operation.name}"
    raw = [(name.encode(), value.encode()) for name, value in {"host": "127.0.0.1", **headers}.items()]
    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": raw}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": content, "more_body": False}

    answer = await endpoint.call(Request(scope, receive))
    return answer.status_code, bytes(answer.body)


class Stub:
    """An endpoint whose operations remember that they were performed."""

    def __init__(self, of: str, operations: list[str]) -> None:
        clock = VirtualClock()
        stubs = {of: dict.fromkeys(operations, self._perform)}
        self.endpoint = Endpoint(lambda *_: stubs, RegistryProtocol(ImageStore(), clock), clock)
        self.performed: list[Any] = []

    async def _perform(self, request: Any, _call: Any) -> dict[str, Any]:
        self.performed.append(request)
        return {}


@pytest.mark.parametrize("name", [*SERVICES, *QUERY_SERVICES])
async def test_a_request_is_performed_if_it_meets_every_documented_constraint_and_only_then(shared_account, name):
    model, known = service(name), list(shared_account.cloud.operations[name])
    stub, wrong, seen = Stub(name, known), [], set()
    for operation in map(model.operation_model, known):
        shape = operation.input_shape
        for full in (False, True):
            request = fitting(shape, full=full) if shape else {}
            status, body = await ask(stub.endpoint, operation, request)
            wrong += [] if stub.performed else [f"{operation.name}, full={full}: {status} {body!r:.300}"]
            stub.performed.clear()
        for violation in violations(shape) if shape else ():
            is_text = name in QUERY_SERVICES and violation.kind == "type string"  # everything is
            if is_text or (not ALL and (violation.shape, violation.kind) in seen):
                continue
            seen.add((violation.shape, violation.kind))
            status, body = await ask(stub.endpoint, operation, violation.request)
            code = REFUSALS.get(name, "InvalidParameterException").encode()
            if stub.performed or status != 400 or code not in body:
                wrong.append(f"{operation.name}: {violation.shape}: {violation.kind}: {status} {body!r:.200}")
            stub.performed.clear()
    assert wrong == []


@pytest.mark.parametrize("full", [False, True], ids=["minimal", "full"])
async def test_every_answer_to_a_fitting_request_is_one_that_the_model_has(account, full):
    """An output of the promised form, or an error that the operation declares, or that its service has for invalid requests."""
    for name in (*SERVICES, *QUERY_SERVICES):
        for operation in map(service(name).operation_model, account.cloud.operations[name]):
            request = fitting(operation.input_shape, full=full) if operation.input_shape else {}
            status, body = await ask(account.cloud.endpoint, operation, request)
            if status != 200 and name != "ec2":  # its model declares no errors
                declared = [shape.error_code for shape in operation.error_shapes]
                refused = re.search(rb'"__type": ?"(\w+)"|<Code>(\w+)', body)
                code = next(filter(None, refused.groups())).decode()
                assert code in (*declared, REFUSALS.get(name, "InvalidParameterException"), "ValidationException"), (
                    operation.name,
                    body,
                )
            elif status == 200 and name in SERVICES:
                assert amiss(operation.output_shape, json.loads(body)) in ([], [UNCHANGED]), operation.name
