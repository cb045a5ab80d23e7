"""The load balancers ("doors") that ECS creates for an environment's private services, and the callers that they admit.

Up to 25 private services share one load balancer, and ECS opens its security group to every address [F], that is, to
the whole VPC. Rules that are changed directly stay as they are [G]. A rule admits a security group to the load
balancer, so a caller of one service reaches all services behind it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from slipway.records.bootstrap import DoorChange, Result
from slipway.release.aws.client import Aws
from slipway.release.bootstrap.isolation import ports_of, with_kind

# the tag, on a service's security group, with the names of the services that it calls
CALLS_TAG: Final = "slipway:calls"
_NAMES: Final = "ecs-express-gateway-alb-"  # the beginning of the load balancers' names [F]
_HTTPS: Final = 443
_MADE: Final = "a service that calls a private one"  # the description of rules that slipway adds
_SOURCES: Final = {
    "IpRanges": "CidrIp",
    "Ipv6Ranges": "CidrIpv6",
    "PrefixListIds": "PrefixListId",
    "UserIdGroupPairs": "GroupId",
}


@dataclass(frozen=True)
class Rule:
    """A rule that admits one source. `permission` is in the API's form, and `note` is the rule's description."""

    source: str
    ports: str
    permission: Mapping[str, Any]
    note: str = ""

    @property
    def text(self) -> str:
        return f"{self.source} on {self.ports}"


@dataclass(frozen=True, kw_only=True)
class Door:
    """A load balancer of private services, with its security group and rules, and the security groups of their callers.

    - names: the names of the VPC's security groups, by id.
    """

    balancer: str
    group: str
    rules: tuple[Rule, ...]
    callers: tuple[str, ...]
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def strangers(self) -> tuple[Rule, ...]:
        """The rules for sources that call none of the services."""
        return tuple(rule for rule in self.rules if rule.text not in map(_caller, self.callers))

    @property
    def missing(self) -> tuple[str, ...]:
        """The security groups of callers without a rule."""
        there = {rule.text for rule in self.rules}
        return tuple(group for group in self.callers if _caller(group) not in there)

    def breaches(self) -> Iterator[str]:
        """Yield a sentence for each source that is admitted, and each caller that is not, contrary to the settings."""
        for rule in self.strangers:
            yield f"the load balancer {self.balancer} of the private services lets in {self._shown(rule.text)}, which is no caller's security group"
        for group in self.missing:
            yield f"the load balancer {self.balancer} of the private services does not let in {self._shown(group)}, whose service calls one of them"

    def _shown(self, text: str) -> str:
        """Return a source with its kind and, if it has one, its name."""
        source, on, ports = text.partition(" on ")
        name = f" ({self.names[source]})" if self.names.get(source) else ""
        return f"{with_kind(source)}{name}{on}{ports}"

    def change(self, result: Result) -> DoorChange:
        return DoorChange(
            balancer=self.balancer,
            group=self.group,
            result=result if self.strangers or self.missing else Result.UNCHANGED,
            opened=tuple(self._shown(_caller(group)) for group in self.missing),
            closed=tuple(self._shown(rule.text) for rule in self.strangers),
        )


async def doors_of(aws: Aws, vpc: str) -> list[Door]:
    """Return the load balancers for private services in a VPC. Raise SlipwayError when they cannot be read."""
    private = [
        each
        async for each in aws.items("elbv2", "describe_load_balancers", "LoadBalancers")
        if each.get("VpcId") == vpc and each["Scheme"] == "internal" and each["LoadBalancerName"].startswith(_NAMES)
    ]
    if not private:
        return []
    groups = await _groups(aws, vpc)
    names = {group: _tag(each, "Name") for group, each in groups.items()}
    callers = tuple(sorted(name for name, each in groups.items() if _tag(each, CALLS_TAG)))
    return [
        Door(
            balancer=each["LoadBalancerName"],
            group=group,
            rules=tuple(rules_of(groups[group]["IpPermissions"])),
            callers=callers,
            names=names,
        )
        for each in private
        for group in each.get("SecurityGroups", ())
        if group in groups
    ]


async def close(aws: Aws, door: Door) -> None:
    """Admit the callers only. Their rules are added before others are removed, so that no caller loses access meanwhile."""
    for group in door.missing:
        permission = {"IpProtocol": "tcp", "FromPort": _HTTPS, "ToPort": _HTTPS}
        pairs = {"UserIdGroupPairs": [{"GroupId": group, "Description": _MADE}]}
        await aws.call(
            "ec2", "authorize_security_group_ingress", GroupId=door.group, IpPermissions=[permission | pairs]
        )
    for rule in door.strangers:
        await aws.call("ec2", "revoke_security_group_ingress", GroupId=door.group, IpPermissions=[rule.permission])


async def withdraw(aws: Aws, door: Door, group: str) -> None:
    """Remove the rule that `close` added for a security group: AWS does not delete a group that a rule names."""
    for rule in door.rules:
        if (rule.text, rule.note) == (_caller(group), _MADE):
            await aws.call("ec2", "revoke_security_group_ingress", GroupId=door.group, IpPermissions=[rule.permission])


async def callers_of(aws: Aws, vpc: str, callee: str) -> tuple[str, ...]:
    """Return the services in a VPC that call this service, by the tags of their security groups."""
    groups = (await _groups(aws, vpc)).items()
    return tuple(sorted(_tag(each, "Name") or name for name, each in groups if callee in _tag(each, CALLS_TAG).split()))


async def _groups(aws: Aws, vpc: str) -> Mapping[str, Mapping[str, Any]]:
    filters = [{"Name": "vpc-id", "Values": [vpc]}]
    found = aws.items("ec2", "describe_security_groups", "SecurityGroups", Filters=filters)
    return {each["GroupId"]: each async for each in found}


def _tag(group: Mapping[str, Any], key: str) -> str:
    return next((tag["Value"] for tag in group.get("Tags") or () if tag["Key"] == key), "")


def _caller(group: str) -> str:
    return f"{group} on {_HTTPS}"


def rules_of(permissions: Sequence[Mapping[str, Any]]) -> Iterator[Rule]:
    """Yield a rule for each source in a security group's permissions."""
    for each in permissions:
        ports = {key: each[key] for key in ("IpProtocol", "FromPort", "ToPort") if key in each}
        text = ports_of(each)
        for kind, key in _SOURCES.items():
            for source in each.get(kind, ()):
                yield Rule(source[key], text, {**ports, kind: [{key: source[key]}]}, source.get("Description", ""))
