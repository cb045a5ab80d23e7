"""The service's own domain names: their records in Route 53, and the certificates that the new side's load balancer needs."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from slipway.errors import RefusedError, UnknownOutcomeError
from slipway.records.plan import FieldChange
from slipway.records.progress import Event, Tell
from slipway.release.aws.client import Aws
from slipway.release.engine.target import Time
from slipway.release.errors import AwsRefusedError, BusyError
from slipway.release.move.records import Destination, NameRecords, Record, batch
from slipway.release.targets.ecs_express.api import ExpressApi

_KNOWN_SECONDS = 300.0  # until all resolvers of Route 53 have a change; usually a minute
_ISSUED_SECONDS = 30 * 60.0
_POLL_SECONDS = 5.0
_SLOW_POLL_SECONDS = 15.0
_CHANGED = ("InvalidChangeBatch", "PriorRequestNotComplete")
_NOWHERE = Destination(dns="")
_KEYS = (
    "RSA_2048",
    "RSA_3072",
    "RSA_4096",
    "EC_prime256v1",
    "EC_secp384r1",
)  # by default, ListCertificates leaves out most of these key types


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """The way to the service at the new side's load balancer: balancer, listener, rule and target groups by ARN, and its destination in DNS."""

    balancer: str
    listener: str
    rule: str
    groups: tuple[str, ...]
    destination: Destination


@dataclass(frozen=True, kw_only=True)
class OwnNames:
    """The own domain names of a service on App Runner; none by default.

    - destination: the service's destination in DNS.
    - names: the names with their records.
    - waiting: why some of the names cannot be moved.
    """

    destination: Destination = _NOWHERE
    names: tuple[NameRecords, ...] = ()
    waiting: tuple[str, ...] = ()

    @property
    def foreign(self) -> tuple[NameRecords, ...]:
        """The names that this account's Route 53 does not have."""
        return tuple(name for name in self.names if name.zone is None)


async def names_of(aws: Aws, service: str) -> OwnNames:
    """Return the names of an App Runner service with their records."""
    pages = [page async for page in aws.pages("apprunner", "describe_custom_domains", ServiceArn=service)]
    domains = [domain for page in pages for domain in page["CustomDomains"]]
    waiting = tuple(
        f"its domain {each['DomainName']} is {each['Status']}; remove it, or wait until it is ACTIVE"
        for each in domains
        if each["Status"] != "ACTIVE"
    )
    hosts = [host for each in domains for host in _hosts(each["DomainName"], www=each["EnableWWWSubdomain"])]
    found = [await _records(aws, host) for host in hosts]
    # App Runner may list a www name that no record uses.
    names = tuple(each for each in found if not _is_unused(each))
    return OwnNames(destination=Destination(dns=pages[0]["DNSTarget"]), names=names, waiting=waiting)


def _hosts(name: str, *, www: bool) -> list[str]:
    return [name, f"www.{name}"] if www else [name]


def _is_unused(name: NameRecords) -> bool:
    return name.name.startswith("www.") and name.zone is not None and not name.leading


async def _records(aws: Aws, host: str) -> NameRecords:
    zone = await _zone(aws, host)
    if zone is None:
        return NameRecords(name=host, zone=None)
    listed = await aws.call("route53", "list_resource_record_sets", HostedZoneId=zone, StartRecordName=f"{host}.")
    records = tuple(each for each in listed["ResourceRecordSets"] if each["Name"].rstrip(".") == host)
    return NameRecords(name=host, zone=zone, records=records)


async def _zone(aws: Aws, host: str) -> str | None:
    """Return the id of the most specific public zone for a name; None when this account has none."""
    labels = host.split(".")
    for first in range(len(labels) - 1):
        domain = f"{'.'.join(labels[first:])}."
        listed = await aws.call("route53", "list_hosted_zones_by_name", DNSName=domain, MaxItems="5")
        for zone in listed["HostedZones"]:
            if zone["Name"] == domain and not zone["Config"].get("PrivateZone"):
                return str(zone["Id"]).rpartition("/")[2]
    return None


async def gateway_of(api: ExpressApi) -> Gateway | None:
    """Return the way to a service on ECS Express Mode; None before it has one."""
    service = await api.service()
    active = service.get("activeConfigurations", ()) if service else ()
    for each in active:
        managed = (await api.revision(each["serviceRevisionArn"])).get("ecsManagedResources", {})
        for path in managed.get("ingressPaths", ()):
            balancers = await api.aws.call(
                "elbv2", "describe_load_balancers", LoadBalancerArns=[path["loadBalancer"]["arn"]]
            )
            (balancer,) = balancers["LoadBalancers"]
            return Gateway(
                balancer=path["loadBalancer"]["arn"],
                listener=path["listener"]["arn"],
                rule=path["rule"]["arn"],
                groups=tuple(group["arn"] for group in path["targetGroups"]),
                destination=Destination(dns=balancer["DNSName"], zone=balancer.get("CanonicalHostedZoneId", "")),
            )
    return None


