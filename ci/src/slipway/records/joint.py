"""A joint release: its plan, and how it ended for each service."""

from dataclasses import dataclass, replace
from enum import Enum

from slipway.records.form import Record
from slipway.records.ledger import Situation
from slipway.records.outcome import Outcome
from slipway.records.plan import Action, Plan
from slipway.records.refusal import Refusal


class Fate(Enum):
    """The end of one service in a joint release."""

    LIVE = "live"  # this release made it live
    UNCHANGED = "unchanged"  # the image was already live
    WENT_BACK = "went back"  # the service went back to its previous release, because another service failed
    STAYS = "stays"  # the new image stays live, although another service failed
    FAILED = "failed"
    UNKNOWN = "unknown"
    NOT_TRIED = "not tried"


@dataclass(frozen=True, kw_only=True)
class JointPart:
    """One service of the release.

    - requested, live: digests; live is None when nothing serves, or when that is unknown.
    - why: the cause of a failure, or why the service stays; otherwise empty.
    - remedy: what to do about `why`; otherwise empty.
    - outcome: how its own deployment or rollback ended; None when this run began neither.
    """

    service: str
    fate: Fate
    requested: str
    live: str | None = None
    why: str = ""
    remedy: str = ""
    outcome: Outcome | None = None

    @property
    def is_well(self) -> bool:
        return self.fate in (Fate.LIVE, Fate.UNCHANGED)


@dataclass(frozen=True, kw_only=True)
class JointOutcome(Record, schema="slipway/joint-outcome/1"):
    """The outcome of a joint release, with the services in the order of their deployment.

    - id: identical for the same images in the same environment; the ledger of each service records it.
    - seconds: on the platform's clock.
    """

    environment: str
    id: str
    parts: tuple[JointPart, ...]
    seconds: float

    @property
    def exit_code(self) -> int:
        """0 when every requested digest is live, 3 when a live digest is unknown, otherwise 1."""
        if all(part.is_well for part in self.parts):
            return 0
        return 3 if any(part.fate is Fate.UNKNOWN for part in self.parts) else 1

    @property
    def kept(self) -> "JointOutcome":
        """The record without lines of the application."""
        parts = (replace(each, outcome=each.outcome.kept) if each.outcome else each for each in self.parts)
        return replace(self, parts=tuple(parts))


@dataclass(frozen=True, kw_only=True)
class JointPlan(Record, schema="slipway/joint-plan/1"):
    """The plans of a joint release.

    - order: the order in which the services are deployed.
    - back: the services that return to their previous release when another service fails, in the order in which they
      do.
    """

    environment: str
    id: str
    order: tuple[str, ...]
    plans: tuple[Plan, ...]
    back: tuple[str, ...] = ()

    @property
    def is_blocked(self) -> bool:
        return any(plan.action is Action.BLOCKED for plan in self.plans)

    def of(self, image: str) -> Plan:
        """Return the plan for one of the release's images."""
        return next(plan for plan in self.plans if plan.image == image)


@dataclass(frozen=True)
class ServiceSituation:
    """The situation of one service, or why it could not be read."""

    service: str
    situation: Situation | None = None
    refusals: tuple[Refusal, ...] = ()

    @property
    def exit_code(self) -> int:
        found = self.situation.exit_code if self.situation else 0
        return max((found, *(each.exit_code for each in self.refusals)))


@dataclass(frozen=True)
class JointSituation(Record, schema="slipway/joint-situation/1"):
    """The situations of all services of an environment, callees first."""

    environment: str
    services: tuple[ServiceSituation, ...]

    @property
    def exit_code(self) -> int:
        """The highest exit code of all services; for a service that could not be read, the code of its refusal."""
        return max((each.exit_code for each in self.services), default=0)
