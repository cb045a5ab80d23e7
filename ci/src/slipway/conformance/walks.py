"""The ways through the states, as data: three services that walk side by side, so that every state that can be reached is stood in once.

What a run creates, how long it takes and what it costs is computed from these.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from slipway.conformance.expectations import subject_of
from slipway.records.conformance import Estimate

BUSY = "OPERATION_IN_PROGRESS"
CPU, MEMORY = 0.25, 0.5  # vCPU and GB of an instance; auto scaling keeps it at one
# Of N. Virginia, Ohio, Oregon and Ireland; other regions cost up to a third more.
VCPU_HOUR, GB_HOUR = 0.064, 0.007
PRICES = f"${VCPU_HOUR} a vCPU-hour, ${GB_HOUR} a GB-hour (aws.amazon.com/apprunner/pricing, 2026-11-27)"
_DURING_A_DEPLOYMENT = 2  # App Runner doubles the instances meanwhile [M]


class Request(Enum):
    """What a creation or an update asks for. A failing one asks for health at a page that is not there: an image may listen wherever PORT says."""

    FIRST = "healthy, with the port, the start command and the variable FIRST"
    SECOND = "the variable SECOND, and neither port nor start command"
    FAILING = "a health check that cannot succeed"
    HEALTHY = "a health check that can"


@dataclass(frozen=True)
class Way:
    """A call that begins an operation. `minutes` are what users see, the least and the most; `meanwhile` is asked while it lasts."""

    call: str
    minutes: tuple[int, int]
    request: Request | None = None
    meanwhile: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Leg:
    """A stay in a state: the calls and behaviours that are looked at there, and the way out. `told` says whether that is a cell of the table, too."""

    state: str
    calls: tuple[str, ...] = ()
    behaviours: tuple[str, ...] = ()
    leave: Way | None = None
    told: bool = True

    def subjects(self) -> Iterator[str]:
        yield from (subject_of(call, self.state) for call in self.calls)
        yield from self.behaviours
        if self.leave:
            if self.told:
                yield subject_of(self.leave.call, self.state)
            yield from (subject_of(call, BUSY) for call in self.leave.meanwhile)


@dataclass(frozen=True)
class Walk:
    """One service: its creation, and its stays until it is deleted."""

    name: str
    birth: Way
    legs: tuple[Leg, ...]

    def ways(self) -> Iterator[Way]:
        yield self.birth
        yield from (leg.leave for leg in self.legs if leg.leave)

    @property
    def minutes(self) -> tuple[int, int]:
        least, most = zip(*(way.minutes for way in self.ways()), strict=True)
        return sum(least), sum(most)


_LOOKS = ("DescribeService", "ListOperations", "ListServices")
# What must be refused comes first, what may begin something last.
_CHANGES = ("ResumeService", "StartDeployment", "PauseService", "UpdateService", "DeleteService")
_CREATED, _FAILED = (3, 6), (6, 19)
_DEPLOYED, _STOPPED = (2, 5), (1, 3)


def _way(call: str, minutes: tuple[int, int]) -> Way:
    return Way(call, minutes)


WALKS = (
    Walk(
        "well",
        Way("CreateService", _CREATED, Request.FIRST),
        (
            Leg(
                state="RUNNING",
                calls=(*_LOOKS, "ResumeService"),
                behaviours=(
                    "an update without an effective change",
                    "sizes that are read back",
                    "what a creation leaves out",
                    "automatic deployments",
                    "a name that is taken",
                    "sizes that do not fit",
                    "tags",
                    "auto scaling that a service has",
                ),
                leave=_way("StartDeployment", _DEPLOYED),
            ),
            Leg(state="RUNNING", leave=Way("UpdateService", _DEPLOYED, Request.SECOND, (*_LOOKS, *_CHANGES))),
            Leg(
                state="RUNNING",
                calls=(),
                behaviours=("what an update leaves out", "variables in an update", "the log of a deployment"),
                leave=_way("PauseService", _STOPPED),
            ),
            Leg(
                state="PAUSED",
                calls=(*_LOOKS, "PauseService", "StartDeployment", "UpdateService"),
                leave=_way("ResumeService", _DEPLOYED),
            ),
            Leg(
                state="RUNNING",
                calls=(),
                behaviours=("the triggers of what is no update", "the order of operations", "the length of a page"),
                leave=Way("UpdateService", _FAILED, Request.FAILING),
                told=False,
            ),
            Leg(state="RUNNING", calls=(), behaviours=("a failed update",), leave=_way("DeleteService", _STOPPED)),
            Leg(state="DELETED", calls=(*_LOOKS, *_CHANGES)),
        ),
    ),
    Walk(
        "rebuilt",
        Way("CreateService", _FAILED, Request.FAILING),
        (
            Leg(
                state="CREATE_FAILED",
                calls=(*_LOOKS, "ResumeService", "PauseService", "StartDeployment"),
                behaviours=("a failed creation", "the name of a failed creation"),
                leave=Way("UpdateService", _CREATED, Request.HEALTHY),
            ),
            Leg(state="RUNNING", leave=_way("PauseService", _STOPPED), told=False),
            Leg(state="PAUSED", leave=_way("DeleteService", _STOPPED)),
        ),
    ),
    Walk(
        "failed",
        Way("CreateService", _FAILED, Request.FAILING),
        (Leg(state="CREATE_FAILED", leave=_way("DeleteService", _STOPPED)),),
    ),
)


def estimate() -> Estimate:
    """The walks go side by side: the longest one's minutes pass, and all of them are paid."""
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
    """As if every instance were busy, and doubled, all the time."""
    hourly = (CPU * VCPU_HOUR + MEMORY * GB_HOUR) * _DURING_A_DEPLOYMENT
    return round(hourly * minutes / 60, 2)
