"""The API of ECS Express Mode, and ECS's operations on the services that it manages.

Marks: [M] service model, [G] developer guide, [F] field reports, † unverified.
"""

import re
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import anyio

from slipway.simulator.contract import AwsError, Call, Operations, operations_of, paged
from slipway.simulator.ecs.express import configuration as configurations
from slipway.simulator.ecs.express.configuration import Configuration, definition_of
from slipway.simulator.ecs.express.deploying import Rollout
from slipway.simulator.ecs.express.fleet import Fleet, Scaling
from slipway.simulator.ecs.express.resources import Resources, description
from slipway.simulator.ecs.express.rollout import PERIOD, Pace, Signal
from slipway.simulator.ecs.express.service import (
    Deployment,
    Readings,
    Revision,
    Service,
    ServiceState,
    as_tags,
    permit,
)
from slipway.simulator.ecs.task import (
    Task,
    TaskDefinition,
    TaskDefinitions,
    check_definition,
    cluster_of,
    task_arn,
)
from slipway.simulator.network import Network
from slipway.simulator.platform import Platform

_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")  # [M]
_MOST_DEPLOYMENTS = 20  # in one description, and on a page by default [M]
_PRINCIPAL = "ecs.amazonaws.com"  # the principal that assumes the infrastructure role [G]
_HISTORY = timedelta(days=90)  # [G]


