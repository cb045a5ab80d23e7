"""The parts of acts: timed steps, and the stage on which acts are played."""

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Generic, TypeVar

from slipway.environment.environment import ServiceEnvironment as Environment
from slipway.environment.redeploy import promote
from slipway.errors import SlipwayError
from slipway.records.checks import Check
from slipway.records.image import Image
from slipway.records.migration import Migration, Standing
from slipway.records.outcome import Outcome, Verb
from slipway.records.progress import Event, Phase, Progress, Tell
from slipway.records.proof import Proof, Verdict
from slipway.records.rehearsal import Act, Moment, Step
from slipway.records.words import counted
from slipway.rehearsal.clients import Clients
from slipway.rehearsal.stage import ENVIRONMENTS, Candidate, Stage
from slipway.release.engine.target import Time
from slipway.release.preflight.checking import NOT_COVERED
from slipway.release.runners import Runner
from slipway.simulator.clock import Clock
from slipway.untrusted import one_line

C = TypeVar("C", bound=Candidate)


@dataclass
class RunningStep:
    """A running step. `what` is shown at its start; the step may replace it by its result."""

    what: str
    platform_seconds: float | None = None
    course: list[Moment] = field(default_factory=list)


class RunningAct:
    """A running act with its timed steps. `result` is None until the act ends, even by an error in a step."""

    def __init__(self, name: str, title: str, how: str, progress: Progress) -> None:
        self.name = name
        self.title = title
        self.progress = progress
        self.result: Act | None = None
        self._how = how
        self._started = time.monotonic()
        self._steps: list[Step] = []
        progress.section(f"{name}: {title}")

    @contextmanager
    def step(self, what: str) -> Iterator[RunningStep]:
        started = time.monotonic()
        step = RunningStep(what)

        def record() -> float:
            seconds = time.monotonic() - started
            self._steps.append(Step(step.what, round(seconds, 3), step.platform_seconds, tuple(step.course)))
            return seconds

        try:
            with self.progress.step(what):
                yield step
        except SlipwayError as error:
            record()
            self.ended(f"failed while {what}", passed=False, why=str(error))
            raise
        self.progress.done(step.what, record())

    def tell(self, event: Event) -> None:
        if event.line:
            self.progress.line(event.line)

    def ended(
        self,
        happened: str,
        *,
        passed: bool,
        details: tuple[str, ...] = (),
        expects_failure: bool = False,
        why: str = "",
    ) -> Act:
        for line in details:
            self.progress.note(line)
        self.result = Act(
            name=self.name,
            title=self.title,
            happened=happened,
            how=self._how,
            passed=passed,
            seconds=round(time.monotonic() - self._started, 3),
            steps=tuple(self._steps),
            details=details,
            expects_failure=expects_failure,
            why="" if passed else why,
        )
        return self.result


@dataclass(frozen=True, kw_only=True)
class Story(Generic[C]):
    """The releases of the acts. An act is left out when its bad release is missing."""

    before: C
    release: C
    refused: C | None
    rolled_back: C | None
    failing: C | None


