"""A service on App Runner with a name of its own in Route 53, to be moved to ECS Express Mode under traffic."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from slipway.environment.environment import ServiceEnvironment
from slipway.environment.move import Move, moving
from slipway.environment.move_sides import Resolve
from slipway.records.progress import Event
from slipway.release.move.records import NEW, OLD, Record
from slipway.simulator.ecs.express.service import Service as ExpressService
from slipway.simulator.route53 import full
from slipway.workload.workload import NO_CERTIFICATES
from tests.environment.express import ARN, BRISK, staging_in
from tests.release.desired import aws_of
from tests.release.direct import opened
from tests.release.policed import PolicedAws
from tests.simulator.account import BRISK as APP_RUNNER
from tests.simulator.account import ROLE, Account
from tests.simulator.express import EXECUTION_ROLE, INFRASTRUCTURE_ROLE, trust
from tests.simulator.scripted import Script

HOST = "notes.example.com"
SETTINGS = f"""
[tool.slipway]
name = "notes"
command = ["serve"]
health-path = "/healthz"
smoke-paths = ["/front"]

[tool.slipway.environments.staging]
target = "app-runner"
region = "eu-west-1"
account = "123456789012"
service = "notes"
access-role = "{ROLE}"
variables = {{ A = "1" }}
health-check = {{ interval = 20 }}

[tool.slipway.environments.staging.move]
access-role = "{EXECUTION_ROLE}"
infrastructure-role = "{INFRASTRUCTURE_ROLE}"
subnets = ["subnet-0a", "subnet-0b"]
"""


@dataclass
class Moving:
    """The environment `staging` with its release, and what its clients get."""

    account: Account
    digest: str = ""
    settings: str = SETTINGS
    resolve: Resolve | None = None
    policed: bool = False
    told: list[str] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)  # of all traffic, by status and digest
    zone: str = ""
    old: str = ""  # the DNS target of App Runner

    @property
    def environment(self) -> ServiceEnvironment:
        aws = PolicedAws(self.account) if self.policed else aws_of(self.account)
        return staging_in(self.account, self.settings, aws)

    @property
    def move(self) -> Move:
        """A process of its own."""
        return replace(moving(self.environment, has_moved=True), resolve=self.resolve)

    @property
    def express(self) -> ExpressService:
        return self.account.cloud.ecs.express.services[ARN]

    @property
    def script(self) -> Script:
        return self.account.backend.scripts[self.digest]

    def tell(self, event: Event) -> None:
        if event.line:
            self.told.append(event.line)

    def plant(self, path: str, status: int = 500) -> None:
        """Let the new side answer a path with an error, as a service does that lacks something on its platform."""
        gateway = self.express.gateway
        answer = gateway.front._answer

        async def planted(request: Request) -> Response:
            if request.url.path != path:
                return await answer(request)
            for count in gateway.counted.values():
                count(status)
            return PlainTextResponse("planted", status)

        gateway.front._answer = planted  # type: ignore[method-assign]

    async def records(self) -> list[Record]:
        listed = await self.account.ask("route53", "list_resource_record_sets", HostedZoneId=self.zone)
        return [each for each in listed["ResourceRecordSets"] if each["Name"] == full(HOST)]

    async def share(self) -> int | str:
        """Return the weight of the new side, or the target of a simple record."""
        found = {record.get("SetIdentifier"): record for record in await self.records()}
        if set(found) == {OLD, NEW}:
            assert found[OLD]["Weight"] + found[NEW]["Weight"] == 100
            return int(found[NEW]["Weight"])
        (record,) = found.values()
        return str(record["ResourceRecords"][0]["Value"])

    async def named(self) -> None:
        """Give the service its name and its zone, with one simple record."""
        zone = await self.account.ask("route53", "create_hosted_zone", Name="example.com", CallerReference="1")
        self.zone = zone["HostedZone"]["Id"].removeprefix("/hostedzone/")
        (service,) = self.account.cloud.app_runner.services.values()
        associated = await self.account.ask(
            "apprunner",
            "associate_custom_domain",
            ServiceArn=service.arn,
            DomainName=HOST,
            EnableWWWSubdomain=False,
        )
        self.old = associated["DNSTarget"]
        record = {"Name": HOST, "Type": "CNAME", "TTL": 300, "ResourceRecords": [{"Value": self.old}]}
        await self.put(record)
        await self.account.cloud.clock.sleep(31)

    async def put(self, record: Record, action: str = "UPSERT") -> None:
        batch = {"Changes": [{"Action": action, "ResourceRecordSet": record}]}
        await self.account.ask("route53", "change_resource_record_sets", HostedZoneId=self.zone, ChangeBatch=batch)

    async def traffic(self, path: str = "/", seconds: float = 10.0) -> None:
        """Ask for the name until cancelled, and count the answers."""
        front = self.account.cloud.route53.fronts[full(HOST)]
        async with httpx.AsyncClient(base_url=f"http://{front.address}", verify=NO_CERTIFICATES, timeout=300) as client:
            while True:
                with self.account.cloud.clock.held():
                    answer = await client.get(path)
                self.answers[str(answer.status_code)] += 1
                await self.account.cloud.clock.sleep(seconds)


@asynccontextmanager
async def moved_from(*, named: bool = True, **changes: Any) -> AsyncIterator[Moving]:
    """Deploy a release to App Runner."""
    async with opened(pace=APP_RUNNER) as account:
        trust(account)
        account.cloud.ecs.express.pace = BRISK
        there = Moving(account, **changes)
        there.digest = await account.image()
        outcome = await there.environment.deploy(there.digest, there.tell)
        assert outcome.status.exit_code == 0, outcome
        if named:
            await there.named()
        yield there
