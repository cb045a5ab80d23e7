"""AWS's contract, read from botocore's service models: operations, allowed requests, promised answers.

botocore's validator checks types, unknown keys and minimum lengths. The models also contain maximum lengths, patterns and enums;
those are checked here.
"""

import functools
import inspect
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.model import OperationModel, ServiceModel

SERVICES = ("apprunner", "ecr", "ecs", "logs", "secretsmanager", "ssm", "cloudwatch")
QUERY_SERVICES = ("cloudformation", "iam", "sts", "elbv2", "ec2")  # these use the older query protocol


class AwsError(Exception):
    """An error as AWS returns it: a code from the service's model and a message."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


@dataclass(frozen=True, kw_only=True)
class Call:
    """The context of one API call."""

    region: str
    account: str
    now: datetime  # the platform's time
    endpoint: str  # the URL under which the client reached the simulator
    caller: str = ""  # an access key


# Members of an answer that are None are left out.
Operation = Callable[[Mapping[str, Any], Call], Awaitable[Mapping[str, Any]]]
Operations = Mapping[str, Operation]


def operations_of(service: object) -> Operations:
    """Return the operations of a simulated service: its public coroutine methods, named as in the API but in snake case."""
    methods = inspect.getmembers(type(service), inspect.iscoroutinefunction)
    return {
        "".join(word.capitalize() for word in name.split("_")): getattr(service, name)
        for name, _ in methods
        if not name.startswith("_")
    }


def paged(
    member: str,
    items: Sequence[Any],
    request: Mapping[str, Any],
    *,
    most: int = 100,
    names: tuple[str, str] | None = None,
) -> dict[str, Any]:
    """Return the page of a list that a request asks for; `names` are those of the members with the next page's token and the size."""
    token, size = names or (("NextToken", "MaxResults") if member[0].isupper() else ("nextToken", "maxResults"))
    first = int(request.get(token, 0))
    end = first + request.get(size, most)
    return {member: items[first:end], token: str(end) if end < len(items) else None}


@functools.cache
def service(name: str) -> "ServiceModel":
    import botocore.loaders
    from botocore.model import ServiceModel

    return ServiceModel(botocore.loaders.Loader().load_service_model(name, "service-2"), name)


@functools.cache
def operations() -> frozenset[str]:
    """Return the names of all operations of the simulated services, including those that are not simulated."""
    return frozenset(name for model in (*SERVICES, *QUERY_SERVICES) for name in service(model).operation_names)


def find_operation(services: Sequence[str], operation: str, key: str, value: str) -> "OperationModel | None":
    """Find an operation of the services whose models have a value in their metadata; None when there is none."""
    for model in map(service, services):
        if model.metadata.get(key) == value and operation in model.operation_names:
            return model.operation_model(operation)
    return None


def problems(shape: Any, value: Any) -> list[str]:
    """List, as sentences, where a value does not fit its shape."""
    if shape is None:
        return []
    from botocore.validate import ParamValidator

    report = ParamValidator().validate(value, shape)
    if report.has_errors():
        return [line.strip() for line in report.generate_report().splitlines() if line.strip()]
    return list(_constraints(shape, value, ""))


def message_member(operation: "OperationModel", code: str) -> str:
    """Return the JSON name of an error's message: `Message` in some services, `message` in others."""
    shapes: Any = operation.error_shapes
    members = (member for shape in shapes if shape.name == code for member in shape.members)
    return next((member for member in members if member.lower() == "message"), "message")


def in_python(pattern: str) -> str:
    """Translate a pattern of the models, which is Java's, to Python: they differ in the classes for letters of every script."""
    for java, python in (("\\p{L}", "\\w"), ("\\p{Z}", "\\s"), ("\\p{N}", "\\d")):
        pattern = pattern.replace(java, python)
    return pattern


def _constraints(shape: Any, value: Any, at: str) -> Iterator[str]:
    yield from _maximum(shape, value, at)
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            if value.get(name) is not None:
                yield from _constraints(member, value[name], f"{at}.{name}" if at else name)
    elif shape.type_name == "list":
        for index, item in enumerate(value):
            yield from _constraints(shape.member, item, f"{at}.{index + 1}.member")
    elif shape.type_name == "map":
        for key, item in value.items():
            yield from _constraints(shape.key, key, at)
            yield from _constraints(shape.value, item, f"{at}.{key}")
    elif shape.type_name == "string":
        yield from _string(shape.metadata, str(value), at)


def _maximum(shape: Any, value: Any, at: str) -> Iterator[str]:
    if "max" not in shape.metadata:
        return
    measure, size = ("value", value) if isinstance(value, (int, float)) else ("length", len(value))
    if size > shape.metadata["max"]:
        yield f"Value at '{at}' failed to satisfy constraint: Member must have {measure} less than or equal to {shape.metadata['max']}"


def _string(metadata: Mapping[str, Any], value: str, at: str) -> Iterator[str]:
    pattern, enum = metadata.get("pattern"), metadata.get("enum")
    if enum and value not in enum:
        yield f"Value '{value}' at '{at}' failed to satisfy constraint: Member must satisfy enum value set: [{', '.join(enum)}]"
    if pattern and not re.fullmatch(in_python(pattern), value):
        yield f"Value '{value}' at '{at}' failed to satisfy constraint: Member must satisfy regular expression pattern: {pattern}"
