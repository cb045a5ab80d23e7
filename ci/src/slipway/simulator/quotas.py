"""Service Quotas: the account's limits, by service and code [G]; the codes are those that users quote [F]."""

from collections.abc import Mapping
from typing import Any

from slipway.simulator.contract import AwsError, Call, Operations, Quotas, operations_of, paged

_KNOWN = {
    ("ecs", "L-9EF96962"): ("Services per cluster", "cluster_services"),
    ("fargate", "L-3032A538"): ("Fargate On-Demand vCPU resource count", "vcpus"),
    ("elasticloadbalancing", "L-53DA6B97"): ("Application Load Balancers per Region", "balancers"),
    ("ecr", "L-03A36CE1"): ("Images per repository", "images"),
}


class ServiceQuotas:
    """The quotas of the account, raised or not."""

    def __init__(self, quotas: Quotas) -> None:
        self._quotas = quotas
        self.operations: Operations = operations_of(self)

    async def get_service_quota(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        place = request["ServiceCode"], request["QuotaCode"]
        if place not in _KNOWN:
            message = "The request failed because the specified service or quota does not exist."  # †
            raise AwsError("NoSuchResourceException", message)
        return {"Quota": self._described(*place, call)}

    async def list_service_quotas(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        found = [self._described(*place, call) for place in _KNOWN if place[0] == request["ServiceCode"]]
        return paged("Quotas", found, request)

    def _described(self, service: str, code: str, call: Call) -> dict[str, Any]:
        name, attribute = _KNOWN[service, code]
        return {
            "ServiceCode": service,
            "QuotaArn": f"arn:aws:servicequotas:{call.region}:{call.account}:{service}/{code}",
            "QuotaCode": code,
            "QuotaName": name,
            "Value": float(getattr(self._quotas, attribute)),
            "Unit": "None",
            "Adjustable": True,
            "GlobalQuota": False,
        }
