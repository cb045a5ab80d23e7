"""What is asked of one environment: plan a digest, deploy it, tell its status, promote it to another."""

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import anyio
import httpx

from slipway.errors import RefusedError
from slipway.oci.content import Reference
from slipway.records.outcome import Outcome
from slipway.records.plan import Observed, Plan
from slipway.records.progress import Event
from slipway.records.release import History
from slipway.release import deploy as engine
from slipway.release.approval import check_belongs
from slipway.release.aws import Aws
from slipway.release.credentials import Keys
from slipway.release.deploy import Engine, Time
from slipway.release.ecr import check_image
from slipway.release.ecr_store import EcrStore
from slipway.release.ledger import Ledger
from slipway.release.plan import plan as make_plan
from slipway.release.spec import ServiceSpec, spec_of
from slipway.release.target import Target
from slipway.release.targets.app_runner import AppRunner
from slipway.settings import Settings, SettingsError, TargetKind


def wall_clock() -> Time:
    """Real time: the platform is AWS."""
    return Time(lambda: datetime.now(UTC), anyio.sleep)


@dataclass(frozen=True)
class Environment:
    """One environment of a service. `endpoint_url` names what stands in for AWS; `time` is the platform's.

    Without `keys` the credentials are those that boto3 finds.
    """

    settings: Settings
    name: str
    endpoint_url: str | None
    time: Time
    keys: Keys | None = None

    @cached_property
    def aws(self) -> Aws:
        region = self.settings.environment(self.name).region
        return Aws(region, self.endpoint_url, self.keys, self.time.sleep)

    @property
    def target(self) -> Target:
        there = self.settings.environment(self.name)
        if there.target is not TargetKind.APP_RUNNER:
            raise SettingsError(f"the target {there.target.value} of {self.name} is not supported yet", "app-runner is")
        return AppRunner(self.aws, self.settings.service_name(self.name), self.time)

    def spec(self, digest: str) -> ServiceSpec:
        """What should run when this digest does; raises SettingsError."""
        return spec_of(self.settings, self.name, digest)

    async def plan(self, digest: str) -> Plan:
        """What a deployment would change; nothing is touched."""
        return make_plan(self.spec(digest), await self.target.observe())

    async def deploy(self, digest: str, tell: Callable[[Event], None]) -> Outcome:
        """Deploy a digest and answer the truth; raises SlipwayError when it cannot be tried."""
        return await self._deploy(digest, tell, None)

    async def apply(self, approved: Plan, tell: Callable[[Event], None]) -> Outcome:
        """Do what a plan says and answer the truth; raises SlipwayError when that is no longer what a deployment would do."""
        check_belongs(approved, self.name, self.settings.service_name(self.name))
        return await self._deploy(Reference.parse(approved.image).digest, tell, approved)

    async def _deploy(self, digest: str, tell: Callable[[Event], None], approved: Plan | None) -> Outcome:
        store = EcrStore(self.aws, self.settings.name)

        async def prepare() -> None:
            await check_image(self.aws, self.settings.name, digest)
            await store.check()

        ledger = Ledger(store, self.name)
        machinery = Engine(self.target, ledger, self.time, tell, holder(os.environ), prepare)
        return await engine.deploy(machinery, self.spec(digest), approved)

    async def history(self, most: int = 20) -> History:
        """The last deployments, as the ledger has them."""
        ledger = Ledger(EcrStore(self.aws, self.settings.name), self.name)
        contents = await ledger.contents()
        releases = await ledger.releases(sorted(contents.releases)[-most:])
        return History(self.name, releases, tuple(sorted(contents.intents - contents.releases, reverse=True)))

    async def status(self) -> Observed:
        """What is there now."""
        return await self.target.observe()

    async def live_digest(self) -> str:
        """The digest that is live and healthy here; raises RefusedError when there is none."""
        observed = await self.status()
        if observed.status != "RUNNING" or observed.digest is None:
            raise RefusedError(
                f"nothing that could be promoted is live in {self.name}",
                f"its state is {observed.status or 'absent'}; deploy there first",
            )
        await self.check_health(observed)
        return observed.digest

    async def check_health(self, observed: Observed) -> None:
        """Ask the public address for its health; raises RefusedError."""
        path = self.settings.health_path
        if path is not None:
            await self.ask(observed, path)

    async def smoke(self) -> tuple[str, ...]:
        """GET every smoke path; answers what was asked, raises RefusedError at the first that does not answer below 400."""
        observed = await self.status()
        paths = self.settings.smoke_paths or ((self.settings.health_path,) if self.settings.health_path else ())
        for path in paths:
            await self.ask(observed, path)
        return paths

    async def ask(self, observed: Observed, path: str) -> None:
        """GET one path of the public address; raises RefusedError unless it answers below 400."""
        url = self.address(observed)
        try:
            async with httpx.AsyncClient(timeout=10) as client:
                answer = await client.get(f"{url}{path}")
        except httpx.HTTPError as error:
            raise RefusedError(f"{self.name} does not answer {path}", str(error) or type(error).__name__) from error
        if answer.status_code >= httpx.codes.BAD_REQUEST:
            raise RefusedError(
                f"{self.name} answers {path} with {answer.status_code}", "look at its log with `slipway status`"
            )

    def address(self, observed: Observed) -> str:
        """The public URL; App Runner names only the host, and always speaks TLS."""
        return f"{'http' if self.endpoint_url else 'https'}://{observed.url}"


def holder(environment: Mapping[str, str]) -> str:
    """Who deploys, for those who wait: a job of GitHub's by its address, or a person at a machine."""
    if environment.get("GITHUB_ACTIONS"):
        names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
        server, repository, run = (environment.get(name, "") for name in names)
        return f"{server}/{repository}/actions/runs/{run}"
    return f"{environment.get('USER') or environment.get('USERNAME') or 'somebody'}@{socket.gethostname()}"


async def promote(source: Environment, target: Environment, tell: Callable[[Event], None]) -> Outcome:
    """Deploy to `target` the digest that is live and healthy in `source`; nothing is built. Raises RefusedError when there is none."""
    return await target.deploy(await source.live_digest(), tell)
