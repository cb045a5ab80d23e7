"""ServiceEnvironment: one environment of a service, and the engine that changes it."""

import os
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Self

import anyio

from slipway.environment.canary import Canary
from slipway.environment.late import record_late
from slipway.environment.moved import gone
from slipway.environment.observed import ObservedEnvironment
from slipway.environment.opened import NEWEST
from slipway.environment.specification import settings_of, specification_of
from slipway.errors import BadInputError, RefusedError, SlipwayError
from slipway.records.certificate import Certificate
from slipway.records.checks import Check, PreflightResult
from slipway.records.ledger import JointRelease
from slipway.records.migration import Migration, Readiness
from slipway.records.outcome import Outcome, Verb
from slipway.records.plan import Action, Observed, Plan
from slipway.records.progress import Event, Tell
from slipway.release.aws.client import Aws
from slipway.release.aws.ecr import EcrStore, revision_of
from slipway.release.engine.compatibility import rollback_risk
from slipway.release.engine.engine import Engine, no_op
from slipway.release.engine.goal import Deleted, Goal, Live, Paused, Resumed, check_sensible
from slipway.release.engine.late import LateStore
from slipway.release.engine.ledger import Ledger
from slipway.release.engine.plan import ServiceSpec, check_belongs
from slipway.release.engine.plan import plan as make_plan
from slipway.release.engine.recorded import newer_than
from slipway.release.engine.run import reach
from slipway.release.engine.target import Time
from slipway.release.errors import AwsRefusedError, leaving_unknown, or_unknown
from slipway.release.runners import Runner
from slipway.settings import ManagedNetwork
from slipway.settings.service import ledger_repository

Permit = Callable[[Observed], Awaitable[str | None]]
_WAS_LIVE = (Verb.ROLLBACK, Verb.MOVE)  # these commands deploy a release that was already live on this schema


def wall_clock() -> Time:
    """Return the real time, which AWS itself needs."""
    return Time(lambda: datetime.now(UTC), anyio.sleep, _seconds_since_boot)


