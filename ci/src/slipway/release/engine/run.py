"""A goal from the question to the truth: observe, plan, take a number, wait for one's turn, migrate, apply, follow, settle.

Everything that another run must know is in the ledger before it happens, so a run that finds an unfinished one of the same goal goes on with
it. The turn (the ledger's lock) lasts from the last look to the platform's yes; from then on everybody sees that the service is busy.
"""

from collections.abc import Awaitable
from typing import TypeVar

from slipway.errors import RefusedError, SlipwayError, UnknownOutcomeError
from slipway.records.ledger import Accepted, Intent, Release
from slipway.records.migration import Migration, Readiness
from slipway.records.outcome import Diagnosis, Outcome, Status
from slipway.records.plan import Action, Observed, Plan, State
from slipway.records.progress import Event, Phase
from slipway.release.engine.approval import check_still_true
from slipway.release.engine.engine import Engine
from slipway.release.engine.expectation import expected_seconds
from slipway.release.engine.goal import DONE, Goal, Live, check_sensible
from slipway.release.engine.ledger import Contents, nonce
from slipway.release.engine.lock import DeployLock
from slipway.release.engine.recorded import RELEASES
from slipway.release.engine.spec import ServiceSpec
from slipway.release.engine.target import Operation
from slipway.release.errors import AwsRefusedError, BusyError, LostAnswerError, NotReadyError
from slipway.untrusted import one_line

T = TypeVar("T")

PATIENCE_SECONDS = 30 * 60.0  # for others to end what they do
_NOT_READY_SECONDS = 3 * 60.0  # a new role is known everywhere after a minute and a half at most, as users report
_WAIT_SECONDS = 5.0
_LOOKS = 3
_REMEMBERED = 20  # deployments
_RESUME = "run the same command again; it finds what this one began and goes on with it"


async def deploy(engine: Engine, spec: ServiceSpec, approved: Plan | None = None) -> Outcome:
    """Bring a release to life; see `reach`."""
    return await reach(engine, Live(spec), approved)


async def reach(engine: Engine, goal: Goal, approved: Plan | None = None) -> Outcome:
    """Make `goal` true and answer the truth; raises SlipwayError when nothing could be tried at all, or not as `approved`."""
    check_sensible(goal, engine.target)
    return await _Run(engine, goal, approved).run()