@dataclass(frozen=True, kw_only=True)
class Domains:
    """The names of a service, whose weighted records distribute the traffic between both sides.

    When `new` is None, all traffic goes to the old side.
    """

    aws: Aws
    time: Time
    service: str  # the ARN of the service on App Runner
    old: Destination
    new: Destination | None

    async def percent(self) -> int:
        """Return the new side's share, for several names the smallest. Raise RefusedError for records that are not ours."""
        return min([self._percent(name) for name in await self._names()], default=0)

    async def put(self, percent: int) -> None:
        """Give the new side a share of every name's traffic. Raise BusyError when a record has changed meanwhile."""
        new = self.new
        if new is None:
            await self.settle(self.old)
        else:
            await self._write([(name, name.weighed(percent, self.old, new)) for name in await self._names()])

    async def settle(self, side: Destination) -> list[str]:
        """Replace the weighted records by simple records for one side. Return the names that had weighted records."""
        weighed = [name for name in await self._names() if name.is_weighed]
        await self._write([(name, name.simple(side)) for name in weighed])
        return [name.name for name in weighed]

    async def _names(self) -> tuple[NameRecords, ...]:
        names = (await names_of(self.aws, self.service)).names
        for name in names:
            self._percent(name)
        return names

    def _percent(self, name: NameRecords) -> int:
        percent = name.percent(self.old, self.new)
        if percent is None:
            raise RefusedError(name.problem(self.old, self.new), "restore them, and run the same command again")
        return percent

    async def _write(self, wanted: Sequence[tuple[NameRecords, list[Record]]]) -> None:
        changes = [await self._changed(name, after) for name, after in wanted if name.leading != after]
        until = self.time.seconds() + _KNOWN_SECONDS
        for change in changes:
            while (await self.aws.call("route53", "get_change", Id=change))["ChangeInfo"]["Status"] != "INSYNC":
                if self.time.seconds() > until:
                    raise UnknownOutcomeError(
                        f"the change {change} of Route 53 is still pending", "run the same command again"
                    )
                await self.time.sleep(_POLL_SECONDS)

    async def _changed(self, name: NameRecords, after: Sequence[Record]) -> str:
        """Send a batch and return the change's id. AWS refuses the batch when a record has changed since it was read."""
        wanted = {"Comment": "slipway move", "Changes": batch(name.leading, after)}
        try:
            answer = await self.aws.call_idempotent(
                "route53", "change_resource_record_sets", HostedZoneId=name.zone, ChangeBatch=wanted
            )
        except AwsRefusedError as error:
            if error.code in _CHANGED:
                raise BusyError(
                    f"the records of {name.name} were changed meanwhile", "run the same command again"
                ) from error
            raise
        return str(answer["ChangeInfo"]["Id"]).rpartition("/")[2]


@dataclass(frozen=True, kw_only=True)
class Certified:
    """The certificates for the service's own names, and the new side's load balancer, which serves them."""

    aws: Aws
    time: Time
    tell: Tell
    gateway: Gateway

    async def answer_for(self, names: Sequence[NameRecords]) -> None:
        """Add certificates and hosts for these names to the load balancer, and keep its other certificates and hosts."""
        attached = await _attached(self.aws, self.gateway)
        for name in names:
            if not attached & {arn async for arn in _issued_for(self.aws, name.name)}:
                arn = await self._issued(name)
                self.tell(Event(f"adding the certificate {arn} for {name.name} to the load balancer"))
                await self.aws.call_idempotent(
                    "elbv2",
                    "add_listener_certificates",
                    ListenerArn=self.gateway.listener,
                    Certificates=[{"CertificateArn": arn}],
                )
        conditions = await _conditions(self.aws, self.gateway)
        hosts = _hosts_of(conditions)
        wanted = [*dict.fromkeys([*hosts, *(name.name for name in names)])]
        if wanted != hosts:
            self.tell(Event(f"letting the load balancer's rule forward {', '.join(wanted[len(hosts) :])}"))
            others = [each for each in conditions if each["Field"] != "host-header"]
            condition = {"Field": "host-header", "HostHeaderConfig": {"Values": wanted}}
            await self.aws.call_idempotent(
                "elbv2", "modify_rule", RuleArn=self.gateway.rule, Conditions=[*map(_sent, others), condition]
            )

    async def _issued(self, name: NameRecords) -> str:
        """Return the ARN of a certificate for a name. Wait until it is issued."""
        async for arn in _issued_for(self.aws, name.name):
            return arn
        arn = await self._requested(name)
        until, is_proven = self.time.seconds() + _ISSUED_SECONDS, False
        while True:
            certificate = (await self.aws.call("acm", "describe_certificate", CertificateArn=arn))["Certificate"]
            if certificate["Status"] == "ISSUED":
                return arn
            if certificate["Status"] != "PENDING_VALIDATION":
                raise RefusedError(
                    f"the certificate {arn} for {name.name} is {certificate['Status']}",
                    "look at it in the console, delete it, and run the same command again",
                )
            record = certificate["DomainValidationOptions"][0].get("ResourceRecord")
            if record and not is_proven:
                await self._prove(name, record)
                is_proven = True
            if self.time.seconds() > until:
                raise UnknownOutcomeError(
                    f"the certificate for {name.name} is not issued yet",
                    "run the same command again, which continues to wait",
                )
            await self.time.sleep(_SLOW_POLL_SECONDS)

    async def _requested(self, name: NameRecords) -> str:
        """Return a certificate that is already waiting for its proof, otherwise request one."""
        async for arn, _ in _certificates(self.aws, name.name):
            return arn
        self.tell(Event(f"requesting a certificate for {name.name}"))
        # With this token, repeating the request within an hour creates no second certificate.
        token = hashlib.sha256(name.name.encode()).hexdigest()[:32]
        answer = await self.aws.call_idempotent(
            "acm", "request_certificate", DomainName=name.name, ValidationMethod="DNS", IdempotencyToken=token
        )
        return str(answer["CertificateArn"])

    async def _prove(self, name: NameRecords, record: Record) -> None:
        """Put the record that proves ownership of a name into its zone.

        Print the record when another DNS service has the zone.
        """
        shown = f"{record['Name']} {record['Type']} {record['Value']}"
        if name.zone is None:
            self.tell(Event(f"set this record, which proves that {name.name} is yours: {shown}"))
            return
        self.tell(Event(f"proving {name.name}: {shown}"))
        wanted = {
            "Name": record["Name"],
            "Type": record["Type"],
            "TTL": 300,
            "ResourceRecords": [{"Value": record["Value"]}],
        }
        changes = [{"Action": "UPSERT", "ResourceRecordSet": wanted}]
        await self.aws.call_idempotent(
            "route53", "change_resource_record_sets", HostedZoneId=name.zone, ChangeBatch={"Changes": changes}
        )