def _seconds_since_boot() -> float:
    """Return monotonic seconds that also count while the machine sleeps, because locks expire during that time."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)  # exists on Linux; the monotonic clock of macOS counts sleep anyway
    return time.monotonic() if clock is None else time.clock_gettime(clock)


@dataclass(frozen=True, kw_only=True)
class ServiceEnvironment(ObservedEnvironment):
    """An environment that commands can change.

    - runner: makes the migration's runner for the digest of a deployment; None for the runner in the settings, if any.
    - starts: whether the preflight starts the release on this machine.
    - certificate: the certificate of a migration, whose transactions env.py must use. None when it is unknown.
    - joint: the joint release to which this environment's runs belong, or None.
    - versions: the secrets' versions, from a preflight that has just run; None when the deployment must run one.
    - without_ledger: the reason to continue when the ledger fails; empty for a run that needs the ledger.
    """

    runner: "Callable[[ServiceEnvironment, str, str], Awaitable[Runner]] | None" = None
    starts: bool = True
    certificate: Certificate | None = None
    joint: JointRelease | None = None
    versions: Mapping[str, str] | None = None
    without_ledger: str = ""

    def within(self, joint: JointRelease) -> Self:
        """Return the same environment, whose runs belong to a joint release."""
        return self._with(joint=joint)

    def checked(self, versions: Mapping[str, str] | None) -> Self:
        """Return the same environment after a preflight, with the secrets' versions.

        With None, the deployment runs the preflight.
        """
        return self._with(versions=versions)

    def proven_by(self, certificate: Certificate | None) -> Self:
        """Return the same environment, which refuses a migration whose transactions differ from the certificate's."""
        return self._with(certificate=certificate) if certificate else self

    @property
    def transactions(self) -> str:
        """The certificate's transactions; empty when they are unknown."""
        return self.certificate.transactions if self.certificate else ""

    def doing_without_ledger(self, reason: str) -> Self:
        """Return the same environment, whose ledger may fail. Records that the ledger refuses are stored after the run."""
        return self._with(without_ledger=reason, records=Ledger(LateStore(self.store), self.name))

    @property
    def migrates(self) -> bool:
        """Whether slipway migrates the database before a release."""
        return bool(self.runner or self.own_settings.migration)

    def engine(
        self, tell: Tell, permit: Permit = no_op, certificate: Certificate | None = None, risk: str = ""
    ) -> Engine:
        """Return the engine that changes the service. `releasing` extends it for a new release."""
        self.aws.patience.tell = lambda line: tell(Event(line))
        return Engine(
            target=self.target,
            ledger=self.ledger,
            time=self.time,
            tell=tell,
            holder=holder(os.environ),
            prepare=self._check_owner,
            permit=permit,
            answer=self.answer_of,
            problem=self.problem_of,
            sample=Canary(environment=self).sample,
            certificate=certificate,
            risk=risk,
            joint=self.joint,
            without_ledger=self.without_ledger,
        )

    async def plan(self, digest: str, verb: Verb = Verb.DEPLOY, observed: Observed | None = None) -> Plan:
        """Return the changes that a command would make to the live state, which is observed now unless it is passed.

        The plan is blocked when slipway did not create the service, when its traffic has moved, or when image or
        subnets do not fit.
        """
        from slipway.release.preflight.image import going_back, refusal_of

        spec = self.spec(digest)
        made = make_plan(spec, observed or await self.status(), migrates=self.migrates or verb in _WAS_LIVE)
        if not made.changes:
            return made
        placed = await self._placed(spec)
        unread = (check for check in placed if check.verdict is PreflightResult.NOT_COVERED)
        notes = (f"not checked: {check.subject}: {check.found}" for check in unread)
        made = replace(made, notes=(*made.notes, *notes))
        refusals = [await refusal_of(self.aws, spec), *placed]
        with suppress(AwsRefusedError):  # the service's tags cannot be read
            refusals = [await self._foreign(), *refusals]
        refused = (each for each in refusals if each and each.verdict is PreflightResult.REFUSED)
        explained = map(going_back, refused) if verb is Verb.ROLLBACK else refused
        reasons = [f"{refusal.found}; {refusal.remedy}" for refusal in explained]
        with suppress(SlipwayError):  # the ledger cannot be read
            reasons += map(str, filter(None, [await gone(self)]))
        if reasons:
            return replace(made, action=Action.BLOCKED, reason="; ".join(reasons))
        if verb is Verb.DEPLOY and made.action is Action.UPDATE:
            made = replace(made, notes=(*made.notes, *await self.older(made.image)))
        return made

    async def _placed(self, spec: ServiceSpec) -> tuple[Check, ...]:
        """Check whether the service fits into the network that slipway created.

        Return nothing when there is no such network.
        """
        from slipway.release.preflight.checking import NETWORK
        from slipway.release.preflight.checks import covered

        checker = self.platform.checkers.get(NETWORK)
        if checker is None or not isinstance(self.own_settings.network, ManagedNetwork):
            return ()
        return await covered(NETWORK, checker(self.aws, spec))

    async def older(self, image: str) -> tuple[str, ...]:
        """Return a note when an image is deployed only with --older. Return nothing when the ledger cannot be read."""
        with suppress(SlipwayError):
            contents = await self.ledger.contents()
            if older := newer_than(image, await self.ledger.newest_records(contents, NEWEST)):
                return (f"deployed with --older only: {older.found}",)
        return ()

    def live(self, digest: str, verb: Verb = Verb.DEPLOY) -> Live:
        """Return the goal that a digest is live with the current settings, which the ledger records."""
        return Live(
            spec=self.spec(digest), verb=verb, specification=specification_of(self.settings, self.name, self.addresses)
        )

    async def deploy(
        self, digest: str, tell: Tell, certificate: Certificate | None = None, *, older: bool = False
    ) -> Outcome:
        """Deploy a digest and return the outcome. Raise SlipwayError when the run cannot start.

        `older` allows an image that is older than the live one.
        """
        goal = replace(self.live(digest), may_be_older=older)
        return await self.release(goal, self.engine(tell, certificate=certificate))

    async def apply(self, approved: Plan, tell: Tell, certificate: Certificate | None = None) -> Outcome:
        """Deploy an approved plan and return the outcome.

        Raise SlipwayError when the changes are no longer those of the plan.
        """
        check_belongs(approved, self.name, self.service)
        goal = self.live(self.digest_of(approved.image))
        return await self.release(goal, self.engine(tell, certificate=certificate), approved)

    async def release(self, goal: Live, engine: Engine, approved: Plan | None = None) -> Outcome:
        """Deploy a release after its preflight and its migration. A rollback does not migrate."""
        return await self.reach(
            self.releasing(goal, engine), replace(goal, migrates=self.migrates or goal.verb in _WAS_LIVE), approved
        )

    async def reach(self, engine: Engine, goal: Goal, approved: Plan | None = None) -> Outcome:
        """Reach a goal, and report the outcome to the environment's webhook."""
        from slipway.environment.webhook import announce

        outcome = await reach(engine, goal, approved)
        if self.without_ledger:
            late = await record_late(self, engine.tell)
            outcome = replace(outcome, note="; ".join(filter(None, [outcome.note, late])))
        await announce(self, outcome, engine.tell, engine.holder)
        return outcome

    def releasing(self, goal: Live, engine: Engine) -> Engine:
        """Return the engine with the steps before a release: preflight and migration."""
        migrates = self.migrates and goal.verb not in _WAS_LIVE
        proven = self.proven_by(engine.certificate)
        migrate = partial(proven.migrate, goal.spec.image.digest) if migrates else None
        return replace(engine, prepare=partial(self.prepare, goal, engine.tell), migrate=migrate)

    async def _check_owner(self, _observed: Observed) -> None:
        await self.check_owner()
        if not self.without_ledger:
            await self.store.check()

    async def check_owner(self) -> None:
        """Raise RefusedError when slipway did not create the service."""
        if foreign := await self._foreign():
            raise RefusedError(foreign.found, foreign.remedy)

    async def _foreign(self) -> Check | None:
        """Return the check that slipway created the service, if it failed.

        Return None when it passed, or when there is no service.
        """
        check = await self.platform.owned(self.settings, self.name, self.aws)
        return check if check and check.verdict is PreflightResult.REFUSED else None

    async def prepare(self, goal: Live, tell: Tell, observed: Observed) -> Mapping[str, str]:
        """Run the preflight and return the secrets' versions.

        Releases that were already live are not started on this machine.
        """
        if self.versions is not None:
            return self.versions
        from slipway.environment.preflight import preflight
        from slipway.release.preflight import checking

        if refused := await gone(self):
            raise refused
        spec = goal.spec.over(observed.fields)
        if self.starts and goal.verb not in _WAS_LIVE:
            report = await preflight(self.aws, spec, self.resolved, live=observed.fields)
        else:
            migrates = self.runner is None and goal.verb not in _WAS_LIVE
            task = checking.migration_checkers(self.resolved, self.name) if migrates else {}
            report = await checking.preflight(self.aws, spec, {**self.platform.checkers, **task})
        report = checking.going_back(report) if goal.verb is Verb.ROLLBACK else report
        for event in checking.events(report):
            tell(event)
        checking.refuse(report)
        return checking.versions(report)

    async def migrate(self, digest: str, number: int, tell: Tell) -> Migration:
        """Migrate for deployment `number`. A later run can resume the migration."""
        runner = await self.migrating(digest, f"{self.service}.{number}")
        try:
            return await runner.migrate(tell)
        except RefusedError:
            migration = None
            with suppress(SlipwayError):  # an unreadable record proves nothing, and the first error is raised
                migration = await self._proven_ahead(runner, digest)
            if migration is None:
                raise
            tell(
                Event(
                    "the database is ahead of this release and stays so: the certificate proves that they work together"
                )
            )
            return migration

    async def _proven_ahead(self, runner: Runner, digest: str) -> Migration | None:
        """Return an empty migration when a certificate proves the commit on the database's newer schema.

        Otherwise return None.
        This is the case for a hot fix, and for a release after a rollback to it.
        """
        commit = await revision_of(self.aws, self.settings.name, digest)
        known = (*await self.ledger.certificates(every=False), *filter(None, [self.certificate]))
        own = [certificate for certificate in known if certificate.previous == commit]
        if not own or not (standing := await runner.standing()).unknown:
            return None
        wanted, live = Readiness(standing.image, None, commit), Readiness(None, standing.database)
        if rollback_risk(wanted, live, own):
            return None
        return Migration(before=standing.database, after=standing.database, applied=(), attempts=1, seconds=0)

    async def migrating(self, digest: str, deployment: str | None = None, url_from: str | None = None) -> Runner:
        """Return the runner of migrations.

        `url_from` is a variable with the database's URL. Raise SettingsError when the settings have no runner.
        """
        from slipway.environment.migrate import runner_of

        if self.runner and url_from is None:
            return await self.runner(self, digest, deployment or "")
        return runner_of(
            self, digest, deployment=deployment, database_url_from=url_from, transactions=self.transactions
        )


