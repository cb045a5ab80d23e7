"""The walks through the states as data. Three services visit all reachable states in parallel.

The estimate of resources, duration and cost is computed from these data.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from slipway.conformance.expectations import subject_of
from slipway.records.conformance import Estimate

BUSY = "OPERATION_IN_PROGRESS"
CPU, MEMORY = 0.25, 0.5  # vCPU and GB of the single instance
# Prices in N. Virginia, Ohio, Oregon and Ireland; other regions cost up to a third more.
VCPU_HOUR, GB_HOUR = 0.064, 0.007
PRICES = f"${VCPU_HOUR} a vCPU-hour, ${GB_HOUR} a GB-hour (aws.amazon.com/apprunner/pricing, 2026-11-27)"
_DURING_A_DEPLOYMENT = 2  # App Runner runs two instances during a deployment [M]


class Request(Enum):
    """The configuration for a creation or an update.

    A failing one checks the health of a missing page, because an image may listen on any PORT.
    """

    FIRST = "healthy, with the port, the start command and the variable FIRST"
    SECOND = "the variable SECOND, and neither port nor start command"
    FAILING = "a health check that cannot succeed"
    HEALTHY = "a health check that can"


@dataclass(frozen=True)
class Transition:
    """A call that begins an operation."""

    call: str
    minutes: tuple[int, int]  # the shortest and longest durations that users report
    request: Request | None = None
    meanwhile: tuple[str, ...] = ()  # calls during the transition


@dataclass(frozen=True, kw_only=True)
class Leg:
    """A stay in a state: the calls and behaviours to probe there, and the transition that ends it."""

    state: str
    calls: tuple[str, ...] = ()
    behaviours: tuple[str, ...] = ()
    leave: Transition | None = None
    recorded: bool = True  # whether this leg records the transition's cell

    def subjects(self) -> Iterator[str]:
        yield from (subject_of(call, self.state) for call in self.calls)
        yield from self.behaviours
        if self.leave:
            if self.recorded:
                yield subject_of(self.leave.call, self.state)
            yield from (subject_of(call, BUSY) for call in self.leave.meanwhile)


@dataclass(frozen=True)
class Walk:
    """The path of one service, from its creation to its deletion."""

    name: str
    creation: Transition
    legs: tuple[Leg, ...]

    def transitions(self) -> Iterator[Transition]:
        yield self.creation
        yield from (leg.leave for leg in self.legs if leg.leave)

    @property
    def minutes(self) -> tuple[int, int]:
        least, most = zip(*(transition.minutes for transition in self.transitions()), strict=True)
        return sum(least), sum(most)


_READS = ("DescribeService", "ListOperations", "ListServices")
# Calls that must be refused come first, calls that may begin an operation last.
_CHANGES = ("ResumeService", "StartDeployment", "PauseService", "UpdateService", "DeleteService")
_CREATED, _FAILED = (3, 6), (6, 19)
_DEPLOYED, _STOPPED = (2, 5), (1, 3)


WALKS = (
    Walk(
        "well",
        Transition("CreateService", _CREATED, Request.FIRST),
        (
            Leg(
                state="RUNNING",
                calls=(*_READS, "ResumeService"),
                behaviours=(
                    "an update without an effective change",
                    "sizes that are read back",
                    "the defaults of a creation",
                    "automatic deployments",
                    "a name that is taken",
                    "sizes that do not fit",
                    "tags",
                    "auto scaling that a service has",
                ),
                leave=Transition("StartDeployment", _DEPLOYED),
            ),
            Leg(state="RUNNING", leave=Transition("UpdateService", _DEPLOYED, Request.SECOND, (*_READS, *_CHANGES))),
            Leg(
                state="RUNNING",
                behaviours=("members that an update leaves out", "variables in an update", "the log of a deployment"),
                leave=Transition("PauseService", _STOPPED),
            ),
            Leg(
                state="PAUSED",
                calls=(*_READS, "PauseService", "StartDeployment", "UpdateService"),
                leave=Transition("ResumeService", _DEPLOYED),
            ),
            Leg(
                state="RUNNING",
                behaviours=("the triggers of other operations", "the order of operations", "the length of a page"),
                leave=Transition("UpdateService", _FAILED, Request.FAILING),
                recorded=False,
            ),
            Leg(state="RUNNING", behaviours=("a failed update",), leave=Transition("DeleteService", _STOPPED)),
            Leg(state="DELETED", calls=(*_READS, *_CHANGES)),
        ),
    ),
    Walk(
        "rebuilt",
        Transition("CreateService", _FAILED, Request.FAILING),
        (
            Leg(
                state="CREATE_FAILED",
                calls=(*_READS, "ResumeService", "PauseService", "StartDeployment"),
                behaviours=("a failed creation", "the name of a failed creation"),
                leave=Transition("UpdateService", _CREATED, Request.HEALTHY),
            ),
            Leg(state="RUNNING", leave=Transition("PauseService", _STOPPED), recorded=False),
            Leg(state="PAUSED", leave=Transition("DeleteService", _STOPPED)),
        ),
    ),
    Walk(
        "failed",
        Transition("CreateService", _FAILED, Request.FAILING),
        (Leg(state="CREATE_FAILED", leave=Transition("DeleteService", _STOPPED)),),
    ),
)


def estimate() -> Estimate:
    """Return the estimate for a run.

    The walks are parallel, so the longest one determines the duration, and all of them the cost.
    """
    names = ", ".join(walk.name for walk in WALKS)
    return Estimate(
        creates=(
            f"{len(WALKS)} App Runner services ({names}) of {CPU} vCPU and {MEMORY} GB, one instance each",
            "2 revisions of an auto scaling configuration",
            "1 ECR repository with images of a few bytes",
            "the services' log groups",
        ),
        least_minutes=max(walk.minutes[0] for walk in WALKS),
        most_minutes=max(walk.minutes[1] for walk in WALKS),
        dollars=_dollars(sum(walk.minutes[1] for walk in WALKS)),
        prices=PRICES,
    )


def _dollars(minutes: int) -> float:
    """Return the upper bound of the cost: every instance busy and doubled all the time."""
    hourly = (CPU * VCPU_HOUR + MEMORY * GB_HOUR) * _DURING_A_DEPLOYMENT
    return round(hourly * minutes / 60, 2)
