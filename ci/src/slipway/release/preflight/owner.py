"""Whose the service is: slipway's tag says for which environment it was made. What something else made is not changed unasked."""

from collections.abc import Mapping, Sequence

from slipway.records.preflight import Check
from slipway.release.aws import Aws
from slipway.release.preflight.answers import Checks, no, ok
from slipway.release.spec import ServiceSpec
from slipway.untrusted import one_line

TAG = "slipway:environment"


async def look(aws: Aws, spec: ServiceSpec) -> Checks:
    """Nothing, when there is no service of that name yet."""
    arn = await _find(aws, spec.name)
    if arn is None:
        return ()
    return (judge(spec, arn, (await aws.call("apprunner", "list_tags_for_resource", ResourceArn=arn))["Tags"]),)


def judge(spec: ServiceSpec, arn: str, tags: Sequence[Mapping[str, str]]) -> Check:
    """Adopting a service is a tag that a person sets."""
    owners = [tag.get("Value", "") for tag in tags if tag.get("Key") == TAG]
    if owners == [spec.environment]:
        return ok("owner", f"{spec.name} was made for {spec.environment}")
    adopt = f"aws apprunner tag-resource --resource-arn {arn} --tags Key={TAG},Value={spec.environment}"
    if owners:
        said = f"the service {spec.name} is that of the environment {one_line(owners[0])}, not of {spec.environment}"
        return no("owner", said, f"set another service in the settings, or hand it over: {adopt}")
    return no("owner", f"the service {spec.name} was made by something else than slipway", f"to adopt it: {adopt}")


async def _find(aws: Aws, name: str) -> str | None:
    """By name; a deleted service is listed for a while, beside the one that has its name now."""
    request: dict[str, str] = {}
    while True:
        answer = await aws.call("apprunner", "list_services", **request)
        for summary in answer["ServiceSummaryList"]:
            if summary["ServiceName"] == name and summary.get("Status") != "DELETED":
                return str(summary["ServiceArn"])
        if not answer.get("NextToken"):
            return None
        request = {"NextToken": answer["NextToken"]}
