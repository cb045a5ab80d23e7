"""The rules and routes around the database, the services' security groups and the private subnets, and the removal of those that a person added.

Drift detection compares only what a template sets, so it overlooks an added rule or route.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from slipway.release.aws.client import Aws
from slipway.release.bootstrap.doors import Rule, rules_of
from slipway.release.bootstrap.isolation import Resources, breaches, with_kind
from slipway.release.bootstrap.server import databases_named
from slipway.release.bootstrap.template import CALLER, INGRESS
from slipway.release.placement import DATABASE_GROUP, PRIVATE_SUBNETS, VPC

_DATABASE, _ROUTES, _NAT = "Database", "PrivateRoutes", "NatGateway"  # names in the template
_GATEWAY: Final = "igw-"
_SOURCES: Final = {  # the names of a permission's sources in the API, and in a template
    "IpRanges": "CidrIp",
    "Ipv6Ranges": "CidrIpv6",
    "PrefixListIds": "SourcePrefixListId",
    "UserIdGroupPairs": "SourceSecurityGroupId",
}
# Ways to the internet other than an internet gateway. Peering, VPN and transit gateways lead to networks that a team
# may want to join.
_EXITS: Final = ("EgressOnlyInternetGatewayId", "NatGatewayId", "InstanceId", "NetworkInterfaceId")
_DESTINATIONS: Final = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")


@dataclass(frozen=True, kw_only=True)
class Enclosure:
    """The rules and routes around a database.

    - ids: the ids of the resources in the environment's stack, by their names in the template.
    - callers: the security groups that a service's stack admits to the database.
    - owners: for each service's security group, which must admit nothing, the stack that made it.
    - rules: the rules of the security groups of database and services.
    - routes: the routes of each route table in the VPC.
    - resources: all of these in the form of templates.
    """

    ids: Mapping[str, str]
    callers: frozenset[str] = frozenset()
    owners: Mapping[str, str] = field(default_factory=dict)
    rules: Mapping[str, tuple[Rule, ...]] = field(default_factory=dict)
    routes: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)
    resources: Resources = field(default_factory=dict)

    def breaches(self, *, private: bool) -> tuple[str, ...]:
        """Return a sentence for each way in. With `private`, check the private subnets, where the tasks then run, too."""
        subnets = [self.ids[name] for name in PRIVATE_SUBNETS if private and name in self.ids]
        return (*breaches(self.resources, self.callers, subnets), *self._additions())

    def _additions(self) -> Iterator[str]:
        """Yield a sentence for each added rule or route, except those that `breaches` of isolation.py finds."""
        for group, stack in self.owners.items():
            for rule in self.rules.get(group, ()):
                yield f"the security group {group} of {stack} accepts {with_kind(rule.text)}, and no template lets that in"
        for route, target in self.ways_out:
            if not target.startswith(_GATEWAY):
                table, *blocks = route.values()
                yield f"the private subnets have a route to {' '.join(blocks)} by {with_kind(target)} ({table}), and no template has it"

    @property
    def strangers(self) -> Iterator[tuple[str, Rule]]:
        """The rules of the templates' security groups that no template has, each with its group."""
        own = self.ids.get(DATABASE_GROUP, "")
        yield from ((own, rule) for rule in self.rules.get(own, ()) if rule.source not in self.callers)
        yield from ((group, rule) for group in self.owners for rule in self.rules.get(group, ()))

    @property
    def ways_out(self) -> Iterator[tuple[Mapping[str, str], str]]:
        """The routes to the internet in the private route table that no template has, in the API's form, each with its target."""
        table = self.ids.get(_ROUTES, "")
        for route in self.routes.get(table, ()):
            gateway = str(route.get("GatewayId", ""))
            exits = [str(route[key]) for key in _EXITS if route.get(key) and route[key] != self.ids.get(_NAT)]
            for target in [gateway] if gateway.startswith(_GATEWAY) else exits[:1]:
                yield {"RouteTableId": table} | _destination(route), target


