"""The platforms on which generated stories play: production in a simulated account, as its owner sees it, in the words of App Runner."""

from dataclasses import dataclass
from typing import Any, Protocol

import httpx

from slipway.release.engine.plan import ServiceSpec
from slipway.release.engine.target import Operation
from slipway.release.targets.app_runner.spec import request_of
from slipway.release.targets.ecs_express import spec as express
from slipway.settings import Settings, TargetGroupPace, TargetKind, parse
from slipway.simulator.app_runner.service import Service as AppRunnerService
from slipway.simulator.ecs.express.service import Service as ExpressService
from slipway.workload.workload import NO_CERTIFICATES
from tests.environment.environments import SETTINGS
from tests.environment.express import BRISK
from tests.release import deployers
from tests.release.scenarios import Hand
from tests.simulator.account import ROLE, Account, asked, image_of
from tests.simulator.express import EXECUTION_ROLE, INFRASTRUCTURE_ROLE, trust, wanted

SERVICE = "notes-production"
OWNED = {"key": "slipway:environment", "value": "production"}
_MAINTENANCE_SECONDS = 200.0
_EXPRESS = "\n".join(
    [
        '[tool.slipway]\nname = "notes"\ncommand = ["serve"]\nhealth-path = "/healthz"\nsmoke-paths = ["/front"]',
        *(
            f"""
[tool.slipway.environments.{name}]
target = "ecs-express"
region = "eu-west-1"
account = "123456789012"
access-role = "{EXECUTION_ROLE}"
infrastructure-role = "{INFRASTRUCTURE_ROLE}"
subnets = ["subnet-0a", "subnet-0b"]
cpu = 256
memory = 512"""
            for name in ("staging", "production")
        ),
    ]
)


@dataclass(frozen=True)
class There:
    """A service: its status, None when there is none, and the digest that answers alone."""

    status: str | None
    live: str | None


class Ground(Protocol):
    """One platform; `operation` translates App Runner's name of an operation, the `number`th of its kind."""

    settings: Settings
    role: str

    def operation(self, name: str, number: int = 0) -> str: ...

    def there(self) -> There: ...

    async def answering(self, path: str) -> str | None:
        """Return the digest that answers at a path of the public address."""
        ...

    def operations(self) -> list[str]:
        """Return the ids of the service's operations, oldest first."""
        ...

    def fails(self, operation: str) -> None:
        """Let the platform not finish an operation, until the next call with an empty one."""
        ...

    async def create(self, spec: ServiceSpec, environment: str) -> Operation:
        """Create a service as slipway does, and wait until that has ended."""
        ...

    async def update(self, digest: str) -> str:
        """Begin another client's update, and return its operation."""
        ...

    async def rest(self) -> None:
        """Wait until no operation is in progress."""
        ...

    async def delete(self) -> None: ...

    async def pause(self) -> None: ...

    def maintain(self) -> None: ...

    async def meddle(self, hand: Hand) -> str | None:
        """Act as another client, whenever the platform lets it; return the operation that it began, if any."""
        ...

    @property
    def can_be_meddled_with(self) -> bool: ...


@dataclass
class AppRunnerGround:
    account: Account
    settings = SETTINGS
    role = ROLE

    def operation(self, name: str, number: int = 0) -> str:
        return name

    def there(self) -> There:
        living = [found for found in self._services() if found.status != "DELETED"]
        if not living:
            return There(None, None)
        return There(living[-1].status, image_of(living[-1].configuration) if living[-1].instance else None)

    async def answering(self, path: str) -> str | None:
        return await deployers.live(self.account, SERVICE, path)

    def operations(self) -> list[str]:
        return [found.id for service in self._services() for found in service.operations]

    def fails(self, operation: str) -> None:
        for service in self._services():
            service.failing.clear()
            service.failing |= {operation} - {""}

    async def create(self, spec: ServiceSpec, environment: str) -> Operation:
        request = request_of(spec.over({}))  # type: ignore[arg-type]
        request["Tags"] = [{"Key": OWNED["key"], "Value": environment}]
        answer = await self.account.ask("apprunner", "create_service", ServiceName=spec.name, **request)
        arn: str = answer["Service"]["ServiceArn"]
        await self.account.settled(arn)
        return Operation(arn, self.account.cloud.app_runner.services[arn].operations[-1].id, creating=True)

    async def update(self, digest: str) -> str:
        answer = await self.account.ask("apprunner", "update_service", ServiceArn=self._arn, **asked(digest))
        return str(answer["OperationId"])

    async def rest(self) -> None:
        await self.account.settled(self._arn)

    async def delete(self) -> None:
        await self.account.ask("apprunner", "delete_service", ServiceArn=self._arn)
        await self.rest()

    async def pause(self) -> None:
        await self.account.ask("apprunner", "pause_service", ServiceArn=self._arn)
        await self.rest()

    def maintain(self) -> None:
        self.account.cloud.app_runner.maintain(self._services()[-1], _MAINTENANCE_SECONDS)

    @property
    def can_be_meddled_with(self) -> bool:
        return self.there().status == "RUNNING"

    async def meddle(self, hand: Hand) -> str | None:
        if hand is Hand.MAINTENANCE:
            self.maintain()
            return None
        return await self.update(await self.account.image())

    @property
    def _arn(self) -> str:
        return self._services()[-1].arn

    def _services(self) -> list[AppRunnerService]:
        return [found for found in self.account.cloud.app_runner.services.values() if found.name == SERVICE]


