"""Templates in JSON: read, compared, and their references followed."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from slipway.simulator.call import Call
from slipway.simulator.contract import AwsError

Template = Mapping[str, Any]
_NAMED = "CAPABILITY_NAMED_IAM"


def parsed(body: str) -> Template:
    """Raises AwsError for what is no template, or one that the simulator does not read."""
    try:
        document = json.loads(body)
    except ValueError as error:
        raise _invalid("the simulator reads templates in JSON only") from error
    if not isinstance(document, dict) or not isinstance(document.get("Resources"), dict) or not document["Resources"]:
        raise AwsError("ValidationError", "Template format error: At least one Resources member must be defined.")
    if unknown := set(document) - {"AWSTemplateFormatVersion", "Description", "Metadata", "Resources", "Outputs"}:
        raise _invalid(f"the simulator does not understand {', '.join(sorted(unknown))}")
    for name, resource in document["Resources"].items():
        for other in _referred(resource):
            if other not in document["Resources"]:
                raise _invalid(f"Unresolved resource dependencies [{other}] in the Resources block of the template")
        if "Type" not in resource:
            raise _invalid(f"Every Resources object must contain a Type member, {name} does not")
    return document


def capabilities(template: Template) -> list[str]:
    """What whoever makes a stack of it must have acknowledged [G]."""
    kinds = {resource["Type"] for resource in template["Resources"].values()}
    return [_NAMED] if "AWS::IAM::Role" in kinds else []


def in_order(template: Template) -> list[str]:
    """The resources, each after those that it refers to."""
    ordered: list[str] = []
    waiting = dict(template["Resources"])
    while waiting:
        ready = [name for name, found in waiting.items() if set(_referred(found)) <= set(ordered)]
        if not ready:
            raise _invalid(f"Circular dependency between resources: [{', '.join(waiting)}]")
        ordered += ready
        for name in ready:
            del waiting[name]
    return ordered


def resolved(value: Any, made: Mapping[str, Mapping[str, str]], call: Call) -> Any:  # noqa: PLR0911 -- one return a form
    """A value with its references followed: `made` has attributes by resource, `Ref` among them."""
    match value:
        case {"Ref": "AWS::Region"}:
            return call.region
        case {"Ref": "AWS::AccountId"}:
            return call.account
        case {"Ref": str(name)}:
            return made[name]["Ref"]
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            if attribute not in made[name]:
                raise AwsError(
                    "ValidationError", f"Requested attribute {attribute} does not exist in schema for {name}"
                )
            return made[name][attribute]
        case Mapping():
            if intrinsic := next((key for key in value if str(key).startswith("Fn::")), None):
                raise _invalid(f"the simulator does not understand {intrinsic}")
            return {key: resolved(item, made, call) for key, item in value.items()}
        case list():
            return [resolved(item, made, call) for item in value]
        case _:
            return value


def _referred(value: Any) -> Iterator[str]:
    match value:
        case {"Ref": str(name)}:
            if not name.startswith("AWS::"):
                yield name
        case {"Fn::GetAtt": [str(name), *_]}:
            yield name
        case Mapping():
            for item in value.values():
                yield from _referred(item)
        case list():
            for item in value:
                yield from _referred(item)


def _invalid(what: str) -> AwsError:
    return AwsError("ValidationError", f"Template format error: {what}")
