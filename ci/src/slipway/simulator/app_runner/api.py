"""The operations of the App Runner API, but for those of source connections, custom domains and private ingress.

Marks: [M] service model, [G] developer guide, [F] field reports, † unverified.
"""

import uuid
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from slipway.simulator.app_runner import configuration, ending, roles, shared, states
from slipway.simulator.app_runner.deployment import Deployment, Platform
from slipway.simulator.app_runner.service import Operation, Service
from slipway.simulator.app_runner.shared import Shared
from slipway.simulator.app_runner.tags import Tags
from slipway.simulator.call import Call, Operations
from slipway.simulator.contract import AwsError
from slipway.simulator.front import Front
from slipway.simulator.serving import serving

Change = Callable[[Platform, Service, Operation], Coroutine[Any, Any, None]]


class AppRunner:
    """Services by ARN."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self.services: dict[str, Service] = {}
        self.scaling = Shared(shared.SCALING, self._is_used)
        self.connectors = Shared(shared.CONNECTOR, self._is_used)
        self._observability = Shared(shared.OBSERVABILITY, self._is_used)
        self.operations: Operations = {
            "CreateService": self.create_service,
            "UpdateService": self.update_service,
            "StartDeployment": self.start_deployment,
            "PauseService": self.pause_service,
            "ResumeService": self.resume_service,
            "DeleteService": self.delete_service,
            "DescribeService": self.describe_service,
            "ListServices": self.list_services,
            "ListOperations": self.list_operations,
            "ListServicesForAutoScalingConfiguration": self.list_services_for_auto_scaling_configuration,
            **self.scaling.operations,
            **self.connectors.operations,
            **self._observability.operations,
            **Tags(self._tags).operations,
        }

    async def create_service(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        name = request["ServiceName"]
        if any(service.name == name and service.status != "DELETED" for service in self.services.values()):
            raise AwsError(
                "InvalidRequestException", f"Service with the provided name already exists: {name}."
            )  # also CREATE_FAILED ones
        asked = configuration.of_create(request)
        roles.check(self._platform.roles, asked, call.now)
        account = f"arn:aws:apprunner:{call.region}:{call.account}"
        scaling = self._shared_of(request) or shared.default_scaling(account)
        arn = f"{account}:service/{name}/{uuid.uuid4().hex}"
        tags = {tag["Key"]: tag["Value"] for tag in request.get("Tags", [])}
        service = Service(
            name=name, arn=arn, created=call.now, configuration=asked, front=Front(), scaling=scaling, tags=tags
        )
        await self._platform.tasks.start(self._serve, service)
        self.services[arn] = service
        return self._deploy(service, "CREATE_SERVICE", asked, call)

    async def update_service(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        service = self._service(request)
        states.begins("UpdateService", service.status, service.arn)
        asked, scaling = configuration.merged(service.configuration, request), self._shared_of(request)
        roles.check(self._platform.roles, asked, call.now)
        unchanged = asked == service.configuration and (scaling is None or scaling.arn == service.scaling.arn)
        if service.status == "RUNNING" and unchanged:
            return {"Service": service.described()}  # no effective change: no OperationId
        rebuilt = service.status == "CREATE_FAILED"
        return self._deploy(service, "CREATE_SERVICE" if rebuilt else "UPDATE_SERVICE", asked, call, scaling)

    async def start_deployment(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """The same configuration again; what its tag names now."""
        service = self._service(request)
        states.begins("StartDeployment", service.status, service.arn)
        answer = self._deploy(service, "START_DEPLOYMENT", service.configuration, call)
        return {"OperationId": answer["OperationId"]}

    async def resume_service(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        service = self._service(request)
        if not states.begins("ResumeService", service.status, service.arn):
            return {"Service": service.described()}
        return self._deploy(service, "RESUME_SERVICE", service.configuration, call)

    async def pause_service(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        service = self._service(request)
        if not states.begins("PauseService", service.status, service.arn):
            return {"Service": service.described()}
        return self._begin(service, "PAUSE_SERVICE", ending.pause, call)

    async def delete_service(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        service = self._service(request)
        states.begins("DeleteService", service.status, service.arn)
        return self._begin(service, "DELETE_SERVICE", ending.delete, call)

    def maintain(self, service: Service, seconds: float) -> None:
        """Let the platform itself be busy with a service: in progress, and no operation of it is listed [G]."""
        service.status = "OPERATION_IN_PROGRESS"
        self._platform.tasks.start_soon(self._maintain, service, seconds)

    async def describe_service(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        return {"Service": self._service(request).described()}

    async def list_services(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        shown = ("ServiceName", "ServiceId", "ServiceArn", "ServiceUrl", "CreatedAt", "UpdatedAt", "Status")
        living = [service.described() for service in self.services.values() if service.status != "DELETED"]
        page, more = _page(living, request)
        return {"ServiceSummaryList": [{key: described[key] for key in shown} for described in page]} | more

    async def list_operations(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        page, more = _page(self._service(request).operations[::-1], request)
        return {"OperationSummaryList": [operation.described() for operation in page]} | more

    async def list_services_for_auto_scaling_configuration(
        self, request: Mapping[str, Any], _call: Call
    ) -> Mapping[str, Any]:
        revision = self.scaling.resolve(request["AutoScalingConfigurationArn"])
        page, more = _page(
            [found.arn for found in self.services.values() if found.scaling.arn == revision.arn], request
        )
        return {"ServiceArnList": page} | more

    def _deploy(
        self,
        service: Service,
        kind: str,
        asked: configuration.Configuration,
        call: Call,
        scaling: shared.Revision | None = None,
    ) -> Mapping[str, Any]:
        async def run(platform: Platform, service: Service, operation: Operation) -> None:
            await Deployment(platform, service, operation, asked).run()
            if operation.status == "SUCCEEDED":
                service.scaling = scaling or service.scaling

        return self._begin(service, kind, run, call)

    def _begin(self, service: Service, kind: str, run: Change, call: Call) -> Mapping[str, Any]:
        operation = self._operation(service, kind, call)
        service.status = "OPERATION_IN_PROGRESS"
        self._platform.tasks.start_soon(run, self._platform, service, operation)
        return {"Service": service.described(), "OperationId": operation.id}

    def _operation(self, service: Service, kind: str, call: Call) -> Operation:
        service.operations.append(Operation(type=kind, target_arn=service.arn, started=call.now))
        return service.operations[-1]

    async def _serve(self, service: Service, *, task_status: Any) -> None:
        """The service's public address, there from its creation on."""
        async with serving(service.front) as service.front.address:
            task_status.started()
            await service.front.closed()

    async def _maintain(self, service: Service, seconds: float) -> None:
        await self._platform.clock.sleep(seconds)
        service.status = "RUNNING"

    def _shared_of(self, request: Mapping[str, Any]) -> shared.Revision | None:
        """The auto scaling that a request names; raises AwsError when that, or its VPC connector, is not there."""
        egress = request.get("NetworkConfiguration", {}).get("EgressConfiguration", {})
        if egress.get("EgressType") == "VPC":
            self.connectors.resolve(egress.get("VpcConnectorArn", ""))
        arn = request.get("AutoScalingConfigurationArn")
        return self.scaling.resolve(arn) if arn else None

    def _is_used(self, arn: str) -> bool:
        return any(
            service.scaling.arn == arn or arn in _named_in(service.configuration)
            for service in self.services.values()
            if service.status != "DELETED"
        )

    def _tags(self, arn: str) -> dict[str, str] | None:
        service = self.services.get(arn)
        if service and service.status != "DELETED":
            return service.tags
        kinds = (self.scaling, self.connectors, self._observability)
        revision = next((found for kind in kinds if (found := kind.find(arn))), None)
        return revision.tags if revision else None

    def _service(self, request: Mapping[str, Any]) -> Service:
        """Also one that was deleted."""
        if request["ServiceArn"] not in self.services:
            raise states.not_found(request["ServiceArn"])
        return self.services[request["ServiceArn"]]


def _named_in(asked: configuration.Configuration) -> tuple[str | None, str | None]:
    """The shared resources in a configuration."""
    egress = asked["NetworkConfiguration"]["EgressConfiguration"]
    return egress.get("VpcConnectorArn"), asked["ObservabilityConfiguration"].get("ObservabilityConfigurationArn")


def _page(found: Sequence[Any], request: Mapping[str, Any]) -> tuple[Sequence[Any], dict[str, str]]:
    """The part of a list that was asked for, and the token of the next."""
    first = int(request.get("NextToken", 0))
    page = found[first : first + request.get("MaxResults", 20)]
    return page, {"NextToken": str(first + len(page))} if first + len(page) < len(found) else {}
