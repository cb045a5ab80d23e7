"""A deployment from the question to the truth: observe, plan, take a number, wait for one's turn, apply, follow, settle.

Everything that another run must know is in the ledger before it happens, so a run that finds an unfinished deployment of the same service
goes on with it. The turn (the ledger's lock) lasts from the last look to the platform's yes; from then on the platform keeps others out.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from slipway.errors import RefusedError, SlipwayError, UnknownOutcomeError
from slipway.records.outcome import Diagnosis, Outcome, Status
from slipway.records.plan import Action, Observed, Plan
from slipway.records.progress import Event
from slipway.records.release import Accepted, Intent, Release
from slipway.release.approval import check_still_true
from slipway.release.ledger import Contents, Ledger, nonce
from slipway.release.plan import BUSY
from slipway.release.plan import plan as make_plan
from slipway.release.settle import settle
from slipway.release.spec import ServiceSpec
from slipway.release.target import BusyError, LostAnswerError, NotReadyError, Operation, Target
from slipway.release.turn import Turn

PATIENCE_SECONDS = 30 * 60.0  # for others to end what they do
_NOT_READY_SECONDS = 3 * 60.0  # a new role is known everywhere after a minute and a half at most, as users report
_WAIT_SECONDS = 5.0
_LOOKS = 3
_RESUME = "run the same command again; it finds what this one began and goes on with it"


@dataclass(frozen=True)
class Time:
    """The platform's time: of a wall clock, or of a simulator."""

    now: Callable[[], datetime]
    sleep: Callable[[float], Awaitable[None]]


@dataclass(frozen=True)
class Engine:
    """What every deployment needs. `holder` says who deploys, to whoever waits; `prepare` raises SlipwayError when a digest must not go out."""

    target: Target
    ledger: Ledger
    time: Time
    tell: Callable[[Event], None]
    holder: str
    prepare: Callable[[], Awaitable[None]]


async def deploy(engine: Engine, spec: ServiceSpec, approved: Plan | None = None) -> Outcome:
    """Bring `spec` to life and answer the truth; raises RefusedError when the service cannot be changed now, or not as `approved`."""
    return await _Deployment(engine, spec, approved).run()


