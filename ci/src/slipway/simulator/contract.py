"""AWS's own contract, from botocore's service models: which operations there are, what may be asked, what must be answered.

botocore's validator checks types, unknown keys and the least lengths; the greatest, patterns and enums stand in the shapes and are
checked here.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.model import OperationModel, ServiceModel

SERVICES = ("apprunner", "ecr", "ecs", "logs", "secretsmanager", "ssm")
QUERY_SERVICES = ("cloudformation", "iam", "sts")  # they speak the older query protocol


class AwsError(Exception):
    """An error as AWS answers it: a code of the service's model, and a message."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


@functools.cache
def service(name: str) -> "ServiceModel":
    import botocore.loaders
    from botocore.model import ServiceModel

    return ServiceModel(botocore.loaders.Loader().load_service_model(name, "service-2"), name)


def load() -> None:
    """Read what the first question needs; a thread does it while nobody has asked yet."""
    operations()


@functools.cache
def operations() -> frozenset[str]:
    """The names of all operations of the services here, whether the simulator has them or not."""
    return frozenset(name for found in (*SERVICES, *QUERY_SERVICES) for name in service(found).operation_names)


def by_target(target: str) -> "OperationModel | None":
    """The operation behind an `X-Amz-Target` header; None when no service here has it."""
    prefix, _, operation = target.partition(".")
    for name in SERVICES:
        model = service(name)
        if model.metadata.get("targetPrefix") == prefix and operation in model.operation_names:
            return model.operation_model(operation)
    return None


def by_action(action: str, version: str) -> "OperationModel | None":
    """The operation that a form of the query protocol names, by its service's API version; None when no service here has it."""
    for name in QUERY_SERVICES:
        model = service(name)
        if model.api_version == version and action in model.operation_names:
            return model.operation_model(action)
    return None


def problems(shape: Any, value: Any) -> list[str]:
    """What in a value does not fit its shape, as sentences; empty when all does."""
    if shape is None:
        return []
    from botocore.validate import ParamValidator

    report = ParamValidator().validate(value, shape)
    if report.has_errors():
        return [line.strip() for line in report.generate_report().splitlines() if line.strip()]
    return list(_constraints(shape, value, ""))


def message_member(operation: "OperationModel", code: str) -> str:
    """How an error's message is called in JSON: `Message` in some services, `message` in others."""
    shapes: Any = operation.error_shapes
    for shape in shapes:
        if shape.name == code:
            return next((member for member in shape.members if member.lower() == "message"), "message")
    return "message"


def in_python(pattern: str) -> str:
    """A pattern of the models, which are Java's: where letters of every script may stand, Python says so otherwise."""
    for java, python in (("\\p{L}", "\\w"), ("\\p{Z}", "\\s"), ("\\p{N}", "\\d")):
        pattern = pattern.replace(java, python)
    return pattern


def _constraints(shape: Any, value: Any, at: str) -> Iterator[str]:
    yield from _greatest(shape, value, at)
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


def _greatest(shape: Any, value: Any, at: str) -> Iterator[str]:
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
