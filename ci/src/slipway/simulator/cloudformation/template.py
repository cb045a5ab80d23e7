"""Templates in JSON: their checks, the values of their parameters, and CloudFormation's functions [G]."""

import base64
import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import Any

from slipway.resource_kinds import kinds
from slipway.simulator.cloudformation.values import is_function
from slipway.simulator.contract import AwsError

_SECTIONS = {
    *(
        "AWSTemplateFormatVersion",
        "Description",
        "Metadata",
        "Parameters",
        "Mappings",
        "Conditions",
        "Resources",
        "Outputs",
    )
}
_MOST_RESOURCES = 500  # [G]
_GAP = re.compile(r"\$\{(!?)([^}]+)\}")
_NO_VALUE = object()
_IAM_NAMES = {"Role": "RoleName", "ManagedPolicy": "ManagedPolicyName", "InstanceProfile": "InstanceProfileName"}
Made = Mapping[str, Mapping[str, Any]]  # the attributes of resources by logical id, `Ref` included


def parse_template(body: str) -> Mapping[str, Any]:
    """Parse a template; raises AwsError when it is invalid or uses what is not simulated."""
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
    known = {*document["Resources"], *document.get("Parameters", {})}
    for block in ("Resources", "Outputs"):
        for part in document.get(block, {}).values():
            if absent := sorted({name for name, _ in references(part)} - known):
                message = f"Unresolved resource dependencies [{', '.join(absent)}] in the {block} block of the template"
                raise invalid(message)
            if (condition := part.get("Condition")) is not None and condition not in document.get("Conditions", {}):
                raise invalid(f"Condition {condition} is not defined in the Conditions block of the template")
            _check_attributes(part, document["Resources"])
    in_order(document["Resources"])


def _check_attributes(part: Any, resources: Mapping[str, Any]) -> None:
    for name, attribute in references(part):
        if attribute and attribute.partition(".")[0] not in kinds()[resources[name]["Type"]].values["properties"]:
            message = f"Template error: resource {name} does not support attribute type {attribute} in Fn::GetAtt"
            raise AwsError("ValidationError", message)


