"""The account: that the credentials are those of the account that the settings name."""

from slipway.records.preflight import Check
from slipway.release.aws.client import Aws
from slipway.release.engine.spec import ServiceSpec
from slipway.release.preflight.answers import Checks, no, not_covered, ok
from slipway.untrusted import one_line


async def look(aws: Aws, spec: ServiceSpec) -> Checks:
    """Whoever asks is told who one is, whatever the credentials allow."""
    asked = str((await aws.call("sts", "get_caller_identity"))["Account"])
    return (judge(spec, asked, real=aws.endpoint_url is None),)


def judge(spec: ServiceSpec, asked: str, *, real: bool) -> Check:
    """A simulated account has a number of its own."""
    wanted = account_of(spec)
    if asked == wanted:
        return ok("account", f"the credentials are of {wanted}")
    said = f"the credentials are of the account {one_line(asked)}, and {spec.environment} is in {wanted}"
    if not real:
        return not_covered("account", f"{said}; what stands in for AWS has its own number")
    return no("account", said, "sign in to that account, or correct account in the settings")


def account_of(spec: ServiceSpec) -> str:
    """From the host of ECR: ACCOUNT.dkr.ecr.REGION.amazonaws.com."""
    return spec.image.repository.partition(".")[0]
