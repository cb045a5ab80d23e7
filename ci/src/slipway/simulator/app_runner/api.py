"""The operations of the App Runner API that slipway calls. Marks: [M] service model, [G] developer guide, [F] field reports, † unverified."""

import uuid
from collections.abc import Mapping
from typing import Any

from slipway.simulator.app_runner import configuration
from slipway.simulator.app_runner.deployment import Deployment, Platform
from slipway.simulator.app_runner.service import Operation, Service
from slipway.simulator.call import Call, Operations
from slipway.simulator.contract import AwsError
from slipway.simulator.front import Front
from slipway.simulator.serving import serving


class AppRunner:
    """Services by ARN."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self.services: dict[str, Service] = {}
        self.operations: Operations = {
            "CreateService": self.create_service,
            "UpdateService": self.update_service,
            "DeleteService": self.delete_service,
            "DescribeService": self.describe_service,
            "ListServices": self.list_services,
            "ListOperations": self.list_operations,
        }

    async def create_service(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        name = request["ServiceName"]
        if any(service.name == name and service.status != "DELETED" for service in self.services.values()):
            raise AwsError(
                "InvalidRequestException", f"Service with the provided name already exists: {name}."
            )  # also CREATE_FAILED ones
        asked = configuration.of_create(request)
        arn = f"arn:aws:apprunner:{call.region}:{call.account}:service/{name}/{uuid.uuid4().hex}"
        tags = {tag["Key"]: tag["Value"] for tag in request.get("Tags", [])}
        service = Service(name, arn, call.now, asked, Front(), tags)
        await self._platform.tasks.start(self._serve, service)
        self.services[arn] = service
        return self._begin(service, "CREATE_SERVICE", asked, call)

    async def update_service(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        service = self._service(request["ServiceArn"])
        if service.status not in ("RUNNING", "CREATE_FAILED"):
            raise AwsError(
                "InvalidStateException", f"Service cannot be updated in the current state: {service.status}."
            )  # [F]
        asked = configuration.merged(service.configuration, request)
        if service.status == "RUNNING" and asked == service.configuration:
            return {"Service": service.described()}  # no effective change: no OperationId
        return self._begin(
            service, "CREATE_SERVICE" if service.status == "CREATE_FAILED" else "UPDATE_SERVICE", asked, call
        )

    async def delete_service(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        service = self._service(request["ServiceArn"])
        if service.status not in ("RUNNING", "PAUSED", "CREATE_FAILED", "DELETE_FAILED"):
            raise AwsError(
                "InvalidStateException", f"Service cannot be deleted in the current state: {service.status}."
            )  # †
        operation = self._operation(service, "DELETE_SERVICE", call)
        service.status = "OPERATION_IN_PROGRESS"
        self._platform.tasks.start_soon(self._delete, service, operation)
        return {"Service": service.described(), "OperationId": operation.id}

    async def describe_service(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        return {"Service": self._service(request["ServiceArn"], deleted=True).described()}

    async def list_services(self, _request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        shown = ("ServiceName", "ServiceId", "ServiceArn", "ServiceUrl", "CreatedAt", "UpdatedAt", "Status")
        living = (service.described() for service in self.services.values() if service.status != "DELETED")
        return {"ServiceSummaryList": [{key: described[key] for key in shown} for described in living]}

    async def list_operations(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        service = self._service(request["ServiceArn"], deleted=True)
        newest_first = service.operations[::-1]
        first = int(request.get("NextToken", 0))
        page = newest_first[first : first + request.get("MaxResults", 20)]
        more = first + len(page) < len(newest_first)
        return {"OperationSummaryList": [operation.described() for operation in page]} | (
            {"NextToken": str(first + len(page))} if more else {}
        )

    def _begin(self, service: Service, kind: str, asked: configuration.Configuration, call: Call) -> Mapping[str, Any]:
        operation = self._operation(service, kind, call)
        service.status = "OPERATION_IN_PROGRESS"
        self._platform.tasks.start_soon(Deployment(self._platform, service, operation, asked).run)
        return {"Service": service.described(), "OperationId": operation.id}

    def _operation(self, service: Service, kind: str, call: Call) -> Operation:
        service.operations.append(Operation(kind, service.arn, call.now))
        return service.operations[-1]

    async def _serve(self, service: Service, *, task_status: Any) -> None:
        """The service's public address, there from its creation on."""
        async with serving(service.front) as service.front.address:
            task_status.started()
            await service.front.closed()

    async def _delete(self, service: Service, operation: Operation) -> None:
        service.front.route(None)
        with self._platform.clock.held():
            if service.instance:
                await service.instance.stop()
        await self._platform.clock.sleep(self._platform.pace.route)
        with self._platform.clock.held():
            await service.front.close()
        now = self._platform.clock.now()
        operation.status, operation.ended = "SUCCEEDED", now
        service.status, service.deleted, service.updated = "DELETED", now, now

    def _service(self, arn: str, *, deleted: bool = False) -> Service:
        service = self.services.get(arn)
        if service is None or (service.status == "DELETED" and not deleted):
            raise AwsError("ResourceNotFoundException", f"Service with the provided ARN doesn't exist: {arn}.")
        return service
