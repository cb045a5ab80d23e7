"""Constructors for checks with the three verdicts, the conversion of AWS's errors to checks, and the check of the account."""

from collections.abc import Awaitable, Iterable
from dataclasses import dataclass

import anyio

from slipway.records.checks import Check, PreflightResult
from slipway.release.aws.client import Aws
from slipway.release.engine.plan import ServiceSpec
from slipway.release.errors import AwsRefusedError, LostAnswerError, UnreachableError
from slipway.untrusted import one_line

Checks = tuple[Check, ...]

_TIMEOUT_SECONDS = 20.0
_PARTS = 6  # of an ARN, separated by colons


def ok(subject: str, found: str, version: str = "") -> Check:
    return Check(subject=subject, verdict=PreflightResult.OK, found=found, version=version)


def versions_in(checks: Iterable[Check]) -> dict[str, str]:
    """Return the versions of secrets in checks, by variable."""
    return {check.subject: check.version for check in checks if check.version}


def no(subject: str, found: str, remedy: str) -> Check:
    return Check(subject=subject, verdict=PreflightResult.REFUSED, found=found, remedy=remedy)


def not_covered(subject: str, why: str) -> Check:
    return Check(subject=subject, verdict=PreflightResult.NOT_COVERED, found=why)


async def covered(subject: str, reading: Awaitable[Checks]) -> Checks:
    """Return checks that read AWS; "not covered" when access is denied or no answer arrives in time.

    Raise an error for unusable credentials.
    """
    try:
        with anyio.fail_after(_TIMEOUT_SECONDS):
            return await reading
    except TimeoutError:
        return (not_covered(subject, f"AWS did not answer within {_TIMEOUT_SECONDS:.0f} s"),)
    except (LostAnswerError, UnreachableError, AwsRefusedError) as error:
        if isinstance(error, AwsRefusedError) and error.is_unusable:
            raise
        return (not_covered(subject, error.what),)


@dataclass(frozen=True)
class Arn:
    """An Amazon resource name. `resource` is everything after the account. An ARN of IAM has no region."""

    service: str
    region: str
    account: str
    resource: str

    @classmethod
    def parse(cls, text: str) -> "Arn | None":
        """Return the ARN in a text; None when the text is no ARN."""
        parts = text.split(":", _PARTS - 1)
        if len(parts) < _PARTS or parts[0] != "arn" or not parts[5]:
            return None
        return cls(parts[2], parts[3], parts[4], parts[5])


def account_of(spec: ServiceSpec) -> str:
    """Return the account in the host name of an ECR registry, ACCOUNT.dkr.ecr.REGION.amazonaws.com."""
    return spec.image.repository.partition(".")[0]


async def checks_of_account(aws: Aws, spec: ServiceSpec) -> Checks:
    """Check that the credentials belong to the environment's account. STS answers this without any permission."""
    account = str((await aws.call("sts", "get_caller_identity"))["Account"])
    return (judge_account(spec, account, real=aws.endpoint_url is None),)


def judge_account(spec: ServiceSpec, account: str, *, real: bool) -> Check:
    """Compare the credentials' account with the environment's. A simulated account may have another number."""
    wanted = account_of(spec)
    if account == wanted:
        return ok("account", f"the credentials are of {wanted}")
    difference = f"the credentials are of the account {one_line(account)}, and {spec.environment} is in {wanted}"
    if not real:
        return not_covered("account", f"{difference}; the AWS emulator has an account number of its own")
    return no("account", difference, "sign in to that account, or correct account in the settings")
