"""The deploy lock in the ledger.

A run holds it from its last reading of the service until the platform's answer is recorded.
A run that dies leaves its lock behind. The run that finds the lock expired first looks for an operation that the dead
run started, and records it for that run. Then it releases the lock by its digest, so that two waiting runs cannot
release each other's locks. Without fencing, one gap remains: a run that is suspended between `check` and its request
until the lock has expired could still send a change. For a lock that was 75 s old, a suspension of 45 s is enough.
"""

from contextlib import suppress
from types import TracebackType
from typing import Self

from slipway.errors import SlipwayError
from slipway.records.ledger import Lock
from slipway.release.engine.ledger import Ledger, Stored
from slipway.release.engine.target import Operation, Target, Time
from slipway.release.errors import BusyError
from slipway.untrusted import one_line

LIFE_SECONDS = 120.0  # after this time another run may release the lock
_GOOD_SECONDS = 75.0  # as long as the holder relies on the lock; a request takes a minute at most
_WAIT = "wait, or run the same command again"
_AGAIN = "run the same command again"


class DeployLock:
    """The deploy lock of one run. `lock.newest` is the newest operation before the lock was made, or None.

    The block releases the lock at its end or after an Exception, unless `keep` was called. After a cancellation or a
    kill the lock stays, because it is unknown what the run had started.
    """

    def __init__(self, target: Target, ledger: Ledger, time: Time, lock: Lock) -> None:
        self._target = target
        self._ledger = ledger
        self._time = time
        self._lock = lock
        self._since = time.seconds()
        self._is_kept = False

    async def __aenter__(self) -> Self:
        await self.acquire()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or issubclass(kind, Exception):
            await self.release()

    async def acquire(self) -> None:
        """Acquire the lock.

        Raise BusyError when another run holds it, or when an expired lock was found and released for the next attempt.
        """
        self._since = self._time.seconds()
        if await self._ledger.acquire_lock(self._lock):
            return
        held = await self._ledger.lock()
        if held is None:
            raise BusyError("another deployment has just released the lock", _WAIT)
        lock, stored = held
        holder = one_line(lock.holder)
        has_ended = bool(await self._ledger.releases([lock.number]))
        if stored.age < LIFE_SECONDS and not has_ended:
            raise BusyError(f"{holder} holds the lock", _WAIT)
        await self._take_over(lock, stored)
        why = f"had expired ({stored.age:.0f} s old)" if not has_ended else "was left after its deployment's end"
        raise BusyError(f"the lock of {holder} {why} and has been released", _AGAIN)

    async def check(self) -> None:
        """Raise BusyError unless this run still holds the lock, and will hold it long enough to send one more request."""
        held = await self._ledger.lock()
        age = self._time.seconds() - self._since
        if held is None or held[0] != self._lock or age > _GOOD_SECONDS:
            raise BusyError("this deployment no longer holds its lock", _WAIT)

    async def started(self) -> Operation | None:
        newest = await self._target.newest()
        return newest if newest and newest.id != self._lock.newest else None

    def keep(self) -> None:
        """Do not release the lock: the next run must check for an operation that this one may have started."""
        self._is_kept = True

    async def release(self) -> None:
        """Release the lock if this run still holds it.

        The release is by digest, because another run may have acquired the lock meanwhile.
        """
        if self._is_kept:
            return
        with suppress(SlipwayError):  # a lock that stays expires; the outcome of the change matters more
            held = await self._ledger.lock()
            if held and held[0] == self._lock:
                await self._ledger.release_lock(held[1].key)

    async def _take_over(self, lock: Lock, stored: Stored) -> None:
        newest = await self._target.newest()
        if newest and newest.id != lock.newest:
            await self._ledger.accept(lock.number, newest)
        await self._ledger.release_lock(stored.key)
