"""AWS's JSON protocols: the operation in a header, parameters and answers as JSON."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from slipway.simulator.contract import AwsError, by_target, message_member

if TYPE_CHECKING:
    from botocore.model import OperationModel


class JsonProtocol:
    """One request; `named` is the operation as it was asked for."""

    def __init__(self, request: Request, content: bytes) -> None:
        self._content = content
        self.named = request.headers["x-amz-target"]
        self.operation = by_target(self.named)

    def parameters(self, _operation: "OperationModel") -> Any:
        """What is asked, of whatever form; raises AwsError when it is no JSON."""
        try:
            return json.loads(self._content or b"{}")
        except ValueError as error:
            raise AwsError("SerializationException", str(error)) from error

    def answer(self, operation: "OperationModel", answer: Mapping[str, Any]) -> Response:
        version = operation.service_model.metadata.get("jsonVersion", "1.1")
        return Response(json.dumps(answer, default=_spoken), media_type=f"application/x-amz-json-{version}")

    def error(self, error: AwsError) -> Response:
        member = message_member(self.operation, error.code) if self.operation else "message"
        said = {"__type": error.code, member: error.message}
        return JSONResponse(said, error.status, {"x-amzn-errortype": error.code})


def _spoken(value: object) -> float:
    """Times are seconds since 1970 in the JSON protocols."""
    assert isinstance(value, datetime)
    return round(value.timestamp(), 3)
