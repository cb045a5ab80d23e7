"""AWS's wire protocols: JSON, and the older query protocol with parameters in a form and answers in XML.

A service has the same `Operations` with both: requests arrive, and answers leave, as plain data of the API model.
"""

import base64
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl
from xml.etree import ElementTree as ET

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from slipway.simulator.contract import QUERY_SERVICES, SERVICES, AwsError, find_operation, message_member

if TYPE_CHECKING:
    from botocore.model import OperationModel


class JsonProtocol:
    """One request in JSON. `requested` is the operation name that the client sent."""

    def __init__(self, request: Request, content: bytes) -> None:
        self._content = content
        self.requested = request.headers["x-amz-target"]
        prefix, _, name = self.requested.partition(".")
        self.operation = find_operation(SERVICES, name, "targetPrefix", prefix)

    def parameters(self, _operation: "OperationModel") -> Any:
        """Decode the body, whatever its shape. Raise AwsError when it is not JSON."""
        try:
            return _plain(json.loads(self._content or b"{}"))
        except (ValueError, RecursionError) as error:
            raise AwsError("SerializationException", str(error)) from error

    def answer(self, operation: "OperationModel", answer: Mapping[str, Any]) -> Response:
        version = operation.service_model.metadata.get("jsonVersion", "1.1")
        return Response(json.dumps(_plain(answer)), media_type=f"application/x-amz-json-{version}")

    def error(self, error: AwsError) -> Response:
        member = message_member(self.operation, error.code) if self.operation else "message"
        body = {"__type": error.code, member: error.message}
        return JSONResponse(body, error.status, {"x-amzn-errortype": error.code})


def _plain(value: Any) -> Any:
    """Return data for or from JSON, without fields that are None. Times are in seconds since 1970."""
    match value:
        case Mapping():
            return {key: _plain(item) for key, item in value.items() if item is not None}
        case list() | tuple():
            return [_plain(item) for item in value]
        case datetime():
            return round(value.timestamp(), 3)
        case _:
            return value


# The query protocol's names for common errors (API references, "Common Error Types").
_QUERY_CODES = {
    "AccessDeniedException": "AccessDenied",
    "ExpiredTokenException": "ExpiredToken",
    "InternalServiceErrorException": "InternalFailure",
    "InvalidSignatureException": "SignatureDoesNotMatch",
    "MissingAuthenticationTokenException": "MissingAuthenticationToken",
    "ThrottlingException": "Throttling",
    "UnknownOperationException": "InvalidAction",
    "UnrecognizedClientException": "InvalidClientTokenId",
}
_EC2_CODES = {"AccessDeniedException": "UnauthorizedOperation", "ThrottlingException": "RequestLimitExceeded"}
_ENVELOPE = ("Action", "Version")


class QueryProtocol:
    """One request as a form. `requested` is the operation name that the client sent, with its service."""

    def __init__(self, content: bytes, request_id: str) -> None:
        self._form = dict(parse_qsl(content.decode(errors="replace"), keep_blank_values=True))
        self._request_id = request_id
        action = self._form.get("Action", "nothing")
        self.operation = find_operation(QUERY_SERVICES, action, "apiVersion", self._form.get("Version", ""))
        service = f"{self.operation.service_model.service_name}." if self.operation else ""
        self.requested = f"{service}{action}"

    def parameters(self, operation: "OperationModel") -> Any:
        """Decode the form into the operation's nested parameters. Raise AwsError for parameters that it does not have."""
        left = {name: value for name, value in self._form.items() if name not in _ENVELOPE}
        parameters = _structure(operation.input_shape, "", left) if operation.input_shape else {}
        if left:
            raise AwsError("ValidationError", f"{operation.name} has no parameter {', '.join(sorted(left))}.")
        return parameters

    def answer(self, operation: "OperationModel", answer: Mapping[str, Any]) -> Response:
        root = ET.Element(f"{operation.name}Response", xmlns=operation.service_model.metadata["xmlNamespace"])
        if (shape := operation.output_shape) is not None:
            wrapper = shape.serialization.get("resultWrapper")  # EC2 has none
            write_members(ET.SubElement(root, wrapper) if wrapper else root, shape, answer)
        ET.SubElement(ET.SubElement(root, "ResponseMetadata"), "RequestId").text = self._request_id
        return xml_of(root, 200)

    def error(self, error: AwsError) -> Response:
        is_ec2 = self.operation is not None and self.operation.service_model.service_name == "ec2"
        root = ET.Element("Response" if is_ec2 else "ErrorResponse")
        inner = ET.SubElement(ET.SubElement(root, "Errors") if is_ec2 else root, "Error")
        code = _EC2_CODES.get(error.code) if is_ec2 else None
        members = {"Type": "Sender", "Code": code or _QUERY_CODES.get(error.code, error.code), "Message": error.message}
        for name, text in members.items():
            ET.SubElement(inner, name).text = text
        ET.SubElement(root, "RequestId").text = self._request_id
        return xml_of(root, error.status)


