"""Errors of the release: what a platform or AWS answered instead of doing what was asked."""

from typing import Any

from slipway.errors import RefusedError, UnknownOutcomeError
from slipway.untrusted import one_line

_SIGN_IN = "sign in again and run the same command; it goes on where this one stopped"
_CLOCK = "set this machine's clock, or check the secret key: the signature is not the one that AWS expects"
_REMEDIES = {
    "AccessDenied": "give the deploy role this action",
    "AccessDeniedException": "give the deploy role this action",
    "ExpiredTokenException": _SIGN_IN,
    "ExpiredToken": _SIGN_IN,
    "InvalidClientTokenId": "check the credentials",
    "UnrecognizedClientException": "check the credentials",
    "RepositoryNotFoundException": "create the repository, or correct name in [tool.slipway]",
    "ImageNotFoundException": "push the image first",
    "ServiceQuotaExceededException": "ask AWS for a higher quota, or delete a service",
    "InvalidSignatureException": _CLOCK,
    "SignatureDoesNotMatch": _CLOCK,
    "RequestExpired": "set this machine's clock",
}


class BusyError(RefusedError):
    """The platform has not begun the change, for something else goes on; afterwards it may."""


class NotReadyError(RefusedError):
    """The platform has not begun the change, for something it needs is there but not known everywhere yet: a new role."""


class LostAnswerError(UnknownOutcomeError):
    """Nobody knows whether the platform has done what was asked."""

    def __init__(self, what: str) -> None:
        super().__init__(what, "check the network, and run the same command again; it looks before it does anything")


class AwsRefusedError(RefusedError):
    """AWS answered with an error, and has not done what was asked; `code` is the error's name, `said` its message."""

    def __init__(self, service: str, operation: str, error: dict[str, Any]) -> None:
        self.code = str(error.get("Code", "Unknown"))
        self.said = one_line(str(error.get("Message", "")))
        super().__init__(
            f"AWS refused {service} {operation} with {one_line(self.code)}: {self.said}".rstrip(": "),
            _REMEDIES.get(self.code, "see the message"),
        )
