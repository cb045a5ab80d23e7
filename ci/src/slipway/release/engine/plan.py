"""Desired against observed, field by field. Pure."""

import hashlib
import json

from slipway.records.plan import Action, FieldChange, Observed, Plan, State
from slipway.release.engine.spec import ABSENT, ServiceSpec
from slipway.structure import write
from slipway.untrusted import one_line


def plan(spec: ServiceSpec, observed: Observed) -> Plan:
    """What has to be done so that `spec` runs."""
    desired = spec.fields()
    there = {} if observed.state is State.ABSENT else observed.fields
    changes = tuple(
        FieldChange(name, there.get(name), desired.get(name))
        for name in dict.fromkeys([*desired, *there])
        if there.get(name) != desired.get(name)
    )
    action, reason = _action(observed, changes)
    if action in (Action.UPDATE, Action.REBUILD) and (kept := _kept(observed, changes)):
        action, reason = Action.BLOCKED, kept
    return Plan(
        environment=spec.environment,
        service=spec.name,
        image=str(spec.image),
        action=action,
        changes=changes,
        fingerprint=fingerprint(observed),
        reason=reason,
    )


def _kept(observed: Observed, changes: tuple[FieldChange, ...]) -> str:
    """What an update could not take away: to send it all the same would promise a change that is never made."""
    left = [change.name for change in changes if change.name in observed.inherited and change.after == ABSENT]
    if not left:
        return ""
    names = " and ".join(f"the {name} {one_line(observed.fields[name])}" for name in left)
    return f"an update cannot take away {names}; name it in the settings if the service needs it, or delete the service and deploy again"


def fingerprint(observed: Observed) -> str:
    """The name of an observed state: a plan is good only for the state it was made from.

    A platform may list a deleted service for a while; that it no longer does is no change of state.
    """
    state = Observed() if observed.state is State.ABSENT else observed
    return hashlib.sha256(json.dumps(write(state), sort_keys=True).encode()).hexdigest()[:16]


def in_flight(observed: Observed) -> str:
    return f"another operation is in flight ({observed.operation or 'the platform names none'}); try again when it has ended"


def _action(observed: Observed, changes: tuple[FieldChange, ...]) -> tuple[Action, str]:
    match observed.state:
        case State.ABSENT:
            return Action.CREATE, ""
        case State.LIVE:
            return (Action.UPDATE if changes else Action.NOOP), ""
        case State.CREATE_FAILED:
            return Action.REBUILD, ""
        case State.BUSY:
            return Action.BLOCKED, in_flight(observed)
        case State.PAUSED:
            return Action.BLOCKED, "the service is paused; `slipway resume` wakes it"
        case State.DELETE_FAILED | State.UNKNOWN:
            return Action.BLOCKED, f"the service is in the state {observed.status}; look at it in the console"