def xml_of(root: ET.Element, status: int) -> Response:
    return Response(ET.tostring(root, encoding="utf-8", xml_declaration=True), status, media_type="text/xml")


def _structure(shape: Any, at: str, left: dict[str, str]) -> dict[str, Any]:
    """Decode the fields below a place in the form, and remove them from `left`."""
    members = {name: f"{at}{_name(member, name, at, left)}" for name, member in shape.members.items()}
    return {name: _value(shape.members[name], place, left) for name, place in members.items() if _has(left, place)}


def _name(member: Any, name: str, at: str, left: Mapping[str, str]) -> str:
    """Return a field's name in the form. EC2 has its own names, or begins them with a capital letter."""
    plain = member.serialization.get("queryName") or member.serialization.get("name", name)
    return str(plain if _has(left, f"{at}{plain}") else plain[:1].upper() + plain[1:])


def _has(left: Mapping[str, str], place: str) -> bool:
    return any(name == place or name.startswith(f"{place}.") for name in left)


def _value(shape: Any, place: str, left: dict[str, str]) -> Any:
    if shape.type_name == "structure":
        return _structure(shape, f"{place}.", left)
    if shape.type_name == "list":
        return _list(shape, place, left)
    if shape.type_name == "map":
        return _map(shape, place, left)
    try:
        return SCALARS.get(shape.type_name, str)(left.pop(place))
    except (KeyError, ValueError) as error:
        raise AwsError("ValidationError", f"{place} is not of type {shape.type_name}.") from error


def _list(shape: Any, place: str, left: dict[str, str]) -> list[Any]:
    if left.pop(place, ""):  # botocore sends an empty list as an empty text
        raise AwsError("ValidationError", f"{place} is not of type list.")
    flat = shape.serialization.get("flattened") or _has(left, f"{place}.1")  # EC2 flattens every list
    below = place if flat else f"{place}.{_item_name(shape)}"
    items: list[Any] = []
    while _has(left, f"{below}.{len(items) + 1}"):
        items.append(_value(shape.member, f"{below}.{len(items) + 1}", left))
    return items


def _map(shape: Any, place: str, left: dict[str, str]) -> dict[str, Any]:
    below = place if shape.serialization.get("flattened") else f"{place}.entry"
    key, value = (inner.serialization.get("name", name) for inner, name in ((shape.key, "key"), (shape.value, "value")))
    pairs: dict[str, Any] = {}
    while _has(left, f"{below}.{len(pairs) + 1}"):
        entry = f"{below}.{len(pairs) + 1}"
        pairs[_value(shape.key, f"{entry}.{key}", left)] = _value(shape.value, f"{entry}.{value}", left)
    return pairs


def _item_name(shape: Any) -> str:
    name: str = shape.member.serialization.get("name", "member")
    return name


SCALARS: Mapping[str, Callable[[str], Any]] = {
    "boolean": {"true": True, "false": False}.__getitem__,
    "integer": int,
    "long": int,
    "blob": base64.b64decode,
    "timestamp": datetime.fromisoformat,
}


def _write(parent: ET.Element, name: str, shape: Any, value: Any) -> None:
    if shape.type_name == "list" and shape.serialization.get("flattened"):
        for item in value:
            _write(parent, name, shape.member, item)
        return
    element = ET.SubElement(parent, name)
    if shape.type_name == "structure":
        write_members(element, shape, value)
    elif shape.type_name == "list":
        for item in value:
            _write(element, _item_name(shape), shape.member, item)
    elif shape.type_name == "map":
        for key, item in value.items():
            entry = ET.SubElement(element, "entry")
            _write(entry, shape.key.serialization.get("name", "key"), shape.key, key)
            _write(entry, shape.value.serialization.get("name", "value"), shape.value, item)
    else:
        element.text = _as_text(value)


def write_members(element: ET.Element, shape: Any, value: Any) -> None:
    """Write the fields of a structure into an XML element."""
    for key, member in shape.members.items():
        if value.get(key) is not None:
            _write(element, member.serialization.get("name", key), member, value[key])


def _as_text(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case datetime():
            return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case bytes():
            return base64.b64encode(value).decode()
        case _:
            return str(value)
