"""The one address of the simulator: AWS's JSON protocols, its query protocol, and the registry protocol below /v2/."""

import re
import uuid
from collections.abc import Mapping
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from slipway.simulator.authorization import needed
from slipway.simulator.call import Call, Operation, Operations
from slipway.simulator.clock import Clock
from slipway.simulator.contract import AwsError, problems
from slipway.simulator.faults import Effect, Faults, unheard_of
from slipway.simulator.json_protocol import JsonProtocol
from slipway.simulator.query_protocol import QueryProtocol
from slipway.simulator.registry import RegistryError, RegistryProtocol
from slipway.simulator.serving import CutError

if TYPE_CHECKING:
    from botocore.model import OperationModel

# What a service answers to a request that does not fit its model.
_INVALID = {
    "apprunner": "InvalidRequestException",
    "cloudformation": "ValidationError",
    "ecr": "InvalidParameterException",
    "ecs": "InvalidParameterException",
    "iam": "ValidationError",
    "logs": "InvalidParameterException",
    "secretsmanager": "InvalidParameterException",
    "ssm": "ValidationException",
    "sts": "ValidationError",
}
_REFUSALS: Mapping[Effect, tuple[str, str, int]] = {
    Effect.THROTTLED: ("ThrottlingException", "Rate exceeded", 400),
    Effect.UNAVAILABLE: ("InternalServiceErrorException", "An unexpected service exception occurred.", 500),
    Effect.EXPIRED: ("ExpiredTokenException", "The security token included in the request is expired", 400),
    Effect.DENIED: ("AccessDeniedException", "The user simulated is not authorized to perform this operation", 400),
    Effect.SKEWED: ("InvalidSignatureException", "Signature expired: it is more than 5 minutes old", 403),
}
_SIGNED = re.compile(r"Credential=(?P<key>[^/]+)/\d{8}/(?P<region>[a-z0-9-]+)/")


class Endpoint:
    """Takes requests apart, checks them against AWS's contract, and answers in its words."""

    def __init__(
        self, services: Mapping[str, Operations], registry: RegistryProtocol, clock: Clock, account: str
    ) -> None:
        self._services = services
        self._clock = clock
        self._account = account
        self.faults = Faults()
        self.guard = registry.guard
        self.requests: list[str] = []  # every operation that was asked for, in order
        self.app = Starlette(
            routes=[Route("/", self.call, methods=["POST"]), *registry.routes],
            exception_handlers={RegistryError: lambda _request, error: error.answer},
        )

    async def call(self, request: Request) -> Response:
        request_id = str(uuid.uuid4())  # what every client shows beside an answer or an error
        with self._clock.held():
            answer = await self._answered(request, request_id)
        answer.headers["date"] = format_datetime(
            self._clock.now(), usegmt=True
        )  # the platform's time, as its clients see it
        answer.headers["x-amzn-requestid"] = request_id
        return answer

    async def _answered(self, request: Request, request_id: str) -> Response:
        content = await request.body()
        spoken: JsonProtocol | QueryProtocol = (
            JsonProtocol(request, content) if "x-amz-target" in request.headers else QueryProtocol(content, request_id)
        )
        try:
            return await self._perform(spoken, request)
        except AwsError as error:
            return spoken.error(error)
        except CutError:
            return _Cut()

    async def _perform(self, spoken: JsonProtocol | QueryProtocol, request: Request) -> Response:
        operation = spoken.operation
        self.requests.append(spoken.named.rpartition(".")[2])
        known = self._services.get(operation.service_model.service_name, {}) if operation else {}
        if operation is None or operation.name not in known:
            raise AwsError(
                "UnknownOperationException",
                f"The simulator does not know {spoken.named}; of this service it knows {', '.join(sorted(known)) or 'nothing'}.",
                501,
            )
        call = self._called(request)
        asked = spoken.parameters(operation)
        if found := problems(operation.input_shape, asked):
            invalid = _INVALID[operation.service_model.service_name]
            raise AwsError(invalid, f"{len(found)} validation error detected: {'; '.join(found)}")
        service = operation.service_model.service_name
        self.guard.check(
            call.caller, self._account, *needed(service, operation.name, asked, call.region, self._account)
        )
        return spoken.answer(operation, await self._met(operation, known[operation.name], asked, call))

    async def _met(
        self, operation: "OperationModel", perform: Operation, asked: Mapping[str, Any], call: Call
    ) -> Mapping[str, Any]:
        """Do it, unless something comes between."""
        fault = self.faults.take(operation.name)
        if fault and (refused := _REFUSALS.get(fault.effect)):
            raise AwsError(*refused)
        match fault and fault.effect:
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
        signed = _SIGNED.search(request.headers.get("authorization", ""))
        if signed is None:
            raise AwsError("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
        endpoint = f"http://{request.headers['host']}"
        return Call(
            region=signed["region"],
            account=self._account,
            now=self._clock.now(),
            endpoint=endpoint,
            caller=signed["key"],
        )


class _Cut(Response):
    """An answer that begins, and then there is no connection any more."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 -- as ASGI calls it
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})
        raise CutError
