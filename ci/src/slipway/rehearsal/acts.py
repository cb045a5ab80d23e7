"""The acts, and what each of them must show. The releases come from the service's own repository.

Before: production runs the release before this one. I: the checkout goes to staging, is tested there, and is promoted.
II: the gate refuses a release. III: an untested release is deployed, and the platform rolls it back.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import anyio

from slipway.environment.environment import ServiceEnvironment as Environment
from slipway.environment.redeploy import promote
from slipway.records.image import Image
from slipway.records.migration import Migration, Standing
from slipway.records.outcome import Outcome, Status
from slipway.records.progress import Event, Progress, Tell
from slipway.records.proof import Implication, Proof, Verdict
from slipway.records.rehearsal import Act, Step
from slipway.rehearsal.stage import Candidate, Stage
from slipway.release.engine.target import Time
from slipway.release.preflight.preflight import refuse
from slipway.release.runners import Runner
from slipway.simulator.clock import Clock
from slipway.untrusted import one_line

C = TypeVar("C", bound=Candidate)


@dataclass
class RunningStep:
    """A step in progress; `what` is announced and may be replaced by the result before the step ends."""

    what: str
    platform_seconds: float | None = None


class RunningAct:
    """An act in progress and its timed steps."""

    def __init__(self, name: str, title: str, progress: Progress) -> None:
        self.name = name
        self.title = title
        self.progress = progress
        self._started = time.monotonic()
        self._steps: list[Step] = []
        progress.section(f"{name}: {title}")

    @contextmanager
    def step(self, what: str) -> Iterator[RunningStep]:
        """Time a step; it is recorded unless it raises."""
        started = time.monotonic()
        step = RunningStep(what)
        with self.progress.step(what):
            yield step
        seconds = time.monotonic() - started
        self._steps.append(Step(step.what, round(seconds, 3), step.platform_seconds))
        self.progress.done(step.what, seconds)

    def tell(self, event: Event) -> None:
        if event.line:
            self.progress.line(event.line)

    def ended(
        self, happened: str, how: str, *, passed: bool, details: tuple[str, ...] = (), expects_failure: bool = False
    ) -> Act:
        for line in details:
            self.progress.note(line)
        return Act(
            name=self.name,
            title=self.title,
            happened=happened,
            how=how,
            passed=passed,
            seconds=round(time.monotonic() - self._started, 3),
            steps=tuple(self._steps),
            details=details,
            expects_failure=expects_failure,
        )


@dataclass(frozen=True)
class Acts(Generic[C]):
    """All acts on one stage."""

    stage: Stage[C]
    progress: Progress

    async def prologue(self, release: C) -> Act:
        """Deploy the release before this one to production, without progress, because it runs beside the first act."""
        act = RunningAct("before", "production runs the release before this one", Progress())
        image = await self._build(act, release)
        outcome = await self._deploy(act, image, "production")
        self.progress.note(f"meanwhile production: {summary(outcome)}, the release before this one; clients start")
        return self._of_outcome(act, outcome, summary(outcome), passed=outcome.status is Status.SUCCEEDED)

    async def promoted(self, release: C, production_open: anyio.Event) -> tuple[Act, Image]:
        """Act I: build, prove, deploy to staging, test there, promote the digest to a production with traffic."""
        act = RunningAct("I", "the checkout's release goes to production", self.progress)
        image = await self._build(act, release)
        proof = await self._prove(act, release, image)
        if proof.verdict is Verdict.FAIL:
            happened = f"the gate refuses the checkout's own migrations ({_rules(proof)})"
            details = (*_findings(proof), *self._adoption())
            return act.ended(happened, self.stage.gate, passed=False, details=details), image
        await self._preflight(act, image, "staging")
        staged = await self._deploy(act, image, "staging")
        if staged.status.exit_code:
            return self._of_outcome(act, staged, summary(staged), passed=False), image
        await self._smoke(act, "staging")
        await production_open.wait()
        outcome = await self._promote(act, image)
        passed = outcome.status.exit_code == 0 and outcome.live == image.digest == staged.live
        return self._of_outcome(act, outcome, f"{summary(outcome)}, the digest from staging", passed=passed), image

    async def refused(self, release: C) -> Act:
        """Act II: the gate refuses a migration and reports the place, the measured fact and the remedy."""
        act = RunningAct("II", f"the gate refuses a release, {one_line(release.subject)!r}", self.progress)
        proof = await self._prove(act, release, await self._build(act, release))
        if proof.verdict is Verdict.PASS:
            return act.ended("the gate passed it", self.stage.gate, passed=False)
        happened, details = f"REFUSED by {_rules(proof)}", _findings(proof)
        return act.ended(happened, self.stage.gate, passed=_blocks(proof), details=details, expects_failure=True)

    async def rolled_back(self, release: C, live: Image) -> Act:
        """Act III: a release that was never started fails its health check, is rolled back, and the cause is named."""
        act = RunningAct("III", f"an untested release is deployed, {one_line(release.subject)!r}", self.progress)
        image = await self._build(act, release)
        proof = await self._prove(act, release, image)
        outcome = await self._deploy(act, image, "production", note=", never started before")
        cause_known = outcome.diagnosis is not None and outcome.diagnosis.rule != "unknown"
        rolled_back = outcome.status is Status.ROLLED_BACK and outcome.live == live.digest
        happened = f"{summary(outcome)} still serves; deploy exits {outcome.status.exit_code}"
        passed = proof.verdict is Verdict.PASS and rolled_back and cause_known
        return self._of_outcome(act, outcome, happened, passed=passed, expects_failure=True)

    def _of_outcome(
        self, act: RunningAct, outcome: Outcome, happened: str, *, passed: bool, expects_failure: bool = False
    ) -> Act:
        details = _diagnosis(outcome)
        return act.ended(happened, self.stage.how, passed=passed, details=details, expects_failure=expects_failure)

    async def _build(self, act: RunningAct, release: C) -> Image:
        with act.step(f"building {release.revision[:12]}") as step:
            image = await self.stage.build(release)
            size = f"{image.size / 1000:.0f} kB, kind {image.kind.value}"
            step.what = f"built {_short(image.digest)} from commit {release.revision[:12]} ({size})"
        return image

    async def _prove(self, act: RunningAct, release: C, image: Image) -> Proof:
        with act.step("proving its migrations") as step:
            proof = await self.stage.prove(release, image)
            verdict = "proven" if proof.verdict is Verdict.PASS else "refused"
            executed = f"{proof.executed} on PostgreSQL {proof.postgres}"
            step.what = f"migrations {verdict}: {executed}{self._other_major(proof)}"
        return proof

    def _adoption(self) -> tuple[str, ...]:
        """Suggest `start-after` to a service whose old revisions have already run in production."""
        if self.stage.account.settings.migrations.start_after:
            return ()
        return ('skip revisions that production already has: start-after = "REVISION" in [tool.slipway.migrations]',)

    def _other_major(self, proof: Proof) -> str:
        wanted = self.stage.account.settings.migrations.major
        return "" if wanted in (None, int(proof.postgres.partition(".")[0])) else f", not on {wanted}"

    async def _preflight(self, act: RunningAct, image: Image, environment: str) -> None:
        with act.step("running the preflight checks") as step:
            preflight = await self.stage.preflight(image, environment)
            refuse(preflight)
            checks = sum(len(branch.checks) for branch in preflight.branches) - len(preflight.not_covered)
            step.what = f"preflight: {checks} checks are OK, {len(preflight.not_covered)} are not possible here"

    async def _deploy(self, act: RunningAct, image: Image, environment: str, note: str = "") -> Outcome:
        with act.step(f"deploying to {environment}{note}") as step:
            with self._clock.held():
                outcome = await self._environment(image, environment).deploy(image.digest, act.tell)
            step.what = f"{environment}{note}: {summary(outcome)}{_database(outcome)}"
            step.platform_seconds = outcome.seconds
        return outcome

    async def _promote(self, act: RunningAct, image: Image) -> Outcome:
        with act.step("promoting staging's digest to production") as step:
            staging, production = (self._environment(image, name) for name in ("staging", "production"))
            with self._clock.held():
                outcome = await promote(staging, production, act.tell)
            step.what, step.platform_seconds = f"promoted: {summary(outcome)}{_database(outcome)}", outcome.seconds
        return outcome

    async def _smoke(self, act: RunningAct, environment: str) -> None:
        with act.step(f"requesting {environment}") as step:
            paths = await self.stage.account.environment(environment).smoke()
            step.what = f"{environment} answers {', '.join(paths) or 'connections'}"

    def _environment(self, image: Image, name: str) -> Environment:
        """Return an environment whose migrations run on the stage's database."""

        async def runner(_environment: Environment, _digest: str, _deployment: str) -> Runner:
            return _StageRunner(self.stage, image, name)

        time = Time(self._clock.now, self._clock.rest)
        return replace(self.stage.account.environment(name), runner=runner, starts=False, time=time)

    @property
    def _clock(self) -> Clock:
        """The platform's clock, which only runs while a deployment waits: work of this machine takes none of its time."""
        return self.stage.account.cloud.clock


