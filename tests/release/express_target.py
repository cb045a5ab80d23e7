"""The Target of the platform in express.py: it translates ECS Express Mode and keeps the engine's promises there.

The platform accepts a second change during a first, shows a change late, and has no status for a failure; so this target waits until an
accepted change is visible to every client, and derives the state from the deployments and not from the service's ACTIVE.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from slipway.errors import SlipwayError, UnknownOutcomeError
from slipway.records.outcome import Diagnosis, Verb
from slipway.records.plan import Action, Observed, Plan, State
from slipway.records.progress import Event
from slipway.release.aws.client import Aws
from slipway.release.engine.plan import ABSENT, ServiceSpec, hashed, health_check
from slipway.release.engine.target import Operation, OperationStatus, Time
from slipway.release.errors import AwsRefusedError, BusyError, LostAnswerError, NotReadyError

SERVICES = "arn:aws:ecs:eu-west-1:123456789012:service/default"
POLL_SECONDS = 30.0
TIMEOUT_SECONDS = 30 * 60.0
_SHOWN_SECONDS = 30.0
NO_PAUSE = "ECS Express Mode has no pause; delete the service, or let it run with the fewest tasks"
_ENDINGS = {
    "PENDING": OperationStatus.IN_FLIGHT,
    "IN_PROGRESS": OperationStatus.IN_FLIGHT,
    "STOP_REQUESTED": OperationStatus.IN_FLIGHT,
    "ROLLBACK_REQUESTED": OperationStatus.IN_FLIGHT,
    "ROLLBACK_IN_PROGRESS": OperationStatus.IN_FLIGHT,
    "SUCCESSFUL": OperationStatus.SUCCEEDED,
    "STOPPED": OperationStatus.STOPPED,
    "ROLLBACK_SUCCESSFUL": OperationStatus.ROLLED_BACK,
    "ROLLBACK_FAILED": OperationStatus.ROLLBACK_FAILED,
}
_GONE = ("ResourceNotFoundException", "ServiceNotFoundException")


@dataclass(frozen=True)
class ExpressSpec(ServiceSpec):
    """The same service, with the fields that it has there."""

    infrastructure_role: str = "arn:aws:iam::123456789012:role/notes-infrastructure"
    architecture: str = "X86_64"

    def fields(self) -> dict[str, str]:
        return fields_of(request_of(self))


class ExpressMode:
    """One service, by its name."""

    def __init__(self, aws: Aws, service: str, time: Time) -> None:
        self._aws = aws
        self._service = service
        self._arn = f"{SERVICES}/{service}"
        self._time = time

    @property
    def impossible(self) -> Mapping[Verb, str]:
        return {Verb.PAUSE: NO_PAUSE, Verb.RESUME: NO_PAUSE}

    async def observe(self) -> Observed:
        """The service, its deployments, and the digest of the one revision that answers."""
        service = await self._describe()
        if service is None:
            return Observed()
        word = str(service["status"]["statusCode"])
        deployments = await self._deployments() if word == "ACTIVE" else []
        newest = deployments[0] if deployments else None
        ending = _end(newest, service) if newest else None
        going_on = ending is OperationStatus.IN_FLIGHT
        active = service["activeConfigurations"]
        return Observed(
            arn=self._arn,
            url=active[0]["ingressPaths"][0]["endpoint"] if active else None,
            status=word,
            digest=await self._digest(active[0]["serviceRevisionArn"]) if len(active) == 1 else None,
            fields=fields_of(active[0]) if active else {},
            operation=f"{newest['status']} {newest['serviceDeploymentArn']}" if newest and going_on else None,
            state=_state(word, ending, len(active)),
        )

    async def newest(self) -> Operation | None:
        service = await self._describe()
        if service is None:
            return None
        if service["status"]["statusCode"] != "ACTIVE":
            return Operation(self._arn, _deletion(service), creating=False)
        deployments = await self._deployments()
        return await self._operation(deployments[0]["serviceDeploymentArn"]) if deployments else None

    async def apply(self, plan: Plan, observed: Observed, spec: ServiceSpec | None) -> Operation | None:
        """Send the change, and wait until everybody can see it: until then another run would take the service for idle."""
        try:
            answer = (await self._send(plan, spec))["service"]
        except AwsRefusedError as error:
            raise _not_begun(error) from error
        began = self._time.now()
        try:
            while not (found := await self._shown(plan, answer)):
                if (self._time.now() - began).total_seconds() > _SHOWN_SECONDS:
                    raise LostAnswerError(f"ECS has accepted a change of {self._service} and does not show it")
                await self._time.sleep(2)
        except AwsRefusedError as error:  # of a look: the change itself was accepted
            raise LostAnswerError(f"ECS has accepted a change of {self._service}, which cannot be seen") from error
        return found

    async def _send(self, plan: Plan, spec: ServiceSpec | None) -> dict[str, Any]:
        if plan.action is Action.DELETE:
            return await self._aws.call("ecs", "delete_express_gateway_service", serviceArn=self._arn)
        assert isinstance(spec, ExpressSpec)
        request = request_of(spec)
        if plan.action is not Action.CREATE:
            return await self._aws.call("ecs", "update_express_gateway_service", serviceArn=self._arn, **request)
        name = {"serviceName": spec.name, "infrastructureRoleArn": spec.infrastructure_role}
        return await self._aws.call("ecs", "create_express_gateway_service", **name, **request)

    async def _shown(self, plan: Plan, answer: Mapping[str, Any]) -> Operation | None:
        """Return the operation that was accepted; the platform's answer does not name it."""
        service = await self._describe()
        if plan.action is Action.DELETE:
            there = service is not None and service["status"]["statusCode"] != "ACTIVE"
            return Operation(self._arn, _deletion(answer), creating=False) if there else None
        if service is None or service["status"]["statusCode"] != "ACTIVE":
            return None
        created = plan.action is Action.CREATE
        revision = (answer["activeConfigurations"][0] if created else answer["targetConfiguration"])[
            "serviceRevisionArn"
        ]
        for found in await self._deployments():
            if found["targetServiceRevisionArn"] == revision:
                return await self._operation(found["serviceDeploymentArn"])
        return None

    async def follow(self, operation: Operation) -> AsyncIterator[Event]:
        """Its words as they change, until it has ended and the service's own description is no older than that."""
        began, told = self._time.now(), ""
        while not await self._is_over(operation):
            if (self._time.now() - began).total_seconds() > TIMEOUT_SECONDS:
                raise UnknownOutcomeError(
                    f"{self._service} is still being changed after {TIMEOUT_SECONDS / 60:.0f} minutes",
                    "ask again with `slipway status`",
                )
            found = await self._deployment(operation)
            said = f"{found['status']} {found.get('statusReason', '')}".strip() if found else ""
            if said != told:
                yield Event(said)
                told = said
            await self._time.sleep(POLL_SECONDS)

    async def _is_over(self, operation: Operation) -> bool:
        if await self.ending(operation) is OperationStatus.IN_FLIGHT:
            return False
        service, found = await self._describe(), await self._deployment(operation)
        return service is None or found is None or _end(found, service) is not OperationStatus.IN_FLIGHT

    async def ending(self, operation: Operation) -> OperationStatus:
        """A deletion has no deployment: it has ended when its service has."""
        if operation.id.startswith("deletion "):
            return await self._end_of_deletion(operation)
        try:
            found = await self._deployment(operation)
        except AwsRefusedError as error:
            if error.code in _GONE:
                return OperationStatus.GONE
            raise
        if found is None:
            return OperationStatus.IN_FLIGHT
        ending = _ENDINGS.get(found["status"], OperationStatus.UNKNOWN)
        return OperationStatus.FAILED if ending is OperationStatus.ROLLBACK_FAILED and operation.creating else ending

    async def ended(self, operation: Operation) -> datetime | None:
        found = await self._deployment(operation)
        return found.get("finishedAt") if found else None

    async def _end_of_deletion(self, operation: Operation) -> OperationStatus:
        service = await self._describe()
        if service is None or _deletion(service) != operation.id:
            return OperationStatus.SUCCEEDED
        return OperationStatus.SUCCEEDED if service["status"]["statusCode"] == "INACTIVE" else OperationStatus.IN_FLIGHT

    async def evidence(self, operation: Operation, spec: ServiceSpec) -> Diagnosis:
        """Return the reason that the deployment reports."""
        found = await self._deployment(operation) or {}
        reason = str(found.get("statusReason", "no reason is given"))
        return Diagnosis("platform", f"ECS says: {reason}", (reason,), "look at the log of the tasks")

    async def _describe(self) -> Mapping[str, Any] | None:
        try:
            answer = await self._aws.call("ecs", "describe_express_gateway_service", serviceArn=self._arn)
        except AwsRefusedError as error:
            if error.code in _GONE:
                return None
            raise
        service: Mapping[str, Any] = answer["service"]
        return service

    async def _deployments(self) -> list[Mapping[str, Any]]:
        """Newest first."""
        answer = await self._aws.call("ecs", "list_service_deployments", service=self._arn)
        found: list[Mapping[str, Any]] = answer["serviceDeployments"]
        return found

    async def _deployment(self, operation: Operation) -> Mapping[str, Any] | None:
        deployments = await self._deployments()
        return next((found for found in deployments if found["serviceDeploymentArn"] == operation.id), None)

    async def _operation(self, arn: str) -> Operation:
        answer = await self._aws.call("ecs", "describe_service_deployments", serviceDeploymentArns=[arn])
        (found,) = answer["serviceDeployments"]
        return Operation(self._arn, arn, creating=not found["sourceServiceRevisions"])

    async def _digest(self, revision: str) -> str:
        answer = await self._aws.call("ecs", "describe_service_revisions", serviceRevisionArns=[revision])
        digest: str = answer["serviceRevisions"][0]["containerImages"][0]["imageDigest"]
        return digest


