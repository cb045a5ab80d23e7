"""AWS ECS Express Mode as a target, which AWS names as App Runner's successor.

Every field is sent, and images by digest only.
The platform accepts a change during another one, rolls a canary back by itself, has no state for a failure, and shows
changes late. Therefore a change counts as accepted once its deployment is shown, and a release as live once only its
service revision is active.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from slipway.errors import RefusedError, SlipwayError
from slipway.records.outcome import Diagnosis, Verb
from slipway.records.plan import Action, Observed, Plan, State
from slipway.records.progress import Event
from slipway.release.aws.client import Aws
from slipway.release.engine.plan import ServiceSpec
from slipway.release.engine.target import Operation, OperationStatus, Time
from slipway.release.errors import AwsRefusedError, BusyError, LostAnswerError, NotReadyError, or_absent
from slipway.release.preflight.named import OWNER_TAG
from slipway.release.targets.ecs_express.api import ABSENT, ExpressApi, managed_security_groups
from slipway.release.targets.ecs_express.deployment import Deployment, state_of
from slipway.release.targets.ecs_express.evidence import evidence_of
from slipway.release.targets.ecs_express.following import Following, deletion_of, is_deletion
from slipway.release.targets.ecs_express.spec import (
    CHECK,
    INFRASTRUCTURE_ROLE,
    INHERITED,
    arn_of,
    digest_of,
    environment_of,
    fields_of,
    own,
    request_of,
)
from slipway.settings import Settings, TargetGroupPace

NO_PAUSE = "ECS Express Mode has no pause: let it run with scaling.least = 1, or delete it with `slipway destroy`; a deployment creates it again"
_ALL = 100.0  # per cent
_SHARING = 2  # service revisions while a deployment shifts the traffic
IMPOSSIBLE = {Verb.PAUSE: NO_PAUSE, Verb.RESUME: NO_PAUSE}
_SHOWN_SECONDS = 60.0  # within this time ECS must show an accepted change
_TOO_YOUNG = re.compile(r"assume role|sts:AssumeRole|not able to validate the provided access credentials")
_CHANGED_MEANWHILE = re.compile(r"already exists|not idempotent|(?i:draining)|INACTIVE")


def connect(settings: Settings, environment: str, aws: Aws, time: Time) -> "ExpressTarget":
    """Return the target for an environment's service. Raise SettingsError when the settings do not fit."""
    return ExpressTarget(aws, arn_of(settings, environment), time, environment_of(settings, environment).health_check)


async def private_host(settings: Settings, environment: str, aws: Aws) -> str | None:
    """Return the private host of an environment's service; None without a service.

    Raise RefusedError when the service is public.
    """
    service = await ExpressApi(aws, arn_of(settings, environment)).service()
    active = service.get("activeConfigurations", ()) if service and _word(service) == "ACTIVE" else ()
    shown = next(iter(active), None)
    if shown and not _is_private(shown):
        raise RefusedError(
            f"the address of {settings.name} in {environment} is public",
            "its subnets are public: write those that bootstrap prints for a private network, and deploy it again",
        )
    return _host(shown)


