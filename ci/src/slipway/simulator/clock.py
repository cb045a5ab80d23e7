"""Time as the simulated platform has it: `speed` times as fast as ours, or virtual, in no time at all."""

import heapq
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import anyio
import anyio.lowlevel

_PASSES = 30  # of the event loop, in which a task that can go on does


class Clock:
    """Begins at the real time."""

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self._began = datetime.now(UTC)
        self._mark = time.monotonic()

    def now(self) -> datetime:
        return self._began + timedelta(seconds=(time.monotonic() - self._mark) * self.speed)

    async def sleep(self, seconds: float) -> None:
        """Wait for some of the platform's seconds."""
        await anyio.sleep(seconds / self.speed)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Around what really happens, and takes no time of the platform's where time is virtual."""
        yield

    async def run(self) -> None:
        """What makes time go on, where it does not by itself."""


class VirtualClock(Clock):
    """Stands still while anything happens; when all who live by it sleep, it is at once the time at which the first of them awakes."""

    def __init__(self) -> None:
        super().__init__()
        self._now = self._began
        self._sleepers: list[tuple[datetime, int, anyio.Event]] = []
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

    @contextmanager
    def held(self) -> Iterator[None]:
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
            self._changed.set()

    async def run(self) -> None:
        while True:
            await self._changed.wait()
            self._changed = anyio.Event()
            while self._sleepers and await self._is_quiet():
                when, _, awake = heapq.heappop(self._sleepers)
                self._now = max(self._now, when)
                awake.set()

    async def _is_quiet(self) -> bool:
        """Whether nothing happens, also not after whatever could go on has gone on."""
        for _ in range(_PASSES):
            if self._held:
                return False
            await anyio.lowlevel.checkpoint()
        return not self._held
