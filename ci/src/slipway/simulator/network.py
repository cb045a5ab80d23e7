"""Amazon EC2: the networks that stacks create, and the default VPC, as far as load balancers, tasks and checks need them.

Marks: [M] API model, [F] field reports, † unverified.
"""

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slipway.simulator.contract import AwsError, Call, Operations, operations_of, paged
from slipway.simulator.resources import Model, Resources

DEFAULT_VPC = "vpc-0default"
_ZONES = "abc"
_BLOCKS = ("DestinationCidrBlock", "DestinationIpv6CidrBlock")  # the destination fields of a route
_NOT_FOUND = "InvalidSubnetID.NotFound"
_GROUP, _ROUTE, _SUBNET = "AWS::EC2::SecurityGroup", "AWS::EC2::Route", "AWS::EC2::Subnet"
_INGRESS, _EGRESS = "SecurityGroupIngress", "SecurityGroupEgress"
_EVERYTHING = {"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}  # the outbound rule of a group without rules of its own [G]


@dataclass(frozen=True, kw_only=True)
class Subnet:
    """A subnet. A public one has a route to an internet gateway."""

    id: str
    zone: str  # the letter of the subnet's availability zone
    public: bool = True
    free: int = 250  # the number of free addresses
    vpc: str = DEFAULT_VPC
    cidr: str = "172.31.0.0/20"

    def description(self, region: str) -> dict[str, Any]:
        return {
            "SubnetId": self.id,
            "VpcId": self.vpc,
            "CidrBlock": self.cidr,
            "AvailabilityZone": f"{region}{self.zone}",
            "AvailableIpAddressCount": self.free,
            "DefaultForAz": self.vpc == DEFAULT_VPC,
            "MapPublicIpOnLaunch": self.public,
            "State": "available",
        }

    def route_table(self) -> dict[str, Any]:
        """Return the API's RouteTable. Each subnet that no stack created has one."""
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


# Filters, with the path of their field in an answer.
_FILTERS: Mapping[str, str] = {
    "association.subnet-id": "Associations.SubnetId",
    "attachment.vpc-id": "Attachments.VpcId",
    "default-for-az": "DefaultForAz",
    "group-id": "GroupId",
    "group-name": "GroupName",
    "nat-gateway-id": "NatGatewayId",
    "route-table-id": "RouteTableId",
    "state": "State",
    "subnet-id": "SubnetId",
    "vpc-endpoint-id": "VpcEndpointId",
    "vpc-id": "VpcId",
}


class Network:
    """The subnets of the default VPC by id, and the networks in the region's resources.

    Unless the network is strict, unknown ids count as public subnets of the default VPC, each in another zone.
    """

    def __init__(self, resources: Resources) -> None:
        self.strict = False
        self.subnets = {subnet.id: subnet for subnet in (Subnet(id=f"subnet-0{zone}", zone=zone) for zone in _ZONES)}
        self._resources = resources
        self.operations: Operations = operations_of(self)

    def put(self, *subnets: Subnet) -> None:
        self.subnets |= {subnet.id: subnet for subnet in subnets}

    def default(self) -> list[str]:
        """Return the public subnets of the default VPC."""
        return [subnet.id for subnet in self.subnets.values() if subnet.public and subnet.vpc == DEFAULT_VPC]

    def at(self, ids: Sequence[str], error: str) -> list[Subnet]:
        """Return the subnets with these ids. In a strict network, raise AwsError with the code `error` for an unknown id."""
        made = {model["SubnetId"]: self._subnet(model) for model in self._resources.of(_SUBNET)}
        for index, name in enumerate(ids):
            if name not in self.subnets and name not in made:
                if self.strict:
                    raise AwsError(error, f"The subnet ID '{name}' does not exist")  # [F]
                self.subnets[name] = Subnet(id=name, zone=_ZONES[index % len(_ZONES)])
        return [made.get(name) or self.subnets[name] for name in ids]

    async def describe_subnets(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        models = {model["SubnetId"]: model for model in self._resources.of(_SUBNET)}
        ids = request.get("SubnetIds") or [*self.subnets, *models]
        description = [
            subnet.description(call.region) | _members(models.get(subnet.id, {}), "MapPublicIpOnLaunch", "Tags")
            for subnet in self.at(ids, _NOT_FOUND)
        ]
        return _page("Subnets", description, request)

    async def describe_route_tables(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        made = [self._route_table(model) for model in self._resources.of("AWS::EC2::RouteTable")]
        tables = [*(subnet.route_table() for subnet in self.subnets.values()), *made]
        return _page("RouteTables", _chosen(tables, request, "RouteTableIds", "RouteTableId"), request)

    async def describe_vpcs(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        default = {"VpcId": DEFAULT_VPC, "CidrBlock": "172.31.0.0/16", "IsDefault": True, "State": "available"}
        made = [
            _members(model, "VpcId", "CidrBlock", "Tags") | {"IsDefault": False, "State": "available"}
            for model in self._resources.of("AWS::EC2::VPC")
        ]
        return _page("Vpcs", _chosen([default, *made], request, "VpcIds", "VpcId"), request)

    async def describe_internet_gateways(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        attached: dict[str, list[dict[str, str]]] = {}
        for model in self._resources.of("AWS::EC2::VPCGatewayAttachment"):
            attachment = {"State": "attached", "VpcId": model["VpcId"]}
            attached.setdefault(model.get("InternetGatewayId", ""), []).append(attachment)
        found = [
            _members(model, "InternetGatewayId", "Tags") | {"Attachments": attached.get(model["InternetGatewayId"], [])}
            for model in self._resources.of("AWS::EC2::InternetGateway")
        ]
        return _page("InternetGateways", found, request)

    async def describe_nat_gateways(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        found = []
        for model in self._resources.of("AWS::EC2::NatGateway"):
            subnet = self._resources.find(_SUBNET, str(model.get("SubnetId"))) or {}
            facts = _members(model, "NatGatewayId", "SubnetId", "Tags") | {"VpcId": subnet.get("VpcId")}
            found.append(facts | {"State": "available", "NatGatewayAddresses": [_members(model, "AllocationId")]})
        return _page("NatGateways", found, request, filters="Filter")

    async def delete_nat_gateway(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        """Delete a NAT gateway, as a person would. Its routes stay, but lead nowhere [F]."""
        name = request["NatGatewayId"]
        if self._resources.find("AWS::EC2::NatGateway", name) is None:
            raise AwsError("NatGatewayNotFound", f"The Nat Gateway {name} was not found")  # [F]
        self._resources.remove("AWS::EC2::NatGateway", name)
        return {"NatGatewayId": name}

    async def describe_vpc_endpoints(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        members = ("VpcId", "ServiceName", "VpcEndpointType", "RouteTableIds", "SubnetIds", "PrivateDnsEnabled", "Tags")
        found = [
            _members(model, *members)
            | {"VpcEndpointId": model["Id"], "State": "Available"}
            | {"Groups": [{"GroupId": group} for group in model.get("SecurityGroupIds", [])]}
            for model in self._resources.of("AWS::EC2::VPCEndpoint")
        ]
        return _page("VpcEndpoints", found, request)

    async def describe_addresses(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        addresses = self._resources.of("AWS::EC2::EIP")
        found = [_members(model, "PublicIp", "AllocationId", "Domain", "Tags") for model in addresses]
        return {"Addresses": _filtered(found, request.get("Filters", []))}

    async def describe_security_groups(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        groups = [self._group(model, call) for model in self._resources.of(_GROUP)]
        chosen = _chosen(groups, request, "GroupIds", "GroupId")
        if absent := sorted(set(request.get("GroupIds", [])) - {group["GroupId"] for group in chosen}):
            raise AwsError("InvalidGroup.NotFound", f"The security group '{absent[0]}' does not exist")  # [F]
        return _page("SecurityGroups", chosen, request)

    async def authorize_security_group_ingress(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        """Add rules, as a person would. Drift detection finds them."""
        model = self._existing_group(request)
        model[_INGRESS] = [*model.get(_INGRESS, []), *_rules(request)]
        return {"Return": True}

    async def revoke_security_group_ingress(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        model, gone = self._existing_group(request), [_undescribed(rule) for rule in _rules(request)]
        model[_INGRESS] = [rule for rule in model.get(_INGRESS, []) if _undescribed(rule) not in gone]
        return {"Return": True}

    async def create_route(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        """Add a route, as a person would."""
        table, block = request["RouteTableId"], _block(request)
        if self._resources.find("AWS::EC2::RouteTable", table) is None:
            raise AwsError("InvalidRouteTableID.NotFound", f"The routeTable ID '{table}' does not exist")  # [F]
        self._resources.put(_ROUTE, f"{table}|{block}", dict(request))
        return {"Return": True}

    async def delete_route(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        table, block = request["RouteTableId"], _block(request)
        gone = [
            name
            for name, route in self._resources.models.get(_ROUTE, {}).items()
            if (route["RouteTableId"], _block(route)) == (table, block)
        ]
        if not gone:
            what = f"no route with destination-cidr-block {block} in route table {table}"
            raise AwsError("InvalidRoute.NotFound", what)  # [F]
        for name in gone:
            self._resources.remove(_ROUTE, name)
        return {"Return": True}

    def manage(self, name: str, vpc: str) -> str:
        """Create the security group of a load balancer of ECS, and return its id. It admits every address [F]."""
        identifier = f"sg-{secrets.token_hex(9)[:17]}"
        rules = [{"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "CidrIp": "0.0.0.0/0"} for port in (80, 443)]
        model = {"GroupId": identifier, "GroupName": name, "GroupDescription": "managed by ECS", "VpcId": vpc}
        tags = [{"Key": "AmazonECSManaged", "Value": "true"}]
        self._resources.put(_GROUP, identifier, {**model, _INGRESS: rules, "Tags": tags})
        return identifier

    def unmanage(self, identifier: str) -> None:
        self._resources.remove(_GROUP, identifier)

    def ingress(self, group: str) -> list[Mapping[str, Any]]:
        """Return the rules that admit sources to a security group, in the form of templates."""
        model = self._resources.find(_GROUP, group) or {}
        apart = [each for each in self._resources.of(f"AWS::EC2::{_INGRESS}") if each.get("GroupId") == group]
        return [*model.get(_INGRESS, []), *apart]

    def _subnet(self, model: Model) -> Subnet:
        name, zone = model["SubnetId"], str(model.get("AvailabilityZone", "a"))[-1]
        associations = self._resources.of("AWS::EC2::SubnetRouteTableAssociation")
        tables = {each["RouteTableId"] for each in associations if each["SubnetId"] == name}
        routes = [route for route in self._resources.of(_ROUTE) if route["RouteTableId"] in tables]
        public = any(str(route.get("GatewayId", "")).startswith("igw-") for route in routes)
        return Subnet(id=name, zone=zone, public=public, vpc=model["VpcId"], cidr=model.get("CidrBlock", ""))

    def _route_table(self, model: Model) -> dict[str, Any]:
        name = model["RouteTableId"]
        vpc = self._resources.find("AWS::EC2::VPC", model["VpcId"]) or {}
        local = {"DestinationCidrBlock": vpc.get("CidrBlock"), "GatewayId": "local", "State": "active"}
        routes = [
            _members(route, *_BLOCKS, "GatewayId", "NatGatewayId") | {"State": "active"}
            for route in self._resources.of(_ROUTE)
            if route["RouteTableId"] == name
        ]
        associations = [
            {"SubnetId": each["SubnetId"], "RouteTableId": name, "RouteTableAssociationId": each["Id"], "Main": False}
            for each in self._resources.of("AWS::EC2::SubnetRouteTableAssociation")
            if each["RouteTableId"] == name
        ]
        facts = _members(model, "RouteTableId", "VpcId", "Tags")
        return facts | {"Routes": [local, *routes], "Associations": associations}

    def _group(self, model: Model, call: Call) -> dict[str, Any]:
        """Return the API's SecurityGroup, including rules that are separate resources."""
        name = model["GroupId"]
        separate = {
            noun: [each for each in self._resources.of(f"AWS::EC2::{noun}") if each.get("GroupId") == name]
            for noun in (_INGRESS, _EGRESS)
        }
        outward = [*model.get(_EGRESS, []), *separate[_EGRESS]] or [_EVERYTHING]
        return {
            "GroupId": name,
            "GroupName": model.get("GroupName", name),
            "Description": model.get("GroupDescription"),
            "VpcId": model.get("VpcId", DEFAULT_VPC),
            "OwnerId": call.account,
            "IpPermissions": [_permission(rule) for rule in (*model.get(_INGRESS, []), *separate[_INGRESS])],
            "IpPermissionsEgress": [_permission(rule) for rule in outward],
            "Tags": model.get("Tags", []),
        }

    def _existing_group(self, request: Mapping[str, Any]) -> Model:
        name = request.get("GroupId", "")
        model = self._resources.find(_GROUP, name)
        if model is None:
            raise AwsError("InvalidGroup.NotFound", f"The security group '{name}' does not exist")  # [F]
        return model


def _permission(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Return a rule in the form of templates as the API's IpPermission."""
    text = {"Description": rule["Description"]} if "Description" in rule else {}
    other = rule.get("SourceSecurityGroupId") or rule.get("DestinationSecurityGroupId")
    return {
        "IpProtocol": str(rule["IpProtocol"]),
        **{key: int(rule[key]) for key in ("FromPort", "ToPort") if key in rule},
        "IpRanges": [{"CidrIp": rule["CidrIp"], **text}] if "CidrIp" in rule else [],
        "Ipv6Ranges": [{"CidrIpv6": rule["CidrIpv6"], **text}] if "CidrIpv6" in rule else [],
        "UserIdGroupPairs": [{"GroupId": other, **text}] if other else [],
    }


def _undescribed(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Return the API's IpPermission without a description, which AWS ignores when a rule is revoked [M]."""
    return _permission({key: value for key, value in rule.items() if key != "Description"})


def _rules(request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the rules in a request in the form of templates, one for each source."""
    if "IpProtocol" in request:
        yield _members(request, "IpProtocol", "FromPort", "ToPort", "CidrIp")
    for permission in request.get("IpPermissions", []):
        ports = _members(permission, "IpProtocol", "FromPort", "ToPort")
        for source in (*permission.get("IpRanges", []), *permission.get("Ipv6Ranges", [])):
            yield ports | source
        for pair in permission.get("UserIdGroupPairs", []):
            yield ports | {"SourceSecurityGroupId": pair["GroupId"]} | _members(pair, "Description")


def _block(route: Mapping[str, Any]) -> str:
    return next((str(route[key]) for key in _BLOCKS if key in route), "")


def _members(model: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: model[name] for name in names if name in model}


def _chosen(found: list[dict[str, Any]], request: Mapping[str, Any], ids: str, member: str) -> list[dict[str, Any]]:
    wanted = request.get(ids)
    return [each for each in found if not wanted or each[member] in wanted]


def _page(
    member: str, found: list[dict[str, Any]], request: Mapping[str, Any], filters: str = "Filters"
) -> dict[str, Any]:
    return paged(member, _filtered(found, request.get(filters, [])), request)


def _filtered(found: list[dict[str, Any]], filters: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    for asked in filters:
        fits = _filter(asked["Name"])
        found = [each for each in found if set(fits(each)) & set(asked["Values"])]
    return found


def _filter(name: str) -> Callable[[Mapping[str, Any]], list[str]]:
    """Return a function for the values that a filter compares."""
    if name.startswith("tag:"):
        key = name.removeprefix("tag:")
        return lambda each: [tag["Value"] for tag in each.get("Tags", []) if tag["Key"] == key]
    if name not in _FILTERS:
        raise AwsError("InvalidParameterValue", f"The simulator has no filter '{name}'.")
    return lambda each: list(_values(each, _FILTERS[name].split(".")))


def _values(value: Any, path: Sequence[str]) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _values(item, path)
    elif not path:
        yield str(value).lower() if isinstance(value, bool) else str(value)
    elif isinstance(value, Mapping) and path[0] in value:
        yield from _values(value[path[0]], path[1:])