class ExpressTarget:
    """One service, identified by its ARN. `pace` is the pace of the load balancer's health checks."""

    def __init__(self, aws: Aws, arn: str, time: Time, pace: TargetGroupPace) -> None:
        self._aws = aws
        self._api = ExpressApi(aws, arn)
        self._time = time
        self._pace = pace

    @property
    def impossible(self) -> Mapping[Verb, str]:
        return IMPOSSIBLE

    async def observe(self) -> Observed:
        """Read the service, its deployments, the active service revision and its target groups."""
        service = await self._api.service()
        word = _word(service)
        if service is None or word == "INACTIVE":
            return Observed()
        if word != "ACTIVE":
            state = state_of(word, (), None, self._time.now())
            return Observed(arn=self._api.arn, status=word, operation=deletion_of(service).id, state=state)
        return await self._observed(service)

    async def _observed(self, service: Mapping[str, Any]) -> Observed:
        deployments = await self._api.deployments()
        newest = next(iter(deployments), None)
        active = {each["serviceRevisionArn"]: each for each in service.get("activeConfigurations", ())}
        state = state_of(_word(service), tuple(active), newest, self._time.now())
        current = service.get("currentDeployment")
        if state is State.LIVE and current and current not in [each.arn for each in deployments]:
            state = State.BUSY  # the deployment is not listed yet
        shown = max(active.values(), key=lambda each: each["createdAt"], default=None)
        return Observed(
            arn=self._api.arn,
            url=_host(shown),
            private=_is_private(shown),
            status=_word(service),
            operation=await self._where(newest) if state is State.BUSY else None,
            inherited=INHERITED if shown else (),
            state=state,
            shares=await self._shares(active, newest) if state is State.BUSY else {},
            **await self._serving(service, shown, is_alone=len(active) == 1 and _may_answer(shown, state, newest)),
        )

    async def _serving(
        self, service: Mapping[str, Any], shown: Mapping[str, Any] | None, *, is_alone: bool
    ) -> dict[str, Any]:
        """Return the facts that only the service revision has: the digest, and the configuration without ECS's additions."""
        if shown is None:
            return {"fields": {INFRASTRUCTURE_ROLE: service["infrastructureRoleArn"]}}
        revision = await self._api.revision(shown["serviceRevisionArn"])
        fields = fields_of(
            shown,
            infrastructure_role=service["infrastructureRoleArn"],
            managed=managed_security_groups(revision),
            groups=await self._api.target_groups(revision),
        )
        images = revision.get("containerImages", ())
        return {"fields": fields, "digest": digest_of(images[0]) if is_alone and len(images) == 1 else None}

    async def _shares(self, active: Iterable[str], newest: Deployment | None) -> Mapping[str, float]:
        """Return each digest's percentage of the traffic while a deployment shifts it, and while ECS stops the previous release's tasks.

        Return nothing while the previous release alone gets all traffic, and before the first release.
        """
        whole = await self._api.deployment(newest.arn) if newest else None
        if whole is None or whole.target not in (revisions := set(active)) or len(revisions) > _SHARING:
            return {}
        if len(revisions) == 1 and (whole.creating or whole.weight < _ALL):
            return {}
        shares: dict[str, float] = {}
        for arn in sorted(revisions, key=lambda arn: arn == whole.target):
            images = (await self._api.revision(arn)).get("containerImages", ())
            digest = digest_of(images[0]) if len(images) == 1 else None
            if digest is None:
                return {}
            shares[digest] = shares.get(digest, 0.0) + (whole.weight if arn == whole.target else 100 - whole.weight)
        return shares

    async def _where(self, newest: Deployment | None) -> str | None:
        whole = await self._api.deployment(newest.arn) if newest else None
        return f"{whole.line} ({whole.arn})" if whole else None

    async def newest(self) -> Operation | None:
        service = await self._api.service()
        if service is None:
            return None
        if _word(service) != "ACTIVE":
            return deletion_of(service)
        deployments = await self._api.deployments()
        return await self._operation(deployments[0].arn) if deployments else None

    async def _operation(self, deployment: str) -> Operation | None:
        whole = await self._api.deployment(deployment)
        return Operation(self._api.arn, deployment, creating=bool(whole.creating)) if whole else None

    async def apply(self, plan: Plan, observed: Observed, spec: ServiceSpec | None) -> Operation | None:
        """Send the plan's change, and wait until its deployment is shown.

        Before that, another run would consider the service idle.
        """
        try:
            if plan.action is Action.DELETE:
                answer = await self._aws.call("ecs", "delete_express_gateway_service", serviceArn=self._api.arn)
                return await self._shown(lambda: self._begun_deletion(answer["service"]))
            if CHECK in [change.name for change in plan.changes] and plan.action is Action.UPDATE:
                await self._tune()  # the new release's canary begins earlier with this pace
                if len(plan.changes) == 1:
                    return None
            revision = await self._send(plan, own(spec).over(observed.fields))
        except AwsRefusedError as error:
            raise _not_begun(error) from error
        return await self._shown(lambda: self._begun(revision))

    async def _tune(self) -> None:
        service = await self._api.service() or {}
        for active in service.get("activeConfigurations", ()):
            await self._api.tune(self._pace, active["serviceRevisionArn"])

    async def _send(self, plan: Plan, wanted: ServiceSpec) -> str:
        """Create or update the service, and return the ARN of the new service revision."""
        spec = own(wanted)
        request = request_of(spec)
        if plan.action is not Action.CREATE:
            answer = await self._aws.call("ecs", "update_express_gateway_service", serviceArn=self._api.arn, **request)
            return str(answer["service"]["targetConfiguration"]["serviceRevisionArn"])
        if not any(request["networkConfiguration"].values()):
            del request["networkConfiguration"]  # without this field ECS uses the default VPC's subnets [M]
        answer = await self._aws.call(
            "ecs",
            "create_express_gateway_service",
            serviceName=spec.name,
            cluster=spec.cluster,
            infrastructureRoleArn=spec.infrastructure_role,
            tags=[{"key": OWNER_TAG, "value": spec.environment}],
            **request,
        )
        return str(answer["service"]["activeConfigurations"][0]["serviceRevisionArn"])

    async def _shown(self, begun: Callable[[], Awaitable[Operation | None]]) -> Operation:
        """Return the operation once it is shown.

        Raise LostAnswerError when it is not, because ECS has accepted the change.
        """
        until = self._time.seconds() + _SHOWN_SECONDS
        while self._time.seconds() <= until:
            try:
                if operation := await begun():
                    return operation
            except AwsRefusedError as error:
                raise LostAnswerError(
                    f"ECS has accepted a change of {self._api.name}, and it cannot be seen"
                ) from error
            await self._time.sleep(2)
        raise LostAnswerError(f"ECS has accepted a change of {self._api.name}, and does not show the change")

    async def _begun(self, revision: str) -> Operation | None:
        """Return the deployment of a service revision, because the newest deployment may be another client's."""
        service = await self._api.service()
        if _word(service) != "ACTIVE":
            return None
        deployments = await self._api.deployments()
        found = next((each.arn for each in deployments if each.target == revision), None)
        return await self._operation(found) if found else None

    async def _begun_deletion(self, deleted: Mapping[str, Any]) -> Operation | None:
        service = await self._api.service()
        return deletion_of(deleted) if service is None or _word(service) != "ACTIVE" else None

    async def take_back(self, operation: Operation) -> None:
        """Request the rollback of a deployment. Raise RefusedError when it has ended or is already being stopped."""
        if is_deletion(operation):
            raise RefusedError(
                f"{self._api.name} is being deleted, which cannot be undone",
                "wait until `slipway status` shows no service; then a deployment creates it again",
            )
        deployment = await self._api.deployment(operation.id)
        if deployment is None or not deployment.can_be_taken_back:
            word = deployment.line if deployment else "not shown"
            raise RefusedError(
                f"the deployment of {self._api.name} cannot be aborted: it is {word}",
                "look at it with `slipway status`; `slipway rollback` deploys the release before it",
            )
        call = self._aws.call("ecs", "stop_service_deployment", serviceDeploymentArn=operation.id, stopType="ROLLBACK")
        if await or_absent(call, "ConflictException", "ServiceDeploymentNotFoundException") is None:
            raise RefusedError(f"the deployment of {self._api.name} has just ended", "look at it with `slipway status`")

    async def follow(self, operation: Operation) -> AsyncIterator[Event]:
        """Yield state, stage, traffic and ECS's own events until the operation has ended and its result is shown."""
        following = Following(self._api, self._time, self._pace, operation)
        lines = following.deletion() if is_deletion(operation) else following.deployment()
        async for line in lines:
            yield Event(line, is_shared=not line)

    async def ending(self, operation: Operation) -> OperationStatus:
        """Return the operation's status. A deletion has no deployment; it has ended when its service no longer exists."""
        if is_deletion(operation):
            service = await self._api.service()
            is_over = service is None or deletion_of(service).id != operation.id or _word(service) == "INACTIVE"
            return OperationStatus.SUCCEEDED if is_over else OperationStatus.IN_FLIGHT
        deployment = await or_absent(self._api.deployment(operation.id), *ABSENT)
        if deployment:
            return deployment.status
        return OperationStatus.IN_FLIGHT if _word(await self._api.service()) == "ACTIVE" else OperationStatus.GONE

    async def ended(self, operation: Operation) -> datetime | None:
        deployment = None if is_deletion(operation) else await self._api.deployment(operation.id)
        return deployment.finished if deployment else None

    async def evidence(self, operation: Operation, spec: ServiceSpec) -> Diagnosis:
        return await evidence_of(self._api, operation, spec)


