"""The shift of traffic between two sides in steps, each watched for errors.

After errors the old side gets all traffic back. Knows no platform.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from slipway.errors import SlipwayError
from slipway.records.outcome import Status
from slipway.records.progress import Event, Tell
from slipway.release.engine.target import Time
from slipway.release.errors import BusyError

STEPS = (0, 10, 50, 100)  # the new side's shares, in percent
WATCH_SECONDS = 180.0  # for each step; CloudWatch shows a minute only after its end
_CHECK_SECONDS = 30.0
_ATTEMPTS = 5


class Weights(Protocol):
    """The weights of both sides."""

    async def percent(self) -> int:
        """Return the new side's share."""

    async def put(self, percent: int) -> None:
        """Give the new side a share, and return when resolvers know it.

        Raise BusyError when the weights have changed meanwhile.
        """


@dataclass(frozen=True, kw_only=True)
class ShiftEnd:
    """How a shift ended, with the cause and remedy when it failed."""

    status: Status
    cause: str = ""
    remedy: str = ""


@dataclass(frozen=True, kw_only=True)
class Shift:
    """One shift.

    - is_newest: whether no later command has begun to shift the traffic.
    - parted: returns why the next step is not allowed, otherwise an empty text.
    - problem: returns the new side's problem since a time (seconds on the platform's clock), otherwise an empty text.
    """

    traffic: Weights
    time: Time
    tell: Tell
    is_newest: Callable[[], Awaitable[bool]]
    parted: Callable[[], Awaitable[str]]
    problem: Callable[[float], Awaitable[str]]

    async def forward(self) -> ShiftEnd:
        """Give the new side all traffic, step by step. After an error give all of it back."""
        try:
            percent = await self.traffic.percent()
            for step in [step for step in STEPS if step >= percent]:
                if problem := await self.parted():
                    return await self._taken_back(problem)
                if not await self._put(step):
                    return _SUPERSEDED
                if step and (problem := await self._watched(step)):
                    return await self._taken_back(problem)
            return ShiftEnd(status=Status.SUCCEEDED) if await self.is_newest() else _SUPERSEDED
        except SlipwayError as error:
            return await self._taken_back(f"the step could not be finished: {error.what}")

    async def back(self) -> ShiftEnd:
        """Give all traffic back to the old side."""
        try:
            done = await self._put(0)
        except SlipwayError as error:
            return ShiftEnd(status=Status.UNKNOWN, cause=error.what, remedy=error.next_step)
        return ShiftEnd(status=Status.SUCCEEDED) if done else _SUPERSEDED

    async def _put(self, percent: int) -> bool:
        """Set the weights. Return False when a newer command controls them."""
        for remaining in reversed(range(_ATTEMPTS)):
            if not await self.is_newest():
                return False
            try:
                await self.traffic.put(percent)
            except BusyError:
                if not remaining:
                    raise
                await self.time.sleep(_CHECK_SECONDS)
            else:
                self.tell(Event(f"{percent} % of the traffic for the new side"))
                break
        return True

    async def _watched(self, step: int) -> str:
        """Watch the new side for a while, and return its problem, otherwise an empty text."""
        began = self.time.now().timestamp()
        while (passed := self.time.now().timestamp() - began) < WATCH_SECONDS:
            await self.time.sleep(min(_CHECK_SECONDS, WATCH_SECONDS - passed))
            if not await self.is_newest():
                return ""
            if problem := await self.problem(began):
                return f"at {step} %: {problem}"
        return ""

    async def _taken_back(self, cause: str) -> ShiftEnd:
        self.tell(Event(f"{cause}; the traffic goes back"))
        end = await self.back()
        if end.status is Status.SUCCEEDED:
            return ShiftEnd(status=Status.ROLLED_BACK, cause=cause, remedy=_MEND)
        if end.status is Status.SUPERSEDED:
            return end
        return ShiftEnd(
            status=Status.UNKNOWN, cause=f"{cause}; the traffic could not be sent back: {end.cause}", remedy=_BACK
        )


_BACK = "run `slipway move --back` with the same environment"
_MEND = "the new side stays without traffic: look at its log, mend the cause and run the same command again; or delete it with --back --confirm SERVICE"
_SUPERSEDED = ShiftEnd(
    status=Status.SUPERSEDED, cause="a newer command decides on the traffic", remedy="nothing needs to be done"
)
