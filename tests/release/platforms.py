"""The places where the engine's tests run: App Runner as the simulator has it, with the ledger in ECR, and what ECS Express Mode would be, with
the ledger in memory. A platform offers what a test needs of either: releases, a deployer, another client, and the truth.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Protocol

import anyio
import anyio.lowlevel

from slipway.records.image import Reference
from slipway.records.plan import Plan
from slipway.records.progress import Tell
from slipway.release.aws.client import Aws
from slipway.release.engine.engine import Engine
from slipway.release.engine.goal import Goal, Live
from slipway.release.engine.ledger import Ledger
from slipway.release.engine.plan import ServiceSpec
from slipway.release.engine.run import reach
from slipway.release.engine.target import Target, Time
from slipway.release.errors import AwsRefusedError, LostAnswerError
from slipway.release.targets.ecs_express.spec import ExpressSpec, request_of, spec_of
from slipway.release.targets.ecs_express.target import ExpressTarget, connect
from slipway.settings import parse
from slipway.simulator.clock import VirtualClock
from slipway.simulator.contract import AwsError
from slipway.simulator.faults import Effect, Faults
from tests.release import deployers
from tests.release.deployers import Ended, Kill, Mortal, MortalAws, exit_of
from tests.release.desired import Telling, engine_of, spec, target_of
from tests.release.direct import opened
from tests.release.express import OPERATIONS, Express, How
from tests.release.memory_store import MemoryStore, Shelf
from tests.simulator.account import BRISK, REGION, URI, Account, asked
from tests.simulator.scripted import Script

EXPRESS_TEXT = """
[tool.slipway]
name = "notes"
command = ["serve"]
health-path = "/healthz"

