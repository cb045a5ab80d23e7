"""Drift detection of one stack: the differences between its resources and the applied template."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from slipway.errors import RefusedError, UnknownOutcomeError
from slipway.records.drift import PropertyDrift, StackDrift
from slipway.release.aws.client import Aws
from slipway.release.bootstrap.change_set import or_no_stack, resources_of, template_of
from slipway.release.bootstrap.template import StackKind, StackTemplate
from slipway.release.engine.target import Time
from slipway.untrusted import one_line

_POLL_SECONDS = 3.0
_TIMEOUT_SECONDS = 10 * 60.0
_IN_PROGRESS, _FAILED = "DETECTION_IN_PROGRESS", "DETECTION_FAILED"
# CloudFormation compares only the properties in a template. enclosure.py and doors.py check other properties that admit
# traffic.
NOT_COVERED = (
    "other properties that no template sets, routes to networks that were joined by peering, VPN or a transit gateway, "
    "and what a person attached to the services' security groups"
)


async def detect(aws: Aws, stack: StackTemplate, time: Time) -> StackDrift:
    """Compare a stack's resources with its template. Raise SlipwayError when AWS cannot."""
    detection = await or_no_stack(aws.call("cloudformation", "detect_stack_drift", StackName=stack.name))
    if detection is None:
        return StackDrift(stack=stack.name, region=stack.region, is_missing=True)
    await _finished(aws, stack, time, detection["StackDriftDetectionId"])
    drifts = aws.items("cloudformation", "describe_stack_resource_drifts", "StackResourceDrifts", StackName=stack.name)
    compared = [each async for each in drifts]
    held = await resources_of(aws, stack.name)
    checked = {each["LogicalResourceId"] for each in compared if each["StackResourceDriftStatus"] != "NOT_CHECKED"}
    unchecked = [each for each in held if each["LogicalResourceId"] not in checked]
    is_shared = stack.kind is StackKind.FOUNDATION
    unapplied = _unapplied(await template_of(aws, stack.name), stack.template) if is_shared else ()
    return StackDrift(
        stack=stack.name,
        region=stack.region,
        differences=tuple(difference for each in compared for difference in _differences(each)),
        unchecked=tuple(f"{each['ResourceType']} {each['LogicalResourceId']}" for each in unchecked),
        unapplied=tuple(unapplied),
    )


async def _finished(aws: Aws, stack: StackTemplate, time: Time, detection: str) -> None:
    """Wait for a detection. Raise RefusedError when it failed."""
    began = time.seconds()
    while True:
        status = await aws.call(
            "cloudformation", "describe_stack_drift_detection_status", StackDriftDetectionId=detection
        )
        if status["DetectionStatus"] == _FAILED:
            reason = one_line(status.get("DetectionStatusReason", "no reason was reported"))
            raise RefusedError(f"the drift of {stack.name} could not be detected: {reason}", "run it again")
        if status["DetectionStatus"] != _IN_PROGRESS:
            return
        if time.seconds() - began > _TIMEOUT_SECONDS:
            raise UnknownOutcomeError(
                f"{stack.name}: drift is still being detected after {_TIMEOUT_SECONDS / 60:.0f} minutes", "run it again"
            )
        await time.sleep(_POLL_SECONDS)


def _differences(resource: Mapping[str, Any]) -> list[PropertyDrift]:
    named = {
        "name": resource["LogicalResourceId"],
        "kind": resource["ResourceType"],
        "physical": resource.get("PhysicalResourceId", ""),
    }
    if resource["StackResourceDriftStatus"] == "DELETED":
        return [PropertyDrift(**named, path="", expected="present", actual="deleted")]
    return [
        PropertyDrift(
            **named, path=each["PropertyPath"], expected=each["ExpectedValue"], actual=each.get("ActualValue", "")
        )
        for each in resource.get("PropertyDifferences", ())
    ]


def _unapplied(applied: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    """Yield each difference between the settings and the template that was applied."""
    before, after = applied.get("Resources", {}), wanted["Resources"]
    for name in sorted({*before, *after}):
        if not (name in before and name in after):
            yield f"settings ask for {'no ' if name in before else ''}{name}, the applied template has {'it' if name in before else 'none'}"
            continue
        was, will = before[name].get("Properties", {}), after[name].get("Properties", {})
        for key in sorted({*was, *will}):
            if was.get(key) != will.get(key):
                yield f"settings ask for {name} {key} {_shown(will.get(key))}, the applied template has {_shown(was.get(key))}"


def _shown(value: object) -> str:
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value)
