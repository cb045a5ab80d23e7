"""The isolation of a database, computed from resources in the form of CloudFormation's schemas, of templates or of an account.

References are compared by name: `Ref` and `Fn::GetAtt` by their resource, `Fn::ImportValue` by the exported resource.
Other values, such as an id in the account, are compared as text.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Resources = Mapping[str, Mapping[str, Any]]

_DATABASE = "AWS::RDS::DBInstance"
_GATEWAY = "AWS::EC2::InternetGateway"
_SOURCES = ("CidrIp", "CidrIpv6", "SourcePrefixListId", "SourceSecurityGroupId", "SourceSecurityGroupName")


def breaches(resources: Resources, callers: Iterable[str], private: Iterable[str] = ()) -> tuple[str, ...]:
    """Return a sentence for each way in which a database, or a `private` subnet, is not isolated.

    `callers` are the security groups, by name or id, that may reach a database.
    """
    network = _Network(resources)
    found = [
        breach
        for name, database in network.of(_DATABASE)
        for breach in (*_exposures(network, name, database), *_entries(network, name, database, frozenset(callers)))
    ]
    found += [breach for subnet in private for breach in _routes_out(network, f"the private subnet {subnet}", subnet)]
    return tuple(dict.fromkeys(found))


class _Network:
    """Resources by name, whose references are replaced by names."""

    def __init__(self, resources: Resources) -> None:
        self._kinds = {name: str(each["Type"]) for name, each in resources.items()}
        self._properties = {name: named(each.get("Properties", {})) for name, each in resources.items()}

    def of(self, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        yield from ((name, self._properties[name]) for name, each in self._kinds.items() if each == kind)

    def properties(self, name: str) -> Mapping[str, Any] | None:
        return self._properties.get(name)

    def leads_out(self, target: str) -> bool:
        return target.startswith("igw-") or self._kinds.get(target) == _GATEWAY

    def routes(self, subnet: str) -> list[Mapping[str, Any]] | None:
        """Return the routes of a subnet.

        Return None when it has no known route table, because the VPC's main table then decides.
        """
        associations = self.of("AWS::EC2::SubnetRouteTableAssociation")
        tables = [each["RouteTableId"] for _, each in associations if each["SubnetId"] == subnet]
        if not tables:
            return None
        return [route for _, route in self.of("AWS::EC2::Route") if route["RouteTableId"] in tables]

    def ingress(self, group: str) -> list[Mapping[str, Any]] | None:
        """Return the rules that admit sources to a security group; None for an unknown group."""
        own = self.properties(group)
        if own is None:
            return None
        apart = [rule for _, rule in self.of("AWS::EC2::SecurityGroupIngress") if rule.get("GroupId") == group]
        return [*own.get("SecurityGroupIngress", ()), *apart]


def _exposures(network: _Network, name: str, database: Mapping[str, Any]) -> Iterator[str]:
    if database.get("PubliclyAccessible") is not False:
        yield f"the database {name} has a public address"
    subnets = network.properties(database.get("DBSubnetGroupName", ""))
    if subnets is None:
        yield f"the database {name} is in no known subnets, so AWS puts it into the default VPC"
        return
    for subnet in subnets["SubnetIds"]:
        yield from _routes_out(network, f"the subnet {subnet} of the database {name}", subnet)


def _routes_out(network: _Network, what: str, subnet: str) -> Iterator[str]:
    routes = network.routes(subnet)
    if routes is None:
        yield f"{what} has no route table of its own, so the VPC's main one decides"
        return
    if any(network.leads_out(route.get("GatewayId", "")) for route in routes):
        yield f"{what} has a route to an internet gateway"


def _entries(network: _Network, name: str, database: Mapping[str, Any], callers: frozenset[str]) -> Iterator[str]:
    groups = database.get("VPCSecurityGroups", ())
    if not groups:
        yield f"the database {name} has no security group of its own, so the VPC's default one decides"
    for group in groups:
        rules = network.ingress(group)
        if rules is None:
            yield f"the database {name} has the security group {group}, whose rules are not known"
        for rule in rules or ():
            sources = [str(rule[key]) for key in _SOURCES if rule.get(key)] or ["an unknown source"]
            strangers = [source for source in sources if source not in callers]
            where = f"on {ports_of(rule)} ({group})"
            yield from (f"the database {name} accepts {with_kind(source)} {where}" for source in strangers)


_KINDS = {
    "sg": "security group",
    "pl": "prefix list",
    "nat": "NAT gateway",
    "rtb": "route table",
    "eni": "network interface",
}


def with_kind(identifier: str) -> str:
    """Return an AWS id with the kind of its resource. Return any other text unchanged."""
    kind = _KINDS.get(identifier.partition("-")[0]) if "-" in identifier else None
    return f"the {kind} {identifier}" if kind else identifier


def ports_of(rule: Mapping[str, Any]) -> str:
    """Return the ports that a security group's rule opens, as text."""
    first, last = rule.get("FromPort"), rule.get("ToPort")
    text = "every port" if first is None else str(first) if first == last else f"{first}-{last}"
    protocol = rule.get("IpProtocol", "-1")
    return text if protocol in ("tcp", "-1") else f"{text} of {protocol}"


def named(value: Any) -> Any:
    """Replace the references in a template's value by the names of the resources."""
    match value:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), *_]}:
            return name
        case {"Fn::ImportValue": str(export)}:
            return export.rpartition("-")[2]
        case Mapping():
            return {key: named(item) for key, item in value.items()}
        case list() | tuple():
            return [named(item) for item in value]
        case _:
            return value
