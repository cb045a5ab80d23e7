"""The desired service of an environment, and the plan that leads to it: a comparison field by field. Pure."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import ClassVar, Final, Self

from slipway.errors import BadInputError, RefusedError
from slipway.records.image import Reference
from slipway.records.plan import HASHED, Action, FieldChange, Observed, Plan, State
from slipway.structure import write
from slipway.untrusted import one_line

ABSENT = "none"
PLATFORM = "linux/amd64"
NOT_MIGRATED = "slipway does not migrate this environment's database"
NOT_MIGRATED_REMEDY = (
    "name a runner in the environment's table `migration`, and deployments migrate; "
    "without one, run `alembic upgrade heads` before each deployment"
)
_ROUNDS: Final = 5_000  # takes two milliseconds
_NEW_PLAN = "make a new plan and have it approved"


@dataclass(frozen=True, kw_only=True)
class ServiceSpec:
    """A desired service. Each target adds its own fields. cpu is in units (1024 is one vCPU), memory in MB.

    `fixed` are fields that no update can change.
    """

    fixed: ClassVar[tuple[str, ...]] = ()

    environment: str
    name: str
    image: Reference
    port: int
    health_path: str | None
    cpu: int
    memory: int
    access_role: str
    instance_role: str | None
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: Mapping[str, str] = field(default_factory=dict)

    @property
    def first_notes(self) -> tuple[str, ...]:
        """Notes for the plan that creates the service, such as its price."""
        return ()

    def notes_over(self, live: Observed) -> tuple[str, ...]:  # noqa: ARG002 -- for targets whose service may be private
        """Return notes for a plan over a service that is live already, also when nothing changes."""
        return ()

    @property
    def platform(self) -> str:
        """The operating system and architecture that the image must have."""
        return PLATFORM

    def plain(self) -> dict[str, str]:
        """Return the fields except variables and secrets, by their names in a plan."""
        return {
            "image": str(self.image),
            "port": str(self.port),
            "health check": health_check(self.health_path),
            "cpu": str(self.cpu),
            "memory": str(self.memory),
            "access role": self.access_role,
            "instance role": self.instance_role or ABSENT,
        }

    def fields(self) -> dict[str, str]:
        return self.plain() | values_of(self.variables, self.secrets)

    def over(self, live: Mapping[str, str]) -> Self:  # noqa: ARG002 -- for targets whose settings may leave a field open
        """Return the spec with the live service's fields where the settings have none."""
        return self

    @property
    def hash(self) -> str:
        """A hash of all fields and values, which identifies the desired service."""
        return hashed(json.dumps(self.fields(), sort_keys=True))


def health_check(path: str | None) -> str:
    """Return a health check in the words of a plan."""
    return f"HTTP {path}" if path else "TCP"


def health_pace(interval: object, timeout: object, healthy: object, unhealthy: object) -> str:
    """Return interval, timeout and both thresholds of a health check in the words of a plan."""
    return f"every {interval} s, {timeout} s long, {healthy} up, {unhealthy} down"


def checked_path(fields: Mapping[str, str]) -> str | None:
    """Return the path that the platform checks, from an observed service's fields; None when it checks a TCP connection."""
    return fields.get("health check", "").partition(" ")[2] or None


def values_of(variables: Mapping[str, str], secrets: Mapping[str, str]) -> dict[str, str]:
    """Return variables and secrets by their names in a plan. Variables except PORT appear as hashes, because a value may be a secret."""
    shown = {
        f"variable {name}": value if name == "PORT" and value.isdecimal() else _marked(name, value)
        for name, value in variables.items()
    }
    return shown | {f"secret {name}": arn for name, arn in secrets.items()}


@cache
def _marked(name: str, value: str) -> str:
    """Return a slow hash of a variable's value, salted with the variable's name, so that short values cannot be found by trying all.

    The salt is not random, because the plans of different jobs are compared.
    """
    salt = f"slipway variable {name}".encode()
    return f"{HASHED}{hashlib.pbkdf2_hmac('sha256', value.encode(), salt, _ROUNDS).hex()[:12]}"


def naming_values(fields: Iterable[str], does: str = "changes") -> str:
    """Return words for the end of a message: the names of changed variables and secrets, without values.

    Return an empty text without any.
    """
    names = [one_line(name) for name in fields if name.startswith(("variable ", "secret "))]
    return f"; this deployment {does} {', '.join(names)}" if names else ""


def hashed(value: str) -> str:
    return f"sha256:{hashlib.sha256(value.encode()).hexdigest()[:12]}"


