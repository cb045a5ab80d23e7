"""The context of one run: its ports, its goal, and what is known of it so far."""

from dataclasses import dataclass
from datetime import datetime

from slipway.errors import RefusedError, UnknownOutcomeError
from slipway.records.ledger import Lock
from slipway.records.migration import Migration
from slipway.records.plan import Action, Observed, Plan, State
from slipway.records.progress import Event, Phase
from slipway.release.engine.approval import check_still_true
from slipway.release.engine.engine import Engine
from slipway.release.engine.goal import DONE, Goal
from slipway.release.engine.ledger import Ledger, nonce
from slipway.release.engine.lock import DeployLock
from slipway.release.engine.target import Operation
from slipway.release.errors import or_unknown
from slipway.untrusted import one_line

RESUME = "run the same command again; it finds and resumes what this run started"


@dataclass(kw_only=True)
class Run:
    """One goal on its way.

    - number: the deployment's in the ledger, set once it is claimed; 0 before.
    - migration: what this deployment did to the database, set once it did.
    """

    engine: Engine
    goal: Goal
    approved: Plan | None
    began: datetime
    number: int = 0
    migration: Migration | None = None

    @property
    def ledger(self) -> Ledger:
        return self.engine.ledger

    @property
    def image(self) -> str:
        return str(self.goal.spec.image) if self.goal.spec else ""

    @property
    def seconds(self) -> float:
        """Seconds since the run began, in the platform's time."""
        return (self.engine.time.now() - self.began).total_seconds()

    async def look(self) -> Observed:
        """Return the live state; raises UnknownOutcomeError for an unknown status: it may be what is wanted, or not."""
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

    def lock(self, newest: Operation | None) -> DeployLock:
        """Make the deploy lock; `newest` is the service's newest operation, read just now."""
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
        changes = (f"  {change.name}: {change.before or 'none'} -> {change.after or 'none'}" for change in plan.changes)
        self.say("\n".join([f"plan: {what}", *changes, *(f"  note: {note}" for note in plan.notes)]))