class _Run:
    def __init__(self, engine: Engine, goal: Goal, approved: Plan | None) -> None:
        self._target = engine.target
        self._ledger = engine.ledger
        self._time = engine.time
        self._engine = engine
        self._goal = goal
        self._approved = approved
        self._began = engine.time.now()
        self._migration: Migration | None = None

    async def run(self) -> Outcome:
        self._begin(Phase.LOOK)
        observed = await self._look()
        plan = self._goal.plan(observed)
        self._say_plan(plan)
        if observed.state is State.BUSY:
            return await self._numbered(await self._number(plan, observed))
        self._check_possible(plan)
        if plan.action is not Action.NOOP:
            return await self._numbered(await self._number(plan, observed))
        self._check_approved(plan, observed)
        unfinished = await self._own_unfinished()
        return await self._numbered(unfinished.number) if unfinished else self._unchanged(observed)

    async def _numbered(self, number: int) -> Outcome:
        """Whoever has a number ends in an outcome, which the ledger has too unless nobody knows it."""
        try:
            return await self._bring(number)
        except UnknownOutcomeError as error:
            return self._unknown(number, error)
        except (
            AwsRefusedError
        ) as error:  # not a word about the service: nobody knows what the run before this one has begun
            return self._unknown(number, error)
        except RefusedError as error:
            return await self._refused(number, error)

    async def _look(self) -> Observed:
        """Raises UnknownOutcomeError for a state that nobody has heard of: it may be what is wanted, or not."""
        observed = await self._seen(self._target.observe())
        if observed.state is State.UNKNOWN:
            raise UnknownOutcomeError(
                f"{self._goal.service} is in the state {one_line(str(observed.status))}, which slipway does not know",
                "look at it in the console, and run the same command again",
            )
        return observed

    async def _seen(self, look: Awaitable[T]) -> T:
        """Who was not let in to look does not know that the answer is no."""
        try:
            return await look
        except RefusedError as error:
            raise UnknownOutcomeError(f"what is live cannot be seen: {error.what}", error.next_step) from error

    async def _own_unfinished(self) -> Intent | None:
        """What is true already may still lack its end in the ledger; who may not read that learns the truth all the same."""
        try:
            return await self._unfinished(await self._ledger.contents())
        except SlipwayError:
            return None

    async def _number(self, plan: Plan, observed: Observed) -> int:
        """The number of this very goal that is unfinished, or the next one; before that nothing has been written anywhere."""
        contents = await self._ledger.contents()
        if unfinished := await self._unfinished(contents):
            self._say(f"going on with deployment {unfinished.number}, which {unfinished.holder} began")
            return unfinished.number
        self._check_approved(plan, observed)
        self._begin(Phase.CHECK)
        await self._engine.prepare()
        intent = Intent(
            environment=self._goal.environment,
            number=0,
            image=self._image,
            wanted=self._goal.hash,
            fingerprint=plan.fingerprint,
            holder=self._engine.holder,
            nonce=nonce(),
            verb=self._goal.verb,
        )
        return (await self._ledger.claim(intent, contents.newest)).number

    async def _unfinished(self, contents: Contents) -> Intent | None:
        """The newest run, when it has not ended and wants what this one wants, from the state that was approved."""
        newest = contents.newest
        if not newest or newest in contents.releases:
            return None
        intent = await self._ledger.intent(newest)
        if intent is None or intent.wanted != self._goal.hash:
            return None
        return intent if self._approved is None or intent.fingerprint == self._approved.fingerprint else None

    async def _bring(self, number: int) -> Outcome:
        """Wait for one's turn as long as it takes others, and take it; answers the truth."""
        deadline, told = self._since_began() + PATIENCE_SECONDS, ""
        not_ready_until: float | None = None
        while True:
            contents = await self._seen(self._ledger.contents())
            if number in contents.accepted and (accepted := await self._seen(self._ledger.accepted(number))):
                self._migration = await self._migrated_before(number)
                return await self._follow(number, Operation(accepted.arn, accepted.operation, accepted.creating))
            if contents.newest > number:
                return await self._superseded(number, contents.newest)
            try:
                done = await self._try(number)
                return done if isinstance(done, Outcome) else await self._follow(number, done)
            except NotReadyError as error:
                not_ready_until = not_ready_until or self._since_began() + _NOT_READY_SECONDS
                if self._since_began() > not_ready_until:
                    raise
                reason = error.what
            except BusyError as error:
                if self._since_began() > deadline:
                    raise RefusedError(
                        f"{self._goal.service} could not be changed in {PATIENCE_SECONDS / 60:.0f} minutes",
                        f"{error.what}; run the same command again when that is over",
                    ) from error
                reason = error.what
            if reason != told:
                self._begin(Phase.WAIT)
                self._say(f"waiting: {reason}")
                told = reason
            await self._time.sleep(_WAIT_SECONDS)

    async def _try(self, number: int) -> Operation | Outcome:
        """Apply the change when it is one's turn; raises BusyError when it is not, and the service has not been changed."""
        observed = await self._look()
        plan = self._goal.plan(observed)
        if observed.state is State.BUSY:
            raise BusyError(plan.reason, _RESUME)
        self._check_possible(plan)
        self._check_approved(plan, observed)
        if plan.action is not Action.NOOP:
            await self._engine.permit(observed)
            await self._migrate(number)
        newest = await self._seen(self._target.newest())
        async with DeployLock(self._target, self._ledger, self._time, self._engine.holder).taken(
            self._goal.environment, number, newest
        ) as turn:
            return await self._change(number, turn)

    async def _migrate(self, number: int) -> None:
        """Before one's turn: a migration takes longer than a lock is good for, and keeps other migrations out by itself."""
        if self._engine.migrate is None or self._migration:
            return
        if (
            await self._seen(self._ledger.contents())
        ).newest > number:  # who is superseded leaves the schema to the newer one
            raise BusyError("a newer deployment has come", _RESUME)
        self._begin(Phase.MIGRATE)
        try:
            self._migration = await self._engine.migrate(number, self._engine.tell)
        except AwsRefusedError as error:
            raise RefusedError(f"the database was not migrated: {error.what}", error.next_step) from error
        try:
            await self._ledger.migrated(number, self._migration)
        except SlipwayError as error:
            self._say(f"the ledger lacks this deployment's migration: {error}")

    async def _migrated_before(self, number: int) -> Migration | None:
        """What a run that was killed has done to the database before this one went on with it."""
        if self._engine.migrate is None or self._migration:
            return self._migration
        try:
            return await self._ledger.migration(number)
        except SlipwayError:
            return None

    async def _change(self, number: int, turn: DeployLock) -> Operation | Outcome:
        """Within the turn: look once more, for between a look and the lock somebody may have come."""
        contents = await self._seen(self._ledger.contents())
        if contents.newest > number or number in contents.accepted:
            raise BusyError("another run goes on with this deployment", _RESUME)
        observed = await self._look()
        plan = self._goal.plan(observed)
        if observed.state is State.BUSY or await turn.is_outrun():
            raise BusyError(plan.reason or "somebody else has changed the service just now", _RESUME)
        self._check_possible(plan)
        self._check_approved(plan, observed)
        if plan.action is Action.NOOP:
            return await self._ended(number, self._unchanged(observed, number), observed)
        await self._engine.permit(observed)
        operation = await self._apply(plan, observed, turn)
        if operation is None:
            return await self._ended(number, self._unchanged(await self._look(), number))
        accepted = Accepted(
            environment=self._goal.environment,
            number=number,
            arn=operation.arn,
            operation=operation.id,
            creating=operation.creating,
        )
        try:
            await self._ledger.accept(accepted)
        except SlipwayError as error:
            self._say(f"the ledger lacks this deployment's operation: {error}")
            turn.leave()
        return operation

    async def _apply(self, plan: Plan, observed: Observed, turn: DeployLock) -> Operation | None:
        """Send the change. An answer that names no operation, or none at all, does not say that none has begun."""
        await turn.check()
        try:
            sent = await self._target.apply(plan, observed, self._goal.spec)
        except LostAnswerError as error:
            self._say(f"no answer: {error.what}; looking whether it has begun")
            return await self._left_open(turn, self._looked_for(plan, observed, turn))
        except AwsRefusedError as error:
            raise RefusedError(error.what, error.next_step) from error
        return sent or await self._left_open(turn, turn.begun())

    async def _looked_for(self, plan: Plan, observed: Observed, turn: DeployLock) -> Operation | None:
        """What has begun without an answer, or the change sent once more."""
        for _ in range(_LOOKS):
            if found := await turn.begun():
                return found
            await self._time.sleep(_WAIT_SECONDS)
        await turn.check()
        return await self._target.apply(plan, observed, self._goal.spec) or await turn.begun()

    async def _left_open(self, turn: DeployLock, look: Awaitable[T]) -> T:
        """Who cannot look now keeps the lock, so that whoever comes next does."""
        try:
            return await look
        except SlipwayError as error:
            turn.leave()
            raise UnknownOutcomeError(
                f"nobody can say whether the change of {self._goal.service} has begun: {error.what}", _RESUME
            ) from error

    async def _follow(self, number: int, operation: Operation) -> Outcome:
        self._begin(Phase.CHANGE, await self._expected())
        try:
            async for event in self._target.follow(operation):
                self._engine.tell(event)
            ending = await self._target.ending(operation)
            live = await self._look()
        except SlipwayError as error:
            raise UnknownOutcomeError(
                f"the deployment goes on, but cannot be followed: {error.what}", error.next_step
            ) from error
        status = self._goal.truth(ending, operation, live)
        why = await self._evidence(operation) if status.exit_code else None
        return await self._ended(number, self._outcome(number, status, live, operation.id, why), live)

    async def _expected(self) -> float | None:
        """How long it takes as a rule, in seconds; whoever may not read that waits all the same."""
        try:
            newest = sorted((await self._ledger.contents()).releases)[-_REMEMBERED:]
            past = await self._ledger.releases(newest)
        except SlipwayError:
            return None
        is_release = self._goal.verb in RELEASES
        return expected_seconds([found for found in past if (found.verb in RELEASES) == is_release])

    async def _evidence(self, operation: Operation) -> Diagnosis | None:
        if self._goal.spec is None:
            return None
        try:
            return await self._target.evidence(operation, self._goal.spec)
        except SlipwayError as error:  # why it failed is worth less than that it failed
            return Diagnosis("unknown", f"the logs could not be read: {error.what}", (), error.next_step)

    async def _ended(self, number: int, outcome: Outcome, live: Observed | None = None) -> Outcome:
        """Write it down, with what the release says of itself when it is live; what nobody knows has not ended."""
        if outcome.status is Status.UNKNOWN:
            return outcome
        said = await self._engine.ask(live) if live and outcome.live == outcome.requested else None
        after = self._migration.after if self._migration and not self._migration.unseen else None
        readiness = said or Readiness(after, after)
        release = Release(
            environment=self._goal.environment,
            number=number,
            image=self._image,
            status=outcome.status,
            live=outcome.live,
            operation=outcome.operation,
            ended=int(self._time.now().timestamp()),
            seconds=outcome.seconds,
            cause=outcome.diagnosis.cause if outcome.diagnosis else "",
            verb=self._goal.verb,
            holder=self._engine.holder,
            heads=readiness.image,
            database=readiness.database,
            commit=readiness.commit,
            risk=self._engine.risk,
        )
        try:
            if self._engine.certificate:
                await self._ledger.certify(number, self._engine.certificate)
            await self._ledger.end(release)
        except SlipwayError as error:  # the truth about the service is another one
            self._say(f"the ledger lacks this deployment's end: {error}")
        return outcome

    async def _superseded(self, number: int, newer: int) -> Outcome:
        why = Diagnosis(
            "superseded", f"deployment {newer} came after this one ({number})", (), "nothing needs to be done"
        )
        return await self._ended(number, self._outcome(number, Status.SUPERSEDED, await self._look(), None, why))

    async def _refused(self, number: int, error: RefusedError) -> Outcome:
        """Nothing of the service was changed."""
        why = Diagnosis("refused", error.what, (), error.next_step)
        try:
            live = await self._look()
        except UnknownOutcomeError:
            live = Observed()
        return await self._ended(number, self._outcome(number, Status.REFUSED, live, None, why))

    def _unchanged(self, live: Observed, number: int | None = None) -> Outcome:
        return self._outcome(number, Status.NOOP if self._goal.is_true(live) else Status.UNKNOWN, live, None, None)

    def _unknown(self, number: int, error: SlipwayError) -> Outcome:
        self._say(f"deployment {number}: {error}")
        why = Diagnosis("unknown", error.what, (), error.next_step)
        return self._outcome(number, Status.UNKNOWN, Observed(), None, why)

    def _outcome(
        self, number: int | None, status: Status, live: Observed, operation: str | None, why: Diagnosis | None
    ) -> Outcome:
        return Outcome(
            environment=self._goal.environment,
            service=self._goal.service,
            status=status,
            requested=self._image.rpartition("@")[2],
            live=live.digest,
            url=live.url,
            seconds=self._since_began(),
            operation=operation,
            diagnosis=why,
            verb=self._goal.verb,
            number=number,
            migration=self._migration,
        )

    def _check_possible(self, plan: Plan) -> None:
        if plan.action is Action.BLOCKED:
            raise RefusedError(f"{self._goal.service} cannot be {DONE[self._goal.verb]} now", plan.reason)

    def _check_approved(self, plan: Plan, observed: Observed) -> None:
        if self._approved is not None:
            check_still_true(self._approved, plan, observed)

    @property
    def _image(self) -> str:
        return str(self._goal.spec.image) if self._goal.spec else ""

    def _say_plan(self, plan: Plan) -> None:
        what = "nothing to change" if plan.action is Action.NOOP else plan.action.value
        changes = (
            f"\n  {change.name}: {change.before or 'none'} -> {change.after or 'none'}" for change in plan.changes
        )
        self._say(f"plan: {what}" + "".join(changes))

    def _begin(self, phase: Phase, expected: float | None = None) -> None:
        self._engine.tell(Event(phase=phase, expected=expected))

    def _say(self, line: str) -> None:
        self._engine.tell(Event(line))

    def _since_began(self) -> float:
        return (self._time.now() - self._began).total_seconds()
