"""Patience with a network: idempotent work is repeated while the other side does not answer, for almost three minutes once it has answered."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from slipway.errors import SlipwayError

T = TypeVar("T")
_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)  # seconds before each further attempt, less a jitter
_AT_FIRST = 1.0  # the longest pause before the first answer: no network is reported in two seconds
_LONGER = (16.0,) * 10  # and after those, once there was an answer: an outage of two minutes ends no deployment


_SILENT_SECONDS = 2.0  # a shorter pause is not worth a line


@dataclass
class Patience:
    """The patience of one client. `unreached` is its error without a connection; `answered` becomes true with its first answer.

    `tell` receives a line before each longer pause: what the other side answers, and how long it is asked again.
    """

    sleep: Callable[[float], Awaitable[None]]
    unreached: type[SlipwayError]
    answered: bool = False
    tell: Callable[[str], object] = lambda _: None

    async def repeated(self, work: Callable[[], Awaitable[T]], is_temporary: Callable[[SlipwayError], bool]) -> T:
        """Do work again after each error that is temporary; raises the last one."""
        pauses = [*_PAUSES, *(_LONGER if self.answered else ())]
        while pauses:
            try:
                return await work()
            except SlipwayError as error:
                is_over = isinstance(error, self.unreached) and not self.answered and pauses[0] > _AT_FIRST
                if is_over or not is_temporary(error):
                    raise
                if pauses[0] >= _SILENT_SECONDS:
                    self.tell(f"{error.what}; asking again for about {sum(pauses):.0f} s")
            await self.sleep(pauses.pop(0) * random.uniform(0.75, 1))  # noqa: S311 -- no secret
        return await work()
