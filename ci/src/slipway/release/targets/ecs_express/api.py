"""Reads of a service on ECS Express Mode: the service, its deployments, service revisions, target groups, events and stopped tasks.

The only write is the pace of health checks. Express Mode has no setting for it, and keeps the target group's [G].
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Any

from slipway.release.aws.client import Aws
from slipway.release.engine.plan import health_pace
from slipway.release.errors import AwsRefusedError, or_absent
from slipway.release.targets.ecs_express.deployment import Deployment
from slipway.release.targets.ecs_express.spec import CheckedGroup
from slipway.settings import TargetGroupPace

ABSENT = ("ResourceNotFoundException", "ServiceNotFoundException", "ClusterNotFoundException")
_PAGE = 100  # deployments
_MOST_TASKS = 20


@dataclass(frozen=True)
class ExpressApi:
    """One service, identified by its ARN, arn:…:service/CLUSTER/NAME."""

    aws: Aws
    arn: str

    @property
    def name(self) -> str:
        return self.arn.rpartition("/")[2]

    @property
    def cluster(self) -> str:
        return self.arn.split("/")[-2]

    async def service(self, *include: str) -> Mapping[str, Any] | None:
        """Describe the service; None when there is none of that name."""
        try:
            call = self.aws.call("ecs", "describe_express_gateway_service", serviceArn=self.arn, include=[*include])
            answer = await or_absent(call, *ABSENT)
        except AwsRefusedError as error:  # users report both errors for a service that does not exist
            if error.code == "InvalidParameterException" and "not found" in error.message.lower():
                return None
            raise
        return answer["service"] if answer else None

    async def exists(self) -> bool:
        service = await self.service()
        return service is not None and service["status"]["statusCode"] != "INACTIVE"

    async def deployments(self) -> list[Deployment]:
        """List the deployments of the last 90 days, newest first."""
        asked = {"service": self.arn, "cluster": self.cluster, "maxResults": _PAGE}
        briefs = self.aws.items("ecs", "list_service_deployments", "serviceDeployments", **asked)
        found = [Deployment.listed(brief) async for brief in briefs]
        return sorted(found, key=lambda each: each.created, reverse=True)

    async def deployment(self, arn: str) -> Deployment | None:
        """Describe a deployment; None when it is not shown."""
        answer = await self.aws.call("ecs", "describe_service_deployments", serviceDeploymentArns=[arn])
        return next((Deployment.parse(each) for each in answer["serviceDeployments"]), None)

    async def revision(self, arn: str) -> Mapping[str, Any]:
        """Describe a service revision with the resources that ECS created for it; empty when it is not shown."""
        answer = await self.aws.call("ecs", "describe_service_revisions", serviceRevisionArns=[arn])
        return next(iter(answer["serviceRevisions"]), {})

    async def target_groups(self, revision: Mapping[str, Any]) -> Sequence[CheckedGroup]:
        """Describe the target groups of a service revision; empty before ECS has created any."""
        managed = {
            group["arn"]: group.get("healthCheckPath")
            for path in _managed(revision, "ingressPaths")
            for group in path.get("targetGroups", ())
        }
        if not managed:
            return ()
        answer = await self.aws.call("elbv2", "describe_target_groups", TargetGroupArns=[*managed])
        return [CheckedGroup(group, managed.get(group["TargetGroupArn"])) for group in answer["TargetGroups"]]

    async def as_ecs(self) -> Mapping[str, Any]:
        """Describe the service as an ordinary ECS service, with its events; empty when it is not shown."""
        answer = await self.aws.call("ecs", "describe_services", cluster=self.cluster, services=[self.arn])
        return next(iter(answer["services"]), {})

    async def stopped_tasks(self, since: datetime) -> list[Mapping[str, Any]]:
        """Return the stopped tasks that were created since a time, oldest first. ECS lists them for about an hour."""
        answer = await self.aws.call(
            "ecs",
            "list_tasks",
            cluster=self.cluster,
            serviceName=self.name,
            desiredStatus="STOPPED",
            maxResults=_MOST_TASKS,
        )
        if not answer["taskArns"]:
            return []
        answered = await self.aws.call("ecs", "describe_tasks", cluster=self.cluster, tasks=answer["taskArns"])
        tasks = [task for task in answered["tasks"] if task["createdAt"] >= since]
        return sorted(tasks, key=lambda task: task["createdAt"])

    async def log_groups(self, revisions: Iterable[str]) -> list[str]:
        """Return the log groups of service revisions, each once. Their names cannot be derived."""
        found = [group for arn in revisions for group in log_groups_of(await self.revision(arn))]
        return list(dict.fromkeys(found))

    async def tune(self, pace: TargetGroupPace, revision: str) -> bool:
        """Set the pace of a service revision's target groups, if it differs. Return whether there are target groups yet."""
        groups = await self.target_groups(await self.revision(revision))
        for group in groups:
            if group.check != health_pace(*astuple(pace)):
                await self.aws.call_idempotent("elbv2", "modify_target_group", **group.tuned(pace))
        return bool(groups)


def events_of(service: Mapping[str, Any], since: datetime) -> list[tuple[datetime, str]]:
    """Return the service's events since a time, oldest first. ECS keeps the last 100."""
    return sorted(
        (each["createdAt"], each["message"]) for each in service.get("events", ()) if each["createdAt"] >= since
    )


def log_groups_of(revision: Mapping[str, Any]) -> list[str]:
    return [group["logGroupName"] for group in _managed(revision, "logGroups")]


def managed_security_groups(revision: Mapping[str, Any]) -> frozenset[str]:
    """Return the ids of the security groups that ECS created for the tasks."""
    return frozenset(group["arn"].rpartition("/")[2] for group in _managed(revision, "serviceSecurityGroups"))


def _managed(revision: Mapping[str, Any], kind: str) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = revision.get("ecsManagedResources", {}).get(kind, ())
    return found
