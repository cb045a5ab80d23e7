"""A simulated account as its user sees it: the real boto3 client, and what tests do with it all the time."""

import json
import re
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import anyio.to_thread
import boto3
import pytest
from botocore.exceptions import ClientError

from slipway.oci.content import MANIFEST, Blob, canonical
from slipway.simulator.app_runner.deployment import Pace
from slipway.simulator.clock import Clock
from slipway.simulator.cloud import Cloud, simulated
from slipway.simulator.contract import problems
from slipway.workload.workload import Backend
from tests.simulator.scripted import Script, ScriptedBackend

REGION = "eu-west-1"
URI = f"123456789012.dkr.ecr.{REGION}.amazonaws.com/notes"
ROLE = "arn:aws:iam::123456789012:role/notes-access"
INSTANCE_ROLE = "arn:aws:iam::123456789012:role/notes-instance"
CONFIG = "application/vnd.oci.image.config.v1+json"
# Half an hour of the platform's, after which nobody waits any longer, in six seconds; a deployment in a tenth of one.
SPEED = 300.0
BRISK = Pace(pull=2, create=6, update=6, patience=30, route=3, roll_back=6)
SLOW = replace(BRISK, update=150)  # half a second, for those who want to look at what is under way
# What App Runner answers to an update that changes nothing, against its own model.
UNCHANGED = 'Missing required parameter in input: "OperationId"'
# The model wants 32 characters, and a pattern of 36; at least one name, where AWS answers none; a text, which boto3 has read already.
UNSATISFIABLE = re.compile(
    r"'(?:Service|ServiceSummaryList\.\d+\.member)\.ServiceId' .* pattern"
    r"|parameter InvalidParameters, value: 0|AssumeRolePolicyDocument, value: \{"
)

session = boto3.session.Session("AKIATEST", "secret", region_name=REGION)


@dataclass
class Account:
    """`cloud` is the account from within, `backend` what runs its releases; `await account.ask(...)` is boto3.

    `deployers` are the clients that all who deploy here share.
    """

    cloud: Cloud
    backend: ScriptedBackend
    deployers: dict[str, Any] = field(default_factory=dict)
    _clients: dict[str, Any] = field(default_factory=dict)

    async def ask(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Call an operation as boto3 spells it, and hold its answer against AWS's contract; raises ClientError."""
        if service not in self._clients:
            self._clients[service] = session.client(service, endpoint_url=self.cloud.url)
        client = self._clients[service]
        with self.cloud.clock.held():
            answer = await anyio.to_thread.run_sync(partial(getattr(client, operation), **parameters))
        del answer["ResponseMetadata"]
        model = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[operation])
        assert amiss(model.output_shape, answer) in ([], [UNCHANGED])
        return answer

    async def refusal(self, service: str, operation: str, **parameters: Any) -> tuple[str, str]:
        """The code and the message of the error that an operation must end in."""
        with pytest.raises(ClientError) as refused:
            await self.ask(service, operation, **parameters)
        error = refused.value.response["Error"]
        return error["Code"], error["Message"]

    async def image(self, script: Script | None = None, **config: str) -> str:
        """Push an image that nobody has seen before and that behaves as scripted; answers its digest.

        Its config has been uploaded, with `os` and `architecture` as App Runner wants them unless they are given.
        """
        blob = Blob(CONFIG, canonical({"os": "linux", "architecture": "amd64", "nonce": secrets.token_hex(8)} | config))
        self.cloud.store.repositories["notes"].put_blob(blob.content)
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": blob.descriptor(), "layers": []}
        put = await self.ask("ecr", "put_image", repositoryName="notes", imageManifest=json.dumps(manifest))
        digest: str = put["image"]["imageId"]["imageDigest"]
        self.backend.scripts[digest] = script or Script()
        return digest

    async def create(self, digest: str, name: str = "notes", **parts: Any) -> str:
        """Create a service and wait until that has ended, well or not; answers its ARN."""
        answer = await self.ask("apprunner", "create_service", ServiceName=name, **asked(digest), **parts)
        arn: str = answer["Service"]["ServiceArn"]
        await self.settled(arn)
        return arn

    async def update(self, arn: str, **parts: Any) -> dict[str, Any]:
        """Update a service and wait until that has ended; answers the update's operation as ListOperations tells it."""
        operation = (await self.ask("apprunner", "update_service", ServiceArn=arn, **parts))["OperationId"]
        await self.settled(arn)
        return next(found for found in await self.operations(arn) if found["Id"] == operation)

    async def described(self, arn: str) -> dict[str, Any]:
        service: dict[str, Any] = (await self.ask("apprunner", "describe_service", ServiceArn=arn))["Service"]
        return service

    async def settled(self, arn: str) -> dict[str, Any]:
        """The service, when nothing is in progress."""
        with anyio.fail_after(20):
            while (service := await self.described(arn))["Status"] == "OPERATION_IN_PROGRESS":
                await self.cloud.clock.sleep(1)
        return service

    async def operations(self, arn: str) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = (await self.ask("apprunner", "list_operations", ServiceArn=arn))[
            "OperationSummaryList"
        ]
        return listed

    async def groups(self, arn: str) -> list[str]:
        """The last parts of the names of the service's log groups."""
        found = await self.ask("logs", "describe_log_groups", logGroupNamePrefix=log_group(arn))
        return [group["logGroupName"].rpartition("/")[2] for group in found["logGroups"]]

    async def lines(self, arn: str, group: str, prefix: str = "") -> list[str]:
        """The lines of `service` or `application`, of the streams that begin with `prefix`."""
        narrowed = {"logStreamNamePrefix": prefix} if prefix else {}
        found = await self.ask("logs", "filter_log_events", logGroupName=f"{log_group(arn)}/{group}", **narrowed)
        return [event["message"] for event in found["events"]]


def amiss(shape: Any, answer: Mapping[str, Any]) -> list[str]:
    """What in an answer is not as AWS's contract has it, as far as it can be."""
    return [found for found in problems(shape, answer) if not UNSATISFIABLE.search(found)]


def asked(digest: str, **image_configuration: Any) -> dict[str, Any]:
    """What a careful user tells CreateService and UpdateService: an image by digest, asked for its health over HTTP."""
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
    """The digest that a described service names."""
    identifier: str = service["SourceConfiguration"]["ImageRepository"]["ImageIdentifier"]
    return identifier.rpartition("@")[2]


def log_group(arn: str) -> str:
    _, name, identity = arn.rsplit("/", 2)
    return f"/aws/apprunner/{name}/{identity}"


@asynccontextmanager
async def opened(
    backend_at: Callable[[str], Backend] | None = None, clock: Clock | None = None, pace: Pace = BRISK, **how: Any
) -> AsyncIterator[Account]:
    """An account with an empty repository `notes`, and with two roles."""
    scripted = ScriptedBackend()
    async with simulated(backend_at or (lambda _url: scripted), clock=clock or Clock(SPEED), pace=pace, **how) as cloud:
        for role in (ROLE, INSTANCE_ROLE):
            cloud.iam.put(role)
        account = Account(cloud, scripted)
        await account.ask("ecr", "create_repository", repositoryName="notes", imageTagMutability="IMMUTABLE")
        yield account
