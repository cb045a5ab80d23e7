"""The parts that the engine uses (a target, a ledger, a lock, a clock, the steps before a change), and the state of one run."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from slipway.errors import RefusedError, UnknownOutcomeError
from slipway.records.answer import Answer
from slipway.records.certificate import Certificate
from slipway.records.ledger import JointRelease, Lock
from slipway.records.migration import Migration
from slipway.records.plan import Action, Observed, Plan, State
from slipway.records.progress import Event, Phase, Tell
from slipway.release.engine.goal import DONE, Goal
from slipway.release.engine.ledger import Ledger, nonce
from slipway.release.engine.lock import DeployLock
from slipway.release.engine.plan import check_still_true
from slipway.release.engine.target import Operation, Target, Time
from slipway.release.errors import or_unknown
from slipway.untrusted import one_line

RESUME = "run the same command again; it finds and resumes what this run started"


async def no_op(*_: object) -> None:
    """Do nothing. This is the default of a step that is not needed."""


async def no_answer(*_: object) -> Answer:
    """Return an empty answer. This is the default of an engine for a service without a public address."""
    return Answer()


async def no_problem(_observed: Observed) -> str:
    """Return no problem, without a request."""
    return ""


async def no_sample() -> str:
    """Return an empty text, without a request."""
    return ""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """Everything that a run uses. A step that raises SlipwayError leaves the service unchanged.

    - holder: the person or job that runs, shown to others who wait.
    - prepare: a step that runs once on the observed state, before a number is claimed or anything is written. It
      returns the versions of the release's secrets, if it read them.
    - permit: judges the observed state, before the migration and again before the change. It returns why a needed proof
      is waived.
    - migrate: brings the database to the release's head for a numbered deployment; None when slipway does not migrate.
    - answer: requests the live release, which may be the requested or the previous one.
    - problem: requests the live release once, and returns why it does not answer, or an empty text.
    - sample: requests the service's paths while two releases share its traffic, and returns a line for people, or an
      empty text.
    - certificate: the certificate of the release on the schema, which is recorded.
    - risk: the caller's reason for continuing without a certificate.
    - joint: the joint release to which a run belongs, or None.
    - without_ledger: the caller's reason for a run whose ledger may fail.
    - lock: makes the deploy lock.
    """

    target: Target
    ledger: Ledger
    time: Time
    tell: Tell
    holder: str
    prepare: Callable[[Observed], Awaitable[Mapping[str, str] | None]] = no_op
    permit: Callable[[Observed], Awaitable[str | None]] = no_op
    migrate: Callable[[int, Tell], Awaitable[Migration]] | None = None
    answer: Callable[[Observed, str], Awaitable[Answer]] = no_answer
    problem: Callable[[Observed], Awaitable[str]] = no_problem
    sample: Callable[[], Awaitable[str]] = no_sample
    certificate: Certificate | None = None
    risk: str = ""
    joint: JointRelease | None = None
    without_ledger: str = ""
    lock: type[DeployLock] = DeployLock


@dataclass(kw_only=True)
class Run:
    """The state of one run on the way to its goal.

    - number: the deployment's number in the ledger; 0 before it is claimed.
    - migration: the migration that this deployment ran, or None.
    - answer: the answer of the release that was live at the end; None before it was requested.
    - broken: why the previous release failed on the migrated database, otherwise empty.
    - changes: the changes of the live service in its last plan.
    - risk: why a needed proof was waived, otherwise empty. A resumed run has its own caller's reason, because the
      killed run's need is unknown.
    """

    engine: Engine
    goal: Goal
    approved: Plan | None
    began: float
    number: int = 0
    migration: Migration | None = None
    answer: Answer | None = None
    changes: tuple[str, ...] = ()
    risk: str = ""
    broken: str = ""

    @property
    def ledger(self) -> Ledger:
        return self.engine.ledger

    @property
    def image(self) -> str:
        return str(self.goal.spec.image) if self.goal.spec else ""

    @property
    def seconds(self) -> float:
        return self.engine.time.seconds() - self.began

    async def observe(self) -> Observed:
        """Return the live state. Raise UnknownOutcomeError for an unknown status, which may or may not be the wanted one."""
        observed = await or_unknown(self.engine.target.observe())
        if observed.state is State.UNKNOWN:
            raise UnknownOutcomeError(
                f"{self.goal.service} is in the state {one_line(str(observed.status))}, which slipway does not know",
                "look at it in the console, and run the same command again",
            )
        return observed

    def check_possible(self, plan: Plan) -> None:
        """Raise RefusedError for a blocked plan."""
        if plan.action is Action.BLOCKED:
            raise RefusedError(f"{self.goal.service} cannot be {DONE[self.goal.verb]} now", plan.reason)

    def check_approved(self, plan: Plan, observed: Observed) -> None:
        """Raise RefusedError when a plan was approved and this is another one."""
        if self.approved is not None:
            check_still_true(self.approved, plan, observed)

    async def permit(self, observed: Observed) -> None:
        """Raise RefusedError when the observed state must not be changed.

        A run calls this before and after the migration. Once a proof was waived, the reason stays recorded, even if no
        proof is needed afterwards.
        """
        self.risk = await self.engine.permit(observed) or self.risk

    def lock(self, newest: Operation | None) -> DeployLock:
        """Make the deploy lock. `newest` is the service's newest operation, which was just read."""
        lock = Lock(
            environment=self.goal.environment,
            number=self.number,
            holder=self.engine.holder,
            newest=newest.id if newest else None,
            nonce=nonce(),
        )
        return self.engine.lock(self.engine.target, self.ledger, self.engine.time, lock)

    def enter(self, phase: Phase, expected: float | None = None) -> None:
        self.engine.tell(Event(phase=phase, expected=expected))

    def say(self, line: str) -> None:
        self.engine.tell(Event(line))

    def say_plan(self, plan: Plan) -> None:
        what = "nothing to change" if plan.action is Action.NOOP else plan.action.value
        changes = (f"  {change.shown}" for change in plan.changes)
        self.say("\n".join([f"plan: {what}", *changes, *(f"  note: {note}" for note in plan.notes)]))
