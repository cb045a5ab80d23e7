"""The course of a deployment as data: its states, its stages, and the events that end it early.

Marks: [M] API model, [G] developer guide, [F] field reports, † unverified.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum


class Signal(Enum):
    """An event in the life of a deployment."""

    BEGINS = "the scheduler takes it up"
    SUCCEEDS = "all stages are done"
    SUPERSEDED = "a newer deployment came"
    STOPS = "the stop is done"
    REQUESTED = "a person asked for a rollback"
    ALARM = "the alarm went off"
    BREAKER = "the circuit breaker tripped"
    REVERTS = "a requested rollback begins"
    REVERTED = "the rollback is done"
    STUCK = "the rollback failed"
    DELETED = "the service is deleted"


# The transitions [G]. A signal that a state does not list has no effect.
TRANSITIONS: Mapping[str, Mapping[Signal, str]] = {
    "PENDING": {
        Signal.BEGINS: "IN_PROGRESS",
        Signal.SUPERSEDED: "STOP_REQUESTED",
        Signal.REQUESTED: "ROLLBACK_REQUESTED",
        Signal.DELETED: "STOPPED",
    },
    "IN_PROGRESS": {
        Signal.SUCCEEDS: "SUCCESSFUL",
        Signal.SUPERSEDED: "STOP_REQUESTED",
        Signal.REQUESTED: "ROLLBACK_REQUESTED",
        Signal.ALARM: "ROLLBACK_IN_PROGRESS",
        Signal.BREAKER: "ROLLBACK_IN_PROGRESS",
        Signal.DELETED: "STOPPED",
    },
    "STOP_REQUESTED": {Signal.STOPS: "STOPPED", Signal.DELETED: "STOPPED"},
    "ROLLBACK_REQUESTED": {
        Signal.SUCCEEDS: "SUCCESSFUL",  # the deployment was about to end
        Signal.REVERTS: "ROLLBACK_IN_PROGRESS",
        Signal.DELETED: "STOPPED",
    },
    "ROLLBACK_IN_PROGRESS": {
        Signal.REVERTED: "ROLLBACK_SUCCESSFUL",
        Signal.STUCK: "ROLLBACK_FAILED",
        Signal.DELETED: "ROLLBACK_FAILED",  # †
    },
    "SUCCESSFUL": {},
    "STOPPED": {},
    "ROLLBACK_SUCCESSFUL": {},
    "ROLLBACK_FAILED": {},
}
ENDED = tuple(status for status, signals in TRANSITIONS.items() if not signals)


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Express Mode's durations, in seconds of the platform's own time."""

    pending: float = 5  # †
    # for load balancer and certificate of a first service: 2 to 5 minutes together with its task [F]
    provision: float = 150
    canary: float = 180  # [G]
    bake: float = 180  # [G]
    clean_up: float = 60  # 30 to 120 †
    stop: float = 5  # †
    roll_back: float = 30  # †
    grace: float = 300  # health checks that fail in this time after a start do not count [G]
    drain: float = 60  # from DRAINING to INACTIVE †
    forget: float = 3600  # until an INACTIVE service is no longer described †


@dataclass(frozen=True)
class Step:
    """A part of a deployment: its stage, the new revision's share of the traffic in percent, and its duration."""

    stage: str
    share: int
    seconds: float = 0
    watched: bool = False  # whether the alarm can end the step


def steps(pace: Pace, *, creates: bool, reconciles: bool) -> Iterator[Step]:
    """Yield the steps in order. SCALE_UP ends when the new revision is healthy. A first deployment has no canary †."""
    if reconciles:
        yield Step("RECONCILE_SERVICE", 0)
    yield from (Step(stage, 0) for stage in ("PRE_SCALE_UP", "SCALE_UP", "POST_SCALE_UP"))
    yield from (Step(stage, 0) for stage in ("TEST_TRAFFIC_SHIFT", "POST_TEST_TRAFFIC_SHIFT"))
    if not creates:
        yield Step("PRODUCTION_TRAFFIC_SHIFT", CANARY_PERCENT, pace.canary, watched=True)
    yield Step("PRODUCTION_TRAFFIC_SHIFT", 100)
    yield Step("POST_PRODUCTION_TRAFFIC_SHIFT", 100)
    yield Step("BAKE_TIME", 100, pace.bake, watched=True)
    yield Step("CLEAN_UP", 100, pace.clean_up)


CANARY_PERCENT = 5  # [G]
PERIOD = 60  # seconds of one datapoint [F]
THRESHOLD = 1.0  # percent [G]
EVALUATED, BREACHING = 3, 2  # datapoints [G]


@dataclass
class Count:
    """The answers of one target group in one period."""

    total: int = 0
    client_errors: int = 0
    server_errors: int = 0

    def add(self, status: int) -> None:
        self.total += 1
        self.client_errors += 400 <= status < 500
        self.server_errors += status >= 500

    def percent(self, floor: int) -> float:
        """Return the share of errors. Fewer client errors than `floor` do not count [F]."""
        clients = self.client_errors if self.client_errors >= floor else 0
        return 100 * (clients + self.server_errors) / (self.total or 1)


def goes_off(percents: Sequence[float]) -> bool:
    """Return whether an alarm fires for these datapoints, of which the newest is last."""
    return sum(percent > THRESHOLD for percent in percents[-EVALUATED:]) >= BREACHING


def breaker_threshold(desired: int) -> int:
    """Return how many failed starts trigger the circuit breaker: half of the desired tasks, but 3 to 200 [M]."""
    return min(max(math.ceil(desired / 2), 3), 200)
