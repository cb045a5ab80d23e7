"""The three answers of a look, and how errors of AWS become one of them."""

from collections.abc import Awaitable

import anyio

from slipway.records.preflight import Check, PreflightResult
from slipway.release.errors import AwsRefusedError, LostAnswerError

Checks = tuple[Check, ...]

_PATIENCE_SECONDS = 20.0
# Of these nothing is learnt about what was looked at, but that no call can be made at all.
_NOBODY_MAY = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)


def ok(subject: str, found: str) -> Check:
    return Check(subject=subject, verdict=PreflightResult.OK, found=found)


def no(subject: str, found: str, remedy: str) -> Check:
    return Check(subject=subject, verdict=PreflightResult.REFUSED, found=found, remedy=remedy)


def not_covered(subject: str, why: str) -> Check:
    return Check(subject=subject, verdict=PreflightResult.NOT_COVERED, found=why)


async def covered(subject: str, look: Awaitable[Checks]) -> Checks:
    """The checks of a look. What these credentials may not see, and what AWS does not tell in time, is not covered; raises when nothing can be seen at all."""
    try:
        with anyio.fail_after(_PATIENCE_SECONDS):
            return await look
    except TimeoutError:
        return (not_covered(subject, f"AWS has not answered within {_PATIENCE_SECONDS:.0f} s"),)
    except LostAnswerError as error:
        return (not_covered(subject, error.what),)
    except AwsRefusedError as error:
        if error.code in _NOBODY_MAY:
            raise
        return (not_covered(subject, error.what),)