async def count(aws: Aws, arn: str) -> str:
    """Return how many tasks run and how many are desired. During a deployment, both releases' tasks are counted."""
    found = await ExpressApi(aws, arn).as_ecs()
    return f"{found['runningCount']} running, {found['desiredCount']} desired" if found else ""


def _word(service: Mapping[str, Any] | None) -> str:
    return str(service["status"]["statusCode"]) if service else ""


def _host(shown: Mapping[str, Any] | None) -> str | None:
    """Return the host name in a configuration's address."""
    paths = shown.get("ingressPaths", ()) if shown else ()
    return str(paths[0]["endpoint"]).removeprefix("https://").rstrip("/") if paths else None


def _is_private(shown: Mapping[str, Any] | None) -> bool:
    """Return whether only the VPC can reach the service, because its subnets are private."""
    paths = shown.get("ingressPaths", ()) if shown else ()
    return bool(paths) and all(path["accessType"] == "PRIVATE" for path in paths)


def _may_answer(shown: Mapping[str, Any] | None, state: State, newest: Deployment | None) -> bool:
    """Return whether an active service revision serves. The target of a deployment in flight may not serve yet."""
    is_coming = newest is not None and shown is not None and newest.target == shown["serviceRevisionArn"]
    return state is State.LIVE or (state is State.BUSY and not is_coming)


def _not_begun(error: AwsRefusedError) -> SlipwayError:
    """Return why a change did not start; some reasons are temporary."""
    if _TOO_YOUNG.search(error.message):
        return NotReadyError(f"ECS cannot use a role yet ({error.message})", "wait, or check its trust policy")
    is_changed = error.code == "InvalidParameterException" and _CHANGED_MEANWHILE.search(error.message)
    if is_changed or error.code in ("ServiceNotActiveException", "ServiceNotFoundException"):
        return BusyError(f"the service was changed at the same time ({error.message})", "run the same command again")
    return error