[tool.slipway.environments.staging]
target = "ecs-express"
region = "eu-west-1"
account = "123456789012"
service = "notes"
access-role = "arn:aws:iam::123456789012:role/notes-access"
infrastructure-role = "arn:aws:iam::123456789012:role/notes-infrastructure"
subnets = ["subnet-2", "subnet-1"]
security-groups = ["sg-1"]
"""
EXPRESS = parse(EXPRESS_TEXT)
Interval = tuple[datetime, datetime | None]
# `create`, `update` and `delete` change something, `find` and `look` are how a service and its operations are found.
Calls = Mapping[str, str]


class Platform(Protocol):
    """One service's place. `calls` names the API's operations, for `faults`."""

    @property
    def clock(self) -> VirtualClock: ...

    @property
    def faults(self) -> Faults: ...

    @property
    def calls(self) -> Calls: ...

    @property
    def target(self) -> Target: ...

    @property
    def ledger(self) -> Ledger: ...

    async def release(self, *, healthy: bool = True, **changes: Any) -> ServiceSpec:
        """Return the service with a new image."""
        ...

    async def create_by_hand(self, wanted: ServiceSpec) -> None:
        """Create the service as another client, and wait until that has ended."""
        ...

    async def update_by_hand(self, wanted: ServiceSpec) -> None:
        """Start an update as another client."""
        ...

    async def live(self) -> str | None:
        """Return the digest that alone answers at the public address."""
        ...

    def changes(self) -> list[Interval]:
        """When the changes that were accepted have begun and ended, newest first; one that another has cut off has no end of its own."""
        ...

    def engine(self, tell: Tell, kill: Kill | None = None) -> tuple[Engine, Mortal]: ...


async def run(
    platform: Platform, wanted: ServiceSpec | Goal, kill: Kill | None = None, approved: Plan | None = None, **parts: Any
) -> Ended:
    """Make a goal true as a process does."""
    telling = Telling()
    engine, mortal = platform.engine(telling, kill)
    goal = Live(spec=wanted) if isinstance(wanted, ServiceSpec) else wanted
    code, outcome = await exit_of(reach(replace(engine, **parts), goal, approved), telling)
    contents = await platform.ledger.contents()
    is_written = contents.newest in contents.releases
    return Ended(code, await platform.live(), tuple(mortal.operations), outcome, tuple(telling.lines), is_written)


@dataclass(frozen=True)
class OnAppRunner:
    account: Account

    @property
    def calls(self) -> Calls:
        return {
            "create": "CreateService",
            "update": "UpdateService",
            "delete": "DeleteService",
            "find": "ListServices",
            "look": "ListOperations",
            "follow": "ListOperations",
        }

    @property
    def clock(self) -> VirtualClock:
        assert isinstance(self.account.cloud.clock, VirtualClock)
        return self.account.cloud.clock

    @property
    def faults(self) -> Faults:
        return self.account.cloud.faults

    @property
    def target(self) -> Target:
        return target_of(self.account)

    @property
    def ledger(self) -> Ledger:
        return engine_of(self.account, Telling()).ledger

    async def release(self, *, healthy: bool = True, **changes: Any) -> ServiceSpec:
        return spec(await self.account.image(Script(healthy=healthy)), **changes)

    async def create_by_hand(self, wanted: ServiceSpec) -> None:
        await self.account.create(wanted.image.digest)

    async def update_by_hand(self, wanted: ServiceSpec) -> None:
        arn = next(reversed(self.account.cloud.app_runner.services))
        await self.account.ask("apprunner", "update_service", ServiceArn=arn, **asked(wanted.image.digest))

    async def live(self) -> str | None:
        return await deployers.live(self.account)

    def changes(self) -> list[Interval]:
        services = self.account.cloud.app_runner.services.values()
        every = [operation for service in services for operation in service.operations]
        return sorted(((one.started, one.ended) for one in every), key=lambda one: one[0], reverse=True)

    def engine(self, tell: Tell, kill: Kill | None = None) -> tuple[Engine, Mortal]:
        aws = MortalAws(self.account, kill)
        return engine_of(self.account, tell, aws), aws.mortal


class ExpressAws(Aws):
    """The platform's API as one process reaches it; the same faults as the simulator's may come in between."""

    def __init__(self, express: Express, mortal: Mortal) -> None:
        super().__init__(REGION, sleep=express.clock.sleep)
        self._express = express
        self._mortal = mortal

    async def once(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        await anyio.lowlevel.checkpoint()
        return await self._mortal(operation, partial(self._ask, service, operation, parameters))

    async def _ask(self, service: str, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        if service == "elbv2":
            return self._express.balance(operation, parameters)
        fault = self._express.faults.take(OPERATIONS[operation])
        effect = fault.effect if fault else None
        if effect in (Effect.CALL_LOST, Effect.UNAVAILABLE):
            raise LostAnswerError(f"AWS did not answer {service} {operation}")
        if effect in (Effect.THROTTLED, Effect.EXPIRED):
            code = "ThrottlingException" if effect is Effect.THROTTLED else "ExpiredTokenException"
            raise AwsRefusedError(service, operation, {"Code": code, "Message": "scripted"})
        try:
            answer = self._express.ask(operation, parameters)
        except AwsError as error:
            raise AwsRefusedError(service, operation, {"Code": error.code, "Message": error.message}) from error
        if effect is Effect.ANSWER_LOST:
            raise LostAnswerError(f"AWS did not answer {service} {operation}")
        return _unheard_of(answer) if effect is Effect.UNKNOWN_STATUS else answer


def _unheard_of(answer: dict[str, Any]) -> dict[str, Any]:
    deployments = answer.get("serviceDeployments", ())
    return answer | {"serviceDeployments": [found | {"status": "QUARANTINED"} for found in deployments]}


@dataclass(frozen=True)
class OnExpress:
    express: Express
    shelf: Shelf

    @property
    def calls(self) -> Calls:
        return {
            "create": "CreateExpressGatewayService",
            "update": "UpdateExpressGatewayService",
            "delete": "DeleteExpressGatewayService",
            "find": "DescribeExpressGatewayService",
            "look": "ListServiceDeployments",
            "follow": "DescribeServiceDeployments",
        }

    @property
    def clock(self) -> VirtualClock:
        return self.express.clock

    @property
    def faults(self) -> Faults:
        return self.express.faults

    @property
    def target(self) -> Target:
        return self.connected(Mortal(None))

    @property
    def ledger(self) -> Ledger:
        return Ledger(MemoryStore(self.shelf), "staging")

    async def release(self, *, healthy: bool = True, **changes: Any) -> ServiceSpec:
        return self.released(How.HEALTHY if healthy else How.UNHEALTHY, **changes)

    def released(self, how: How, **changes: Any) -> ExpressSpec:
        """Return a new release that behaves as scripted."""
        digest = f"sha256:{len(self.express.how) + 1:064x}"
        self.express.how[digest] = how
        return replace(spec_of(EXPRESS, "staging", digest), image=Reference(URI, digest), **changes)

    async def create_by_hand(self, wanted: ServiceSpec) -> None:
        assert isinstance(wanted, ExpressSpec)
        name = {"serviceName": "notes", "infrastructureRoleArn": wanted.infrastructure_role, "cluster": wanted.cluster}
        self.express.ask("create_express_gateway_service", name | request_of(wanted))
        await self.clock.sleep(600)

    async def update_by_hand(self, wanted: ServiceSpec) -> None:
        assert isinstance(wanted, ExpressSpec)
        arn = self.express.services[-1].arn
        self.express.ask("update_express_gateway_service", {"serviceArn": arn} | request_of(wanted))

    async def live(self) -> str | None:
        answering = self.express.answering()
        return next(iter(answering)) if len(answering) == 1 else None

    def changes(self) -> list[Interval]:
        every = [deployment for service in self.express.services for deployment in service.deployments]
        return [(one.began, None if one.is_stopped else one.finished) for one in reversed(every)]

    def engine(self, tell: Tell, kill: Kill | None = None) -> tuple[Engine, Mortal]:
        mortal = Mortal(kill)
        target = self.connected(mortal)
        ledger = Ledger(MemoryStore(self.shelf, mortal), "staging")
        return Engine(target=target, ledger=ledger, time=self._time, tell=tell, holder="a test"), mortal

    def connected(self, mortal: Mortal) -> ExpressTarget:
        return connect(EXPRESS, "staging", ExpressAws(self.express, mortal), self._time)

    @property
    def _time(self) -> Time:
        return Time(self.clock.now, self.clock.sleep)


@asynccontextmanager
async def on_app_runner(update: float = 6) -> AsyncIterator[Platform]:
    """An update takes so many seconds."""
    pace = replace(BRISK, timeout=10, roll_back=3, update=update)
    async with opened(pace=pace) as account:
        yield OnAppRunner(account)


@asynccontextmanager
async def on_express(update: float = 0) -> AsyncIterator[OnExpress]:
    clock = VirtualClock()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clock.run)
        yield OnExpress(Express(clock), Shelf(clock))
        tasks.cancel_scope.cancel()


Place = Callable[..., AbstractAsyncContextManager[Platform]]
PLACES: dict[str, Place] = {"app-runner": on_app_runner, "ecs-express": on_express}
