"""ServiceEnvironment: one place where a service runs, how to read it, and the engine that changes it."""

import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property, partial

import anyio
import httpx

from slipway.errors import RefusedError
from slipway.oci.registry import certificates
from slipway.records.certificate import Certificate
from slipway.records.image import Reference
from slipway.records.ledger import History
from slipway.records.migration import Migration, Readiness
from slipway.records.outcome import Outcome, Verb
from slipway.records.plan import Action, Observed, Plan
from slipway.records.preflight import Check, PreflightResult
from slipway.records.progress import Tell
from slipway.release.aws.client import Aws
from slipway.release.aws.credentials import Keys
from slipway.release.aws.ecr import check_repository
from slipway.release.aws.ecr_store import EcrStore
from slipway.release.engine import readiness
from slipway.release.engine.approval import check_belongs
from slipway.release.engine.engine import Engine, no_op
from slipway.release.engine.goal import Live
from slipway.release.engine.ledger import Ledger
from slipway.release.engine.plan import plan as make_plan
from slipway.release.engine.run import reach
from slipway.release.engine.spec import ServiceSpec
from slipway.release.engine.target import Target, Time
from slipway.release.errors import AwsRefusedError
from slipway.release.runners.runner import Runner
from slipway.release.targets.description import TargetDescription
from slipway.release.targets.registry import target_of
from slipway.settings import Settings

Permit = Callable[[Observed], Awaitable[None]]
_TIMEOUT_SECONDS = 10


def wall_clock() -> Time:
    """Return real time, for AWS itself."""
    return Time(lambda: datetime.now(UTC), anyio.sleep)


