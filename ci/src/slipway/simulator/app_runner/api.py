"""The App Runner API, without source connections and private ingress.

Marks: [M] service model, [G] developer guide, [F] field reports, † unverified.
"""

import uuid
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import anyio

from slipway.simulator.app_runner import shared
from slipway.simulator.app_runner.deployment import Deployment, delete, pause
from slipway.simulator.app_runner.service import (
    Configuration,
    Pace,
    Service,
    ServiceOperation,
    check_roles,
    configuration_of,
    merged,
    not_found,
)
from slipway.simulator.app_runner.shared import Shared
from slipway.simulator.cloudwatch import counting
from slipway.simulator.contract import AwsError, Call, Operations, operations_of, paged, tags_of
from slipway.simulator.platform import Platform
from slipway.simulator.serving import Front

_MOST_TAGS = 50  # [G]
METRICS = ("Requests", "4xxStatusResponses", "5xxStatusResponses")  # [G]
Change = Callable[[Platform, Service, ServiceOperation], Coroutine[Any, Any, None]]


class SimulatedAppRunner:
    """App Runner's services by ARN, with the operations of its API."""

    def __init__(self, platform: Platform, pace: Pace | None = None) -> None:
        self._platform = platform
        self._pace = pace or Pace()
        self._creating = anyio.Lock()  # a name is checked and taken in one step
        self.services: dict[str, Service] = {}
        self.scaling, self.connectors, self._observability = (
            Shared(kind, self._is_used, platform.quotas)
            for kind in (shared.SCALING, shared.CONNECTOR, shared.OBSERVABILITY)
        )
        self.operations: Operations = {
            **operations_of(self),
            **self.scaling.operations,
            **self.connectors.operations,
            **self._observability.operations,
        }

    async def create_service(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        async with self._creating:
            service = await self._created(request, call)
        return self._deploy(service, "CREATE_SERVICE", service.configuration, call)

    async def _created(self, request: Mapping[str, Any], call: Call) -> Service:
        name, quota = request["ServiceName"], self._platform.quotas.services
        living = [service for service in self.services.values() if service.status != "DELETED"]
        if any(service.name == name for service in living):  # a service in CREATE_FAILED counts, too
            raise AwsError("InvalidRequestException", f"Service with the provided name already exists: {name}.")
        if len(living) >= quota:
            raise shared.exceeded(f"{quota} services")
        wanted = configuration_of(request)
        check_roles(self._platform.iam, wanted, call.now)
        account = f"arn:aws:apprunner:{call.region}:{call.account}"
        scaling = self._shared_of(request) or shared.default_scaling(account)
        arn = f"{account}:service/{name}/{uuid.uuid4().hex}"
        tags = tags_of(request)
        dimensions = {"ServiceName": name, "ServiceID": arn.rpartition("/")[2]}
        count = counting(self._platform.metrics, self._platform.clock.now, "AWS/AppRunner", METRICS, dimensions)
        service = Service(
            name=name,
            arn=arn,
            created=call.now,
            configuration=wanted,
            front=Front(lambda upstream, status: count(status) if upstream else None),
            scaling=scaling,
            pace=self._pace,
            tags=tags,
        )
        await self._platform.tasks.start(service.front.serve)
        self.services[arn] = service
        return service

    async def update_service(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        service = self._service(request)
        service.begins("UpdateService")
        wanted, scaling = merged(service.configuration, request), self._shared_of(request)
        check_roles(self._platform.iam, wanted, call.now)
        unchanged = wanted == service.configuration and (scaling is None or scaling.arn == service.scaling.arn)
        if service.status == "RUNNING" and unchanged:
            return {"Service": service.description()}  # an update without an effective change has no OperationId
        rebuilt = service.status == "CREATE_FAILED"
        return self._deploy(service, "CREATE_SERVICE" if rebuilt else "UPDATE_SERVICE", wanted, call, scaling)

    async def start_deployment(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """Deploy the same configuration again, with the image that its tag names now."""
        service = self._service(request)
        service.begins("StartDeployment")
        answer = self._deploy(service, "START_DEPLOYMENT", service.configuration, call)
        return {"OperationId": answer["OperationId"]}

    async def resume_service(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        service = self._service(request)
        if not service.begins("ResumeService"):
            return {"Service": service.description()}
        return self._deploy(service, "RESUME_SERVICE", service.configuration, call)

    async def pause_service(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        service = self._service(request)
        if not service.begins("PauseService"):
            return {"Service": service.description()}
        return self._begin(service, "PAUSE_SERVICE", pause, call)

    async def delete_service(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        service = self._service(request)
        service.begins("DeleteService")
        return self._begin(service, "DELETE_SERVICE", delete, call)

    async def associate_custom_domain(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        """Add a domain name, which is active at once. Its certificate is not simulated."""
        service = self.services.get(request["ServiceArn"])
        if service is None:  # the API model has no other error for this
            raise AwsError("InvalidRequestException", not_found(request["ServiceArn"]).message)  # †
        service.domains[request["DomainName"].lower()] = request.get("EnableWWWSubdomain", True)
        added = self._domains(service)[-1]
        return {"DNSTarget": service.dns, "ServiceArn": service.arn, "CustomDomain": added, "VpcDNSTargets": []}

    async def disassociate_custom_domain(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        service = self._service(request)
        if request["DomainName"].lower() not in service.domains:
            raise AwsError("ResourceNotFoundException", f"Resource doesn't exist: {request['DomainName']}.")  # †
        removed = next(each for each in self._domains(service) if each["DomainName"] == request["DomainName"].lower())
        del service.domains[request["DomainName"].lower()]
        return {"DNSTarget": service.dns, "ServiceArn": service.arn, "CustomDomain": removed, "VpcDNSTargets": []}

    async def describe_custom_domains(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        service = self._service(request)
        page = paged("CustomDomains", self._domains(service), request)
        return page | {"DNSTarget": service.dns, "ServiceArn": service.arn, "VpcDNSTargets": []}

    @staticmethod
    def _domains(service: Service) -> list[dict[str, Any]]:
        return [
            {"DomainName": name, "EnableWWWSubdomain": www, "Status": "ACTIVE", "CertificateValidationRecords": []}
            for name, www in service.domains.items()
        ]

    def maintain(self, service: Service, seconds: float) -> None:
        """Simulate platform maintenance: an operation is in progress, but none is listed [G]."""
        service.status = "OPERATION_IN_PROGRESS"
        self._platform.tasks.start_soon(self._maintain, service, seconds)

    async def describe_service(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        return {"Service": self._service(request).description()}

    async def list_services(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        shown = ("ServiceName", "ServiceId", "ServiceArn", "ServiceUrl", "CreatedAt", "UpdatedAt", "Status")
        living = [service.description() for service in self.services.values() if service.status != "DELETED"]
        summaries = [{key: description[key] for key in shown} for description in living]
        return paged("ServiceSummaryList", summaries, request)

    async def list_operations(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        newest_first = [operation.description() for operation in self._service(request).operations[::-1]]
        return paged("OperationSummaryList", newest_first, request)

    async def tag_resource(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        """Set tags of a service. Besides CreateService, only this operation and UntagResource change tags [M]."""
        tags = self._tags(request)
        added = tags_of(request)
        if any(key.lower().startswith("aws:") for key in added):
            raise AwsError("InvalidRequestException", "Tag keys that start with aws: are reserved.")  # †
        if len(tags | added) > _MOST_TAGS:
            raise AwsError("InvalidRequestException", f"A resource can have at most {_MOST_TAGS} tags.")  # †
        tags |= added
        return {}

    async def untag_resource(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        tags = self._tags(request)
        for key in request["TagKeys"]:
            tags.pop(key, None)
        return {}

    async def list_tags_for_resource(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        return {"Tags": [{"Key": key, "Value": value} for key, value in self._tags(request).items()]}

    def _deploy(
        self,
        service: Service,
        kind: str,
        wanted: Configuration,
        call: Call,
        scaling: shared.SharedRevision | None = None,
    ) -> Mapping[str, Any]:
        async def run(platform: Platform, service: Service, operation: ServiceOperation) -> None:
            connector = self.connectors.find(_shared_in(wanted)[0] or "")
            groups = connector.facts["SecurityGroups"] if connector else ()
            await Deployment(
                platform=platform, service=service, operation=operation, configuration=wanted, groups=groups
            ).run()
            if operation.status == "SUCCEEDED":
                service.scaling = scaling or service.scaling

        return self._begin(service, kind, run, call)

    def _begin(self, service: Service, kind: str, run: Change, call: Call) -> Mapping[str, Any]:
        operation = ServiceOperation(type=kind, target_arn=service.arn, started=call.now)
        service.operations.append(operation)
        service.status = "OPERATION_IN_PROGRESS"
        self._platform.tasks.start_soon(run, self._platform, service, operation)
        return {"Service": service.description(), "OperationId": operation.id}

    async def _maintain(self, service: Service, seconds: float) -> None:
        await self._platform.clock.sleep(seconds)
        service.status = "RUNNING"

    def _shared_of(self, request: Mapping[str, Any]) -> shared.SharedRevision | None:
        """Return the auto scaling configuration in a request.

        Raise AwsError when it, or the VPC connector, does not exist.
        """
        egress = request.get("NetworkConfiguration", {}).get("EgressConfiguration", {})
        if egress.get("EgressType") == "VPC":
            self.connectors.resolve(egress.get("VpcConnectorArn", ""))
        arn = request.get("AutoScalingConfigurationArn")
        return self.scaling.resolve(arn) if arn else None

    def _is_used(self, arn: str) -> bool:
        return any(
            service.scaling.arn == arn or arn in _shared_in(service.configuration)
            for service in self.services.values()
            if service.status != "DELETED"
        )

    def _tags(self, request: Mapping[str, Any]) -> dict[str, str]:
        arn = request["ResourceArn"]
        service = self.services.get(arn)
        if service and service.status != "DELETED":
            return service.tags
        for kind in (self.scaling, self.connectors, self._observability):
            if revision := kind.find(arn):
                return revision.tags
        raise AwsError("ResourceNotFoundException", f"Resource doesn't exist: {arn}.")  # †

    def _service(self, request: Mapping[str, Any]) -> Service:
        """Return a service, even a deleted one."""
        if request["ServiceArn"] not in self.services:
            raise not_found(request["ServiceArn"])
        return self.services[request["ServiceArn"]]


def _shared_in(configured: Configuration) -> tuple[str | None, str | None]:
    """Return the ARNs of the VPC connector and the observability configuration."""
    egress = configured["NetworkConfiguration"]["EgressConfiguration"]
    return egress.get("VpcConnectorArn"), configured["ObservabilityConfiguration"].get("ObservabilityConfigurationArn")