def in_order(resources: Mapping[str, Any]) -> list[str]:
    """Order resources by their references and DependsOn; raises AwsError for a cycle."""
    after = {
        name: [
            other
            for other in (*(name for name, _ in references(each)), *_listed(each.get("DependsOn", [])))
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
    """A template in a stack: with the values of its parameters, and without what its conditions exclude."""

    body: str
    document: Mapping[str, Any]
    pseudo: Mapping[str, Any]  # AWS::Region and the like
    given: Mapping[str, str] = field(default_factory=dict)  # values of parameters
    exports: Mapping[str, str] = field(default_factory=dict)  # of other stacks

    def __post_init__(self) -> None:
        if foreign := sorted(set(self.given) - set(self._declared)):
            raise AwsError("ValidationError", f"Parameters: [{', '.join(foreign)}] do not exist in the template")
        if missing := sorted(name for name in self._declared if self.parameters.get(name) is None):
            raise AwsError("ValidationError", f"Parameters: [{', '.join(missing)}] must have values")
        for name, declared in self._declared.items():
            allowed = [str(each) for each in declared.get("AllowedValues", [])]
            if allowed and str(self.given.get(name, declared.get("Default"))) not in allowed:
                message = f"Parameter '{name}' must be one of AllowedValues"
                raise AwsError("ValidationError", message)

    @property
    def _declared(self) -> Mapping[str, Any]:
        declared: Mapping[str, Any] = self.document.get("Parameters", {})
        return declared

    @cached_property
    def parameters(self) -> Mapping[str, Any]:
        values = {name: self.given.get(name, each.get("Default")) for name, each in self._declared.items()}
        return {
            name: str(value).split(",") if "List" in self._declared[name]["Type"] and value is not None else value
            for name, value in values.items()
        }

    @cached_property
    def resources(self) -> Mapping[str, Mapping[str, Any]]:
        return {name: each for name, each in self.document["Resources"].items() if self._applies(each)}

    @property
    def outputs(self) -> Mapping[str, Mapping[str, Any]]:
        return {name: each for name, each in self.document.get("Outputs", {}).items() if self._applies(each)}

    @property
    def capabilities(self) -> list[str]:
        """List the capabilities that a change set must acknowledge [G]."""
        iam = [each for each in self.resources.values() if each["Type"].startswith("AWS::IAM::")]
        iam = [each for each in iam if not each["Type"].endswith("OIDCProvider")]
        named = any(_IAM_NAMES.get(each["Type"].rpartition(":")[2]) in each.get("Properties", {}) for each in iam)
        return [] if not iam else ["CAPABILITY_NAMED_IAM" if named else "CAPABILITY_IAM"]

    def resolve(self, value: Any, made: Made) -> Any:  # noqa: PLR0911 -- one return per form
        """Evaluate the functions in a value; references to resources that are not `made` remain."""
        match value:
            case {"Ref": "AWS::NoValue"}:
                return _NO_VALUE
            case {"Ref": str(name)}:
                return self._referenced(name, made)
            case {"Fn::GetAtt": at}:
                return self._attribute(at, made)
            case {"Fn::If": [str(name), yes, no]}:
                return self.resolve(yes if self._condition(name) else no, made)
            case {"Fn::Sub": text}:
                return self.resolve(_joined(text), made)
            case {"Condition": str(name)} if len(value) == 1:
                return self._condition(name)
            case Mapping() if len(value) == 1 and str(function := next(iter(value))).startswith("Fn::"):
                argument = self.resolve(value[function], made)
                return {function: argument} if is_open(argument) else self._evaluated(function, argument)
            case Mapping():
                members = ((key, self.resolve(item, made)) for key, item in value.items())
                return {key: item for key, item in members if item is not _NO_VALUE}
            case list():
                return [each for item in value if (each := self.resolve(item, made)) is not _NO_VALUE]
            case _:
                return value

    def imports(self) -> set[str]:
        """Return the names of the exports that the template uses."""
        parts = [*self.resources.values(), *self.outputs.values()]
        return {str(self.resolve(name, {})) for name in _imports(parts)}

    def _applies(self, part: Mapping[str, Any]) -> bool:
        return "Condition" not in part or self._condition(part["Condition"])

    def _condition(self, name: str) -> bool:
        if name not in self.document.get("Conditions", {}):
            raise invalid(f"Unresolved condition dependency {name} in the Conditions block of the template")
        return bool(self.resolve(self.document["Conditions"][name], {}))

    def _referenced(self, name: str, made: Made) -> Any:
        if name in self.pseudo:
            return self.pseudo[name]
        if name in self.parameters:
            return self.parameters[name]
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
        if function == "Fn::FindInMap":
            return self._mapped(*argument)
        if function == "Fn::GetAZs":
            return [f"{argument or self.pseudo['AWS::Region']}{zone}" for zone in "abc"]
        if function == "Fn::ImportValue":
            if argument not in self.exports:
                raise AwsError("ValidationError", f"No export named {argument} found.")
            return self.exports[argument]
        if function not in _FUNCTIONS:
            raise invalid(f"the simulator does not support {function}")
        return _FUNCTIONS[function](argument)

    def _mapped(self, name: str, first: str, second: str) -> Any:
        try:
            return self.document["Mappings"][name][first][second]
        except KeyError as error:
            message = f"Template error: Unable to get mapping for {name}::{first}::{second}"
            raise AwsError("ValidationError", message) from error


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
    """Yield the names that a value refers to, with the attribute; that of `Ref` is empty."""
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
    """Write Fn::Sub as Fn::Join."""
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


def _select(argument: Any) -> Any:
    index, items = argument
    if int(index) >= len(items):
        raise AwsError(
            "ValidationError", f"Template error: Fn::Select cannot select nonexistent value at index {index}"
        )
    return items[int(index)]


def _cidr(argument: Any) -> list[str]:
    block, count, bits = (*argument, 8)[:3]
    network = ipaddress.ip_network(block)
    subnets = network.subnets(new_prefix=network.max_prefixlen - int(bits))
    return [str(subnet) for _, subnet in zip(range(int(count)), subnets, strict=False)]


def _joined_text(argument: Any) -> str:
    delimiter, parts = argument
    return str(delimiter).join(map(_text, parts))


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


_FUNCTIONS: Mapping[str, Callable[[Any], Any]] = {
    "Fn::And": all,
    "Fn::Base64": lambda text: base64.b64encode(text.encode()).decode(),
    "Fn::Cidr": _cidr,
    "Fn::Equals": lambda pair: _text(pair[0]) == _text(pair[1]),
    "Fn::Join": _joined_text,
    "Fn::Not": lambda only: not only[0],
    "Fn::Or": any,
    "Fn::Select": _select,
    "Fn::Split": lambda pair: pair[1].split(pair[0]),
}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
