"""One's turn to change a service: a lock in the ledger, for as long as it takes to look, to send the change and to write down the answer.

A run that dies in its turn leaves the lock. Who finds it too old looks first whether that turn has begun an operation, writes that down for
the dead, and takes the lock away by its digest, so that two who wait cannot take each other's. A lock without fencing cannot promise
everything: who was asleep between `check` and the platform's ear for longer than LIFE_SECONDS could send a change that nobody expects.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from slipway.errors import SlipwayError
from slipway.records.ledger import Accepted, Lock
from slipway.release.engine.ledger import Ledger, Stored, nonce
from slipway.release.engine.target import Operation, Target
from slipway.release.errors import BusyError
from slipway.untrusted import one_line

if TYPE_CHECKING:
    from slipway.release.engine.engine import Time

LIFE_SECONDS = 120.0  # then it may be taken over
_GOOD_SECONDS = 75.0  # so long its holder relies on it: a call takes a minute at most until it is given up
_WAIT = "wait, or run the same command again"


class DeployLock:
    """`taken` is the way in."""

    def __init__(self, target: Target, ledger: Ledger, time: "Time", holder: str) -> None:
        self._target = target
        self._ledger = ledger
        self._time = time
        self._holder = holder
        self._left = False

    @asynccontextmanager
    async def taken(self, environment: str, number: int, newest: Operation | None) -> AsyncIterator["DeployLock"]:
        """Hold the lock within the block; raises BusyError when another has it. `newest` is the newest operation as it was seen just now.

        Whatever is not an error of ours (a cancellation, a kill) leaves the lock: nobody knows what has happened then.
        """
        self._newest = newest
        self._lock = Lock(
            environment=environment,
            number=number,
            holder=self._holder,
            newest=newest.id if newest else None,
            nonce=nonce(),
        )
        self._since = self._time.now()
        if not await self._ledger.take_turn(self._lock):
            await self._look_at_other()
        try:
            yield self
        except Exception:
            await self._end()
            raise
        await self._end()

    async def check(self) -> None:
        """Raises BusyError unless the lock is still ours and will be for long enough to make a call."""
        there = await self._ledger.turn()
        if there is None or there[0] != self._lock or self._age() > _GOOD_SECONDS:
            raise BusyError("the lock of this deployment is no longer good", _WAIT)

    async def is_outrun(self) -> bool:
        """Whether an operation has begun since the newest was looked at."""
        return await self.begun() is not None

    async def begun(self) -> Operation | None:
        """The operation that has begun since then."""
        newest = await self._target.newest()
        return newest if newest and (self._newest is None or newest.id != self._newest.id) else None

    def leave(self) -> None:
        """Keep the lock at the end: who comes next must look at what this turn may have begun."""
        self._left = True

    async def _look_at_other(self) -> None:
        there = await self._ledger.turn()
        if there is None:
            raise BusyError("another deployment has just had its turn", _WAIT)
        lock, stored = there
        if stored.age < LIFE_SECONDS:
            raise BusyError(f"{one_line(lock.holder)} has its turn", _WAIT)
        await self._take_over(lock, stored)
        raise BusyError(
            f"the lock of {one_line(lock.holder)} was {stored.age:.0f} s old and was taken away, for that run is dead",
            _WAIT,
        )

    async def _take_over(self, lock: Lock, stored: Stored) -> None:
        newest = await self._target.newest()
        if newest and newest.id != lock.newest:
            await self._ledger.accept(
                Accepted(
                    environment=lock.environment,
                    number=lock.number,
                    arn=newest.arn,
                    operation=newest.id,
                    creating=newest.creating,
                )
            )
        await self._ledger.end_turn(stored.key)

    async def _end(self) -> None:
        """Free the lock, if it is still ours; by its digest, in case it has been taken over."""
        if self._left:
            return
        with suppress(SlipwayError):  # what stays is taken over; what has happened in the turn is what counts
            there = await self._ledger.turn()
            if there and there[0] == self._lock:
                await self._ledger.end_turn(there[1].key)

    def _age(self) -> float:
        return (self._time.now() - self._since).total_seconds()
