"""One environment of a service: where it runs, how it is asked, and the engine that changes it. The verbs stand in files of their own."""

import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property, partial

import anyio
import httpx

from slipway.errors import RefusedError
from slipway.records.certificate import Certificate
from slipway.records.image import Reference
from slipway.records.ledger import History
from slipway.records.migration import Migration, Readiness
from slipway.records.outcome import Outcome, Verb
from slipway.records.plan import Action, Observed, Plan
from slipway.records.preflight import Check, PreflightResult
from slipway.release.aws.client import Aws
from slipway.release.aws.credentials import Keys
from slipway.release.aws.ecr import check_repository
from slipway.release.aws.ecr_store import EcrStore
from slipway.release.engine import readiness
from slipway.release.engine.approval import check_belongs
from slipway.release.engine.engine import Engine, Tell, Time, no_op
from slipway.release.engine.goal import Live
from slipway.release.engine.ledger import Ledger
from slipway.release.engine.plan import plan as make_plan
from slipway.release.engine.run import reach
from slipway.release.engine.spec import ServiceSpec
from slipway.release.engine.target import Target
from slipway.release.errors import AwsRefusedError
from slipway.release.runners.runner import Runner
from slipway.release.targets.description import TargetDescription
from slipway.release.targets.registry import target_of
from slipway.settings import Settings

Permit = Callable[[Observed], Awaitable[None]]
_PATIENCE_SECONDS = 10


def wall_clock() -> Time:
    """Real time: the platform is AWS."""
    return Time(lambda: datetime.now(UTC), anyio.sleep)


