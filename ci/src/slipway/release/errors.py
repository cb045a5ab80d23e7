"""Errors of the release engine: the ways in which a platform or AWS can fail."""

from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from slipway.errors import RefusedError, SlipwayError, UnknownOutcomeError
from slipway.untrusted import one_line

_SIGN_IN = "sign in again and run the same command; it resumes what this run has started, if anything"
_CLOCK = "set this machine's clock, or check the secret key: the signature is not the one that AWS expects"
_MESSAGE = "see the message"
THROTTLED = frozenset(
    {"Throttling", "ThrottlingException", "ThrottledException", "RequestLimitExceeded", "TooManyRequestsException"}
)
# AWS itself fails: no other command would help.
_LATER = (
    "run the same command again when https://health.aws.amazon.com shows no outage; "
    "it reads the state before it changes anything"
)
_WHILE_ECR_FAILS = (
    "while ECR alone fails, deploy runs with --without-ledger REASON, and so does rollback while the ledger can be read"
)
_WITHOUT_ECR = f"{_LATER}; {_WHILE_ECR_FAILS}"
_FULL = f"ask AWS for a higher quota, or delete images that no environment uses; {_WHILE_ECR_FAILS}"
EMULATOR = "start `slipway simulator` there, or correct the endpoint"
_UNUSABLE = {  # The credentials are unusable: no call at all is possible.
    "ExpiredToken": _SIGN_IN,
    "ExpiredTokenException": _SIGN_IN,
    "IncompleteSignature": _MESSAGE,
    "InvalidClientTokenId": "check the credentials",
    "InvalidSignatureException": _CLOCK,
    "MissingAuthenticationToken": _MESSAGE,
    "MissingAuthenticationTokenException": _MESSAGE,
    "RequestExpired": "set this machine's clock",
    "SignatureDoesNotMatch": _CLOCK,
    "UnrecognizedClientException": "check the credentials",
}
_DENIED = ("AccessDenied", "AccessDeniedException")
_REMEDIES = _UNUSABLE | {
    **dict.fromkeys(_DENIED, "give the deploy role this action"),
    "RepositoryNotFoundException": "create it by `slipway bootstrap --apply`, or correct name in [tool.slipway]",
    "ImageNotFoundException": "push the image first",
    "ServiceQuotaExceededException": "ask AWS for a higher quota, or delete a service",
}
T = TypeVar("T")


class BusyError(RefusedError):
    """A change that the platform did not start because another one is in progress; a later attempt may succeed."""


class NotReadyError(RefusedError):
    """A change that the platform did not start because a resource that it needs, such as a new role, is not visible everywhere yet."""


class UnreachableError(UnknownOutcomeError):
    """A request that was not sent, because there was no connection."""

    def __init__(self, why: str, *, emulator: bool = False) -> None:
        if emulator:
            super().__init__(f"the endpoint cannot be reached ({why})", EMULATOR)
        else:
            super().__init__(
                f"AWS cannot be reached ({why})",
                "check the network and run the same command again; what a run has started continues on the platform",
            )


class LostAnswerError(UnknownOutcomeError):
    """A request whose answer was lost. The platform may have executed it."""

    def __init__(self, what: str, service: str = "", *, emulator: bool = False) -> None:
        is_ecr = service == "ecr" and not emulator
        super().__init__(what, EMULATOR if emulator else _WITHOUT_ECR if is_ecr else _LATER)
        self.meanwhile = _WHILE_ECR_FAILS if is_ecr else ""


class PlatformRefusedError(RefusedError):
    """A request that the platform refused and did not execute."""

    @property
    def is_unusable(self) -> bool:
        """Whether the platform rejects the credentials for every request."""
        return False


def refusal(error: PlatformRefusedError, what: str) -> SlipwayError:
    """Return the error of a run whose change was refused.

    Without usable credentials the outcome is unknown, and the run can be resumed.
    """
    kind = UnknownOutcomeError if error.is_unusable else RefusedError
    return kind(what, error.next_step)


class AwsRefusedError(PlatformRefusedError):
    """An error in AWS's answer. `code` is its name, `message` its text in one line."""

    def __init__(self, service: str, operation: str, error: dict[str, Any]) -> None:
        self.code = str(error.get("Code", "Unknown"))
        self.message = one_line(str(error.get("Message", "")))
        verb = "throttles" if self.code in THROTTLED else "refused"
        what = f"AWS {verb} {service} {operation} with {one_line(self.code)}: {self.message}".rstrip(": ")
        later = _WITHOUT_ECR if service == "ecr" else _LATER
        remedies = {**_REMEDIES, **dict.fromkeys(THROTTLED, later)}
        if service == "ecr":
            remedies["LimitExceededException"] = _FULL
        super().__init__(what, remedies.get(self.code, _MESSAGE))
        self.meanwhile = _WHILE_ECR_FAILS if service == "ecr" and self.code in THROTTLED else ""

    @property
    def is_unusable(self) -> bool:
        return self.code in _UNUSABLE

    @property
    def is_denied(self) -> bool:
        """Whether the credentials lack the permission."""
        return self.code in _DENIED


async def or_absent(call: Awaitable[T], *codes: str) -> T | None:
    """Return the result of a call to AWS; None when AWS refuses it with one of these codes."""
    try:
        return await call
    except AwsRefusedError as error:
        if error.code in codes:
            return None
        raise


async def or_unknown(read: Awaitable[T]) -> T:
    """Return the result of a read.

    Raise UnknownOutcomeError when the platform refuses it, because the live state is then unknown.
    """
    try:
        return await read
    except PlatformRefusedError as error:
        raise UnknownOutcomeError(f"cannot read the live state: {error.what}", error.next_step) from error


@contextmanager
def leaving_unknown(what: str) -> Iterator[None]:
    """Prefix the message of each UnknownOutcomeError in the block with `what`, which names the unknown fact."""
    try:
        yield
    except UnknownOutcomeError as error:
        raise UnknownOutcomeError(f"{what}: {error.what}", error.next_step) from error