def _end(deployment: Mapping[str, Any], service: Mapping[str, Any]) -> OperationStatus:
    """How a deployment ended, once the service's own description is no older than that."""
    ended = deployment.get("finishedAt")
    if ended and service["updatedAt"] < ended:
        return OperationStatus.IN_FLIGHT
    return _ENDINGS.get(deployment["status"], OperationStatus.UNKNOWN)


def _state(word: str, newest: OperationStatus | None, active: int) -> State:
    """Return the state from the newest deployment and the number of active revisions: every service is ACTIVE, also one that was never live."""
    if word != "ACTIVE":
        return {"INACTIVE": State.ABSENT, "DRAINING": State.BUSY}.get(word, State.UNKNOWN)
    if newest in (OperationStatus.IN_FLIGHT, OperationStatus.UNKNOWN):
        return State.BUSY if newest is OperationStatus.IN_FLIGHT else State.UNKNOWN
    return {0: State.CREATE_FAILED, 1: State.LIVE}.get(active, State.DELETE_FAILED)


def _deletion(service: Mapping[str, Any]) -> str:
    """A name of its own for the deletion of this very service: the next of that name was created at another time."""
    return f"deletion {service['serviceName']} {service['createdAt'].isoformat()}"


def _not_begun(error: AwsRefusedError) -> SlipwayError:
    if "assume role" in error.message.lower():
        return NotReadyError(f"ECS cannot use a role yet ({error.message})", "wait, or check its trust policy")
    if error.code in ("ServiceNotActiveException", "ServiceNotFoundException") or "Service " in error.message:
        return BusyError(
            f"the service has just been changed by another client ({error.message})", "run the same command again"
        )
    return error


