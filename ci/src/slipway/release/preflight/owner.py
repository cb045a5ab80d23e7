"""Whose the service is: slipway's tag says for which environment it was made. What something else made is not changed unasked."""

from collections.abc import Mapping, Sequence

from slipway.records.preflight import Check
from slipway.release.aws.client import Aws
from slipway.release.engine.spec import ServiceSpec
from slipway.release.preflight.answers import Checks, no, ok
from slipway.release.targets.app_runner.target import find
from slipway.untrusted import one_line

TAG = "slipway:environment"


async def look(aws: Aws, spec: ServiceSpec) -> Checks:
    """Nothing, when there is no service of that name yet."""
    found = await owned(aws, spec.name, spec.environment)
    return () if found is None else (found,)


async def owned(aws: Aws, service: str, environment: str) -> Check | None:
    """Whether a service was made for an environment; None when there is none of that name."""
    arn = await find(aws, service)
    if arn is None:
        return None
    tags = (await aws.call("apprunner", "list_tags_for_resource", ResourceArn=arn))["Tags"]
    return judge(service, environment, arn, tags)


def judge(service: str, environment: str, arn: str, tags: Sequence[Mapping[str, str]]) -> Check:
    """Adopting a service is a tag that a person sets."""
    owners = [tag.get("Value", "") for tag in tags if tag.get("Key") == TAG]
    if owners == [environment]:
        return ok("owner", f"{service} was made for {environment}")
    adopt = f"aws apprunner tag-resource --resource-arn {arn} --tags Key={TAG},Value={environment}"
    if owners:
        said = f"the service {service} is that of the environment {one_line(owners[0])}, not of {environment}"
        return no("owner", said, f"set another service in the settings, or hand it over: {adopt}")
    return no("owner", f"the service {service} was made by something else than slipway", f"to adopt it: {adopt}")
