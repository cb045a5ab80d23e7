"""Errors of the release engine: how a platform or AWS can fail to do what a run asked."""

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
# While AWS fails, no command can do more.
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
_UNUSABLE = {  # the credentials: no call can be made at all
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
    """A change that the platform did not start because something it needs, a new role, is not visible everywhere yet."""


class UnreachableError(UnknownOutcomeError):
    """A request that was not sent, for lack of a connection."""

    def __init__(self, why: str, *, emulator: bool = False) -> None:
        if emulator:
            super().__init__(f"the endpoint cannot be reached ({why})", EMULATOR)
        else:
            super().__init__(
                f"AWS cannot be reached ({why})",
                "check the network and run the same command again; what a run has started continues on the platform",
            )


class LostAnswerError(UnknownOutcomeError):
    """A request whose answer was lost; it may have been carried out."""

    def __init__(self, what: str, service: str = "", *, emulator: bool = False) -> None:
        is_ecr = service == "ecr" and not emulator
        super().__init__(what, EMULATOR if emulator else _WITHOUT_ECR if is_ecr else _LATER)
        self.meanwhile = _WHILE_ECR_FAILS if is_ecr else ""


class PlatformRefusedError(RefusedError):
    """A request that the platform refused and did not carry out."""

    @property
    def is_unusable(self) -> bool:
        """Whether the platform does not accept the credentials, whatever is asked."""
        return False


def refusal(error: PlatformRefusedError, what: str) -> SlipwayError:
    """Return the status of a run whose change was refused; without usable credentials it has not ended, and is resumed."""
    kind = UnknownOutcomeError if error.is_unusable else RefusedError
    return kind(what, error.next_step)


class AwsRefusedError(PlatformRefusedError):
    """An error with which AWS answered. `code` is its name, `message` its text in one line."""

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
    """Return what a call to AWS returns; None when AWS refuses it with one of these codes."""
    try:
        return await call
    except AwsRefusedError as error:
        if error.code in codes:
            return None
        raise


async def or_unknown(read: Awaitable[T]) -> T:
    """Return what a read returns; raises UnknownOutcomeError when the platform refuses it, because then the live state is unknown."""
    try:
        return await read
    except PlatformRefusedError as error:
        raise UnknownOutcomeError(f"cannot read the live state: {error.what}", error.next_step) from error


@contextmanager
def leaving_unknown(what: str) -> Iterator[None]:
    """Prefix the message of each UnknownOutcomeError in the block with `what`, which names the unknown thing."""
    try:
        yield
    except UnknownOutcomeError as error:
        raise UnknownOutcomeError(f"{what}: {error.what}", error.next_step) from error
