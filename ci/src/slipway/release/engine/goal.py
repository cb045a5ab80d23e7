"""The goals of a run: a release is live, a service is paused, resumed, or deleted. Pure.

A goal makes the plan from the observed state, and settles the outcome from the state observed afterwards; the engine treats all goals alike.
"""

from dataclasses import dataclass
from typing import Protocol

from slipway.errors import BadInputError
from slipway.records.outcome import Status, Verb
from slipway.records.plan import Action, FieldChange, Observed, Plan, State
from slipway.release.engine.plan import ServiceSpec, fingerprint, hashed, in_flight
from slipway.release.engine.plan import plan as plan_of
from slipway.release.engine.target import Operation, OperationStatus, Target


class Goal(Protocol):
    """The state that a run brings about.

    - spec: the wanted release; None for a verb without one.
    - hash: identifies the goal, so that a run resumes the deployment of a killed one.
    """

    @property
    def environment(self) -> str: ...

    @property
    def service(self) -> str: ...

    @property
    def verb(self) -> Verb: ...

    @property
    def spec(self) -> ServiceSpec | None: ...

    @property
    def hash(self) -> str: ...

    def plan(self, observed: Observed) -> Plan:
        """Return what has to change."""
        ...

    def is_true(self, observed: Observed) -> bool:
        """Return whether the observed state is the goal's."""
        ...

    def truth(self, ending: OperationStatus, operation: Operation, observed: Observed) -> Status:
        """Return the outcome, from the operation's status and the observed state."""
        ...


DONE = {
    Verb.DEPLOY: "deployed",
    Verb.PROMOTE: "deployed",
    Verb.ROLLBACK: "rolled back",
    Verb.PAUSE: "paused",
    Verb.RESUME: "resumed",
    Verb.DESTROY: "deleted",
}


def check_sensible(goal: Goal, target: Target) -> None:
    """Raise BadInputError for a verb that the platform does not have; asks the platform nothing."""
    if instead := target.impossible.get(goal.verb):
        raise BadInputError(f"{goal.service} cannot be {DONE[goal.verb]} where it runs", instead)


@dataclass(frozen=True)
class Live:
    """A release is live and healthy: one that was built (deploy), is live elsewhere (promote), or is recorded (rollback).

    `migrates` is whether slipway migrates the database before the first release.
    """

    spec: ServiceSpec
    verb: Verb = Verb.DEPLOY
    migrates: bool = True

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
class _State:
    """A state of a service, whatever its release."""

    environment: str
    service: str

    @property
    def hash(self) -> str:
        return hashed(f"{type(self).__name__} {self.service}")

    def is_true(self, observed: Observed) -> bool:
        raise NotImplementedError

    def truth(self, ending: OperationStatus, operation: Operation, observed: Observed) -> Status:  # noqa: ARG002 -- as Goal has it
        return settle_state(ending, reached=self.is_true(observed))

    def _planned(self, observed: Observed, action: Action, after: State, reason: str = "") -> Plan:
        if observed.state is State.BUSY:
            action, reason = Action.BLOCKED, in_flight(observed)
        change = FieldChange("state", observed.state.value, after.value)
        changes = () if action in (Action.NOOP, Action.BLOCKED) else (change,)
        return Plan(
            environment=self.environment,
            service=self.service,
            image="",
            action=action,
            changes=changes,
            fingerprint=fingerprint(observed),
            reason=reason,
        )


@dataclass(frozen=True)
class Paused(_State):
    """Nothing runs and nothing is billed; configuration and address stay."""

    verb: Verb = Verb.PAUSE
    spec: ServiceSpec | None = None

    def is_true(self, observed: Observed) -> bool:
        return observed.state is State.PAUSED

    def plan(self, observed: Observed) -> Plan:
        match observed.state:
            case State.PAUSED:
                return self._planned(observed, Action.NOOP, State.PAUSED)
            case State.LIVE:
                return self._planned(observed, Action.PAUSE, State.PAUSED)
            case _:
                reason = f"a service can be paused while it is live, {_contrast(observed)}"
                return self._planned(observed, Action.BLOCKED, State.PAUSED, reason)


@dataclass(frozen=True)
class Resumed(_State):
    """A paused service runs again. `spec` is the release that it had, for the diagnosis."""

    spec: ServiceSpec | None = None
    verb: Verb = Verb.RESUME

    def is_true(self, observed: Observed) -> bool:
        return observed.state is State.LIVE

    def plan(self, observed: Observed) -> Plan:
        match observed.state:
            case State.LIVE:
                return self._planned(observed, Action.NOOP, State.LIVE)
            case State.PAUSED:
                return self._planned(observed, Action.RESUME, State.LIVE)
            case _:
                reason = f"only a paused service can be resumed, {_contrast(observed)}"
                return self._planned(observed, Action.BLOCKED, State.LIVE, reason)


@dataclass(frozen=True)
class Deleted(_State):
    """The service and its address do not exist; images and ledger stay in the repository."""

    verb: Verb = Verb.DESTROY
    spec: ServiceSpec | None = None

    def is_true(self, observed: Observed) -> bool:
        return observed.state is State.ABSENT

    def plan(self, observed: Observed) -> Plan:
        return self._planned(observed, Action.NOOP if self.is_true(observed) else Action.DELETE, State.ABSENT)


def _contrast(observed: Observed) -> str:
    return "and there is none" if observed.state is State.ABSENT else f"and this one is {observed.status}"


def settle(ending: OperationStatus, *, creating: bool, live: str | None, desired: str) -> Status:  # noqa: PLR0911 -- one return a status
    """Return the truth about a release, from its operation's status and the live digest."""
    match ending:
        case OperationStatus.SUCCEEDED:
            return Status.SUCCEEDED if live == desired else Status.SUPERSEDED
        case OperationStatus.STOPPED:
            return Status.SUPERSEDED
        case OperationStatus.ROLLED_BACK:
            return Status.ROLLED_BACK
        case OperationStatus.ROLLBACK_FAILED:
            return Status.ROLLBACK_FAILED
        case OperationStatus.FAILED:
            return Status.CREATE_FAILED if creating else Status.ROLLBACK_FAILED
        case OperationStatus.GONE:
            return Status.NOOP if live == desired else Status.SUPERSEDED
        case OperationStatus.IN_FLIGHT | OperationStatus.UNKNOWN:
            return Status.UNKNOWN


def settle_state(ending: OperationStatus, *, reached: bool) -> Status:
    """Return the truth about a pause, a resumption or a deletion, from its operation's status and the service's state."""
    match ending:
        case OperationStatus.SUCCEEDED | OperationStatus.STOPPED | OperationStatus.GONE:
            return Status.SUCCEEDED if reached else Status.SUPERSEDED
        case OperationStatus.FAILED | OperationStatus.ROLLED_BACK | OperationStatus.ROLLBACK_FAILED:
            return Status.FAILED
        case OperationStatus.IN_FLIGHT | OperationStatus.UNKNOWN:
            return Status.SUCCEEDED if reached else Status.UNKNOWN
