"""The suite for ECS Express Mode: two services that it brings into every state, and deletes at the end of a run."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import anyio

from slipway.conformance.account import MISSHAPEN, PREFIX, TAG, AwsAccount, Reply, SilentError, masked
from slipway.conformance.expectations import Findings, subject_of
from slipway.conformance.express_expectations import BEGINS, SERVICE, every
from slipway.conformance.leftovers import TellLine, delete, is_ours, listed, log_groups, prefix
from slipway.conformance.service import ProbeImage
from slipway.conformance.suite import conformance_of, new_run
from slipway.errors import BadInputError
from slipway.records.conformance import Conformance, Estimate
from slipway.untrusted import one_line

_POLL, _TIMEOUT = 10.0, 45 * 60.0  # seconds
_ENDED = ("SUCCESSFUL", "STOPPED", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED")
_CLUSTER = "default"
_CPU, _MEMORY = "256", "512"
# Prices in N. Virginia of a task with its public address, and of a load balancer with two.
_TASK_HOUR, _BALANCER_HOUR = 0.018, 0.041
_LEAST, _MOST = 25, 75  # minutes
_TASKS = 4  # the largest number of both services' tasks


@dataclass(frozen=True)
class Roles:
    """The roles for the services. The suite creates none."""

    execution: str
    infrastructure: str

    def __post_init__(self) -> None:
        if not all(role.startswith("arn:") and ":role/" in role for role in (self.execution, self.infrastructure)):
            raise BadInputError(
                "ECS Express Mode needs the ARNs of two roles, and the suite creates none",
                "pass --execution-role and --infrastructure-role",
            )

    @property
    def account(self) -> str:
        return self.execution.split(":")[4]


def estimate() -> Estimate:
    return Estimate(
        creates=(
            f"2 services of ECS Express Mode with {_CPU} CPU units and {_MEMORY} MiB, one task each and two during a deployment",
            "the load balancer, target groups, rules, security groups, alarms, certificates and log groups that ECS makes for them",
            "task definitions, which stay and cost nothing",
        ),
        least_minutes=_LEAST,
        most_minutes=_MOST,
        dollars=round((_TASKS * _TASK_HOUR + _BALANCER_HOUR) * _MOST / 60, 2),
        prices=f"${_TASK_HOUR} an hour for a task with its address, ${_BALANCER_HOUR} for the load balancer (aws.amazon.com, 2026-11-29)",
    )


class ExpressService:
    """A service of the suite."""

    def __init__(self, account: AwsAccount, image: ProbeImage, roles: Roles, run: str, name: str) -> None:
        self.account = account
        self.name = f"{PREFIX}{run}-{name}"
        self.arn = f"arn:aws:ecs:{account.region}:{roles.account}:service/{_CLUSTER}/{self.name}"
        self._run = run
        self._roles = roles
        self._image = image

    async def ask(self, call: str, **parameters: Any) -> Reply:
        return await self.account.ask("ecs", call, **parameters)

    def configuration(self, variables: Mapping[str, str]) -> dict[str, Any]:
        environment = [{"name": name, "value": value} for name, value in variables.items()]
        return {
            "executionRoleArn": self._roles.execution,
            "healthCheckPath": "/",
            "primaryContainer": {
                "image": self._image.identifier,
                "containerPort": self._image.port,
                "environment": environment,
            },
            "cpu": _CPU,
            "memory": _MEMORY,
            "scalingTarget": {"minTaskCount": 1, "maxTaskCount": 1},
        }

    async def outcome(self, call: str, variables: Mapping[str, str] | None = None) -> str:
        """Make a call, and return its outcome in one line."""
        before = await self.deployments()
        reply = await self._made(call, variables or {"B": "2", "A": "1"}, before)
        if reply.code:
            return self.masked(reply.error)
        match call:
            case "CreateExpressGatewayService" | "UpdateExpressGatewayService":
                begun = len(await self.deployments()) > len(before)
                return BEGINS if begun or call.startswith("Create") else "no deployment begins"
            case "ListServiceDeployments":
                return "answers"
            case "StopServiceDeployment":
                return str((await self.deployments())[0]["status"])
            case _:
                return f"answers, {reply['service']['status']['statusCode']}"

    async def _made(self, call: str, variables: Mapping[str, str], before: list[Mapping[str, Any]]) -> Reply:
        match call:
            case "CreateExpressGatewayService":
                names = {"serviceName": self.name, "infrastructureRoleArn": self._roles.infrastructure}
                tags = [{"key": TAG, "value": self._run}]
                return await self.ask(call, **names, tags=tags, **self.configuration(variables))
            case "UpdateExpressGatewayService":
                return await self.ask(call, serviceArn=self.arn, **self.configuration(variables))
            case "ListServiceDeployments":
                return await self.ask(call, service=self.arn, cluster=_CLUSTER)
            case "StopServiceDeployment":
                place = self.arn.replace(":service/", ":service-deployment/")
                arn = before[0]["serviceDeploymentArn"] if before else f"{place}/{'A' * 21}"
                return await self.ask(call, serviceDeploymentArn=arn, stopType="ROLLBACK")
            case _:
                return await self.ask(call, serviceArn=self.arn)

    async def deployments(self) -> list[Mapping[str, Any]]:
        """Return the deployments, the newest first; none for a service without any."""
        reply = await self.ask("ListServiceDeployments", service=self.arn, cluster=_CLUSTER)
        found = [] if reply.code else list(reply["serviceDeployments"])
        return sorted(found, key=lambda deployment: str(deployment["createdAt"]), reverse=True)

    async def describe(self) -> Mapping[str, Any]:
        service: Mapping[str, Any] = (await self.ask("DescribeExpressGatewayService", serviceArn=self.arn))["service"]
        return service

    async def settled(self) -> str:
        """Return the status of the newest deployment after it has ended."""
        return await self._until(self._newest_status, _ENDED)

    async def is_inactive(self) -> bool:
        return await self._until(self._service_status, ("INACTIVE",)) == "INACTIVE"

    async def _newest_status(self) -> str:
        found = await self.deployments()
        return str(found[0]["status"]) if found else "no deployment"

    async def _service_status(self) -> str:
        reply = await self.ask("DescribeExpressGatewayService", serviceArn=self.arn)
        return "INACTIVE" if reply.code else str(reply["service"]["status"]["statusCode"])

    async def _until(self, status: Callable[[], Awaitable[str]], wanted: tuple[str, ...]) -> str:
        began = self.account.time.now()
        while (seen := await status()) not in wanted:
            if (self.account.time.now() - began).total_seconds() > _TIMEOUT:
                break
            await self.account.time.sleep(_POLL)
        return seen

    async def revision(self) -> Mapping[str, Any]:
        arn = (await self.deployments())[0]["targetServiceRevisionArn"]
        found = (await self.ask("DescribeServiceRevisions", serviceRevisionArns=[arn]))["serviceRevisions"]
        revision: Mapping[str, Any] = found[0]
        return revision

    async def groups(self) -> list[Mapping[str, Any]]:
        (path,) = (await self.revision())["ecsManagedResources"]["ingressPaths"]
        arns = [group["arn"] for group in path["targetGroups"]]
        return list((await self.account.ask("elbv2", "DescribeTargetGroups", TargetGroupArns=arns))["TargetGroups"])

    def masked(self, text: str) -> str:
        return masked(text, {self.arn: "ARN", self.name: "NAME"})


@dataclass(frozen=True)
class ExpressWalk:
    """One service that goes through every state. Every answer is recorded."""

    service: ExpressService
    findings: Findings
    tell: TellLine

    async def whole(self) -> None:
        """Visit every state and probe every behaviour, except the deletion of an idle service."""
        calls = ("Update", "Delete", "Describe")
        await self._cells("absent", *calls, "List", "Stop", "Create")
        if not await self._settles("the creation"):
            return
        await self._cells("idle", "Describe", "List", "Create", "Stop")
        await self._idle()
        await self._cells("idle", "Update", variables={"A": "2"})
        await self._cells("deploying", "Describe", "List", "Create")
        await self._probe("the answer to an update", self._answer_of_an_update(variables={"A": "3"}))
        self.findings.saw(subject_of("UpdateExpressGatewayService", "deploying"), BEGINS)
        await self._probe("active configurations", self._active())
        during = (await self.service.describe()).get("currentDeployment", "none")
        await self._cells("deploying", "Stop")
        await self._probe("a deployment that a person stops", self.service.settled())
        await self._probe("currentDeployment", self._current(during))
        await self._probe("a deployment that a newer one stops", self._stopped())
        await self._probe("a target group that is changed", self._kept())
        await self.service.outcome("UpdateExpressGatewayService", {"A": "4"})
        await self._cells("deploying", "Delete")
        await self._cells("DRAINING", *calls, "List", "Stop", "Create")
        if await self.service.is_inactive():
            await self._cells("INACTIVE", *calls, "List", "Stop", "Create")

    async def deleted_idle(self) -> None:
        await self.service.outcome("CreateExpressGatewayService")
        if await self._settles("the second service"):
            await self._cells("idle", "Delete")

    async def _settles(self, what: str) -> bool:
        status = await self.service.settled()
        self.tell(f"{what}: {status}")
        return status == "SUCCESSFUL"

    async def _cells(self, state: str, *calls: str, variables: Mapping[str, str] | None = None) -> None:
        for call in calls:
            operation = _OPERATIONS[call]
            await self.findings.probe(subject_of(operation, state), self.service.outcome(operation, variables))

    async def _probe(self, subject: str, probe: Awaitable[str]) -> None:
        await self.findings.probe(f"{SERVICE}: {subject}", probe)

    async def _idle(self) -> None:
        service = self.service
        await self._probe("variables that are read back", self._variables())
        await self._probe("security groups that are read back", self._security_groups())
        await self._probe("the cluster that is read back", self._cluster())
        await self._probe("the strategy", self._strategy())
        await self._probe("health checks", self._health_checks())
        await self._probe("the alarm", self._alarm())
        await self._probe("the log group", self._log_group())
        await self._probe("an update that changes nothing", service.outcome("UpdateExpressGatewayService"))
        for group in await service.groups():
            settings = {"HealthCheckIntervalSeconds": 5, "HealthyThresholdCount": 2}
            await service.account.ask("elbv2", "ModifyTargetGroup", TargetGroupArn=group["TargetGroupArn"], **settings)

    async def _variables(self) -> str:
        (active,) = (await self.service.describe())["activeConfigurations"]
        return ", ".join(pair["name"] for pair in active["primaryContainer"]["environment"])

    async def _security_groups(self) -> str:
        (active,) = (await self.service.describe())["activeConfigurations"]
        return "a managed one is added" if active["networkConfiguration"]["securityGroups"] else "none"

    async def _cluster(self) -> str:
        cluster = (await self.service.describe())["cluster"]
        return "an ARN" if cluster.startswith("arn:") else str(cluster)

    async def _strategy(self) -> str:
        (service,) = (await self.service.ask("DescribeServices", services=[self.service.arn]))["services"]
        chosen = service["deploymentConfiguration"]
        canary = chosen["canaryConfiguration"]
        return (
            f"{chosen['strategy']}, {canary['canaryPercent']:g} % for {canary['canaryBakeTimeInMinutes']} minutes, "
            f"then {chosen['bakeTimeInMinutes']} minutes of bake time"
        )

    async def _health_checks(self) -> str:
        seen = {
            f"{group['Matcher']['HttpCode']} at the path, every {group['HealthCheckIntervalSeconds']} s, "
            f"{group['HealthyThresholdCount']} healthy, {group['UnhealthyThresholdCount']} unhealthy"
            for group in await self.service.groups()
        }
        return " or ".join(sorted(seen))

    async def _alarm(self) -> str:
        name = f"{_CLUSTER}/{self.service.name}/RollbackAlarm"
        (alarm,) = (await self.service.account.ask("cloudwatch", "DescribeAlarms", AlarmNames=[name]))["MetricAlarms"]
        judged = f"{alarm['DatapointsToAlarm']} of {alarm['EvaluationPeriods']} minutes"
        return f"CLUSTER/NAME/RollbackAlarm, over {alarm['Threshold']:g} in {judged}"

    async def _log_group(self) -> str:
        groups = (await self.service.revision())["ecsManagedResources"]["logGroups"]
        name = str(groups[0]["logGroupName"]).replace(self.service.name, "NAME").replace(_CLUSTER, "CLUSTER")
        return re.sub(r"-[0-9a-f]{4}$", "-####", name)

    async def _answer_of_an_update(self, variables: Mapping[str, str]) -> str:
        service = self.service
        reply = await service.ask(
            "UpdateExpressGatewayService", serviceArn=service.arn, **service.configuration(variables)
        )
        named = reply["service"]["targetConfiguration"]["serviceRevisionArn"]
        newest = (await service.deployments())[0]
        right = named == newest["targetServiceRevisionArn"]
        return "names the revision of the newest deployment" if right else "names another revision"

    async def _active(self) -> str:
        """Wait for the second active configuration, and return a line about it."""
        for _ in range(60):
            count = len((await self.service.describe())["activeConfigurations"])
            if count == 2:
                return "2 while a deployment runs, then 1"
            await self.service.account.time.sleep(_POLL)
        return f"{count} while a deployment runs"

    async def _current(self, during: str) -> str:
        kind = "the ARN" if during.startswith("arn:") else during
        after = (await self.service.describe()).get("currentDeployment", "none")
        return f"{kind}, then {after}"

    async def _stopped(self) -> str:
        return str((await self.service.deployments())[1]["status"])

    async def _kept(self) -> str:
        intervals = {group["HealthCheckIntervalSeconds"] for group in await self.service.groups()}
        return "stays changed" if intervals == {5} else f"is {intervals}"


_OPERATIONS = {
    "Create": "CreateExpressGatewayService",
    "Update": "UpdateExpressGatewayService",
    "Delete": "DeleteExpressGatewayService",
    "Describe": "DescribeExpressGatewayService",
    "List": "ListServiceDeployments",
    "Stop": "StopServiceDeployment",
}


async def conform(
    account: AwsAccount, image: ProbeImage, roles: Roles, tell: TellLine, run: str | None = None
) -> Conformance:
    """Run the whole suite, delete its resources, and report. Delete them even after a cancellation."""
    run, findings = run or new_run(), Findings(every())
    left: tuple[str, ...] = ()
    began = account.time.now()
    tell(f"every created resource is named {PREFIX}{run}…")
    services = [ExpressService(account, image, roles, run, name) for name in ("whole", "idle")]
    whole, idle = (ExpressWalk(service, findings, tell) for service in services)
    try:
        async with anyio.create_task_group() as tasks:
            for walk in (whole.whole, idle.deleted_idle):
                tasks.start_soon(_gone, walk, tell)
    finally:
        with anyio.CancelScope(shield=True):
            left = await clean(account, run, tell)
    return conformance_of(account, image, began, findings, left)


async def _gone(walk: Callable[[], Awaitable[None]], tell: TellLine) -> None:
    """Run a walk. An account that does not answer ends only this walk."""
    try:
        await walk()
    except (SilentError, *MISSHAPEN) as error:
        tell(one_line(f"the account did not answer: {error}"))


async def clean(account: AwsAccount, run: str | None, tell: TellLine) -> tuple[str, ...]:
    """Delete the services and log groups of one run, or of all. Return those that could not be deleted, with reasons."""
    left: list[str] = []
    for arn in await listed(_services(account, run), "services", left):
        reply = await account.ask("ecs", "DeleteExpressGatewayService", serviceArn=arn)
        if reply.code and "DRAINING" not in reply.message and "INACTIVE" not in reply.message:
            left.append(one_line(f"service {arn.rpartition('/')[2]}: {reply.error}"))
    groups = log_groups(account, f"/aws/ecs/{_CLUSTER}/{prefix(run)}")
    for leftover in await listed(groups, "log groups", left):
        await delete(account, leftover, left)
    for line in left:
        tell(f"could not be deleted: {line}")
    return tuple(left)


async def _services(account: AwsAccount, run: str | None) -> AsyncIterator[str]:
    async for arn in account.pages("ecs", "ListServices", "serviceArns", cluster=_CLUSTER):
        if arn.rpartition("/")[2].startswith(prefix(run)):
            tags = await account.ask("ecs", "ListTagsForResource", resourceArn=arn)
            if is_ours([{"Key": tag["key"], "Value": tag.get("value", "")} for tag in tags["tags"]], run):
                yield arn
