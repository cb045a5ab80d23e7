"""The three verdicts of a check, and how errors of AWS become one of them."""

from collections.abc import Awaitable

import anyio

from slipway.records.checks import Check, PreflightResult
from slipway.release.errors import AwsRefusedError, LostAnswerError

Checks = tuple[Check, ...]

_PATIENCE_SECONDS = 20.0
# Errors of the credentials: no call can be made at all.
_UNUSABLE = frozenset(
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
    """Return the checks of a look, or "not covered" when access is denied or AWS does not answer in time; raises when the credentials are unusable."""
    try:
        with anyio.fail_after(_PATIENCE_SECONDS):
            return await look
    except TimeoutError:
        return (not_covered(subject, f"AWS did not answer within {_PATIENCE_SECONDS:.0f} s"),)
    except LostAnswerError as error:
        return (not_covered(subject, error.what),)
    except AwsRefusedError as error:
        if error.code in _UNUSABLE:
            raise
        return (not_covered(subject, error.what),)
