"""The platform's time: real time at `speed`, or virtual time that jumps ahead."""

import heapq
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import anyio
import anyio.lowlevel

_LEAST_IDLE = 0.25  # real seconds, so that periodic work costs little at any speed
_PASSES = 30  # turns of the event loop, so that every task that can continue does


class Clock:
    """A clock that begins at the real time."""

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self._began = datetime.now(UTC)
        self._mark = time.monotonic()

    def now(self) -> datetime:
        return self._began + timedelta(seconds=(time.monotonic() - self._mark) * self.speed)

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds` of platform time."""
        await anyio.sleep(seconds / self.speed)

    async def idle(self, seconds: float) -> None:
        """Wait like `sleep`, but for at least a quarter of a real second. This is for background work that nothing else waits for."""
        await anyio.sleep(max(seconds / self.speed, _LEAST_IDLE))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Stop virtual time during the block, so that real work takes no platform time."""
        yield

    async def rest(self, seconds: float) -> None:
        """Sleep inside a block that stops the clock."""
        await self.sleep(seconds)

    async def run(self) -> None:
        """Advance virtual time. Do nothing here, because real time advances by itself."""


class VirtualClock(Clock):
    """Virtual time. It stops during work, and jumps to the next wake-up when every task sleeps."""

    def __init__(self) -> None:
        super().__init__()
        # answers have milliseconds, and rounding must not go beyond the clock
        self._now = self._began.replace(microsecond=0)
        self._sleepers: list[tuple[datetime, int, anyio.Event]] = []
        self._idlers: list[tuple[datetime, anyio.Event]] = []
        self._asleep = 0
        self._held = 0
        self._changed = anyio.Event()

    def now(self) -> datetime:
        return self._now

    async def sleep(self, seconds: float) -> None:
        awake = anyio.Event()
        self._asleep += 1
        heapq.heappush(self._sleepers, (self._now + timedelta(seconds=max(0.0, seconds)), self._asleep, awake))
        self._changed.set()
        await awake.wait()

    async def idle(self, seconds: float) -> None:
        """Wait until the sleep of other tasks has moved the time forward."""
        awake = anyio.Event()
        self._idlers.append((self._now + timedelta(seconds=seconds), awake))
        await awake.wait()

    @contextmanager
    def held(self) -> Iterator[None]:
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
            self._changed.set()

    async def rest(self, seconds: float) -> None:
        self._held -= 1
        try:
            await self.sleep(seconds)
        finally:
            self._held += 1

    async def run(self) -> None:
        while True:
            await self._changed.wait()
            self._changed = anyio.Event()
            while self._sleepers and await self._is_quiet():
                when, _, awake = heapq.heappop(self._sleepers)
                if not awake.statistics().tasks_waiting:
                    continue  # the sleeper was cancelled
                self._now = max(self._now, when)
                awake.set()
                for due, idler in self._idlers:
                    if due <= self._now:
                        idler.set()
                self._idlers = [(due, idler) for due, idler in self._idlers if due > self._now]

    async def _is_quiet(self) -> bool:
        """Return whether no work is in progress after every runnable task had its turn."""
        for _ in range(_PASSES):
            if self._held:
                return False
            await anyio.lowlevel.checkpoint()
        return not self._held
