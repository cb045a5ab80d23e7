"""The plan of a release: desired state against observed state, field by field. Pure."""

import hashlib
import json

from slipway.records.plan import Action, FieldChange, Observed, Plan, State
from slipway.release.engine.spec import ABSENT, ServiceSpec
from slipway.structure import write
from slipway.untrusted import one_line

NOT_MIGRATED = "slipway does not migrate this environment's database"
NOT_MIGRATED_REMEDY = "migrate it with `slipway migrate`, or name a runner in [tool.slipway.environments.NAME.migration], before the first deployment"


def plan(spec: ServiceSpec, observed: Observed, *, migrates: bool = True) -> Plan:
    """Return what has to change so that `spec` runs; `migrates` is whether slipway migrates the database before."""
    desired = spec.fields()
    current = {} if observed.state is State.ABSENT else observed.fields
    changes = tuple(
        FieldChange(name, current.get(name), desired.get(name))
        for name in dict.fromkeys([*desired, *current])
        if current.get(name) != desired.get(name)
    )
    action, reason = _action(observed, changes)
    if action in (Action.UPDATE, Action.REBUILD) and (kept := _kept(observed, changes)):
        action, reason = Action.BLOCKED, kept
    is_first = action in (Action.CREATE, Action.REBUILD)
    return Plan(
        environment=spec.environment,
        service=spec.name,
        image=str(spec.image),
        action=action,
        changes=changes,
        fingerprint=fingerprint(observed),
        reason=reason,
        notes=(f"{NOT_MIGRATED}: {NOT_MIGRATED_REMEDY}",) if is_first and not migrates else (),
    )


def _kept(observed: Observed, changes: tuple[FieldChange, ...]) -> str:
    """Return why an update is blocked that cannot remove a field: sending it would promise a change that is never made."""
    left = [change.name for change in changes if change.name in observed.inherited and change.after == ABSENT]
    if not left:
        return ""
    names = " and ".join(f"the {name} {one_line(observed.fields[name])}" for name in left)
    return f"an update cannot remove {names}; name it in the settings if the service needs it, or delete the service and deploy again"


def fingerprint(observed: Observed) -> str:
    """Return a hash of the observed state; a plan applies only to the state it was made from.

    A deleted service counts as absent, whether the platform still lists it or not.
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
