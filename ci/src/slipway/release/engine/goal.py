"""What a run wants to be true of a service at its end: that a release is live, that it is paused, awake again, or gone. Pure.

A goal makes the plan from what is observed, and tells the truth from what is observed afterwards; the engine does the rest alike for all.
"""

from dataclasses import dataclass
from typing import Protocol

from slipway.errors import BadInputError
from slipway.records.outcome import Status, Verb
from slipway.records.plan import Action, FieldChange, Observed, Plan, State
from slipway.release.engine.plan import fingerprint, in_flight
from slipway.release.engine.plan import plan as plan_of
from slipway.release.engine.settle import OperationStatus, settle, settle_state
from slipway.release.engine.spec import ServiceSpec, hashed
from slipway.release.engine.target import Operation, Target


class Goal(Protocol):
    """`spec` is the release that is meant, None where none is; `hash` names the goal, so that a run that was killed finds its own."""

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
        """What has to be done."""
        ...

    def is_true(self, observed: Observed) -> bool:
        """Whether the service is so."""
        ...

    def truth(self, ending: OperationStatus, operation: Operation, observed: Observed) -> Status:
        """How it ended, from what the platform says of the operation and from what is there."""
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
    """Raises BadInputError for what nobody can want of a service where it runs; nothing is looked at for that."""
    if instead := target.impossible.get(goal.verb):
        raise BadInputError(f"{goal.service} cannot be {DONE[goal.verb]} where it runs", instead)


@dataclass(frozen=True)
class Live:
    """A release is live and healthy. A rollback is the same, of a recorded digest, and so is a promotion, of one that is live elsewhere."""

    spec: ServiceSpec
    verb: Verb = Verb.DEPLOY

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
        return plan_of(self.spec, observed)

    def is_true(self, observed: Observed) -> bool:
        return observed.state is State.LIVE and observed.digest == self.spec.image.digest

    def truth(self, ending: OperationStatus, operation: Operation, observed: Observed) -> Status:
        return settle(ending, creating=operation.creating, live=observed.digest, desired=self.spec.image.digest)


@dataclass(frozen=True)
class _State:
    """What is no release."""

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
        changed = () if action in (Action.NOOP, Action.BLOCKED) else (change,)
        return Plan(
            environment=self.environment,
            service=self.service,
            image="",
            action=action,
            changes=changed,
            fingerprint=fingerprint(observed),
            reason=reason,
        )


@dataclass(frozen=True)
class Paused(_State):
    """Nothing runs and nothing is paid for; configuration and address stay."""

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
                reason = f"a service can be paused while it is live, {_found(observed)}"
                return self._planned(observed, Action.BLOCKED, State.PAUSED, reason)


@dataclass(frozen=True)
class Resumed(_State):
    """A paused service runs again, with the release that it had: `spec`, for the diagnosis."""

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
                reason = f"only a paused service can be resumed, {_found(observed)}"
                return self._planned(observed, Action.BLOCKED, State.LIVE, reason)


@dataclass(frozen=True)
class Deleted(_State):
    """There is no service, and no address; images and ledger stay in the repository."""

    verb: Verb = Verb.DESTROY
    spec: ServiceSpec | None = None

    def is_true(self, observed: Observed) -> bool:
        return observed.state is State.ABSENT

    def plan(self, observed: Observed) -> Plan:
        return self._planned(observed, Action.NOOP if self.is_true(observed) else Action.DELETE, State.ABSENT)


def _found(observed: Observed) -> str:
    return "and there is none" if observed.state is State.ABSENT else f"and this one is {observed.status}"
