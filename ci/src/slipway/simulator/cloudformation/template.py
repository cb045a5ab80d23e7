"""Templates in JSON with the features that slipway's templates use: their checks, and CloudFormation's functions [G]."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

from slipway.resource_kinds import kinds
from slipway.simulator.cloudformation.values import is_function, plain
from slipway.simulator.contract import AwsError, listed

_SECTIONS = {"AWSTemplateFormatVersion", "Description", "Metadata", "Resources", "Outputs"}
_MOST_RESOURCES = 500  # [G]
_GAP = re.compile(r"\$\{(!?)([^}]+)\}")
Made = Mapping[str, Mapping[str, Any]]  # the attributes of resources, including `Ref`, by logical id


def parse_template(body: str) -> Mapping[str, Any]:
    """Parse a template. Raise AwsError when it is invalid or uses a feature that is not simulated."""
    try:
        document = json.loads(body)
    except ValueError as error:
        raise invalid("the simulator reads templates in JSON only") from error
    if not isinstance(document, dict) or not isinstance(document.get("Resources"), dict) or not document["Resources"]:
        raise invalid("At least one Resources member must be defined.")
    if unknown := set(document) - _SECTIONS:
        raise invalid(f"the simulator does not support {', '.join(sorted(unknown))}")
    if len(document["Resources"]) > _MOST_RESOURCES:
        count = len(document["Resources"])
        raise invalid(f"Number of resources, {count}, is greater than maximum allowed, {_MOST_RESOURCES}")
    _check_resources(document)
    return document


def _check_resources(document: Mapping[str, Any]) -> None:
    for name, resource in document["Resources"].items():
        if "Type" not in resource:
            raise invalid(f"Every Resources object must contain a Type member, {name} does not")
    if foreign := sorted({each["Type"] for each in document["Resources"].values()} - set(kinds())):
        raise invalid(
            f"Unrecognized resource types: [{', '.join(foreign)}]; the simulator knows those of slipway's templates"
        )
    for block in ("Resources", "Outputs"):
        for part in document.get(block, {}).values():
            if absent := sorted({name for name, _ in references(part)} - document["Resources"].keys()):
                message = f"Unresolved resource dependencies [{', '.join(absent)}] in the {block} block of the template"
                raise invalid(message)
            _check_attributes(part, document["Resources"])
    in_order(document["Resources"])


def _check_attributes(part: Any, resources: Mapping[str, Any]) -> None:
    for name, attribute in references(part):
        if attribute and attribute.partition(".")[0] not in kinds()[resources[name]["Type"]].values["properties"]:
            message = f"Template error: resource {name} does not support attribute type {attribute} in Fn::GetAtt"
            raise AwsError("ValidationError", message)


def in_order(resources: Mapping[str, Any]) -> list[str]:
    """Return resources in the order of their references and DependsOn. Raise AwsError for a cycle."""
    after = {
        name: [
            other
            for other in (*(name for name, _ in references(each)), *listed(each.get("DependsOn", [])))
            if other in resources
        ]
        for name, each in resources.items()
    }
    try:
        return list(TopologicalSorter(after).static_order())
    except CycleError as error:
        raise invalid(f"Circular dependency between resources: [{', '.join(error.args[1][1:])}]") from error


@dataclass(frozen=True, kw_only=True)
class Template:
    """A template as a part of a stack."""

    body: str
    document: Mapping[str, Any]
    pseudo: Mapping[str, Any]  # pseudo parameters such as AWS::Region
    exports: Mapping[str, str] = field(default_factory=dict)  # the exports of other stacks

    @property
    def resources(self) -> Mapping[str, Mapping[str, Any]]:
        resources: Mapping[str, Mapping[str, Any]] = self.document["Resources"]
        return resources

    @property
    def outputs(self) -> Mapping[str, Mapping[str, Any]]:
        outputs: Mapping[str, Mapping[str, Any]] = self.document.get("Outputs", {})
        return outputs

    @property
    def capabilities(self) -> list[str]:
        """Return the capabilities that a change set must acknowledge [G]."""
        roles = [each for each in self.resources.values() if each["Type"] == "AWS::IAM::Role"]
        named = any("RoleName" in each["Properties"] for each in roles)
        return [] if not roles else ["CAPABILITY_NAMED_IAM" if named else "CAPABILITY_IAM"]

    def resolve(self, value: Any, made: Made) -> Any:  # noqa: PLR0911 -- one return per form
        """Evaluate the functions in a value. References to resources that are not in `made` remain."""
        match value:
            case {"Ref": str(name)}:
                return self._referenced(name, made)
            case {"Fn::GetAtt": at}:
                return self._attribute(at, made)
            case {"Fn::Sub": text}:
                return self.resolve(_joined(text), made)
            case Mapping() if len(value) == 1 and str(function := next(iter(value))).startswith("Fn::"):
                argument = self.resolve(value[function], made)
                return {function: argument} if is_open(argument) else self._evaluated(function, argument)
            case Mapping():
                return {key: self.resolve(item, made) for key, item in value.items()}
            case list():
                return [self.resolve(item, made) for item in value]
            case _:
                return value

    def imports(self) -> set[str]:
        """Return the names of the exports that the template uses."""
        parts = [*self.resources.values(), *self.outputs.values()]
        return {str(self.resolve(name, {})) for name in _imports(parts)}

    def _referenced(self, name: str, made: Made) -> Any:
        if name in self.pseudo:
            return self.pseudo[name]
        return made[name]["Ref"] if name in made else {"Ref": name}

    def _attribute(self, at: Any, made: Made) -> Any:
        name, attribute = _target(at)
        if name not in made:
            return {"Fn::GetAtt": [name, attribute]}
        found: Any = made[name]
        for part in attribute.split("."):
            if not isinstance(found, Mapping) or part not in found:
                message = f"Attribute '{attribute}' does not exist for {name}"
                raise AwsError("ValidationError", message)
            found = found[part]
        return found

    def _evaluated(self, function: str, argument: Any) -> Any:
        match function:
            case "Fn::GetAZs":
                return [f"{argument or self.pseudo['AWS::Region']}{zone}" for zone in "abc"]
            case "Fn::ImportValue":
                if argument not in self.exports:
                    raise AwsError("ValidationError", f"No export named {argument} found.")
                return self.exports[argument]
            case "Fn::Join":
                delimiter, parts = argument
                return str(delimiter).join(map(plain, parts))
            case "Fn::Select":
                index, items = argument
                if int(index) >= len(items):
                    raise invalid(f"Fn::Select cannot select nonexistent value at index {index}")
                return items[int(index)]
            case _:
                raise invalid(f"the simulator does not support {function}")


def is_open(value: Any) -> bool:
    """Return whether a value still contains a function."""
    match value:
        case Mapping():
            return is_function(value) or any(map(is_open, value.values()))
        case list():
            return any(map(is_open, value))
        case _:
            return False


def invalid(what: str) -> AwsError:
    return AwsError("ValidationError", f"Template format error: {what}")


def references(value: Any) -> Iterator[tuple[str, str]]:
    """Yield the names to which a value refers, each with the attribute; for `Ref` the attribute is empty."""
    match value:
        case {"Ref": str(name)}:
            if not name.startswith("AWS::"):
                yield name, ""
        case {"Fn::GetAtt": at}:
            yield _target(at)
        case {"Fn::Sub": text}:
            yield from references(_joined(text))
        case Mapping():
            for item in value.values():
                yield from references(item)
        case list():
            for item in value:
                yield from references(item)


def _imports(value: Any) -> Iterator[Any]:
    match value:
        case {"Fn::ImportValue": name}:
            yield name
        case Mapping():
            yield from _imports(list(value.values()))
        case list():
            for item in value:
                yield from _imports(item)


def _target(at: Any) -> tuple[str, str]:
    name, attribute = at.split(".", 1) if isinstance(at, str) else (at[0], at[1])
    return name, attribute


def _joined(argument: Any) -> dict[str, Any]:
    text, values = (argument, {}) if isinstance(argument, str) else argument
    parts: list[Any] = []
    end = 0
    for gap in _GAP.finditer(text):
        parts += [text[end : gap.start()], _substituted(gap[2], values) if not gap[1] else f"${{{gap[2]}}}"]
        end = gap.end()
    return {"Fn::Join": ["", [part for part in (*parts, text[end:]) if part != ""]]}


def _substituted(name: str, values: Mapping[str, Any]) -> Any:
    if name in values:
        return values[name]
    return {"Fn::GetAtt": name.split(".", 1)} if "." in name else {"Ref": name}
