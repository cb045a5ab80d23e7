"""The account of an environment and of what its settings name by ARN."""

from dataclasses import dataclass

from slipway.records.checks import Check
from slipway.release.aws.client import Aws
from slipway.release.engine.spec import ServiceSpec
from slipway.release.preflight.answers import Checks, no, not_covered, ok
from slipway.untrusted import one_line

_PARTS = 6


@dataclass(frozen=True)
class Arn:
    """An Amazon resource name. `resource` is everything after the account; an ARN of IAM has no region."""

    service: str
    region: str
    account: str
    resource: str

    @classmethod
    def parse(cls, text: str) -> "Arn | None":
        """Return the ARN in a text; None when the text is not one."""
        parts = text.split(":", _PARTS - 1)
        if len(parts) < _PARTS or parts[0] != "arn" or not parts[5]:
            return None
        return cls(parts[2], parts[3], parts[4], parts[5])


def account_of(spec: ServiceSpec) -> str:
    """Return the account in the host of ECR: ACCOUNT.dkr.ecr.REGION.amazonaws.com."""
    return spec.image.repository.partition(".")[0]


async def look(aws: Aws, spec: ServiceSpec) -> Checks:
    """Check that the credentials belong to the environment's account. STS answers this whatever the credentials allow."""
    account = str((await aws.call("sts", "get_caller_identity"))["Account"])
    return (judge(spec, account, real=aws.endpoint_url is None),)


def judge(spec: ServiceSpec, account: str, *, real: bool) -> Check:
    """Compare the account of the credentials with the environment's; a simulated account may have another number."""
    wanted = account_of(spec)
    if account == wanted:
        return ok("account", f"the credentials are of {wanted}")
    difference = f"the credentials are of the account {one_line(account)}, and {spec.environment} is in {wanted}"
    if not real:
        return not_covered("account", f"{difference}; the AWS stand-in has an account number of its own")
    return no("account", difference, "sign in to that account, or correct account in the settings")