@dataclass(frozen=True, kw_only=True)
class Environment:
    """One environment of a service. `endpoint_url` names what stands in for AWS; `time` is the platform's.

    Without `keys` the credentials are those that boto3 finds. `runner` makes who migrates the database to the head of a digest, for a
    deployment; by default it is whom the settings name, or nobody. `starts` is whether a release is started on this machine before.
    """

    settings: Settings
    name: str
    endpoint_url: str | None
    time: Time
    keys: Keys | None = None
    runner: Callable[[str, str], Awaitable[Runner]] | None = None
    starts: bool = True

    @cached_property
    def aws(self) -> Aws:
        region = self.settings.environment(self.name).region
        return Aws(region, self.endpoint_url, self.keys, self.time.sleep)

    @property
    def migrates(self) -> bool:
        """Whether slipway migrates the database before a release."""
        return bool(self.runner or self.settings.environment(self.name).migration)

    @property
    def service(self) -> str:
        return self.settings.service_name(self.name)

    @property
    def described(self) -> TargetDescription:
        return target_of(self.settings, self.name)

    @property
    def target(self) -> Target:
        return self.described.connect(self.aws, self.service, self.time)

    @property
    def store(self) -> EcrStore:
        return EcrStore(self.aws, self.settings.name)

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.store, self.name)

    def spec(self, digest: str) -> ServiceSpec:
        """What should run when this digest does; raises SettingsError."""
        return self.described.spec(self.settings, self.name, digest)

    def engine(
        self, tell: Tell, permit: Permit = no_op, certificate: Certificate | None = None, risk: str = ""
    ) -> Engine:
        """What changes the service as it is; see `releasing` for what brings another release."""
        return Engine(
            target=self.target,
            ledger=self.ledger,
            time=self.time,
            tell=tell,
            holder=holder(os.environ),
            prepare=self._is_ours,
            permit=permit,
            ask=self.readiness,
            certificate=certificate,
            risk=risk,
        )

    def digest_of(self, image: str) -> str:
        """The digest of an image by its name; raises BadInputError when this environment would not deploy it."""
        given = Reference.parse(image)
        check_repository(given, self.spec(given.digest).image)
        return given.digest

    async def plan(self, digest: str) -> Plan:
        """What a deployment would change; nothing is touched. A service that something else made is not changed unasked."""
        made = make_plan(self.spec(digest), await self.target.observe(), migrates=self.migrates)
        foreign = await self._foreign() if made.changes else None
        return replace(made, action=Action.BLOCKED, reason=f"{foreign.found}; {foreign.remedy}") if foreign else made

    async def deploy(self, digest: str, tell: Tell, certificate: Certificate | None = None) -> Outcome:
        """Deploy a digest and answer the truth; raises SlipwayError when it cannot be tried."""
        return await self.release(Live(self.spec(digest)), self.engine(tell, certificate=certificate))

    async def apply(self, approved: Plan, tell: Tell, certificate: Certificate | None = None) -> Outcome:
        """Do what a plan says and answer the truth; raises SlipwayError when that is no longer what a deployment would do."""
        check_belongs(approved, self.name, self.service)
        goal = Live(self.spec(self.digest_of(approved.image)))
        return await self.release(goal, self.engine(tell, certificate=certificate), approved)

    async def release(self, goal: Live, engine: Engine, approved: Plan | None = None) -> Outcome:
        """Bring a release to life, its image looked at and the database migrated before; a rollback leaves the database as it is."""
        return await reach(self.releasing(goal, engine), replace(goal, migrates=self.migrates), approved)

    def releasing(self, goal: Live, engine: Engine) -> Engine:
        """Return the engine with the steps that come before a release."""
        migrates = self.migrates and goal.verb is not Verb.ROLLBACK
        migrate = partial(self._migrate, goal.spec.image.digest) if migrates else None
        return replace(engine, prepare=partial(self._prepare, goal, engine.tell), migrate=migrate)

    async def _is_ours(self) -> None:
        """Before a service is changed otherwise than by a release: who may not look whose it is does not touch it."""
        found = await self.described.owned(self.aws, self.service, self.name)
        if found and found.verdict is PreflightResult.REFUSED:
            raise RefusedError(found.found, found.remedy)
        await self.store.check()

    async def _foreign(self) -> Check | None:
        """Why the service is not this environment's; None when it is, when there is none, or when nobody may look."""
        try:
            found = await self.described.owned(self.aws, self.service, self.name)
        except AwsRefusedError:
            return None
        return found if found and found.verdict is PreflightResult.REFUSED else None

    async def _prepare(self, goal: Live, tell: Tell) -> None:
        """A release that was live here before is not started once more: whoever goes back is in a hurry."""
        from slipway.release.preflight import preflight as looks
        from slipway.verbs.preflight import preflight

        if self.starts and goal.verb is not Verb.ROLLBACK:
            found = await preflight(self.aws, goal.spec, self.settings)
        else:
            found = await looks.preflight(self.aws, goal.spec, self.described.looks)
        for event in looks.events(found):
            tell(event)
        looks.refuse(found)
        await self.store.check()

    async def _migrate(self, digest: str, number: int, tell: Tell) -> Migration:
        """Before deployment `number`, which a run after this one may go on with."""
        return await (await self.migrating(digest, f"{self.service}.{number}")).migrate(tell)

    async def migrating(self, digest: str, deployment: str | None = None, url_from: str | None = None) -> Runner:
        """Who migrates here; raises SettingsError when the settings do not say enough. `url_from` is a variable with the database's URL."""
        from slipway.verbs.migrate import Wanted, runner_of

        if self.runner and url_from is None:
            return await self.runner(digest, deployment or "")
        wanted = Wanted(self.settings, self.name, digest)
        return runner_of(wanted, self.aws, self.time, deployment=deployment, database_url_from=url_from)

    async def history(self, most: int = 20) -> History:
        """The last deployments, as the ledger has them."""
        ledger = self.ledger
        contents = await ledger.contents()
        releases = await ledger.releases(sorted(contents.releases)[-most:])
        return History(self.name, releases, tuple(sorted(contents.intents - contents.releases, reverse=True)))

    async def status(self) -> Observed:
        """What is there now."""
        return await self.target.observe()

    async def smoke(self) -> tuple[str, ...]:
        """GET every smoke path; answers what was asked, raises RefusedError at the first that does not answer below 400."""
        observed = await self.status()
        paths = self.settings.smoke_paths or ((self.settings.health_path,) if self.settings.health_path else ())
        for path in paths:
            await self.ask(observed, path)
        return paths

    async def readiness(self, observed: Observed) -> Readiness | None:
        """What the live release says of itself; None when it says no_op, or is not there."""
        if self.settings.health_path is None or observed.url is None:
            return None
        try:
            return readiness.said(await self.ask(observed, self.settings.health_path))
        except RefusedError:
            return None

    async def ask(self, observed: Observed, path: str) -> str:
        """GET one path of the public address; raises RefusedError unless it answers below 400."""
        url = self.address(observed)
        try:
            async with httpx.AsyncClient(timeout=_PATIENCE_SECONDS) as client:
                answer = await client.get(f"{url}{path}")
        except httpx.HTTPError as error:
            raise RefusedError(f"{self.name} does not answer {path}", str(error) or type(error).__name__) from error
        if answer.status_code >= httpx.codes.BAD_REQUEST:
            raise RefusedError(
                f"{self.name} answers {path} with {answer.status_code}", "look at its log with `slipway diagnose`"
            )
        return answer.text

    def address(self, observed: Observed) -> str:
        """The public URL; a platform names only the host, and always uses TLS."""
        return f"{'http' if self.endpoint_url else 'https'}://{observed.url}"


def holder(environment: Mapping[str, str]) -> str:
    """Who deploys, for those who wait: a job of GitHub's by its address, or a person at a machine."""
    if environment.get("GITHUB_ACTIONS"):
        names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
        server, repository, run = (environment.get(name, "") for name in names)
        return f"{server}/{repository}/actions/runs/{run}"
    return f"{environment.get('USER') or environment.get('USERNAME') or 'somebody'}@{socket.gethostname()}"
