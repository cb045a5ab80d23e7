"""The one address of the simulator: AWS's JSON protocols, the STS query, and the registry protocol below /v2/."""

import json
import re
import uuid
from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from slipway.simulator.call import Call, Operation, Operations
from slipway.simulator.clock import Clock
from slipway.simulator.contract import AwsError, by_target, message_member, problems
from slipway.simulator.faults import Effect, Faults, unheard_of
from slipway.simulator.registry import RegistryError, RegistryProtocol
from slipway.simulator.serving import CutError

if TYPE_CHECKING:
    from botocore.model import OperationModel

# What a service answers to a request that does not fit its model.
_INVALID = {
    "apprunner": "InvalidRequestException",
    "ecr": "InvalidParameterException",
    "logs": "InvalidParameterException",
    "secretsmanager": "InvalidParameterException",
}
_REGION = re.compile(r"Credential=[^/]+/\d{8}/([a-z0-9-]+)/")
_IDENTITY = """<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>\
<Arn>arn:aws:iam::{account}:user/simulated</Arn><UserId>AIDASIMULATED00000000</UserId><Account>{account}</Account>\
</GetCallerIdentityResult><ResponseMetadata><RequestId>00000000-0000-0000-0000-000000000000</RequestId></ResponseMetadata></GetCallerIdentityResponse>"""


class Endpoint:
    """Takes requests apart, checks them against AWS's contract, and answers in its words."""

    def __init__(
        self, services: Mapping[str, Operations], registry: RegistryProtocol, clock: Clock, account: str
    ) -> None:
        self._services = services
        self._clock = clock
        self._account = account
        self.faults = Faults()
        self.requests: list[str] = []  # every operation that was asked for, in order
        self.app = Starlette(
            routes=[Route("/", self.call, methods=["POST"]), *registry.routes],
            exception_handlers={RegistryError: lambda _request, error: error.answer},
        )

    async def call(self, request: Request) -> Response:
        with self._clock.held():
            answer = await self._called_by_name(request)
        answer.headers["date"] = format_datetime(
            self._clock.now(), usegmt=True
        )  # the platform's time, as its clients see it
        answer.headers["x-amzn-requestid"] = str(uuid.uuid4())  # what every client shows beside an answer or an error
        return answer

    async def _called_by_name(self, request: Request) -> Response:
        target = request.headers.get("x-amz-target")
        if target is None:
            return await self._query(request)
        operation = by_target(target)
        try:
            return _answer(await self._perform(operation, target, request), operation)
        except AwsError as error:
            member = message_member(operation, error.code) if operation else "message"
            return JSONResponse(
                {"__type": error.code, member: error.message}, error.status, {"x-amzn-errortype": error.code}
            )
        except CutError:
            return _Cut()

    async def _perform(self, operation: "OperationModel | None", target: str, request: Request) -> Mapping[str, Any]:
        self.requests.append(target.rpartition(".")[2])
        known = self._services.get(operation.service_model.service_name, {}) if operation else {}
        if operation is None or operation.name not in known:
            raise AwsError(
                "UnknownOperationException",
                f"The simulator does not know {target}; of this service it knows {', '.join(sorted(known)) or 'nothing'}.",
                501,
            )
        invalid = _INVALID[operation.service_model.service_name]
        call = self._called(request)
        try:
            asked = json.loads(await request.body() or b"{}")
        except ValueError as error:
            raise AwsError("SerializationException", str(error)) from error
        if found := problems(operation.input_shape, asked):
            raise AwsError(invalid, f"{len(found)} validation error detected: {'; '.join(found)}")
        return await self._met(operation, known[operation.name], asked, call)

    async def _met(
        self, operation: "OperationModel", perform: Operation, asked: Mapping[str, Any], call: Call
    ) -> Mapping[str, Any]:
        """Do it, unless something comes between."""
        fault = self.faults.take(operation.name)
        match fault and fault.effect:
            case Effect.THROTTLED:
                raise AwsError("ThrottlingException", "Rate exceeded")
            case Effect.UNAVAILABLE:
                raise AwsError("InternalServiceErrorException", "An unexpected service exception occurred.", 500)
            case Effect.EXPIRED:
                raise AwsError("ExpiredTokenException", "The security token included in the request is expired")
            case Effect.CALL_LOST:
                raise CutError
            case Effect.ANSWER_LOST:
                await perform(asked, call)
                raise CutError
            case Effect.UNNAMED:
                return {key: value for key, value in (await perform(asked, call)).items() if key != "OperationId"}
            case Effect.UNHEARD_OF:
                spoken: Mapping[str, Any] = unheard_of(await perform(asked, call))
                return spoken
            case Effect.OVERTAKEN if fault and fault.other:
                await fault.other()
                return await perform(asked, call)
            case _:
                return await perform(asked, call)

    def _called(self, request: Request) -> Call:
        signed = _REGION.search(request.headers.get("authorization", ""))
        if signed is None:
            raise AwsError("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
        return Call(signed[1], self._account, self._clock.now(), f"http://{request.headers['host']}")

    async def _query(self, request: Request) -> Response:
        """STS speaks the older query protocol."""
        action = parse_qs((await request.body()).decode()).get("Action", ["nothing"])[0]
        self.requests.append(action)
        if action != "GetCallerIdentity":
            return _query_error("InvalidAction", f"The simulator does not know {escape(action)}.", 501)
        try:
            self._called(request)
        except AwsError as error:
            return _query_error("MissingAuthenticationToken", error.message, error.status)
        return Response(_IDENTITY.format(account=self._account), media_type="text/xml")


class _Cut(Response):
    """An answer that begins, and then there is no connection any more."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 -- as ASGI calls it
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})
        raise CutError


def _query_error(code: str, message: str, status: int) -> Response:
    said = f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    return Response(said, status, media_type="text/xml")


def _answer(answer: Mapping[str, Any], operation: "OperationModel | None") -> Response:
    assert operation is not None
    version = operation.service_model.metadata.get("jsonVersion", "1.1")
    return Response(json.dumps(answer, default=_spoken), media_type=f"application/x-amz-json-{version}")


def _spoken(value: object) -> float:
    """Times are seconds since 1970 in the JSON protocols."""
    assert isinstance(value, datetime)
    return round(value.timestamp(), 3)