async def lacking(aws: Aws, gateway: Gateway | None, names: Sequence[NameRecords]) -> list[FieldChange]:
    """Return the certificates and rules for these names that the load balancer lacks; all of them without a load balancer."""
    attached = await _attached(aws, gateway) if gateway else set()
    hosts = await hosts_at(aws, gateway) if gateway else []
    changes = []
    for name in names:
        found = {arn: status async for arn, status in _certificates(aws, name.name)}
        issued = {arn for arn, status in found.items() if status == "ISSUED"}
        if not attached & issued:
            before = "issued" if issued else "waiting for its proof" if found else f"none in {aws.region}"
            changes.append(FieldChange(f"certificate for {name.name}", before, "at the load balancer"))
        if name.name not in hosts:
            changes.append(FieldChange(f"rule for {name.name}", "none", "at the load balancer"))
    return changes


async def hosts_at(aws: Aws, gateway: Gateway) -> list[str]:
    """Return the hosts that the load balancer's rule forwards to the service, including its own address."""
    return _hosts_of(await _conditions(aws, gateway))


async def _attached(aws: Aws, gateway: Gateway) -> set[str]:
    found = aws.items("elbv2", "describe_listener_certificates", "Certificates", ListenerArn=gateway.listener)
    return {each["CertificateArn"] async for each in found}


async def _conditions(aws: Aws, gateway: Gateway) -> list[Record]:
    (rule,) = (await aws.call("elbv2", "describe_rules", RuleArns=[gateway.rule]))["Rules"]
    return list(rule["Conditions"])


def _hosts_of(conditions: Sequence[Record]) -> list[str]:
    return [host for each in conditions for host in each.get("HostHeaderConfig", {}).get("Values", ())]


async def _certificates(aws: Aws, host: str) -> AsyncIterator[tuple[str, str]]:
    """Yield the region's certificates that cover a host and are issued or waiting for their proof."""
    asked = {"CertificateStatuses": ["ISSUED", "PENDING_VALIDATION"], "Includes": {"keyTypes": [*_KEYS]}}
    async for each in aws.items("acm", "list_certificates", "CertificateSummaryList", MaxItems=100, **asked):
        names = each.get("SubjectAlternativeNameSummaries", ()) if each["Status"] == "ISSUED" else ()
        if any(_covers(name, host) for name in (each["DomainName"], *names)):
            yield each["CertificateArn"], each["Status"]


async def _issued_for(aws: Aws, host: str) -> AsyncIterator[str]:
    async for arn, status in _certificates(aws, host):
        if status == "ISSUED":
            yield arn


def _covers(pattern: str, host: str) -> bool:
    return host.partition(".")[2] == pattern[2:] if pattern.startswith("*.") else pattern == host


def _sent(condition: Record) -> dict[str, Any]:
    """Return a rule's condition in the form for ModifyRule, which accepts only one of the two forms in a description."""
    return {
        key: value for key, value in condition.items() if key != "Values" or len(condition) == len(("Field", "Values"))
    }