class _Deployment:
    def __init__(self, engine: Engine, spec: ServiceSpec, approved: Plan | None) -> None:
        self._target = engine.target
        self._ledger = engine.ledger
        self._time = engine.time
        self._engine = engine
        self._spec = spec
        self._approved = approved
        self._began = engine.time.now()

    async def run(self) -> Outcome:
        observed = await self._look()
        plan = make_plan(self._spec, observed)
        self._say_plan(plan)
        if observed.status != BUSY:
            self._check_possible(plan)
            if plan.action is Action.NOOP:
                self._check_approved(plan, observed)
                return self._unchanged(observed)
        number = await self._number(plan, observed)
        try:
            return await self._bring(number)
        except UnknownOutcomeError as error:
            return self._unknown(number, error)

    async def _look(self) -> Observed:
        """Who was not let in to look does not know that the answer is no."""
        try:
            return await self._target.observe()
        except RefusedError as error:
            raise UnknownOutcomeError(f"what is live cannot be seen: {error.what}", error.next_step) from error

    async def _number(self, plan: Plan, observed: Observed) -> int:
        """The number of this very deployment that is unfinished, or the next one; before that nothing has been written anywhere."""
        contents = await self._ledger.contents()
        if unfinished := await self._unfinished(contents):
            self._say(f"going on with deployment {unfinished.number}, which {unfinished.holder} began")
            return unfinished.number
        self._check_approved(plan, observed)
        await self._engine.prepare()
        intent = Intent(
            self._spec.environment,
            0,
            str(self._spec.image),
            self._spec.hash,
            plan.fingerprint,
            self._engine.holder,
            nonce(),
        )
        return (await self._ledger.claim(intent, contents.newest)).number

    async def _unfinished(self, contents: Contents) -> Intent | None:
        """The newest deployment, when it has not ended and wants what this one wants, from the state that was approved."""
        newest = contents.newest
        if not newest or newest in contents.releases:
            return None
        intent = await self._ledger.intent(newest)
        if intent is None or intent.wanted != self._spec.hash:
            return None
        return intent if self._approved is None or intent.fingerprint == self._approved.fingerprint else None

    async def _bring(self, number: int) -> Outcome:
        """Wait for one's turn as long as it takes others, and take it; answers the truth."""
        deadline, told = self._since_began() + PATIENCE_SECONDS, ""
        not_ready_until: float | None = None
        while True:
            contents = await self._ledger.contents()
            if number in contents.accepted and (accepted := await self._ledger.accepted(number)):
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
                        f"{self._spec.name} could not be changed in {PATIENCE_SECONDS / 60:.0f} minutes",
                        f"{error.what}; run the same command again when that is over",
                    ) from error
                reason = error.what
            if reason != told:
                self._say(f"waiting: {reason}")
                told = reason
            await self._time.sleep(_WAIT_SECONDS)

    async def _try(self, number: int) -> Operation | Outcome:
        """Apply the change when it is one's turn; raises BusyError when it is not, and nothing has happened."""
        observed = await self._target.observe()
        if observed.status == BUSY:
            raise BusyError(make_plan(self._spec, observed).reason, _RESUME)
        newest = await self._target.newest()
        async with Turn(self._target, self._ledger, self._time, self._engine.holder).taken(
            self._spec.environment, number, newest
        ) as turn:
            return await self._change(number, turn)

    async def _change(self, number: int, turn: Turn) -> Operation | Outcome:
        """Within the turn: look once more, for between a look and the lock somebody may have come."""
        contents = await self._ledger.contents()
        if contents.newest > number or number in contents.accepted:
            raise BusyError("another run goes on with this deployment", _RESUME)
        observed = await self._target.observe()
        plan = make_plan(self._spec, observed)
        if observed.status == BUSY or await turn.is_outrun():
            raise BusyError(plan.reason or "somebody else has changed the service just now", _RESUME)
        self._check_possible(plan)
        self._check_approved(plan, observed)
        if plan.action is Action.NOOP:
            return await self._ended(number, self._unchanged(observed))
        operation = await self._apply(plan, observed, turn)
        if operation is None:
            return await self._ended(number, self._unchanged(await self._target.observe()))
        accepted = Accepted(self._spec.environment, number, operation.arn, operation.id, operation.creating)
        try:
            await self._ledger.accept(accepted)
        except SlipwayError as error:
            self._say(f"the ledger lacks this deployment's operation: {error}")
            turn.leave()
        return operation

    async def _apply(self, plan: Plan, observed: Observed, turn: Turn) -> Operation | None:
        """Send the change. No answer is no reason to send it again: whether it has begun is looked at first."""
        await turn.check()
        try:
            return await self._target.apply(self._spec, plan, observed)
        except LostAnswerError as error:
            self._say(f"no answer: {error.what}; looking whether it has begun")
        try:
            for _ in range(_LOOKS):
                if found := await turn.begun():
                    return found
                await self._time.sleep(_WAIT_SECONDS)
            await turn.check()
            return await self._target.apply(self._spec, plan, observed)
        except SlipwayError as error:
            turn.leave()
            raise UnknownOutcomeError(
                f"nobody can say whether the change of {self._spec.name} has begun: {error.what}", _RESUME
            ) from error

    async def _follow(self, number: int, operation: Operation) -> Outcome:
        try:
            async for event in self._target.follow(operation):
                self._engine.tell(event)
            ended = await self._target.ended(operation)
            live = await self._target.observe()
        except SlipwayError as error:
            raise UnknownOutcomeError(
                f"the deployment goes on, but cannot be followed: {error.what}", error.next_step
            ) from error
        status = settle(ended, creating=operation.creating, live=live.digest, desired=self._spec.image.digest)
        outcome = self._outcome(
            status, live, operation.id, await self._evidence(operation) if status.exit_code else None
        )
        return outcome if status is Status.UNKNOWN else await self._ended(number, outcome)

    async def _evidence(self, operation: Operation) -> Diagnosis:
        try:
            return await self._target.evidence(operation, self._spec)
        except SlipwayError as error:  # why it failed is worth less than that it failed
            return Diagnosis("unknown", f"the logs could not be read: {error.what}", (), error.next_step)

    async def _ended(self, number: int, outcome: Outcome) -> Outcome:
        cause = outcome.diagnosis.cause if outcome.diagnosis else ""
        release = Release(
            self._spec.environment,
            number,
            str(self._spec.image),
            outcome.status,
            outcome.live,
            outcome.operation,
            int(self._time.now().timestamp()),
            outcome.seconds,
            cause,
        )
        try:
            await self._ledger.end(release)
        except SlipwayError as error:  # the truth about the service is another one
            self._say(f"the ledger lacks this deployment's end: {error}")
        return outcome

    async def _superseded(self, number: int, newer: int) -> Outcome:
        live = await self._target.observe()
        why = Diagnosis(
            "superseded", f"deployment {newer} came after this one ({number})", (), "nothing needs to be done"
        )
        return await self._ended(number, self._outcome(Status.SUPERSEDED, live, None, why))

    def _unchanged(self, live: Observed) -> Outcome:
        there = live.digest == self._spec.image.digest and live.status == "RUNNING"
        return self._outcome(Status.NOOP if there else Status.UNKNOWN, live, None, None)

    def _unknown(self, number: int, error: UnknownOutcomeError) -> Outcome:
        self._say(f"deployment {number}: {error}")
        why = Diagnosis("unknown", error.what, (), error.next_step)
        return self._outcome(Status.UNKNOWN, Observed(), None, why)

    def _outcome(self, status: Status, live: Observed, operation: str | None, why: Diagnosis | None) -> Outcome:
        spec = self._spec
        seconds = self._since_began()
        return Outcome(
            spec.environment, spec.name, status, spec.image.digest, live.digest, live.url, seconds, operation, why
        )

    def _check_possible(self, plan: Plan) -> None:
        if plan.action is Action.BLOCKED:
            raise RefusedError(f"{self._spec.name} cannot be deployed now", plan.reason)

    def _check_approved(self, plan: Plan, observed: Observed) -> None:
        if self._approved is not None:
            check_still_true(self._approved, plan, observed)

    def _say_plan(self, plan: Plan) -> None:
        changes = (f"\n  {change.name}: {change.before} -> {change.after}" for change in plan.changes)
        self._say(f"plan: {plan.action.value}" + "".join(changes))

    def _say(self, line: str) -> None:
        self._engine.tell(Event(line))

    def _since_began(self) -> float:
        return (self._time.now() - self._began).total_seconds()
