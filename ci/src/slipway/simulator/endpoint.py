"""The single address of the simulator: AWS's JSON, query and REST protocols, and the registry protocol below /v2/."""

import re
import uuid
from collections.abc import Callable, Mapping
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from slipway.simulator.authorization import needed
from slipway.simulator.cbor import PATH, CborProtocol
from slipway.simulator.clock import Clock
from slipway.simulator.contract import (
    ACCOUNT,
    QUERY_SERVICES,
    AwsError,
    Call,
    Operation,
    Operations,
    PageTokenError,
    code_of_page_token,
    problems,
)
from slipway.simulator.faults import Effect, Faults, Script, with_unknown_status
from slipway.simulator.protocols import JsonProtocol, QueryProtocol
from slipway.simulator.registry import RegistryError, RegistryProtocol
from slipway.simulator.rest_xml import METHODS, PATHS, RestXmlProtocol
from slipway.simulator.serving import Cut, CutError
from slipway.structure import read

if TYPE_CHECKING:
    from botocore.model import OperationModel

# The error code for a request that does not fit the API model: for the query protocol, for two services, and for all
# others.
_INVALID = dict.fromkeys(QUERY_SERVICES, "ValidationError") | {
    "apprunner": "InvalidRequestException",
    "ssm": "ValidationException",
    "cloudwatch": "ValidationError",
    "acm": "ValidationException",
    "service-quotas": "IllegalArgumentException",
    "route53": "InvalidInput",
}
_REFUSALS: Mapping[Effect, tuple[str, str, int]] = {
    Effect.THROTTLED: ("ThrottlingException", "Rate exceeded", 400),
    Effect.UNAVAILABLE: ("InternalServiceErrorException", "An unexpected service exception occurred.", 500),
    Effect.EXPIRED: ("ExpiredTokenException", "The security token included in the request is expired", 400),
    Effect.DENIED: ("AccessDeniedException", "The user simulated is not authorized to perform this operation", 400),
    Effect.CLOCK_SKEW: ("InvalidSignatureException", "Signature expired: it is more than 5 minutes old", 403),
}
Protocol = CborProtocol | JsonProtocol | QueryProtocol | RestXmlProtocol
_SIGNED = re.compile(r"Credential=(?P<key>[^/]+)/\d{8}/(?P<region>[a-z0-9-]+)/")
KEY = "simulated"  # the access key of ACCOUNT; the key of any other account is its number
_NUMBER = re.compile(r"[0-9]{12}")
FAULTS_PATH = "/faults"  # a path that AWS does not use


class Endpoint:
    """The HTTP endpoint. It decodes requests, checks them against AWS's contract, and encodes answers."""

    def __init__(
        self, services: Callable[[str, str], Mapping[str, Operations]], registry: RegistryProtocol, clock: Clock
    ) -> None:
        self._services = services  # returns the services of an account and region
        self._clock = clock
        self.faults = Faults()
        self.guard = registry.guard
        self.requests: list[str] = []  # the names of all requested operations, in order
        self.app = Starlette(
            routes=[
                *(Route(path, self.call, methods=["POST"]) for path in ("/", PATH)),
                *(Route(path, self.call, methods=[*METHODS]) for path in PATHS),
                Route(FAULTS_PATH, self.put_faults, methods=["PUT"]),
                *registry.routes,
            ],
            exception_handlers={RegistryError: lambda _request, error: error.answer},
        )

    async def put_faults(self, request: Request) -> Response:
        """Replace the pending faults by a script in JSON."""
        try:
            script = read(Script, await request.json())
        except ValueError as error:
            return Response(str(error), 400)
        self.faults.clear()
        self.faults.add(*(scripted.fault() for scripted in script.fault))
        return Response(status_code=204)

    async def call(self, request: Request) -> Response:
        request_id = str(uuid.uuid4())  # clients show this id with an answer or an error
        with self._clock.held():
            answer = await self._answered(request, request_id)
        answer.headers["date"] = format_datetime(self._clock.now(), usegmt=True)  # clients must see the platform's time
        answer.headers["x-amzn-requestid"] = request_id
        return answer

    async def _answered(self, request: Request, request_id: str) -> Response:
        content = await request.body()
        protocol: Protocol
        if "smithy-protocol" in request.headers:
            protocol = CborProtocol(request, content)
        elif "x-amz-target" in request.headers:
            protocol = JsonProtocol(request, content)
        elif request.scope["path"].startswith(PATHS[0].partition("{")[0]):
            protocol = RestXmlProtocol(request, content, request_id)
        else:
            protocol = QueryProtocol(content, request_id)
        try:
            return await self._perform(protocol, request)
        except AwsError as error:
            return protocol.error(error)
        except CutError:
            return Cut()

    async def _perform(self, protocol: Protocol, request: Request) -> Response:
        operation = protocol.operation
        self.requests.append(protocol.requested.rpartition(".")[2])
        call = self._called(request)
        services = self._services(call.account, call.region)
        known = services.get(operation.service_model.service_name, {}) if operation else {}
        if operation is None or operation.name not in known:
            raise AwsError(
                "UnknownOperationException",
                f"The simulator does not have {protocol.requested}; its operations of this service: {', '.join(sorted(known)) or 'none'}.",
                501,
            )
        service, parameters = operation.service_model.service_name, protocol.parameters(operation)
        invalid = _INVALID.get(service, "InvalidParameterException")
        if mismatches := problems(operation.input_shape, parameters):
            message = f"{len(mismatches)} validation error detected: {'; '.join(mismatches)}"
            raise AwsError(invalid, message)
        self.guard.check(call, needed(service, operation.name, parameters, call))
        try:
            answer = await self._with_fault(operation, known[operation.name], parameters, call)
        except PageTokenError as error:
            raise AwsError(code_of_page_token(operation, invalid), "The specified token is not valid.") from error  # †
        return protocol.answer(operation, answer)

    async def _with_fault(
        self, operation: "OperationModel", perform: Operation, parameters: Mapping[str, Any], call: Call
    ) -> Mapping[str, Any]:
        """Perform the operation; apply the next scripted fault for it, if there is one."""
        fault = self.faults.take(operation.name)
        if fault and (refused := _REFUSALS.get(fault.effect)):
            raise AwsError(*refused)
        match fault and fault.effect:
            case Effect.CALL_LOST:
                raise CutError
            case Effect.ANSWER_LOST:
                await perform(parameters, call)
                raise CutError
            case Effect.MISSING_OPERATION_ID:
                return {key: value for key, value in (await perform(parameters, call)).items() if key != "OperationId"}
            case Effect.UNKNOWN_STATUS:
                answer: Mapping[str, Any] = with_unknown_status(await perform(parameters, call))
                return answer
            case Effect.OVERTAKEN if fault and fault.other:
                await fault.other()
                return await perform(parameters, call)
            case _:
                return await perform(parameters, call)

    def _called(self, request: Request) -> Call:
        signed = _SIGNED.search(request.headers.get("authorization", ""))
        if signed is None:
            raise AwsError("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
        key = signed["key"]
        if key != KEY and not _NUMBER.fullmatch(key):
            message = f"The security token included in the request is invalid. The simulator's access key is {KEY}, not one of AWS."
            raise AwsError("UnrecognizedClientException", message, 403)
        return Call(
            region=signed["region"],
            account=ACCOUNT if key == KEY else key,
            now=self._clock.now(),
            endpoint=f"http://{request.headers['host']}",
            caller=key,
        )