@dataclass(frozen=True)
class _StageRunner(Generic[C]):
    """Migrates a database of the stage; see `Runner`."""

    stage: Stage[C]
    image: Image
    environment: str
    how: str = "the stage"

    async def migrate(self, tell: Tell) -> Migration:  # noqa: ARG002 -- the stage reports no events
        return await self.stage.migrate(self.image, self.environment)

    async def look(self) -> Standing:
        raise NotImplementedError("no act asks for the state of a database")


def summary(outcome: Outcome) -> str:
    """`SUCCEEDED 0123456789ab`: the status and the live digest."""
    return f"{outcome.status.value} {_short(outcome.live)}"


def _database(outcome: Outcome) -> str:
    migration = outcome.migration
    if migration is None:
        return ""
    heads = one_line(", ".join(head[:12] for head in migration.after))
    applied = f"({len(migration.applied)} revisions applied)" if migration.applied else "already"
    return f", database at {heads} {applied}"


def _short(digest: str | None) -> str:
    return digest.removeprefix("sha256:")[:12] if digest else "nothing"


def _rules(proof: Proof) -> str:
    return ", ".join(sorted({finding.rule for finding in proof.failures}))


def _blocks(proof: Proof) -> bool:
    """Return whether the proof names a measured lock, and every failure has a place, a fact and a remedy."""
    explained = all(finding.line and finding.measured and finding.remedy for finding in proof.failures)
    return explained and any(Implication.BLOCKING in finding.implies for finding in proof.failures)


def _findings(proof: Proof) -> tuple[str, ...]:
    return tuple(
        line
        for finding in proof.failures
        for line in (
            f"{finding.file}:{finding.line} {finding.rule} {finding.message}",
            f"measured: {finding.measured}",
            "instead:",
            *finding.remedy.splitlines(),
        )
    )


def _diagnosis(outcome: Outcome) -> tuple[str, ...]:
    diagnosis = outcome.diagnosis
    if diagnosis is None:
        return ()
    return (f"cause: {diagnosis.cause}", *(f"log: {line}" for line in diagnosis.lines), f"remedy: {diagnosis.remedy}")
