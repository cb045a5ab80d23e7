"""AWS's REST protocol with XML, which Route 53 uses. A method and a path identify the operation."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from starlette.requests import Request
from starlette.responses import Response

from slipway.simulator.contract import REST_SERVICES, AwsError, service
from slipway.simulator.protocols import SCALARS, write_members, xml_of

if TYPE_CHECKING:
    from botocore.model import OperationModel

PATHS = ("/2013-04-01/{path:path}",)  # of Route 53
METHODS = ("DELETE", "GET", "POST")


class RestXmlProtocol:
    """One request. `requested` is the operation name, or the path when no operation has it."""

    def __init__(self, request: Request, content: bytes, request_id: str) -> None:
        self._content = content
        self._query = dict(request.query_params)
        self._request_id = request_id
        self.operation, self._path = _found(request.method, request.scope["path"])
        self.requested = f"route53.{self.operation.name if self.operation else request.scope['path']}"

    def parameters(self, operation: "OperationModel") -> Any:
        """Decode path, query and body. Raise AwsError for a body that does not have the operation's form."""
        shape = operation.input_shape
        if shape is None:
            return {}
        parameters: dict[str, Any] = {}
        for name, member in shape.members.items():
            place, key = member.serialization.get("location"), member.serialization.get("name", name)
            values = {"uri": self._path, "querystring": self._query}.get(place, {})
            if key in values:
                parameters[name] = _scalar(member, values[key])
        return parameters | (_structure(shape, self._root()) if self._content else {})

    def _root(self) -> ET.Element:
        try:
            return ET.fromstring(self._content)  # noqa: S314 -- the client's own request to its own simulator
        except ET.ParseError as error:
            raise AwsError("InvalidInput", f"The request is no XML: {error}") from error

    def answer(self, operation: "OperationModel", answer: Mapping[str, Any]) -> Response:
        root = ET.Element(f"{operation.name}Response", xmlns="https://route53.amazonaws.com/doc/2013-04-01/")
        members = operation.output_shape.members if operation.output_shape else {}
        places = {name: member.serialization.get("name", name) for name, member in members.items()}
        headers = {places[name] for name, member in members.items() if member.serialization.get("location") == "header"}
        if operation.output_shape:
            below = {name: value for name, value in answer.items() if places[name] not in headers}
            write_members(root, operation.output_shape, below)
        made = xml_of(root, operation.http.get("responseCode", 200))
        made.headers.update({places[name]: value for name, value in answer.items() if places[name] in headers})
        return made

    def error(self, error: AwsError) -> Response:
        root = ET.Element("ErrorResponse")
        inner = ET.SubElement(root, "Error")
        for name, text in {"Type": "Sender", "Code": error.code, "Message": error.message}.items():
            ET.SubElement(inner, name).text = text
        ET.SubElement(root, "RequestId").text = self._request_id
        return xml_of(root, error.status)


def _found(method: str, path: str) -> "tuple[OperationModel | None, dict[str, str]]":
    """Return the operation for a method and path, and the named parts of the path."""
    for model in map(service, REST_SERVICES):
        for name in model.operation_names:
            operation = model.operation_model(name)
            pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", operation.http["requestUri"].rstrip("/"))
            if operation.http["method"] == method and (match := re.fullmatch(f"{pattern}/?", path)):
                return operation, match.groupdict()
    return None, {}


def _structure(shape: Any, element: ET.Element) -> dict[str, Any]:
    """Decode the fields in an element. Fields of path and query are not in it."""
    places = {member.serialization.get("name", name): name for name, member in shape.members.items()}
    decoded = {}
    for child in element:
        tag = child.tag.rpartition("}")[2]
        if tag not in places:
            raise AwsError("InvalidInput", f"Invalid XML: {element.tag.rpartition('}')[2]} has no element {tag}.")
        decoded[places[tag]] = _value(shape.members[places[tag]], child)
    return decoded


def _value(shape: Any, element: ET.Element) -> Any:
    if shape.type_name == "structure":
        return _structure(shape, element)
    if shape.type_name == "list":
        return [_value(shape.member, child) for child in element]
    return _scalar(shape, element.text or "")


def _scalar(shape: Any, text: str) -> Any:
    try:
        return SCALARS.get(shape.type_name, str)(text)
    except (KeyError, ValueError) as error:
        raise AwsError("InvalidInput", f"{text!r:.80} is not of type {shape.type_name}.") from error