def plan(spec: ServiceSpec, observed: Observed, *, migrates: bool = True) -> Plan:
    """Return the changes after which `spec` runs. `migrates` is whether slipway migrates the database before."""
    current = {} if observed.state is State.ABSENT else observed.fields
    desired = spec.over(current).fields()
    changes = tuple(
        FieldChange(name, current.get(name), desired.get(name))
        for name in dict.fromkeys([*desired, *current])
        if current.get(name, ABSENT) != desired.get(name, ABSENT)
    )
    action, reason = _action(observed, changes)
    if action in (Action.UPDATE, Action.REBUILD) and (obstacle := _obstacle(spec, observed, changes)):
        action, reason = Action.BLOCKED, obstacle
    is_first = action in (Action.CREATE, Action.REBUILD)
    return Plan(
        environment=spec.environment,
        service=spec.name,
        image=str(spec.image),
        action=action,
        changes=changes,
        fingerprint=fingerprint(observed),
        reason=reason,
        notes=(
            *((f"{NOT_MIGRATED}: {NOT_MIGRATED_REMEDY}",) if is_first and not migrates else ()),
            *(spec.first_notes if action is Action.CREATE else ()),
            *(spec.notes_over(observed) if observed.state is State.LIVE else ()),
            *_kept(spec, current),
        ),
    )


def _kept(spec: ServiceSpec, current: Mapping[str, str]) -> tuple[str, ...]:
    """Return a note about live fields that the settings leave open and that differ from those of a new service."""
    said, usual = spec.fields(), spec.over({}).fields()
    kept = [
        f"{name} {one_line(current[name])}"
        for name in usual
        if name in current and name not in said and current[name] != usual[name]
    ]
    return (f"kept as it is, because the settings leave it open: {', '.join(kept)}",) if kept else ()


def _obstacle(spec: ServiceSpec, observed: Observed, changes: tuple[FieldChange, ...]) -> str:
    """Return why an update is blocked: it cannot change or remove one of these fields, so the change would never be made."""
    if fixed := [change for change in changes if change.name in spec.fixed]:
        names = " and ".join(f"the {change.name} {one_line(change.before or ABSENT)}" for change in fixed)
        keep = (
            "leave it out of"
            if all(change.before in (None, ABSENT) for change in fixed)
            else "name the present value in"
        )
        return f"an update cannot change {names}; {keep} the settings, or delete the service and deploy again"
    left = [change.name for change in changes if change.name in observed.inherited and change.after == ABSENT]
    if not left:
        return ""
    names = " and ".join(f"the {name} {one_line(observed.fields[name])}" for name in left)
    return f"an update cannot remove {names}; name it in the settings if the service needs it, or delete the service and deploy again"


def fingerprint(observed: Observed) -> str:
    """Return a hash of the observed state. A plan is valid only for the state from which it was made.

    A deleted service counts as absent, even if the platform still lists it.
    """
    state = Observed() if observed.state is State.ABSENT else observed
    kept = {name: value for name, value in write(state).items() if name != "shares"}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:16]


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


def check_belongs(approved: Plan, environment: str, service: str) -> None:
    """Raise BadInputError when a plan is blocked, or belongs to another environment or service."""
    if (approved.environment, approved.service) != (environment, service):
        raise BadInputError(
            f"the plan is for {one_line(approved.service)} in {one_line(approved.environment)}, not for {service} in {environment}",
            "give the plan of this environment",
        )
    if approved.action is Action.BLOCKED:
        raise BadInputError(f"the plan is blocked ({one_line(approved.reason)})", _NEW_PLAN)


def check_still_true(approved: Plan, made: Plan, observed: Observed) -> None:
    """Raise RefusedError unless the current plan `made` has the approved changes, or these are already made."""
    if _is_done(approved, made, observed):
        return
    if made.fingerprint != approved.fingerprint:
        raise RefusedError(
            f"the live state of {made.service} has changed since the plan was made, from {one_line(approved.fingerprint)} to {made.fingerprint}",
            _NEW_PLAN,
        )
    if differing := set(made.changes) ^ set(approved.changes):
        names = ", ".join(sorted({one_line(change.name) for change in differing}))
        raise RefusedError(
            f"a deployment of {made.service} would no longer change what the plan says ({names}); the settings have changed since",
            _NEW_PLAN,
        )


def _is_done(approved: Plan, made: Plan, observed: Observed) -> bool:
    """Return whether a repeated job finds its own result: the approved changes are live, and nothing is left to change."""
    return made.action is Action.NOOP and all(
        observed.fields.get(change.name) == change.after for change in approved.changes
    )