async def recorded(name: str, service: str, aws: Aws, time: Time) -> ServiceEnvironment:
    """Open an environment by its ledger alone, with the settings of its newest release.

    Raise RefusedError when the ledger has none.
    Values of variables that the ledger does not record are missing. A rollback that needs one is refused.
    """
    ledger = Ledger(EcrStore(aws, ledger_repository(service, name)), name)
    for intent in await ledger.newest_intents():
        if intent.specification:
            settings = settings_of(intent.specification, name, f"release {intent.number}")
            return ServiceEnvironment(
                settings=settings,
                name=name,
                endpoint_url=aws.endpoint_url,
                time=time,
                starts=False,
                addresses=intent.specification.addresses,
                connection=aws,
                records=ledger,
            )
    raise RefusedError(
        f"the ledger of {service} in {aws.region} has no release of {name} with its settings",
        "run it in the service's folder, or correct --service and --region",
    )


async def plan_change(environment: ServiceEnvironment, verb: Verb) -> Plan:
    """Return the plan of a pause, resumption or deletion. Raise RefusedError when the target does not support it."""
    goal = await _goal(environment, verb)
    check_sensible(goal, environment.target)
    return goal.plan(await environment.status())


async def pause(environment: ServiceEnvironment, tell: Tell) -> Outcome:
    """Pause the service. Raise SlipwayError when the run cannot start."""
    return await environment.reach(environment.engine(tell), await _goal(environment, Verb.PAUSE))


