"""Time as the simulated platform has it: it runs `speed` times as fast as ours."""

import time
from datetime import UTC, datetime, timedelta

import anyio


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
