"""Desired against observed, field by field. Pure."""

import hashlib
import json

from slipway.records.plan import Action, FieldChange, Observed, Plan
from slipway.release.spec import ServiceSpec
from slipway.structure import write

_BUSY = "OPERATION_IN_PROGRESS"
_ABSENT = (None, "DELETED")


def plan(spec: ServiceSpec, observed: Observed) -> Plan:
    """What has to be done so that `spec` runs."""
    desired = spec.fields()
    there = {} if observed.status in _ABSENT else observed.fields
    changes = tuple(
        FieldChange(name, there.get(name), desired.get(name))
        for name in dict.fromkeys([*desired, *there])
        if there.get(name) != desired.get(name)
    )
    action, reason = _action(observed, changes)
    return Plan(spec.environment, spec.name, str(spec.image), action, changes, fingerprint(observed), reason)


def fingerprint(observed: Observed) -> str:
    """The name of an observed state: a plan is good only for the state it was made from."""
    return hashlib.sha256(json.dumps(write(observed), sort_keys=True).encode()).hexdigest()[:16]


def _action(observed: Observed, changes: tuple[FieldChange, ...]) -> tuple[Action, str]:
    match observed.status:
        case None | "DELETED":
            return Action.CREATE, ""
        case "RUNNING":
            return (Action.UPDATE if changes else Action.NOOP), ""
        case "CREATE_FAILED":
            return Action.REBUILD, ""
        case "OPERATION_IN_PROGRESS":
            return (
                Action.BLOCKED,
                f"another operation is in flight ({observed.operation or 'App Runner names none'}); try again when it has ended",
            )
        case "PAUSED":
            return Action.BLOCKED, "the service is paused; resume it first"
        case other:
            return Action.BLOCKED, f"the service is in the state {other}; look at it in the console"
