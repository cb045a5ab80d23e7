"""AWS Systems Manager's Parameter Store, as far as a service is given its parameters by ARN."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from slipway.simulator.call import Call, Operations
from slipway.simulator.contract import AwsError

_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
_NAME = re.compile(r"/?[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*")
_TYPE = "String"
_HIDDEN = "AQICAHencrypted"  # what a SecureString answers to whoever does not ask for decryption; its form is †


@dataclass(kw_only=True)
class Parameter:
    """One parameter in its last version."""

    name: str
    value: str = field(repr=False)
    type: str = _TYPE
    version: int = 1
    changed: datetime = _LONG_AGO


class Parameters:
    """Parameters by name. They belong to no region: an ARN is of the region that is asked."""

    def __init__(self) -> None:
        self._parameters: dict[str, Parameter] = {}
        self.operations: Operations = {
            "PutParameter": self.put_parameter,
            "GetParameter": self.get_parameter,
            "GetParameters": self.get_parameters,
            "DescribeParameters": self.describe_parameters,
            "DeleteParameter": self.delete_parameter,
        }

    def put(self, name: str, value: str, kind: str = "SecureString") -> None:
        self._parameters[name] = Parameter(name=name, value=value, type=kind)

    def value(self, name_or_arn: str) -> str | None:
        found = self._find(name_or_arn)
        return found.value if found else None

    async def put_parameter(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """A new one needs a type; one that is there is changed only with Overwrite [M]."""
        name = request["Name"]
        there = self._parameters.get(name)
        if there is None and "Type" not in request:
            raise AwsError("ValidationException", "A parameter type is required when you create a parameter.")
        if not _NAME.fullmatch(name) or ("/" in name and not name.startswith("/")):
            raise AwsError("ValidationException", "Parameter name must be a fully qualified name.")
        if there and not request.get("Overwrite"):
            said = "The parameter already exists. To overwrite this value, set the overwrite option in the request to true."
            raise AwsError("ParameterAlreadyExists", said)
        kind = request.get("Type") or (there.type if there else _TYPE)
        version = there.version + 1 if there else 1
        self._parameters[name] = Parameter(
            name=name, value=request["Value"], type=kind, version=version, changed=call.now
        )
        return {"Version": version, "Tier": "Standard"}

    async def get_parameter(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        found = self._find(request["Name"])
        if found is None:
            raise AwsError("ParameterNotFound", "")
        return {"Parameter": _told(found, call, decrypted=request.get("WithDecryption", False))}

    async def get_parameters(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """What is not there is no error [M]."""
        found = {name: self._find(name) for name in request["Names"]}
        decrypted = request.get("WithDecryption", False)
        return {
            "Parameters": [_told(there, call, decrypted=decrypted) for there in found.values() if there],
            "InvalidParameters": [name for name, there in found.items() if there is None],
        }

    async def describe_parameters(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """Without values; filtered by Name and Type."""
        tests = [_test(asked) for asked in request.get("ParameterFilters", [])]
        there = [found for found in self._parameters.values() if all(fits(found) for fits in tests)]
        first = int(request.get("NextToken", 0))
        page = there[first : first + request.get("MaxResults", 50)]
        more = first + len(page)
        described = [{key: value for key, value in _told(found, call).items() if key != "Value"} for found in page]
        return {"Parameters": described} | ({"NextToken": str(more)} if more < len(there) else {})

    async def delete_parameter(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        found = self._find(request["Name"])
        if found is None:
            raise AwsError("ParameterNotFound", "")
        del self._parameters[found.name]
        return {}

    def _find(self, name_or_arn: str) -> Parameter | None:
        """An ARN has one slash before the name, whether that begins with one or not."""
        name = name_or_arn.partition(":parameter/")[2] or name_or_arn
        return self._parameters.get(name) or (self._parameters.get(f"/{name}") if name != name_or_arn else None)


def _told(found: Parameter, call: Call, *, decrypted: bool = False) -> dict[str, Any]:
    hidden = found.type == "SecureString" and not decrypted
    return {
        "Name": found.name,
        "ARN": f"arn:aws:ssm:{call.region}:{call.account}:parameter/{found.name.removeprefix('/')}",
        "Type": found.type,
        "Value": _HIDDEN if hidden else found.value,
        "Version": found.version,
        "LastModifiedDate": found.changed,
        "DataType": "text",
    }


def _test(asked: Mapping[str, Any]) -> Callable[[Parameter], bool]:
    wanted, option = asked.get("Values", []), asked.get("Option", "Equals")
    if asked["Key"] not in ("Name", "Type"):
        raise AwsError("InvalidFilterKey", f"The simulator does not filter by {asked['Key']}.")
    compared: Mapping[str, Callable[[str, str], bool]] = {
        "Equals": str.__eq__,
        "BeginsWith": str.startswith,
        "Contains": str.__contains__,
    }
    if option not in compared:
        raise AwsError("InvalidFilterOption", f"The simulator does not filter by {option}.")
    key = asked["Key"].lower()
    return lambda found: any(compared[option](getattr(found, key), value) for value in wanted)