def request_of(spec: ExpressSpec) -> dict[str, Any]:
    """The part that a creation and an update share; everything is sent, for AWS documents the defaults in two ways."""
    task_role = {"taskRoleArn": spec.instance_role} if spec.instance_role else {}
    return task_role | {
        "executionRoleArn": spec.access_role,
        "healthCheckPath": spec.health_path or "/",
        "cpu": str(spec.cpu),
        "memory": str(spec.memory),
        "cpuArchitecture": spec.architecture,
        "primaryContainer": {
            "image": str(spec.image),
            "containerPort": spec.port,
            "environment": [{"name": name, "value": value} for name, value in spec.variables.items()],
            "secrets": [{"name": name, "valueFrom": arn} for name, arn in spec.secrets.items()],
        },
    }


def fields_of(configuration: Mapping[str, Any]) -> dict[str, str]:
    """A configuration, desired or there, by the names that a plan uses."""
    container = configuration["primaryContainer"]
    plain = {
        "image": container["image"],
        "port": str(container["containerPort"]),
        "health check": health_check(configuration["healthCheckPath"]),
        "cpu": configuration["cpu"],
        "memory": configuration["memory"],
        "architecture": configuration["cpuArchitecture"],
        "execution role": configuration["executionRoleArn"],
        "task role": configuration.get("taskRoleArn", ABSENT),
    }
    variables = {f"variable {entry['name']}": hashed(entry["value"]) for entry in container["environment"]}
    return plain | variables | {f"secret {entry['name']}": entry["valueFrom"] for entry in container["secrets"]}
