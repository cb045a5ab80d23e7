"""Who was not let in to look does not know that the answer is no."""

from collections.abc import Awaitable
from typing import TypeVar

from slipway.errors import UnknownOutcomeError
from slipway.release.aws import AwsRefusedError

T = TypeVar("T")


async def seen(look: Awaitable[T]) -> T:
    """What a look has seen; raises UnknownOutcomeError when AWS refuses to show it."""
    try:
        return await look
    except AwsRefusedError as error:
        raise UnknownOutcomeError(f"what is live cannot be seen: {error.what}", error.next_step) from error
