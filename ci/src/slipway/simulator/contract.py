"""AWS's contract, read from botocore's API models: operations, allowed requests, promised answers.

botocore's validator checks types, unknown keys and most minimum lengths. The models also contain maximum lengths,
patterns and enums, which this module checks.
"""

import base64
import functools
import inspect
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.model import OperationModel, ServiceModel

SERVICES = ("apprunner", "ecr", "ecs", "logs", "secretsmanager", "ssm", "cloudwatch", "acm", "service-quotas")
QUERY_SERVICES = ("cloudformation", "iam", "sts", "elbv2", "ec2", "rds")  # these services use the older query protocol
REST_SERVICES = ("route53",)  # this service uses REST with XML
# of the initial state; the simulator also has all other accounts and regions
ACCOUNT, REGION = "123456789012", "eu-west-1"


class AwsError(Exception):
    """An error in AWS's form: a code from the service's API model, and a message."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


@dataclass(frozen=True, kw_only=True)
class Call:
    """The circumstances of one API call."""

    region: str
    account: str
    now: datetime  # the platform's time
    endpoint: str  # the URL under which the client reached the simulator
    caller: str = ""  # the caller's access key


@dataclass(kw_only=True)
class Quotas:
    """The limits of an account in each region. The defaults are AWS's: those of App Runner and IAM †, the others [G]."""

    services: int = 30
    # names of VPC connectors; the same limit holds for auto scaling and for observability configurations
    shared: int = 10
    repositories: int = 100_000
    images: int = 100_000  # in one repository
    roles: int = 1_000  # in an account
    cluster_services: int = 5_000
    balancers: int = 50
    vcpus: float = 6  # for Fargate tasks; AWS raises this limit when it is used


# Fields of an answer that are None are left out.
Operation = Callable[[Mapping[str, Any], Call], Awaitable[Mapping[str, Any]]]
Operations = Mapping[str, Operation]


def operations_of(service: object) -> Operations:
    """Return the operations of a simulated service: its public coroutine methods, whose names are the API's in snake case."""
    methods = inspect.getmembers(type(service), inspect.iscoroutinefunction)
    return {
        "".join(word.capitalize() for word in name.split("_")): getattr(service, name)
        for name, _ in methods
        if not name.startswith("_")
    }


class PageTokenError(Exception):
    """A page token that belongs to no page of this list."""


def listed(value: Any) -> list[Any]:
    """Return a list of values. In a document, a single value may be without a list."""
    return value if isinstance(value, list) else [value]


def tags_of(request: Mapping[str, Any]) -> dict[str, str]:
    tags = request.get("Tags") or request.get("tags") or ()
    return {tag.get("Key", ""): tag.get("Value", "") for tag in tags}


def paged(
    member: str,
    items: Sequence[Any],
    request: Mapping[str, Any],
    *,
    most: int | None = None,
    names: tuple[str, str] | None = None,
) -> dict[str, Any]:
    """Return the page of a list that a request asks for. Raise PageTokenError for an unknown token.

    - most: the number of items on a page for a request without a size; None for all.
    - names: the names of the fields for the next page's token and for the size.
    """
    token, size = names or (("NextToken", "MaxResults") if member[0].isupper() else ("nextToken", "maxResults"))
    first = _place(member, request[token]) if token in request else 0
    end = first + request.get(size, most or len(items))
    return {member: items[first:end], token: f"{member}/{end}" if end < len(items) else None}


def _place(member: str, token: str) -> int:
    of, _, place = token.partition("/")
    if of != member or not place.isdecimal():
        raise PageTokenError
    return int(place)


def code_of_page_token(operation: "OperationModel", otherwise: str) -> str:
    """Return the error code for an invalid page token. Some services have a code of their own."""
    shapes: Any = operation.error_shapes
    return next((str(shape.error_code) for shape in shapes if "NextToken" in shape.error_code), otherwise)


@functools.cache
def service(name: str) -> "ServiceModel":
    import botocore.loaders
    from botocore.model import ServiceModel

    return ServiceModel(botocore.loaders.Loader().load_service_model(name, "service-2"), name)


@functools.cache
def operations() -> frozenset[str]:
    """Return the names of all operations of the simulated services, even those that are not simulated."""
    return frozenset(
        name for model in (*SERVICES, *QUERY_SERVICES, *REST_SERVICES) for name in service(model).operation_names
    )


def find_operation(services: Sequence[str], operation: str, key: str, value: str) -> "OperationModel | None":
    """Return the operation of the services whose API models have a value in their metadata; None when there is none."""
    for model in map(service, services):
        if model.metadata.get(key) == value and operation in model.operation_names:
            return model.operation_model(operation)
    return None


def problems(shape: Any, value: Any) -> list[str]:
    """Return sentences on where a value does not fit its shape."""
    if shape is None:
        return []
    from botocore.validate import ParamValidator

    report = ParamValidator().validate(value, shape)
    if report.has_errors():
        return [line.strip() for line in report.generate_report().splitlines() if line.strip()]
    return list(_constraints(shape, value, ""))


def message_member(operation: "OperationModel", code: str) -> str:
    """Return the JSON name of an error's message, which is `Message` in some services and `message` in others."""
    shapes: Any = operation.error_shapes
    members = (member for shape in shapes if shape.name == code for member in shape.members)
    return next((member for member in members if member.lower() == "message"), "message")


_JAVA = (
    *(("\\p{L}", "\\w"), ("\\p{Z}", "\\s"), ("\\p{N}", "\\d"), ("\\p{Print}", "[ -~]")),
    ("\\uD800\\uDC00-\\uDBFF\\uDFFF", "\\U00010000-\\U0010FFFF"),  # surrogate pairs
)


def in_python(pattern: str) -> str:
    """Translate a pattern in the API models, which is for Java, to Python.

    They differ in the classes for letters of all scripts.
    """
    for java, python in _JAVA:
        pattern = pattern.replace(java, python)
    return pattern


def _constraints(shape: Any, value: Any, at: str) -> Iterator[str]:
    yield from _size(shape, value, at)
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


def _size(shape: Any, value: Any, at: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if isinstance(value, bool) is not (shape.type_name == "boolean"):
        yield f"Value at '{at}' failed to satisfy constraint: Member must be of type {shape.type_name}"
    if shape.type_name == "blob" and isinstance(value, str):
        try:
            value = base64.b64decode(value, validate=True)
        except ValueError:
            yield f"Value at '{at}' failed to satisfy constraint: Member must be encoded with base64"
            return
    if least is None and most is None:
        return
    measure, size = ("value", value) if isinstance(value, (int, float)) else ("length", len(value))
    if most is not None and size > most:
        yield f"Value at '{at}' failed to satisfy constraint: Member must have {measure} less than or equal to {most}"
    if least is not None and size < least:
        yield f"Value at '{at}' failed to satisfy constraint: Member must have {measure} greater than or equal to {least}"


def _string(metadata: Mapping[str, Any], value: str, at: str) -> Iterator[str]:
    pattern, enum = metadata.get("pattern"), metadata.get("enum")
    if enum and value not in enum:
        yield f"Value '{value}' at '{at}' failed to satisfy constraint: Member must satisfy enum value set: [{', '.join(enum)}]"
    if pattern and not re.fullmatch(in_python(pattern), value):
        yield f"Value '{value}' at '{at}' failed to satisfy constraint: Member must satisfy regular expression pattern: {pattern}"
