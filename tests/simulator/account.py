"""A simulated account for tests: real boto3 clients, and the steps that many tests share."""

import json
import re
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import anyio.to_thread
import boto3
import pytest
from botocore.exceptions import ClientError

from slipway.oci.artifact import MANIFEST, Blob, canonical
from slipway.simulator.app_runner.service import Pace
from slipway.simulator.clock import Clock
from slipway.simulator.cloud import Cloud, simulated
from slipway.simulator.contract import problems
from slipway.simulator.endpoint import KEY
from slipway.workload.workload import Backend
from tests.simulator.scripted import Script, ScriptedBackend

REGION = "eu-west-1"
URI = f"123456789012.dkr.ecr.{REGION}.amazonaws.com/notes"
REPOSITORIES = ("notes", "notes-ledger-staging", "notes-ledger-production")
ROLE = "arn:aws:iam::123456789012:role/notes-access"
INSTANCE_ROLE = "arn:aws:iam::123456789012:role/notes-instance"
CONFIG = "application/vnd.oci.image.config.v1+json"
# Half an hour of the platform's time passes in six seconds, a deployment in a tenth of a second.
SPEED = 300.0
BRISK = Pace(pull=2, create=6, update=6, timeout=30, route=3, roll_back=6)
SLOW = replace(BRISK, update=150)  # half a second, for tests that watch an operation
# App Runner's answer to an update without a change violates its own model.
UNCHANGED = 'Missing required parameter in input: "OperationId"'
# The model requires 32 characters and a pattern of 36; at least one name where AWS returns none; a text that boto3 has already parsed.
UNSATISFIABLE = re.compile(
    r"'(?:Service|ServiceSummaryList\.\d+\.member)\.ServiceId' .* pattern"
    r"|parameter (?:InvalidParameters|imageIds), value: 0|AssumeRolePolicyDocument, value: \{"
)

session = boto3.session.Session(KEY, "simulated", region_name=REGION)


@dataclass
class Account:
    """An account; `await account.ask(...)` is boto3."""

    cloud: Cloud  # the account's internals
    backend: ScriptedBackend  # runs its releases
    deployers: dict[str, Any] = field(default_factory=dict)  # clients shared by all deployers
    _clients: dict[str, Any] = field(default_factory=dict)

    async def ask(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        """Call an operation by its boto3 name and validate the answer against AWS's contract; raises ClientError."""
        if service not in self._clients:
            self._clients[service] = session.client(service, endpoint_url=self.cloud.url)
        client = self._clients[service]
        with self.cloud.clock.held():
            answer = await anyio.to_thread.run_sync(partial(getattr(client, operation), **parameters))
        del answer["ResponseMetadata"]
        model = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[operation])
        assert amiss(model.output_shape, answer) in ([], [UNCHANGED])
        return answer

    async def refusal(self, service: str, operation: str, /, **parameters: Any) -> tuple[str, str]:
        """Call an operation that must fail; return the error's code and message."""
        with pytest.raises(ClientError) as refused:
            await self.ask(service, operation, **parameters)
        error = refused.value.response["Error"]
        return error["Code"], error["Message"]

    async def image(
        self, script: Script | None = None, revision: str = "", repository: str = "notes", **config: str
    ) -> str:
        """Push a new image that behaves as scripted and return its digest.

        Its config is uploaded too, with the `os` and `architecture` that App Runner requires by default.
        """
        blob = Blob(CONFIG, canonical({"os": "linux", "architecture": "amd64", "nonce": secrets.token_hex(8)} | config))
        self.cloud.store.repositories[repository].put_blob(blob.content)
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": blob.descriptor(), "layers": []}
        manifest |= {"annotations": {"org.opencontainers.image.revision": revision}} if revision else {}
        put = await self.ask("ecr", "put_image", repositoryName=repository, imageManifest=json.dumps(manifest))
        digest: str = put["image"]["imageId"]["imageDigest"]
        self.backend.scripts[digest] = script or Script()
        return digest

    async def create(self, digest: str, name: str = "notes", **parts: Any) -> str:
        """Create a service, wait for the end of the creation and return the ARN."""
        answer = await self.ask("apprunner", "create_service", ServiceName=name, **asked(digest), **parts)
        arn: str = answer["Service"]["ServiceArn"]
        await self.settled(arn)
        return arn

    async def update(self, arn: str, **parts: Any) -> dict[str, Any]:
        """Update a service, wait for the end and return the operation from ListOperations."""
        operation = (await self.ask("apprunner", "update_service", ServiceArn=arn, **parts))["OperationId"]
        await self.settled(arn)
        return next(each for each in await self.operations(arn) if each["Id"] == operation)

    async def described(self, arn: str) -> dict[str, Any]:
        service: dict[str, Any] = (await self.ask("apprunner", "describe_service", ServiceArn=arn))["Service"]
        return service

    async def settled(self, arn: str) -> dict[str, Any]:
        """Return the service once no operation is in progress."""
        while (service := await self.described(arn))["Status"] == "OPERATION_IN_PROGRESS":
            await self.cloud.clock.sleep(1)
        return service

    async def operations(self, arn: str) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = (await self.ask("apprunner", "list_operations", ServiceArn=arn))[
            "OperationSummaryList"
        ]
        return listed

    async def groups(self, arn: str) -> list[str]:
        """Return the last parts of the names of the service's log groups."""
        found = await self.ask("logs", "describe_log_groups", logGroupNamePrefix=log_group(arn))
        return [group["logGroupName"].rpartition("/")[2] for group in found["logGroups"]]

    async def lines(self, arn: str, group: str, prefix: str = "") -> list[str]:
        """Return the lines of `service` or `application`, from streams whose name starts with `prefix`."""
        narrowed = {"logStreamNamePrefix": prefix} if prefix else {}
        found = await self.ask("logs", "filter_log_events", logGroupName=f"{log_group(arn)}/{group}", **narrowed)
        return [event["message"] for event in found["events"]]