async def resume(environment: ServiceEnvironment, tell: Tell) -> Outcome:
    """Resume the paused service. Raise SlipwayError when the run cannot start."""
    return await environment.reach(environment.engine(tell), await _goal(environment, Verb.RESUME))


async def abort(environment: ServiceEnvironment, tell: Tell) -> Outcome:
    """Roll back the deployment in flight. Raise SlipwayError when there is none, or when the target does not support it."""
    from slipway.environment.webhook import announce
    from slipway.release.engine.abort import abort, in_flight_unknown

    engine = environment.engine(tell)
    with leaving_unknown(in_flight_unknown(environment.service)):
        await environment.check_owner()
    outcome = await abort(engine, environment.name, environment.service)
    await announce(environment, outcome, tell, engine.holder)
    return outcome


async def destroy(environment: ServiceEnvironment, tell: Tell, confirmed: str) -> Outcome:
    """Delete the service. Raise BadInputError unless `confirmed` is its name."""
    check_confirmed(environment, confirmed)
    return await environment.reach(environment.engine(tell), await _goal(environment, Verb.DESTROY))


def check_confirmed(environment: ServiceEnvironment, confirmed: str) -> None:
    """Raise BadInputError unless `confirmed` is the name of the service to delete."""
    if confirmed != environment.service:
        raise BadInputError(
            f"{environment.service} was not deleted",
            f"deletion is permanent; confirm with --confirm {environment.service}",
        )


async def _goal(environment: ServiceEnvironment, verb: Verb) -> Goal:
    """Return the goal of a command without a new release."""
    names = environment.name, environment.service
    match verb:
        case Verb.PAUSE:
            return Paused(*names)
        case Verb.RESUME:
            return Resumed(*names, environment.spec_of_live(await or_unknown(environment.status())))
        case Verb.DESTROY:
            return Deleted(*names)
    raise NotImplementedError(verb.value)


def holder(environment: Mapping[str, str]) -> str:
    """Return who deploys, for the history and for waiting runs: a person in a GitHub job, with its URL, or user@host."""
    if environment.get("GITHUB_ACTIONS"):
        names = ("GITHUB_TRIGGERING_ACTOR", "GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
        person, server, repository, run = (environment.get(name, "") for name in names)
        return f"{person or 'unknown'} in {server}/{repository}/actions/runs/{run}"
    return f"{environment.get('USER') or environment.get('USERNAME') or 'unknown'}@{socket.gethostname()}"
