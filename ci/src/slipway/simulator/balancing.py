"""Elastic Load Balancing v2: the load balancers, rules and target groups that other services create, and the health of targets.

Marks: [M] API model, [G] developer guide, [F] field reports, † unverified.
"""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from slipway.simulator.contract import AwsError, Call, Operations, operations_of, paged
from slipway.workload.workload import HealthCheck, HealthResult

T = TypeVar("T")
_PAGE = ("Marker", "PageSize")
NAMESPACE = "AWS/ApplicationELB"  # the namespace of the metrics
# The metrics of a load balancer's own answers, for all of its services together [G].
OWN_ERRORS = "HTTPCode_ELB_5XX_Count"
TLS_ERRORS = "ClientTLSNegotiationErrorCount"  # includes clients that do not accept the certificate
FIXED_ANSWERS = "HTTP_Fixed_Response_Count"
ZONE = "Z32O12XQLNTSW2"  # the hosted zone of load balancers' names in eu-west-1 [G]; here in every region
# The settings of a target group that ModifyTargetGroup can change, by their names in the API.
_CHANGEABLE = {
    "HealthCheckIntervalSeconds": "interval",
    "HealthCheckTimeoutSeconds": "timeout",
    "HealthyThresholdCount": "healthy_threshold",
    "UnhealthyThresholdCount": "unhealthy_threshold",
    "HealthCheckPath": "path",
    "HealthCheckPort": "check_port",
}


@dataclass(kw_only=True)
class Target:
    """A registered target, with the results of its health checks."""

    address: str  # host:port
    state: str = "initial"
    reason: str | None = "Elb.RegistrationInProgress"
    description: str | None = "Target registration is in progress"
    in_a_row: int = 0  # the number of equal results in a row
    was_healthy: bool = False  # the last result

    def checked(self, group: "TargetGroup", result: HealthResult) -> None:
        """Apply the result of a check. The state changes when a threshold is reached."""
        healthy = group.accepts(result)
        self.in_a_row = self.in_a_row + 1 if healthy is self.was_healthy and self.in_a_row else 1
        self.was_healthy = healthy
        if healthy and self.in_a_row >= group.healthy_threshold:
            self.state, self.reason, self.description = "healthy", None, None
        elif not healthy and self.in_a_row >= group.unhealthy_threshold:
            self.state = "unhealthy"
            self.reason, self.description = _failure(result)
        elif self.state == "initial":
            self.reason, self.description = "Elb.InitialHealthChecking", "Initial health checks in progress"


def _failure(result: HealthResult) -> tuple[str, str]:
    """Return why a target is unhealthy, in the load balancer's words [G]."""
    if result.detail.isdecimal():
        return "Target.ResponseCodeMismatch", f"Health checks failed with these codes: [{result.detail}]"
    if result.detail.startswith("no answer within"):
        return "Target.Timeout", "Request timed out"
    return "Target.FailedHealthChecks", "Health checks failed"


@dataclass(kw_only=True)
class TargetGroup:
    """A target group of addresses. The defaults are Express Mode's [G]."""

    arn: str
    name: str
    vpc: str
    balancer: str
    path: str
    check_port: str
    interval: int = 30
    timeout: int = 5
    healthy_threshold: int = 5
    unhealthy_threshold: int = 2
    matcher: str = "200"
    targets: dict[str, Target] = field(default_factory=dict)  # by address

    @property
    def check(self) -> HealthCheck:
        return HealthCheck(path=self.path, interval=self.interval, timeout=self.timeout)

    def accepts(self, result: HealthResult) -> bool:
        """Return whether a result is healthy, because its code matches a matcher such as `200,300-399`."""
        ranges = (part.partition("-") for part in self.matcher.split(","))
        code = int(result.detail) if result.detail.isdecimal() else 0
        return any(int(first) <= code <= int(last or first) for first, _, last in ranges)

    @property
    def routed(self) -> list[str]:
        """The addresses that get traffic: the healthy ones, otherwise all unhealthy ones [G]."""
        healthy, unhealthy = (
            [target.address for target in self.targets.values() if target.state == state]
            for state in ("healthy", "unhealthy")
        )
        return healthy or unhealthy

    def description(self) -> dict[str, Any]:
        settings = {member: getattr(self, name) for member, name in _CHANGEABLE.items()}
        return settings | {
            "TargetGroupArn": self.arn,
            "TargetGroupName": self.name,
            "Protocol": "HTTP",
            "ProtocolVersion": "HTTP1",
            "Port": 80,
            "VpcId": self.vpc,
            "HealthCheckProtocol": "HTTP",
            "HealthCheckEnabled": True,
            "Matcher": {"HttpCode": self.matcher},
            "LoadBalancerArns": [self.balancer],
            "TargetType": "ip",
            "IpAddressType": "ipv4",
        }