async def enclosure_of(aws: Aws, ids: Mapping[str, str], services: Mapping[str, Mapping[str, str]]) -> Enclosure:
    """Read the rules and routes around the database of an environment's stack.

    Raise SlipwayError when they cannot be read.
    `services` has the ids of resources in the services' stacks.
    """
    if VPC not in ids:
        return Enclosure(ids=ids)
    callers = frozenset(each[CALLER] for each in services.values() if CALLER in each and INGRESS in each)
    owners = {each[CALLER]: stack for stack, each in services.items() if CALLER in each}
    groups = {*owners, *([ids[DATABASE_GROUP]] if DATABASE_GROUP in ids else ())}
    resources: dict[str, Mapping[str, Any]] = {}
    for each in await databases_named(aws, ids[_DATABASE]) if _DATABASE in ids else ():
        attached, subnets = [group["VpcSecurityGroupId"] for group in each["VpcSecurityGroups"]], each["DBSubnetGroup"]
        groups.update(attached)
        within = {"SubnetIds": [subnet["SubnetIdentifier"] for subnet in subnets["Subnets"]]}
        resources[subnets["DBSubnetGroupName"]] = _as_template("RDS::DBSubnetGroup", within)
        facts = {"DBSubnetGroupName": subnets["DBSubnetGroupName"], "VPCSecurityGroups": attached}
        facts["PubliclyAccessible"] = each["PubliclyAccessible"]
        resources[each["DBInstanceIdentifier"]] = _as_template("RDS::DBInstance", facts)
    rules = await _rules(aws, groups)
    for group, those in rules.items():
        ingress = [_rule(rule) for rule in those]
        resources[group] = _as_template("EC2::SecurityGroup", {"SecurityGroupIngress": ingress})
    filters = [{"Name": "vpc-id", "Values": [ids[VPC]]}]
    tables = [each async for each in aws.items("ec2", "describe_route_tables", "RouteTables", Filters=filters)]
    resources |= {name: each for table in tables for name, each in _table(table)}
    routes = {each["RouteTableId"]: tuple(each["Routes"]) for each in tables}
    return Enclosure(ids=ids, callers=callers, owners=owners, rules=rules, routes=routes, resources=resources)


async def enclose(aws: Aws, enclosure: Enclosure) -> list[str]:
    """Remove the rules and routes that no template has. Return a sentence for each."""
    done = []
    for group, rule in enclosure.strangers:
        await aws.call("ec2", "revoke_security_group_ingress", GroupId=group, IpPermissions=[rule.permission])
        done.append(f"{enclosure.owners.get(group, 'the database')} no longer accepts {with_kind(rule.text)} ({group})")
    for route, target in enclosure.ways_out:
        await aws.call("ec2", "delete_route", **route)
        table, *blocks = route.values()
        done.append(f"the route to {' '.join(blocks)} in {table} no longer leads to {with_kind(target)}")
    return done


async def _rules(aws: Aws, groups: Collection[str]) -> dict[str, tuple[Rule, ...]]:
    if not groups:
        return {}
    filters = [{"Name": "group-id", "Values": sorted(groups)}]
    found = aws.items("ec2", "describe_security_groups", "SecurityGroups", Filters=filters)
    return {each["GroupId"]: tuple(rules_of(each["IpPermissions"])) async for each in found}


def _table(table: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    name = table["RouteTableId"]
    for route in table["Routes"]:
        facts = {"RouteTableId": name, "GatewayId": route.get("GatewayId", "")}
        yield f"{name}|{'|'.join(_destination(route).values())}", _as_template("EC2::Route", facts)
    for each in table.get("Associations", ()):
        if subnet := each.get("SubnetId"):
            facts = {"RouteTableId": name, "SubnetId": subnet}
            yield f"{name}|{subnet}", _as_template("EC2::SubnetRouteTableAssociation", facts)


def _destination(route: Mapping[str, Any]) -> dict[str, str]:
    return {key: route[key] for key in _DESTINATIONS if route.get(key)}


def _rule(rule: Rule) -> dict[str, Any]:
    return {**rule.permission, **{key: rule.source for kind, key in _SOURCES.items() if kind in rule.permission}}


def _as_template(kind: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"Type": f"AWS::{kind}", "Properties": properties}
