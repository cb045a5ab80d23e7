"""Repetition of idempotent work while the other side does not answer: for almost three minutes, if it has answered before."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import anyio

from slipway.errors import SlipwayError

T = TypeVar("T")
_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)  # seconds before each further attempt, multiplied by a jitter
_JITTER = (0.75, 1.0)
_AT_FIRST = 1.0  # the longest pause before the first answer, so that a missing network is reported in two seconds
_LONGER = (16.0,) * 10  # further pauses once there was an answer, so that an outage of two minutes ends no deployment
_MOST_SECONDS = 180.0  # for waiting and pauses together; after that, work is not tried again
_SILENT_SECONDS = 2.0  # shorter pauses are not reported
_UNANSWERED_SECONDS = 5.0  # waiting longer is reported


@dataclass(kw_only=True)
class Patience:
    """The patience of one client.

    - unreached: the class of its errors without a connection.
    - answered: becomes true with the first answer.
    - tell: receives a line before each longer pause: the other side's answer, and how long work will be repeated. The
      first of these lines ends with what a person can do `meanwhile`, unless the caller waits only until a deadline.
    - most: seconds after which work is not tried again.
    """

    sleep: Callable[[float], Awaitable[None]]
    unreached: type[SlipwayError]
    answered: bool = False
    tell: Callable[[str], object] = lambda _: None
    most: float = _MOST_SECONDS

    async def repeated(self, work: Callable[[], Awaitable[T]], is_temporary: Callable[[SlipwayError], bool]) -> T:
        """Repeat work after each temporary error. Raise the last error."""
        pauses = [*_PAUSES, *(_LONGER if self.answered else ())]
        reported, began = False, anyio.current_time()
        while pauses:
            try:
                return await work()
            except SlipwayError as error:
                is_unreached = isinstance(error, self.unreached) and not self.answered and pauses[0] > _AT_FIRST
                is_late = anyio.current_time() - began + pauses[0] > self.most
                if is_unreached or is_late or not is_temporary(error):
                    raise
                if pauses[0] >= _SILENT_SECONDS:
                    self.tell(self._waiting(error, sum(pauses) * sum(_JITTER) / 2, is_first=not reported))
                    reported = True
            await self.sleep(pauses.pop(0) * random.uniform(*_JITTER))  # noqa: S311 -- no secret
        return await work()

    @contextmanager
    def reporting(self, what: str, most: float) -> Iterator[None]:
        """Report a block that waits for an answer, after it has waited for some seconds.

        `most` is how long it will wait.
        """
        line = f"{what} for {_UNANSWERED_SECONDS:.0f} s; waiting for {most:.0f} s at most"
        report = asyncio.get_running_loop().call_later(_UNANSWERED_SECONDS, lambda: self.tell(line))
        try:
            yield
        finally:
            report.cancel()

    def _waiting(self, error: SlipwayError, seconds: float, *, is_first: bool) -> str:
        left = anyio.current_effective_deadline() - anyio.current_time()
        line = f"{error.what}; asking again for about {max(0.0, min(seconds, left)):.0f} s"
        other = error.meanwhile if is_first and left > seconds else ""
        return f"{line}; {other}" if other else line