@dataclass(kw_only=True)
class Rule:
    """A listener's rule: its hosts, the first of which is the service's own address, and the weights of target groups by ARN."""

    arn: str
    hosts: list[str]
    priority: int
    weights: dict[str, int]

    def description(self) -> dict[str, Any]:
        groups = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in self.weights.items()]
        stickiness = {"Enabled": False}
        forward = {"TargetGroups": groups, "TargetGroupStickinessConfig": stickiness}
        return {
            "RuleArn": self.arn,
            "Priority": str(self.priority),
            "Conditions": [
                {"Field": "host-header", "Values": [*self.hosts], "HostHeaderConfig": {"Values": [*self.hosts]}}
            ],
            "Actions": [{"Type": "forward", "Order": 1, "ForwardConfig": forward}],
            "IsDefault": False,
        }


@dataclass(kw_only=True)
class LoadBalancer:
    """An application load balancer with one HTTPS listener, which answers 404 by default."""

    arn: str
    name: str
    created: datetime
    public: bool
    vpc: str
    subnets: Mapping[str, str]  # zones by subnet
    security_group: str
    dns: str
    state: str = "provisioning"
    rules: dict[str, Rule] = field(default_factory=dict)
    certificates: list[str] = field(default_factory=list)  # the listener's further certificates, by ARN

    @property
    def scheme(self) -> str:
        return "internet-facing" if self.public else "internal"

    @property
    def dimensions(self) -> dict[str, str]:
        return {"LoadBalancer": self.arn.partition(":loadbalancer/")[2]}

    @property
    def listener(self) -> str:
        return f"{self.arn.replace(':loadbalancer/', ':listener/')}/{self.arn[-16:]}"

    def description(self) -> dict[str, Any]:
        zones = [{"ZoneName": zone, "SubnetId": subnet} for subnet, zone in self.subnets.items()]
        return {
            "LoadBalancerArn": self.arn,
            "LoadBalancerName": self.name,
            "DNSName": self.dns,
            "CanonicalHostedZoneId": ZONE,
            "CreatedTime": self.created,
            "Scheme": self.scheme,
            "VpcId": self.vpc,
            "State": {"Code": self.state},
            "Type": "application",
            "AvailabilityZones": zones,
            "SecurityGroups": [self.security_group],
            "IpAddressType": "ipv4",
        }

    def listener_described(self) -> dict[str, Any]:
        answer = {"ContentType": "text/plain", "MessageBody": "Not Found", "StatusCode": "404"}
        return {
            "ListenerArn": self.listener,
            "LoadBalancerArn": self.arn,
            "Port": 443,
            "Protocol": "HTTPS",
            "DefaultActions": [{"Type": "fixed-response", "FixedResponseConfig": answer}],
        }


def new_id(length: int = 16) -> str:
    """Return a new hexadecimal id, as in ARNs of load balancing."""
    return secrets.token_hex(length)[:length]


