"""Amazon EC2: the account's subnets and their route tables, as far as load balancers and tasks depend on them.

Marks: [M] service model, [F] field reports, † unverified.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slipway.simulator.contract import AwsError, Call, Operations, operations_of, paged

DEFAULT_VPC = "vpc-0default"
_ZONES = "abc"
_NOT_FOUND = "InvalidSubnetID.NotFound"


@dataclass(frozen=True)
class Subnet:
    """A subnet; a public one routes to an internet gateway."""

    id: str
    zone: str  # the letter of its availability zone
    public: bool = True
    free: int = 250  # addresses
    vpc: str = DEFAULT_VPC

    def described(self, region: str) -> dict[str, Any]:
        """Return the API's Subnet."""
        return {
            "SubnetId": self.id,
            "VpcId": self.vpc,
            "AvailabilityZone": f"{region}{self.zone}",
            "AvailableIpAddressCount": self.free,
            "DefaultForAz": self.vpc == DEFAULT_VPC,
            "MapPublicIpOnLaunch": self.public,
            "State": "available",
        }

    def route_table(self) -> dict[str, Any]:
        """Return the API's RouteTable: every subnet has one of its own."""
        gateway = (
            [{"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1", "State": "active"}] if self.public else []
        )
        table = f"rtb-{self.id.removeprefix('subnet-')}"
        return {
            "RouteTableId": table,
            "VpcId": self.vpc,
            "Associations": [{"SubnetId": self.id, "RouteTableId": table, "Main": False}],
            "Routes": [{"DestinationCidrBlock": "172.31.0.0/16", "GatewayId": "local", "State": "active"}, *gateway],
        }


_FILTERS: Mapping[str, Callable[[Subnet], str]] = {
    "vpc-id": lambda subnet: subnet.vpc,
    "subnet-id": lambda subnet: subnet.id,
    "association.subnet-id": lambda subnet: subnet.id,
    "default-for-az": lambda subnet: str(subnet.vpc == DEFAULT_VPC).lower(),
}


class Network:
    """Subnets by id, at first those of the default VPC.

    Ids that were not created here count as public subnets of that VPC, in a zone each, unless the network is strict.
    """

    def __init__(self) -> None:
        self.strict = False
        self.subnets = {subnet.id: subnet for subnet in (Subnet(f"subnet-0{zone}", zone) for zone in _ZONES)}
        self.operations: Operations = operations_of(self)

    def put(self, *subnets: Subnet) -> None:
        self.subnets |= {subnet.id: subnet for subnet in subnets}

    def default(self) -> list[str]:
        """Return the public subnets of the default VPC."""
        return [subnet.id for subnet in self.subnets.values() if subnet.public and subnet.vpc == DEFAULT_VPC]

    def at(self, ids: Sequence[str], error: str) -> list[Subnet]:
        """Find subnets; raises AwsError with the code `error` for an id that a strict network does not know."""
        for index, name in enumerate(ids):
            if name not in self.subnets and self.strict:
                raise AwsError(error, f"The subnet ID '{name}' does not exist")  # [F]
            self.subnets.setdefault(name, Subnet(name, _ZONES[index % len(_ZONES)]))
        return [self.subnets[name] for name in ids]

    async def describe_subnets(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        ids = request.get("SubnetIds")
        subnets = _filtered(self.at(ids, _NOT_FOUND) if ids else self.subnets.values(), request)
        return paged("Subnets", [subnet.described(call.region) for subnet in subnets], request)

    async def describe_route_tables(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        return paged("RouteTables", [each.route_table() for each in _filtered(self.subnets.values(), request)], request)


def _filtered(subnets: Iterable[Subnet], request: Mapping[str, Any]) -> list[Subnet]:
    found = list(subnets)
    for asked in request.get("Filters", []):
        value = _FILTERS.get(asked["Name"])
        if value is None:
            raise AwsError("InvalidParameterValue", f"The simulator has no filter '{asked['Name']}'.")
        found = [subnet for subnet in found if value(subnet) in asked["Values"]]
    return found
