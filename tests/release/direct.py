"""A simulated account without HTTP: requests go straight to the simulator's endpoint, serialized and parsed as boto3 does it."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import unquote, urlencode

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError, ConnectionClosedError
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from starlette.requests import Request

from slipway.release.aws.client import Aws
from slipway.simulator.app_runner.service import Pace
from slipway.simulator.clock import Clock, VirtualClock
from slipway.simulator.cloud import Cloud, simulated
from slipway.simulator.contract import service as service_model
from slipway.simulator.serving import CutError
from tests.simulator.account import BRISK, INSTANCE_ROLE, REGION, REPOSITORIES, ROLE, UNCHANGED, Account, amiss
from tests.simulator.scripted import ScriptedBackend

KEY = "123456789012"  # of the tests themselves, which no policy holds
_POLICY = "AssumeRolePolicyDocument"  # the member that boto3 decodes


class DirectEndpoint:
    """The account's endpoint as a function call, signed by `key` for a region."""

    def __init__(self, cloud: Cloud, key: str = KEY, region: str = REGION) -> None:
        self.place = [region, key]
        self._endpoint = cloud.endpoint
        self._host = cloud.url.removeprefix("http://")

    async def send(self, service: str, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return the response to an operation in boto3's spelling; raises boto3's errors."""
        named, serializer, parser = _wire(service, operation)
        status, headers, body = await self._post(serializer.serialize_to_request(parameters, named))
        response = {"status_code": status, "headers": headers, "body": body}
        parsed: dict[str, Any] = parser.parse(response, named.output_shape)
        if status >= 300:
            raise ClientError(parsed, named.name)
        for part in (parsed.get("Role"), *parsed.get("Roles", ())) if service == "iam" else ():
            if part and isinstance(part.get(_POLICY), str):
                part[_POLICY] = json.loads(unquote(part[_POLICY]))
        return parsed

    async def _post(self, request: dict[str, Any]) -> tuple[int, Mapping[str, str], bytes]:
        body, (region, key) = request["body"], self.place
        content = urlencode(body).encode() if isinstance(body, dict) else body
        headers = {name.lower().encode(): str(value).encode() for name, value in request["headers"].items()}
        headers |= {
            b"host": self._host.encode(),
            b"authorization": f"Credential={key}/20261101/{region}/".encode(),
        }
        scope = {
            "type": "http",
            "method": request["method"],
            "path": request["url_path"],
            "query_string": urlencode(request["query_string"] or {}).encode(),
            "headers": list(headers.items()),
        }
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        answer = await self._endpoint.call(Request(scope, receive))
        try:
            await answer(scope, receive, send)
        except CutError as error:
            raise ConnectionClosedError(endpoint_url=self._host) from error
        return answer.status_code, answer.headers, sent[1]["body"]


@cache
def _wire(service: str, operation: str) -> tuple[Any, Any, Any]:
    """Return an operation's model, its serializer and its parser."""
    model = service_model(service)
    protocol = model.metadata["protocol"]
    named = model.operation_model(next(name for name in model.operation_names if xform_name(name) == operation))
    return named, create_serializer(protocol, include_validation=False), create_parser(protocol)


@dataclass
class DirectAccount(Account):
    """An account whose users call it directly."""

    endpoint: DirectEndpoint = field(kw_only=True)

    async def ask(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        with self.cloud.clock.held():
            response = await self.endpoint.send(service, operation, parameters)
        del response["ResponseMetadata"]
        assert amiss(_wire(service, operation)[0].output_shape, response) in ([], [UNCHANGED])
        return response


@asynccontextmanager
async def opened(clock: Clock | None = None, pace: Pace = BRISK, **how: Any) -> AsyncIterator[DirectAccount]:
    """Open an account with two roles and the empty repositories of `notes` and its ledgers, in virtual time."""
    backend = ScriptedBackend()
    async with simulated(lambda _url: backend, clock=clock or VirtualClock(), pace=pace, **how) as cloud:
        for role in (ROLE, INSTANCE_ROLE):
            cloud.iam.put(role)
        account = DirectAccount(cloud, backend, endpoint=DirectEndpoint(cloud))
        for name in REPOSITORIES:
            await account.ask("ecr", "create_repository", repositoryName=name, imageTagMutability="IMMUTABLE")
        yield account


def send_directly(monkeypatch: pytest.MonkeyPatch, cloud: Cloud) -> None:
    """Let commands call the account directly: each of them would make boto3's clients again, which is most of their work."""
    endpoint = DirectEndpoint(cloud)

    async def send(_aws: Aws, service: str, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        with cloud.clock.held():
            return await endpoint.send(service, operation, parameters)

    monkeypatch.setattr(Aws, "send", send)


def share_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the environments of a test share boto3's clients of an endpoint."""
    make, made = Aws._client, {}

    def client(aws: Aws, service: str) -> Any:
        key = (aws.endpoint_url, service)
        return made[key] if key in made else made.setdefault(key, make(aws, service))

    monkeypatch.setattr(Aws, "_client", client)