class LoadBalancing:
    """Load balancers and target groups by ARN."""

    def __init__(self) -> None:
        self.balancers: dict[str, LoadBalancer] = {}
        self.groups: dict[str, TargetGroup] = {}
        self.operations: Operations = operations_of(self)

    async def describe_load_balancers(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        arns, names = request.get("LoadBalancerArns"), request.get("Names")
        named = _selected(self.balancers, arns, "LoadBalancerNotFound", "One or more load balancers not found")
        found = [each.description() for each in named if names is None or each.name in names]
        return _page("LoadBalancers", found, request)

    async def describe_listeners(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        balancer = request.get("LoadBalancerArn")
        arns = [balancer] if balancer else None
        found = _selected(self.balancers, arns, "LoadBalancerNotFound", "One or more load balancers not found")
        wanted = request.get("ListenerArns")
        listeners = [each.listener_described() for each in found if wanted is None or each.listener in wanted]
        return _page("Listeners", listeners, request)

    async def describe_rules(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        listener, wanted = request.get("ListenerArn"), request.get("RuleArns")
        rules = [
            rule
            for balancer in self.balancers.values()
            if listener in (None, balancer.listener)
            for rule in balancer.rules.values()
        ]
        by_arn = {rule.arn: rule for rule in rules}
        found = _selected(by_arn, wanted, "RuleNotFound", "One or more rules not found")
        return _page("Rules", [rule.description() for rule in found], request)

    async def describe_target_groups(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        arns, names, balancer = (request.get(key) for key in ("TargetGroupArns", "Names", "LoadBalancerArn"))
        named = _selected(self.groups, arns, "TargetGroupNotFound", "One or more target groups not found")
        found = [
            group.description()
            for group in named
            if (names is None or group.name in names) and balancer in (None, group.balancer)
        ]
        return _page("TargetGroups", found, request)

    async def describe_target_health(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        group = self._group(request)
        return {"TargetHealthDescriptions": [_health(group, target) for target in group.targets.values()]}

    async def modify_target_group(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        """Change the health check. The change applies from the next check on."""
        group = self._group(request)
        wanted = {name: request[member] for member, name in _CHANGEABLE.items() if member in request}
        if wanted.get("timeout", group.timeout) > wanted.get("interval", group.interval):
            message = "Health check timeout must be smaller than or equal to the interval"  # †
            raise AwsError("InvalidConfigurationRequest", message)
        for name, value in wanted.items():
            setattr(group, name, value)
        group.matcher = request.get("Matcher", {}).get("HttpCode", group.matcher)
        return {"TargetGroups": [group.description()]}

    async def modify_rule(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        """Replace the hosts of a rule.

        Without the service's own address among them, the simulator no longer finds the service.
        """
        rules = {rule.arn: rule for balancer in self.balancers.values() for rule in balancer.rules.values()}
        (rule,) = _selected(rules, [request["RuleArn"]], "RuleNotFound", "One or more rules not found")
        for condition in request.get("Conditions", ()):
            rule.hosts = list(condition.get("HostHeaderConfig", condition).get("Values", ()))
        return {"Rules": [rule.description()]}

    async def add_listener_certificates(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        """Add certificates to the listener. One that it already has is not added again [G]."""
        balancer = self._balancer(request["ListenerArn"])
        arns = [certificate["CertificateArn"] for certificate in request["Certificates"]]
        balancer.certificates = list(dict.fromkeys([*balancer.certificates, *arns]))
        return {"Certificates": [{"CertificateArn": arn, "IsDefault": False} for arn in arns]}

    async def describe_listener_certificates(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        arns = self._balancer(request["ListenerArn"]).certificates
        return _page("Certificates", [{"CertificateArn": arn, "IsDefault": False} for arn in arns], request)

    def _balancer(self, listener: str) -> LoadBalancer:
        listeners = {balancer.listener: balancer for balancer in self.balancers.values()}
        return _selected(listeners, [listener], "ListenerNotFound", "One or more listeners not found")[0]

    def _group(self, request: Mapping[str, Any]) -> TargetGroup:
        if request["TargetGroupArn"] not in self.groups:
            raise AwsError("TargetGroupNotFound", "One or more target groups not found")  # [F]
        return self.groups[request["TargetGroupArn"]]


def _selected(items: Mapping[str, T], arns: Iterable[str] | None, code: str, message: str) -> list[T]:
    """Return the items with these ARNs, or all. Raise AwsError for an ARN that does not exist."""
    if arns is None:
        return list(items.values())
    if any(arn not in items for arn in arns):
        raise AwsError(code, message)  # [F]
    return [items[arn] for arn in arns]


def _page(member: str, items: list[dict[str, Any]], request: Mapping[str, Any]) -> dict[str, Any]:
    """Return a page. Its token is NextMarker, which the next request passes as Marker [M]."""
    page = paged(member, items, request, most=400, names=_PAGE)
    return {member: page[member], "NextMarker": page["Marker"]}


def _health(group: TargetGroup, target: Target) -> dict[str, Any]:
    host, _, port = target.address.rpartition(":")
    return {
        "Target": {"Id": host, "Port": int(port)},
        "HealthCheckPort": group.check_port,
        "TargetHealth": {"State": target.state, "Reason": target.reason, "Description": target.description},
    }