_NAMES = {
    "CreateService": ("CreateExpressGatewayService",),
    "UpdateService": ("UpdateExpressGatewayService",),
    "DeleteService": ("DeleteExpressGatewayService",),
    "DescribeService": ("DescribeExpressGatewayService",),
    "ListOperations": ("ListServiceDeployments", "DescribeServiceDeployments"),
    "ListServices": ("DescribeServiceRevisions",),
    "FilterLogEvents": ("DescribeServices", "FilterLogEvents"),
    "ListTagsForResource": ("DescribeTargetGroups", "ModifyTargetGroup"),
}


@dataclass
class ExpressGround:
    """ECS Express Mode. An update, and a rollback by hand, are accepted also during a deployment."""

    account: Account
    settings = parse(_EXPRESS)
    role = INFRASTRUCTURE_ROLE

    def __post_init__(self) -> None:
        trust(self.account)
        self.account.cloud.ecs.express.pace = BRISK

    def operation(self, name: str, number: int = 0) -> str:
        names = _NAMES.get(name, (name,))
        return names[number % len(names)]

    def there(self) -> There:
        service = self._service
        if service is None or service.inactive:
            return There(None, None)
        if service.deleted:
            return There("DRAINING", None)
        serving = [each for each in service.active if service.gateway.weight(each.group)]
        alone = serving[0].digest if len(serving) == 1 and serving[0].running else None
        if service.current:
            return There("OPERATION_IN_PROGRESS", alone)
        return There("RUNNING" if service.stable else "CREATE_FAILED", alone)

    async def answering(self, path: str) -> str | None:
        service = self._service
        if service is None or self.there().live is None:
            return None
        with self.account.cloud.clock.held():
            async with httpx.AsyncClient(timeout=30, trust_env=False, verify=NO_CERTIFICATES) as client:
                try:
                    answer = await client.get(f"http://{service.gateway.front.address}{path}")
                except httpx.HTTPError:
                    return None
        return answer.text.partition("\n")[0] if answer.is_success else None

    def operations(self) -> list[str]:
        service = self._service
        if service is None:
            return []
        return [each.arn for each in service.deployments] + (["deletion"] if service.deleted else [])

    def fails(self, operation: str) -> None:
        if self._service:
            self._service.failing.clear()
            self._service.failing |= {operation} - {""}

    async def create(self, spec: ServiceSpec, environment: str) -> Operation:
        own = express.own(spec)
        answer = await self._ask(
            "create_express_gateway_service",
            serviceName=own.name,
            infrastructureRoleArn=own.infrastructure_role,
            tags=[OWNED | {"value": environment}],
            **express.request_of(own),
        )
        service = self.account.cloud.ecs.express.services[answer["service"]["serviceArn"]]
        await self._rest(service)
        for group in service.gateway.groups:  # as the first deployment leaves them
            tuned = express.tuning_of(TargetGroupPace())
            await self.account.ask("elbv2", "modify_target_group", TargetGroupArn=group.arn, **tuned)
        return Operation(service.arn, service.deployments[-1].arn, creating=True)

    async def update(self, digest: str) -> str:
        assert self._service
        await self._ask("update_express_gateway_service", serviceArn=self._service.arn, **wanted(digest))
        return self._service.deployments[-1].arn

    async def rest(self) -> None:
        assert self._service
        await self._rest(self._service)

    async def delete(self) -> None:
        assert self._service
        await self._ask("delete_express_gateway_service", serviceArn=self._service.arn)
        await self.rest()

    async def pause(self) -> None:
        raise NotImplementedError  # there is none

    def maintain(self) -> None:
        raise NotImplementedError  # there is none

    @property
    def can_be_meddled_with(self) -> bool:
        return self.there().status in ("RUNNING", "OPERATION_IN_PROGRESS")

    async def meddle(self, hand: Hand) -> str | None:
        assert self._service
        if hand is Hand.ROLLBACK:
            arn = self._service.deployments[-1].arn
            await self._ask("stop_service_deployment", serviceDeploymentArn=arn, stopType="ROLLBACK")
            return None
        return await self.update(await self.account.image())

    async def _ask(self, operation: str, **parameters: Any) -> dict[str, Any]:
        return await self.account.ask("ecs", operation, **parameters)

    async def _rest(self, service: ExpressService) -> None:
        while service.current or (service.deleted and not service.inactive):
            await self.account.cloud.clock.sleep(5)

    @property
    def _service(self) -> ExpressService | None:
        services = self.account.cloud.ecs.express.services.values()
        return next((each for each in services if each.name == SERVICE), None)


def ground_of(target: TargetKind, account: Account) -> Ground:
    return (AppRunnerGround if target is TargetKind.APP_RUNNER else ExpressGround)(account)