def amiss(shape: Any, answer: Mapping[str, Any]) -> list[str]:
    """List where an answer violates AWS's contract, except where the contract contradicts itself."""
    return [problem for problem in problems(shape, answer) if not UNSATISFIABLE.search(problem)]


def asked(digest: str, **image_configuration: Any) -> dict[str, Any]:
    """Build a careful request to CreateService and UpdateService: an image by digest, an HTTP health check."""
    return {
        "HealthCheckConfiguration": {"Protocol": "HTTP", "Path": "/healthz"},
        "SourceConfiguration": {
            "ImageRepository": {
                "ImageIdentifier": f"{URI}@{digest}",
                "ImageRepositoryType": "ECR",
                "ImageConfiguration": image_configuration,
            },
            "AuthenticationConfiguration": {"AccessRoleArn": ROLE},
        },
    }


def image_of(service: Mapping[str, Any]) -> str:
    """Return the digest in a described service."""
    identifier: str = service["SourceConfiguration"]["ImageRepository"]["ImageIdentifier"]
    return identifier.rpartition("@")[2]


def log_group(arn: str) -> str:
    _, name, identity = arn.rsplit("/", 2)
    return f"/aws/apprunner/{name}/{identity}"


@asynccontextmanager
async def opened(
    backend_at: Callable[[str], Backend] | None = None,
    clock: Clock | None = None,
    pace: Pace = BRISK,
    repositories: Iterable[str] = ("notes",),
    **how: Any,
) -> AsyncIterator[Account]:
    """Open an account with empty repositories and two roles.

    Give a VirtualClock unless something outside of the account must run at the platform's speed: a real clock at SPEED leaves a health check
    a few milliseconds, which a busy machine does not keep.
    """
    scripted = ScriptedBackend()
    async with simulated(backend_at or (lambda _url: scripted), clock=clock or Clock(SPEED), pace=pace, **how) as cloud:
        for role in (ROLE, INSTANCE_ROLE):
            cloud.iam.put(role)
        account = Account(cloud, scripted)
        for name in repositories:
            await account.ask("ecr", "create_repository", repositoryName=name, imageTagMutability="IMMUTABLE")
        yield account