@dataclass(frozen=True, kw_only=True)
class Scene(Generic[C]):
    """The stage with the releases to play, the clients of production, and the steps that acts share."""

    stage: Stage[C]
    story: Story[C]
    clients: Clients
    progress: Progress
    begun: list[RunningAct] = field(default_factory=list)  # in the order of the acts
    uncovered: set[str] = field(default_factory=set)  # the lines about what no preflight covers: each is shown once

    def begin(self, name: str, title: str, *, how: str = "") -> RunningAct:
        act = RunningAct(name, title, how or self.stage.how, self.progress)
        self.begun.append(act)
        return act

    def of_outcome(
        self, act: RunningAct, outcome: Outcome, happened: str, *, passed: bool, expects_failure: bool = False
    ) -> Act:
        details, diagnosis = _diagnosis(outcome), outcome.diagnosis
        why = f"{diagnosis.cause}: {diagnosis.remedy}" if diagnosis else ""
        return act.ended(happened, passed=passed, details=details, expects_failure=expects_failure, why=why)

    async def build(self, act: RunningAct, release: C) -> Image:
        with act.step(f"building {release.revision[:12]}") as step:
            image = await self.stage.build(release)
            size = f"{image.size / 1000:.0f} kB, kind {image.kind.value}"
            step.what = f"built {_short(image.digest)} from commit {release.revision[:12]} ({size})"
        return image

    async def prove(self, act: RunningAct, release: C, image: Image) -> Proof:
        with act.step("testing its migrations") as step:
            proof = await self.stage.prove(release, image)
            verdict = "passed" if proof.verdict is Verdict.PASS else "refused"
            executed = f"{proof.executed} on PostgreSQL {proof.postgres}"
            step.what = f"migrations {verdict}: {executed}{self._other_major(proof)}"
        return proof

    def _other_major(self, proof: Proof) -> str:
        wanted = self.stage.account.settings.migrations.major
        return "" if wanted in (None, int(proof.postgres.partition(".")[0])) else f", not on {wanted}"

    async def preflight(self, act: RunningAct, image: Image, environment: str) -> tuple[Check, ...]:
        """Run the preflight checks, which start the release.

        Return those that refuse it, or could not observe that it is healthy.
        """
        with act.step("starting it, and running the preflight checks") as step:
            preflight = await self.stage.preflight(image, environment)
            refused, unknown = len(preflight.refusals), len(preflight.not_covered)
            checks = sum(len(branch.checks) for branch in preflight.branches) - unknown - refused
            refusing = f"{refused} refuse it, " if refused else ""
            step.what = f"preflight: {refusing}{checks} checks are OK, {unknown} are not possible here"
        unhealthy = (check for check in preflight.not_covered if check.subject == "release" and check.remedy)
        return (*preflight.refusals, *unhealthy)

    async def deploy(self, act: RunningAct, image: Image, environment: str, note: str = "") -> Outcome:
        deployed = self.environment(image, environment)
        doing, done = f"deploying to {environment}{note}", f"{environment}{note}"
        return await self.changed(act, (doing, done), partial(deployed.deploy, image.digest))

    async def promote(self, act: RunningAct, image: Image) -> Outcome:
        staging, production = (self.environment(image, name) for name in ENVIRONMENTS)
        words = ("promoting staging's digest to production", "promoted")
        return await self.changed(act, words, partial(promote, staging, production))

    async def changed(
        self, act: RunningAct, words: tuple[str, str], change: Callable[[Tell], Awaitable[Outcome]]
    ) -> Outcome:
        """Make a change as a step, whose start and end are shown in `words`.

        The platform's clock runs only while the change waits.
        """
        doing, done = words
        with act.step(doing) as step:
            began = self._clock.now()
            with self._clock.held():
                outcome = await change(self._told(act, step))
            step.what = f"{done}: {summary(outcome)}{_database(outcome)}"
            step.platform_seconds = (self._clock.now() - began).total_seconds()
        return outcome

    async def smoke(self, act: RunningAct, environment: str) -> None:
        with act.step(f"requesting {environment}") as step:
            paths = await self.stage.account.environment(environment).smoke()
            step.what = f"{environment} answers {', '.join(paths) or 'connections'}"

    def _told(self, act: RunningAct, step: RunningStep) -> Tell:
        """Return a function that shows the events of a step, and keeps the platform's lines."""
        began, is_platform = self._clock.now(), False

        def tell(event: Event) -> None:
            nonlocal is_platform
            if event.line.startswith(NOT_COVERED):
                if event.line in self.uncovered:
                    return
                self.uncovered.add(event.line)
            is_platform = is_platform or event.phase is Phase.CHANGE
            act.tell(event)
            if is_platform and event.line:
                step.course.append(Moment((self._clock.now() - began).total_seconds(), event.line))

        return tell

    def environment(self, image: Image, name: str, *, migrates: bool = True) -> Environment:
        """Return an environment whose migrations, if any, run on the stage's database."""

        async def runner(_environment: Environment, _digest: str, _deployment: str) -> Runner:
            return _StageRunner(self.stage, image, name)

        time = Time(self._clock.now, self._clock.rest)
        own = runner if migrates else None
        return replace(self.stage.account.environment(name), runner=own, starts=False, time=time)

    @property
    def _clock(self) -> Clock:
        """The platform's clock.

        It advances only while a deployment waits, so building and migrating take no simulated time.
        """
        return self.stage.account.cloud.clock


@dataclass(frozen=True)
class _StageRunner(Generic[C]):
    """A runner for a database of the stage; see `Runner`."""

    stage: Stage[C]
    image: Image
    environment: str
    how: str = "the stage"

    async def migrate(self, tell: Tell) -> Migration:  # noqa: ARG002 -- the stage reports no events
        return await self.stage.migrate(self.image, self.environment)

    async def standing(self) -> Standing:
        raise NotImplementedError("no act asks for the state of a database")


def summary(outcome: Outcome) -> str:
    """Return the status and the live digest, such as `SUCCEEDED 0123456789ab`. A paused service has no digest."""
    return outcome.status.value if outcome.verb is Verb.PAUSE else f"{outcome.status.value} {_short(outcome.live)}"


def _database(outcome: Outcome) -> str:
    migration = outcome.migration
    if migration is None:
        return ""
    heads = one_line(", ".join(head[:12] for head in migration.after))
    applied = f"({counted(len(migration.applied), 'revision')} applied)" if migration.applied else "already"
    return f", database at {heads} {applied}"


def _short(digest: str | None) -> str:
    return digest.removeprefix("sha256:")[:12] if digest else "nothing"


def _diagnosis(outcome: Outcome) -> tuple[str, ...]:
    diagnosis = outcome.diagnosis
    if diagnosis is None:
        return ()
    return (f"cause: {diagnosis.cause}", *(f"log: {line}" for line in diagnosis.lines), f"remedy: {diagnosis.remedy}")
