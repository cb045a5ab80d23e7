"""The goals of a run: a release is live, or a service is paused, resumed or deleted. Pure.

A goal makes the plan from the observed state, and derives the outcome from the state observed afterwards. The engine
treats all goals alike. A running service is no evidence: after an automatic rollback, platforms report a healthy
service with the old image.
"""

from dataclasses import dataclass
from typing import ClassVar

from slipway.errors import BadInputError
from slipway.records.ledger import Specification
from slipway.records.outcome import Status, Verb
from slipway.records.plan import Action, FieldChange, Observed, Plan, State
from slipway.release.engine.plan import ServiceSpec, fingerprint, hashed, in_flight
from slipway.release.engine.plan import plan as plan_of
from slipway.release.engine.target import Operation, OperationStatus, Target

DONE = {
    Verb.DEPLOY: "deployed",
    Verb.PROMOTE: "deployed",
    Verb.ROLLBACK: "rolled back",
    Verb.PAUSE: "paused",
    Verb.RESUME: "resumed",
    Verb.DESTROY: "deleted",
    Verb.ABORT: "aborted",
    Verb.MOVE: "moved",
}


@dataclass(frozen=True, kw_only=True)
class Live:
    """The goal that a release is live and healthy: a new one (deploy), one from another environment (promote), or a recorded one (rollback).

    - migrates: whether slipway migrates the database before the first release.
    - may_be_older: whether a newer release may be replaced.
    - specification: the settings for the ledger, from which the release can be deployed again.
    """

    spec: ServiceSpec
    verb: Verb = Verb.DEPLOY
    migrates: bool = True
    may_be_older: bool = False
    specification: Specification | None = None

    @property
    def environment(self) -> str:
        return self.spec.environment

    @property
    def service(self) -> str:
        return self.spec.name

    @property
    def hash(self) -> str:
        return self.spec.hash

    def plan(self, observed: Observed) -> Plan:
        return plan_of(self.spec, observed, migrates=self.migrates)

    def is_true(self, observed: Observed) -> bool:
        return observed.state is State.LIVE and observed.digest == self.spec.image.digest

    def truth(self, ending: OperationStatus, operation: Operation, observed: Observed) -> Status:
        return settle(ending, creating=operation.creating, live=observed.digest, desired=self.spec.image.digest)


@dataclass(frozen=True)
class _StateGoal:
    """The goal that a service is in some state, with any release. `spec` is its current release, for the diagnosis.

    - action: the action that leads to the state.
    - origins: the states from which the action is possible.
    - limit: these states in the words of an error.
    """

    environment: str
    service: str
    spec: ServiceSpec | None = None

    verb: ClassVar[Verb]
    state: ClassVar[State]
    action: ClassVar[Action]
    origins: ClassVar[tuple[State, ...]] = tuple(State)
    limit: ClassVar[str] = ""

    @property
    def hash(self) -> str:
        return hashed(f"{type(self).__name__} {self.service}")

    def plan(self, observed: Observed) -> Plan:
        action, reason = self._next(observed)
        change = FieldChange("state", observed.state.value, self.state.value)
        return Plan(
            environment=self.environment,
            service=self.service,
            image="",
            action=action,
            changes=(change,) if action is self.action else (),
            fingerprint=fingerprint(observed),
            reason=reason,
        )

    def is_true(self, observed: Observed) -> bool:
        return observed.state is self.state

    def truth(self, ending: OperationStatus, operation: Operation, observed: Observed) -> Status:  # noqa: ARG002 -- as Live has it
        return settle_state(ending, reached=self.is_true(observed))

    def _next(self, observed: Observed) -> tuple[Action, str]:
        if observed.state is State.BUSY:
            return Action.BLOCKED, in_flight(observed)
        if self.is_true(observed):
            return Action.NOOP, ""
        if observed.state in self.origins:
            return self.action, ""
        found = "there is none" if observed.state is State.ABSENT else f"this one is {observed.status}"
        return Action.BLOCKED, f"{self.limit}, and {found}"


class Paused(_StateGoal):
    """The goal that nothing runs and nothing is billed. Configuration and address stay."""

    verb, state, action = Verb.PAUSE, State.PAUSED, Action.PAUSE
    origins, limit = (State.LIVE,), "a service can be paused while it is live"


class Resumed(_StateGoal):
    """The goal that a paused service runs again."""

    verb, state, action = Verb.RESUME, State.LIVE, Action.RESUME
    origins, limit = (State.PAUSED,), "only a paused service can be resumed"


class Deleted(_StateGoal):
    """The goal that the service and its address do not exist. Images and ledger stay in their repositories."""

    verb, state, action = Verb.DESTROY, State.ABSENT, Action.DELETE


Goal = Live | Paused | Resumed | Deleted


def check_sensible(goal: Goal, target: Target) -> None:
    """Raise BadInputError for a command that the platform does not support, before any request."""
    if instead := target.impossible.get(goal.verb):
        raise BadInputError(f"{goal.service} cannot be {DONE[goal.verb]} where it runs", instead)


def settle(ending: OperationStatus, *, creating: bool, live: str | None, desired: str) -> Status:  # noqa: PLR0911 -- one return a status
    """Return the outcome of a release, from its operation's status and the live digest."""
    match ending:
        case OperationStatus.SUCCEEDED:
            return Status.SUCCEEDED if live == desired else Status.SUPERSEDED
        case OperationStatus.STOPPED:
            return Status.SUPERSEDED
        case OperationStatus.ROLLED_BACK:
            return Status.ROLLED_BACK
        case OperationStatus.ABORTED:
            return Status.ABORTED
        case OperationStatus.ROLLBACK_FAILED:
            return Status.ROLLBACK_FAILED
        case OperationStatus.FAILED:
            return Status.CREATE_FAILED if creating else Status.ROLLBACK_FAILED
        case OperationStatus.GONE:
            return Status.NOOP if live == desired else Status.SUPERSEDED
        case OperationStatus.IN_FLIGHT | OperationStatus.UNKNOWN:
            return Status.UNKNOWN


def settle_state(ending: OperationStatus, *, reached: bool) -> Status:
    """Return the outcome of a pause, a resumption or a deletion, from its operation's status and the service's state."""
    match ending:
        case OperationStatus.SUCCEEDED | OperationStatus.STOPPED | OperationStatus.GONE:
            return Status.SUCCEEDED if reached else Status.SUPERSEDED
        case (
            OperationStatus.FAILED
            | OperationStatus.ROLLED_BACK
            | OperationStatus.ABORTED
            | OperationStatus.ROLLBACK_FAILED
        ):
            return Status.FAILED
        case OperationStatus.IN_FLIGHT | OperationStatus.UNKNOWN:
            return Status.SUCCEEDED if reached else Status.UNKNOWN
