"""The reads of a service on ECS Express Mode: itself, its deployments, service revisions, target groups, events and stopped tasks.

Its one write is the pace of health checks: Express Mode does not let one set it, and keeps what a target group has [G].
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
    """One service, by its ARN: arn:…:service/CLUSTER/NAME."""

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
        except AwsRefusedError as error:  # users see either error for a service that does not exist
            if error.code == "InvalidParameterException" and "not found" in error.message.lower():
                return None
            raise
        return answer["service"] if answer else None

    async def exists(self) -> bool:
        service = await self.service()
        return service is not None and service["status"]["statusCode"] != "INACTIVE"

    async def deployments(self) -> list[Deployment]:
        """List the deployments of 90 days, newest first."""
        asked = {"service": self.arn, "cluster": self.cluster, "maxResults": _PAGE}
        briefs = self.aws.items("ecs", "list_service_deployments", "serviceDeployments", **asked)
        found = [Deployment.listed(brief) async for brief in briefs]
        return sorted(found, key=lambda each: each.created, reverse=True)

    async def deployment(self, arn: str) -> Deployment | None:
        """Describe a deployment; None when it is not shown."""
        answer = await self.aws.call("ecs", "describe_service_deployments", serviceDeploymentArns=[arn])
        return next((Deployment.parse(each) for each in answer["serviceDeployments"]), None)

    async def revision(self, arn: str) -> Mapping[str, Any]:
        """Describe a service revision, with the resources that ECS made for it; empty when it is not shown."""
        answer = await self.aws.call("ecs", "describe_service_revisions", serviceRevisionArns=[arn])
        return next(iter(answer["serviceRevisions"]), {})

    async def target_groups(self, revision: Mapping[str, Any]) -> Sequence[CheckedGroup]:
        """Describe the target groups of a service revision; empty while ECS has made none."""
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
        """Describe the service as ECS has it, with its events; empty when it is not shown."""
        answer = await self.aws.call("ecs", "describe_services", cluster=self.cluster, services=[self.arn])
        return next(iter(answer["services"]), {})

    async def stopped_tasks(self, since: datetime) -> list[Mapping[str, Any]]:
        """Return the tasks that were created since then and have stopped, oldest first; ECS remembers them for about an hour."""
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
        """Return the log groups of service revisions, each once; their names cannot be derived."""
        found = [group for arn in revisions for group in log_groups_of(await self.revision(arn))]
        return list(dict.fromkeys(found))

    async def tune(self, pace: TargetGroupPace, revision: str) -> bool:
        """Give the target groups of a service revision a pace, where they have another; return whether there are any yet."""
        groups = await self.target_groups(await self.revision(revision))
        for group in groups:
            if group.check != health_pace(*astuple(pace)):
                await self.aws.call_idempotent("elbv2", "modify_target_group", **group.tuned(pace))
        return bool(groups)


def events_of(service: Mapping[str, Any], since: datetime) -> list[tuple[datetime, str]]:
    """Return what ECS has reported of a service since a time, oldest first; it keeps the last 100."""
    return sorted(
        (each["createdAt"], each["message"]) for each in service.get("events", ()) if each["createdAt"] >= since
    )


def log_groups_of(revision: Mapping[str, Any]) -> list[str]:
    return [group["logGroupName"] for group in _managed(revision, "logGroups")]


def managed_security_groups(revision: Mapping[str, Any]) -> frozenset[str]:
    """Return the ids of the security groups that ECS made for the tasks."""
    return frozenset(group["arn"].rpartition("/")[2] for group in _managed(revision, "serviceSecurityGroups"))


def _managed(revision: Mapping[str, Any], kind: str) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = revision.get("ecsManagedResources", {}).get(kind, ())
    return found