class Express:
    """Express Mode's services by ARN."""

    def __init__(
        self, platform: Platform, definitions: TaskDefinitions, clusters: set[str], tasks: dict[str, Task]
    ) -> None:
        self._platform = platform
        self._definitions = definitions
        self._clusters = clusters
        self._tasks = tasks
        self._rollouts: dict[str, Rollout] = {}  # by deployment
        self.pace = Pace()
        self.readings = Readings()
        self.resources = Resources(platform=platform, readings=self.readings, network=Network(platform.resources))
        self.services: dict[str, Service] = {}
        self._creating = anyio.Lock()  # a name is checked and taken in one step
        self.operations: Operations = operations_of(self)

    async def create_express_gateway_service(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        async with self._creating:
            service = await self._created(request, call)
        return {"service": service.description(tags=True)}

    async def _created(self, request: Mapping[str, Any], call: Call) -> Service:
        cluster = self._cluster(request)
        name = request.get("serviceName") or f"express-{secrets.token_hex(4)}"
        if not _NAME.fullmatch(name):
            raise AwsError("InvalidParameterException", f"Invalid service name: {name}.")  # †
        arn = f"arn:aws:ecs:{call.region}:{call.account}:service/{cluster}/{name}"
        permit("CreateExpressGatewayService", self._state(arn, call), self.readings)
        if self.active_in(cluster) >= (most := self._platform.quotas.cluster_services):
            raise AwsError("ClientException", f"The maximum number of services in the cluster is {most}.")  # †
        self._check_infrastructure_role(request["infrastructureRoleArn"], call)
        definition = self._definition(request)
        configuration = configurations.created(request, definition, self.resources.network.default())
        check_definition(definition_of(configuration, name, "", call.region))
        gateway = self.resources.gateway(f"{cluster}/{name}", configuration, call)
        service = Service(
            name=name,
            arn=arn,
            cluster=f"arn:aws:ecs:{call.region}:{call.account}:cluster/{cluster}",
            infrastructure_role=request["infrastructureRoleArn"],
            created=call.now,
            gateway=gateway,
            pace=self.pace,
            scaling=Scaling(),
            tags={tag["key"]: tag.get("value", "") for tag in request.get("tags", [])},
        )
        self._platform.logs.create(gateway.log_group)
        await self._platform.tasks.start(gateway.front.serve)
        gateway.rule.hosts = [gateway.front.address]
        self.services[arn] = service
        self._platform.tasks.start_soon(self._scale, service)
        self._deploy(service, self._revise(service, configuration, definition, call), call)
        return service

    async def update_express_gateway_service(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """Start a deployment, unless nothing changes.

        It stops the deployment in progress. The answer names the service revision, not the deployment [M].
        """
        service = self._permitted("UpdateExpressGatewayService", request["serviceArn"], call)
        definition = self._definition(request)
        newest = service.revisions[-1]
        configuration = configurations.updated(newest.configuration, request, definition)
        target = newest
        if self.readings.same_deploys or not self._is_live(service, newest, configuration, definition):
            target = self._revise(service, configuration, definition, call)
            self._deploy(service, target, call)
        return {
            "service": {
                "serviceArn": service.arn,
                "cluster": service.cluster,
                "serviceName": service.name,
                "status": {"statusCode": service.status},
                "targetConfiguration": target.description(service),
                "createdAt": service.created,
                "updatedAt": service.updated or service.created,
            }
        }

    async def describe_express_gateway_service(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        service = self._permitted("DescribeExpressGatewayService", request["serviceArn"], call)
        return {"service": service.description(tags="TAGS" in request.get("include", []))}

    async def delete_express_gateway_service(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """Drain the service. Its deployments disappear at once [G]."""
        service = self._permitted("DeleteExpressGatewayService", request["serviceArn"], call)
        service.deleted = service.updated = call.now
        for deployment in service.deployments:
            self._rollouts[deployment.arn].interrupt(Signal.DELETED)
        self._platform.tasks.start_soon(self._drain, service)
        return {"service": service.description(tags=True)}

    async def list_service_deployments(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """List the deployments, the newest first †."""
        service = self._permitted("ListServiceDeployments", self._arn(request["service"], request, call), call)
        period = request.get("createdAt", {})
        after, before = (period.get(key) for key in ("after", "before"))  # JSON contains these as numbers
        wanted = request.get("status")
        found = [
            deployment.brief(service)
            for deployment in reversed(self._history(service, call))
            if (not wanted or deployment.status in wanted)
            and (after is None or deployment.created.timestamp() > after)
            and (before is None or deployment.created.timestamp() < before)
        ]
        return paged("serviceDeployments", found, request, most=_MOST_DEPLOYMENTS)

    async def describe_service_deployments(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        arns = request["serviceDeploymentArns"]
        if len(arns) > _MOST_DEPLOYMENTS:
            # The limit [M], the words †.
            raise AwsError("InvalidParameterException", f"At most {_MOST_DEPLOYMENTS} ARNs are allowed.")
        known = {
            deployment.arn: deployment.description(service, self.readings)
            for service in self.services.values()
            for deployment in self._history(service, call)
        }
        return {"serviceDeployments": [known[arn] for arn in arns if arn in known], "failures": _missing(arns, known)}

    async def describe_service_revisions(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        arns = request["serviceRevisionArns"]
        known = {
            revision.arn: (service, revision) for service in self.services.values() for revision in service.revisions
        }
        found = [description(*known[arn]) for arn in arns if arn in known]
        return {"serviceRevisions": found, "failures": _missing(arns, known)}

    async def stop_service_deployment(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """Roll a deployment back. This has no effect on one that is already being stopped or rolled back [G]."""
        if request.get("stopType", "ROLLBACK") != "ROLLBACK":
            raise AwsError("InvalidParameterException", "Invalid stop type. Valid values are ROLLBACK.")  # [M], words †
        arn = request["serviceDeploymentArn"]
        deployments = [each for service in self.services.values() for each in self._history(service, call)]
        deployment = next((each for each in deployments if each.arn == arn), None)
        if deployment is None:
            raise AwsError("ServiceDeploymentNotFoundException", "Service deployment not found.")  # †
        if deployment.ended:
            message = f"The service deployment is in the {deployment.status} state and cannot be stopped."  # †
            raise AwsError("ConflictException", message)
        self._rollouts[arn].interrupt(Signal.REQUESTED)
        return {"serviceDeploymentArn": arn}

    async def describe_services(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        cluster = self._cluster(request)
        names = request["services"]
        tags = "TAGS" in request.get("include", [])
        by_name = {name: self._arn(name, {"cluster": cluster}, call) for name in names}
        known = {
            arn: self.services[arn] for arn in by_name.values() if self._state(arn, call) is not ServiceState.ABSENT
        }
        return {
            "services": [service.described_as_ecs(tags=tags) for service in known.values()],
            "failures": _missing(by_name.values(), known),
        }

    async def list_services(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        cluster = self._cluster(request)
        shown = request.get("resourceManagementType", "ECS") == "ECS"
        arns = [
            service.arn
            for service in self.services.values()
            if shown and service.path.partition("/")[0] == cluster and not service.inactive
        ]
        return paged("serviceArns", arns, request, most=10)  # [M]

    async def tag_resource(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        tags = self._tags(request["resourceArn"], call)
        tags |= {tag["key"]: tag.get("value", "") for tag in request["tags"]}
        return {}

    async def untag_resource(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        tags = self._tags(request["resourceArn"], call)
        for key in request["tagKeys"]:
            tags.pop(key, None)
        return {}

    async def list_tags_for_resource(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        return {"tags": as_tags(self._tags(request["resourceArn"], call))}

    def _deploy(self, service: Service, target: Revision, call: Call) -> None:
        """Begin a deployment with the present number of tasks, and stop the one in progress."""
        service.scaling.limit(target.configuration["scalingTarget"])
        place = f"arn:aws:ecs:{service.place}:service-deployment/{service.path}"
        deployment = Deployment(
            arn=f"{place}/{secrets.token_urlsafe(16)[:21]}",
            target=target,
            source=service.stable,
            created=call.now,
            updated=call.now,
            desired=service.scaling.desired,
        )
        newest = service.deployments[-1] if service.deployments else None
        before = self._rollouts[newest.arn] if newest else None
        rollout = Rollout(
            platform=self._platform,
            readings=self.readings,
            service=service,
            deployment=deployment,
            before=before,
            begin_fleet=self._fleet,
        )
        self._rollouts[deployment.arn] = rollout
        service.deployments.append(deployment)
        service.updated = call.now
        if before:
            before.interrupt(Signal.SUPERSEDED)
        self._platform.tasks.start_soon(rollout.run)

    def _fleet(self, service: Service, deployment: Deployment) -> Fleet:
        """Start the tasks of a deployment's service revision."""
        revision = deployment.target

        def begin() -> Task:
            task = Task(
                arn=task_arn(service.cluster),
                cluster=service.cluster,
                definition=revision.definition,
                created=self._platform.clock.now(),
                request={
                    "startedBy": f"ecs-svc/{deployment.id}",
                    "networkConfiguration": {
                        "awsvpcConfiguration": revision.description(service)["networkConfiguration"]
                    },
                },
                service=service.name,
            )
            self._tasks[task.arn] = task
            return task

        fleet = revision.fleet = Fleet(
            platform=self._platform,
            pace=service.pace,
            gateway=service.gateway,
            group=revision.group,
            port=revision.configuration["primaryContainer"]["containerPort"],
            begin=begin,
            has_place=partial(self._has_place, revision.definition),
            tell=service.tell,
        )
        fleet.scale(deployment.desired)
        return fleet

    def active_in(self, cluster: str) -> int:
        """Return how many services of a cluster exist."""
        return sum(each.path.partition("/")[0] == cluster and not each.inactive for each in self.services.values())

    def _has_place(self, definition: TaskDefinition) -> bool:
        """Return whether the account's quota of processors allows another task."""
        alive = [task.definition for task in self._tasks.values() if not task.stopped]
        return sum(map(_vcpus, [*alive, definition])) <= self._platform.quotas.vcpus

    async def _scale(self, service: Service) -> None:
        """Let the policy follow its metric, and the number of tasks follow the policy, until the service is deleted."""
        while not service.deleted:
            await self._platform.clock.idle(PERIOD)
            if (stable := service.stable) and stable.fleet:
                value = self._metric(service, stable, self._platform.clock.now())
                service.scaling.follow(value, deploys=service.current is not None)
                for fleet in filter(None, [revision.fleet for revision in service.active]):
                    fleet.scale(service.scaling.desired)

    def _metric(self, service: Service, stable: Revision, now: datetime) -> float | None:
        """Return the value of the policy's metric in the last whole minute; None when it has none."""
        if service.scaling.metric == "REQUEST_COUNT_PER_TARGET":
            return service.gateway.requests(now - timedelta(seconds=PERIOD)) / max(stable.running, 1)
        return None if service.load is None else service.load / max(stable.running, 1)

    async def _drain(self, service: Service) -> None:
        """Stop a deleted service's tasks after their last answers. Then remove its resources."""
        gateway = service.gateway
        gateway.weigh({})
        with self._platform.clock.held():
            for group in gateway.groups:
                for address in list(group.targets):
                    await gateway.front.drained(address)
        for revision in service.active:
            revision.retire()
        await self._platform.clock.sleep(self.pace.drain)
        service.inactive = service.updated = self._platform.clock.now()
        self.resources.remove(gateway)
        with self._platform.clock.held():
            await gateway.front.close()

    def _revise(
        self, service: Service, configuration: Configuration, definition: TaskDefinition | None, call: Call
    ) -> Revision:
        """Make a service revision with its task definition."""
        gateway = service.gateway
        family = service.path.replace("/", "-")  # [F]
        request = definition_of(configuration, family, gateway.log_group, call.region)
        definition = definition or self._definitions.register(request, call)
        found = self._platform.store.find(definition.container["image"])
        revision = Revision(
            arn=f"arn:aws:ecs:{service.place}:service-revision/{service.path}/{secrets.randbelow(9 * 10**18) + 10**18}",
            configuration=configuration,
            definition=definition,
            digest=found[1] if found else None,
            created=call.now,
            group=gateway.groups[0].arn,
        )
        service.revisions.append(revision)
        return revision

    def _is_live(
        self, service: Service, newest: Revision, wanted: Configuration, definition: TaskDefinition | None
    ) -> bool:
        """Return whether the newest service revision has the wanted configuration and is, or will be, the active one."""
        same = newest.configuration == wanted and definition in (None, newest.definition)
        current = service.current
        return same and newest is (current.target if current else service.stable)

    def _definition(self, request: Mapping[str, Any]) -> TaskDefinition | None:
        if "taskDefinitionArn" not in request:
            return None
        definition = self._definitions.find(request["taskDefinitionArn"])
        if definition is None or definition.deregistered:
            raise AwsError("ClientException", "TaskDefinition not found.")  # [F] of ECS, here †
        return definition

    def _check_infrastructure_role(self, role: str, call: Call) -> None:
        """Raise AwsError for a role that ECS may not assume. A new role gets both errors that users quote."""
        iam = self._platform.iam
        if iam.may_assume(role, _PRINCIPAL, call.now):
            return
        later = call.now + timedelta(seconds=iam.propagation / 3)
        if iam.may_assume(role, _PRINCIPAL, later):
            message = "AWS was not able to validate the provided access credentials"
            raise AwsError("ClientException", message)  # [F]
        raise AwsError("AccessDeniedException", "Cannot assume role")  # [F]

    def _history(self, service: Service, call: Call) -> list[Deployment]:
        """Return the deployments that the API still shows: those of the last 90 days, while the service exists [G]."""
        return [each for each in service.deployments if not service.deleted and call.now - each.created < _HISTORY]

    def _permitted(self, operation: str, arn: str, call: Call) -> Service:
        permit(operation, self._state(arn, call), self.readings)
        return self.services[arn]

    def _state(self, arn: str, call: Call) -> ServiceState:
        return self.services[arn].state(call.now) if arn in self.services else ServiceState.ABSENT

    def _arn(self, name: str, request: Mapping[str, Any], call: Call) -> str:
        """Return a service's ARN for its ARN or name."""
        if name.startswith("arn:"):
            return name
        return f"arn:aws:ecs:{call.region}:{call.account}:service/{self._cluster(request)}/{name}"

    def _cluster(self, request: Mapping[str, Any]) -> str:
        return cluster_of(request, self._clusters)

    def _tags(self, arn: str, call: Call) -> dict[str, str]:
        if self._state(arn, call) is ServiceState.ABSENT:
            raise AwsError("InvalidParameterException", "The specified service was not found.")  # †
        return self.services[arn].tags


def _vcpus(definition: TaskDefinition) -> float:
    return int(definition.asked.get("cpu", "256")) / 1024


def _missing(arns: Any, known: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{"arn": arn, "reason": "MISSING"} for arn in arns if arn not in known]  # [M]