@dataclass(frozen=True, kw_only=True)
class ServiceEnvironment:
    """One environment of a service.

    - endpoint_url: a stand-in for AWS. time: the platform's clock. keys: AWS credentials; None for those that boto3 finds.
    - runner: makes the runner that migrates the database to a digest's head for a deployment; None for the one in the settings, if any.
    - starts: whether the preflight starts the release on this machine.
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
        """Return the service as it should be with this digest; raises SettingsError."""
        return self.described.spec(self.settings, self.name, digest)

    def engine(
        self, tell: Tell, permit: Permit = no_op, certificate: Certificate | None = None, risk: str = ""
    ) -> Engine:
        """Return the engine that changes the service; `release` extends it for a new release."""
        return Engine(
            target=self.target,
            ledger=self.ledger,
            time=self.time,
            tell=tell,
            holder=holder(os.environ),
            prepare=self._check_owner,
            permit=permit,
            ask=self.readiness,
            certificate=certificate,
            risk=risk,
        )

    def digest_of(self, image: str) -> str:
        """Return the digest of an image; raises BadInputError if this environment deploys from another repository."""
        reference = Reference.parse(image)
        check_repository(reference, self.spec(reference.digest).image, simulated=self.endpoint_url is not None)
        return reference.digest

    async def plan(self, digest: str) -> Plan:
        """Return what a deployment would change, blocked if slipway did not create the service; changes nothing."""
        made = make_plan(self.spec(digest), await self.target.observe(), migrates=self.migrates)
        foreign = await self._foreign_if_readable() if made.changes else None
        return replace(made, action=Action.BLOCKED, reason=f"{foreign.found}; {foreign.remedy}") if foreign else made

    async def deploy(self, digest: str, tell: Tell, certificate: Certificate | None = None) -> Outcome:
        """Deploy a digest and return the outcome; raises SlipwayError if the run cannot start."""
        return await self.release(Live(self.spec(digest)), self.engine(tell, certificate=certificate))

    async def apply(self, approved: Plan, tell: Tell, certificate: Certificate | None = None) -> Outcome:
        """Deploy an approved plan and return the outcome; raises SlipwayError if a deployment would no longer do just that."""
        check_belongs(approved, self.name, self.service)
        goal = Live(self.spec(self.digest_of(approved.image)))
        return await self.release(goal, self.engine(tell, certificate=certificate), approved)

    async def release(self, goal: Live, engine: Engine, approved: Plan | None = None) -> Outcome:
        """Deploy a release after its preflight and its migrations; a rollback does not migrate."""
        return await reach(self.releasing(goal, engine), replace(goal, migrates=self.migrates), approved)

    def releasing(self, goal: Live, engine: Engine) -> Engine:
        """Return the engine with the steps that come before a release."""
        migrates = self.migrates and goal.verb is not Verb.ROLLBACK
        migrate = partial(self._migrate, goal.spec.image.digest) if migrates else None
        return replace(engine, prepare=partial(self._prepare, goal, engine.tell), migrate=migrate)

    async def _check_owner(self) -> None:
        """Raise RefusedError unless slipway created the service."""
        if foreign := await self._foreign():
            raise RefusedError(foreign.found, foreign.remedy)
        await self.store.check()

    async def _foreign(self) -> Check | None:
        """Return why slipway did not create the service; None if it did, or if there is no service."""
        check = await self.described.owned(self.aws, self.service, self.name)
        return check if check and check.verdict is PreflightResult.REFUSED else None

    async def _foreign_if_readable(self) -> Check | None:
        """Like `_foreign`; None, too, if the tags of the service cannot be read."""
        try:
            return await self._foreign()
        except AwsRefusedError:
            return None

    async def _prepare(self, goal: Live, tell: Tell) -> None:
        """Run the preflight; a rollback does not start the release again, since it was live here before."""
        from slipway.environment.preflight import preflight
        from slipway.release.preflight import preflight as looks

        if self.starts and goal.verb is not Verb.ROLLBACK:
            report = await preflight(self.aws, goal.spec, self.settings)
        else:
            report = await looks.preflight(self.aws, goal.spec, self.described.looks)
        for event in looks.events(report):
            tell(event)
        looks.refuse(report)
        await self.store.check()

    async def _migrate(self, digest: str, number: int, tell: Tell) -> Migration:
        """Migrate for deployment `number`, which a later run may resume."""
        return await (await self.migrating(digest, f"{self.service}.{number}")).migrate(tell)

    async def migrating(self, digest: str, deployment: str | None = None, url_from: str | None = None) -> Runner:
        """Return the runner of migrations; raises SettingsError if the settings name none. `url_from` is a variable with the database's URL."""
        from slipway.environment.migrate import MigrationRequest, runner_of

        if self.runner and url_from is None:
            return await self.runner(digest, deployment or "")
        request = MigrationRequest(self.settings, self.name, digest)
        return runner_of(request, self.aws, self.time, deployment=deployment, database_url_from=url_from)

    async def history(self, most: int = 20) -> History:
        """Return the newest deployments in the ledger, at most `most`."""
        ledger = self.ledger
        contents = await ledger.contents()
        releases = await ledger.releases(sorted(contents.releases)[-most:])
        return History(self.name, releases, tuple(sorted(contents.intents - contents.releases, reverse=True)))

    async def status(self) -> Observed:
        """Observe the service on the platform."""
        return await self.target.observe()

    async def smoke(self) -> tuple[str, ...]:
        """GET every smoke path and return the paths; raises RefusedError at the first status of 400 or more."""
        observed = await self.status()
        paths = self.settings.smoke_paths or ((self.settings.health_path,) if self.settings.health_path else ())
        for path in paths:
            await self.ask(observed, path)
        return paths

    async def readiness(self, observed: Observed) -> Readiness | None:
        """Return the readiness answer of the live release; None if it gives none."""
        if self.settings.health_path is None or observed.url is None:
            return None
        try:
            return readiness.said(await self.ask(observed, self.settings.health_path))
        except RefusedError:
            return None

    async def ask(self, observed: Observed, path: str) -> str:
        """GET one path of the public address and return the body; raises RefusedError on a status of 400 or more."""
        url = self.address(observed)
        try:
            async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, verify=certificates()) as client:
                answer = await client.get(f"{url}{path}")
        except httpx.HTTPError as error:
            raise RefusedError(f"{self.name} does not answer {path}", str(error) or type(error).__name__) from error
        if answer.status_code >= httpx.codes.BAD_REQUEST:
            raise RefusedError(
                f"{self.name} answers {path} with {answer.status_code}", "look at its log with `slipway diagnose`"
            )
        return answer.text

    def address(self, observed: Observed) -> str:
        """Return the public URL: the platform reports only the host, and always serves TLS."""
        return f"{'http' if self.endpoint_url else 'https'}://{observed.url}"


def holder(environment: Mapping[str, str]) -> str:
    """Return who deploys, for runs that wait for the lock: the URL of a GitHub job, or user@host."""
    if environment.get("GITHUB_ACTIONS"):
        names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
        server, repository, run = (environment.get(name, "") for name in names)
        return f"{server}/{repository}/actions/runs/{run}"
    return f"{environment.get('USER') or environment.get('USERNAME') or 'unknown'}@{socket.gethostname()}"
