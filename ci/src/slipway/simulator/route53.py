"""Amazon Route 53: hosted zones with simple and weighted records, and a resolver that divides real requests by weight.

Marks: [M] API model, [G] developer guide, [F] field reports, † unverified.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import anyio.abc
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp

from slipway.simulator.clock import Clock
from slipway.simulator.contract import AwsError, Call, Operations, operations_of
from slipway.simulator.serving import Front

Key = tuple[str, str, str]  # name, type, set identifier
Record = Mapping[str, Any]  # the API's ResourceRecordSet
_ROUTED = ("A", "CNAME")  # the record types that lead a client to a service
_PAGE = 300  # records [G]


def full(name: str) -> str:
    """Return a name in the form that Route 53 stores: in lower case, with a dot at the end."""
    return f"{name.lower().rstrip('.')}."


@dataclass(kw_only=True)
class Zone:
    """A hosted zone with its records, and the time since which resolvers have known each record."""

    id: str
    name: str
    private: bool
    reference: str
    records: dict[Key, Record] = field(default_factory=dict)
    since: dict[Key, datetime] = field(default_factory=dict)

    def description(self) -> dict[str, Any]:
        return {
            "Id": f"/hostedzone/{self.id}",
            "Name": self.name,
            "CallerReference": self.reference,
            "Config": {"PrivateZone": self.private},
            "ResourceRecordSetCount": len(self.records),
        }


@dataclass(frozen=True, kw_only=True)
class Change:
    """A change of a zone. Resolvers know it after a while."""

    id: str
    submitted: datetime
    known: datetime

    def description(self, now: datetime) -> dict[str, Any]:
        status = "INSYNC" if now >= self.known else "PENDING"
        return {"Id": f"/change/{self.id}", "Status": status, "SubmittedAt": self.submitted}


class DomainFront(Front):
    """The clients of one name.

    Each request goes to one of the name's records, by weight, and there to the application that `behind` returns.
    """

    def __init__(self, behind: Callable[[str], ASGIApp]) -> None:
        super().__init__()
        self._behind = behind

    async def _answer(self, _request: Request) -> ASGIApp:
        target = self._next()
        return self._behind(target) if target else PlainTextResponse("resolvers do not know this name", 503)


class Route53:
    """The hosted zones of an account, by id, and a front for each name with an address.

    - behind: returns the application that answers at a DNS target for a host.
    - propagation: seconds until resolvers know a change. Clients here cache nothing.
    """

    def __init__(self, clock: Clock, tasks: anyio.abc.TaskGroup, behind: Callable[[str, str], ASGIApp]) -> None:
        self._clock = clock
        self._tasks = tasks
        self._behind = behind
        self.propagation = 30.0  # [G]: 60 s at most
        self.zones: dict[str, Zone] = {}
        self.changes: dict[str, Change] = {}
        self.fronts: dict[str, DomainFront] = {}
        self.operations: Operations = operations_of(self)

    def known_since(self, name: str, kind: str, value: str) -> datetime | None:
        """Return the time since which public resolvers have returned a value; None when they do not."""
        for zone in self.zones.values():
            record = zone.records.get((full(name), kind, ""))
            if record and not zone.private and value in map(full, _values(record)):
                return zone.since[full(name), kind, ""]
        return None

    async def create_hosted_zone(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        if any(zone.reference == request["CallerReference"] for zone in self.zones.values()):
            message = f"A hosted zone has already been created with the specified caller reference {request['CallerReference']}."  # †
            raise AwsError("HostedZoneAlreadyExists", message, 409)
        zone = Zone(
            id=f"Z{secrets.token_hex(9).upper()}",
            name=full(request["Name"]),
            private=request.get("HostedZoneConfig", {}).get("PrivateZone", False),
            reference=request["CallerReference"],
        )
        servers = [f"ns-{number}.awsdns-00.com" for number in (1, 2, 3, 4)]
        own: list[Record] = [
            {"Type": "NS", "TTL": 172800, "ResourceRecords": [{"Value": f"{server}."} for server in servers]},
            {"Type": "SOA", "TTL": 900, "ResourceRecords": [{"Value": f"{servers[0]}. awsdns-hostmaster.amazon.com."}]},
        ]
        for record in own:
            zone.records[zone.name, record["Type"], ""] = {"Name": zone.name, **record}
        self.zones[zone.id] = zone
        change = self._changed(call.now)
        return {
            "HostedZone": zone.description(),
            "ChangeInfo": change.description(call.now),
            "DelegationSet": {"NameServers": servers},
            "Location": f"https://route53.amazonaws.com/2013-04-01/hostedzone/{zone.id}",
        }

    async def list_hosted_zones_by_name(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        """List the zones from a name on. They are sorted by labels, the last label first [G]."""
        first, most = _labels(full(request.get("DNSName", "."))), int(request.get("MaxItems", "100"))
        zones = [
            zone
            for zone in sorted(self.zones.values(), key=lambda zone: (_labels(zone.name), zone.id))
            if _labels(zone.name) >= first
        ]
        rest = zones[most:]
        return {
            "HostedZones": [zone.description() for zone in zones[:most]],
            "DNSName": request.get("DNSName"),
            "IsTruncated": bool(rest),
            "NextDNSName": rest[0].name if rest else None,
            "NextHostedZoneId": rest[0].id if rest else None,
            "MaxItems": str(most),
        }

    async def list_resource_record_sets(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        zone, most = self._zone(request), int(request.get("MaxItems", _PAGE))
        first = _place(_first(request)) if "StartRecordName" in request else ([], "", "")
        keys = [key for key in sorted(zone.records, key=_place) if _place(key) >= first]
        rest = keys[most:]
        name, kind, identifier = rest[0] if rest else (None, None, None)
        return {
            "ResourceRecordSets": [zone.records[key] for key in keys[:most]],
            "IsTruncated": bool(rest),
            "NextRecordName": name,
            "NextRecordType": kind,
            "NextRecordIdentifier": identifier or None,
            "MaxItems": str(most),
        }

    async def change_resource_record_sets(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """Make all changes of a batch, or none.

        A deletion must contain the record's exact values, so a batch is a compare-and-set [G].
        """
        zone = self._zone(request)
        records = dict(zone.records)
        for change in request["ChangeBatch"]["Changes"]:
            _apply(zone.name, records, change["Action"], _kept(change["ResourceRecordSet"]))
        _check(records)
        made = self._changed(call.now)
        zone.since = {
            key: zone.since.get(key, call.now) if records[key] == zone.records.get(key) else made.known
            for key in records
        }
        zone.records = records
        await self._open(records)
        self._tasks.start_soon(self._resolve_later)
        return {"ChangeInfo": made.description(call.now)}

    async def get_change(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        change = self.changes.get(request["Id"].removeprefix("/change/"))
        if change is None:
            raise AwsError("NoSuchChange", f"A change with the ID {request['Id']} does not exist.", 404)  # words †
        return {"ChangeInfo": change.description(call.now)}

    def _zone(self, request: Mapping[str, Any]) -> Zone:
        zone = self.zones.get(request["HostedZoneId"].removeprefix("/hostedzone/"))
        if zone is None:
            raise AwsError("NoSuchHostedZone", f"No hosted zone found with ID: {request['HostedZoneId']}", 404)  # [F]
        return zone

    def _changed(self, now: datetime) -> Change:
        known = now + timedelta(seconds=self.propagation)
        change = Change(id=f"C{secrets.token_hex(9).upper()}", submitted=now, known=known)
        self.changes[change.id] = change
        return change

    async def _open(self, records: Mapping[Key, Record]) -> None:
        """Open a front for each name without one."""
        for name, kind, _ in records:
            if kind in _ROUTED and name not in self.fronts:
                host = name.rstrip(".")
                self.fronts[name] = DomainFront(lambda target, host=host: self._behind(target, host))  # type: ignore[misc]
                await self._tasks.start(self.fronts[name].serve)

    async def _resolve_later(self) -> None:
        """Let resolvers know the zones' present contents after `propagation`."""
        known = {zone.id: zone.records for zone in self.zones.values()}
        await self._clock.sleep(self.propagation)
        for name, front in self.fronts.items():
            front.split(_shares([record for records in known.values() for record in _of(records, name)]))


def _of(records: Mapping[Key, Record], name: str) -> list[Record]:
    return [record for key, record in records.items() if key[0] == name and key[1] in _ROUTED]


def _shares(records: Sequence[Record]) -> dict[str, float]:
    """Return the weights of the targets. When all are 0, every target is equally probable [G]."""
    weights = [record.get("Weight", 1) for record in records]
    shares: dict[str, float] = {}
    for record, weight in zip(records, weights if any(weights) else [1] * len(weights), strict=True):
        for value in _values(record):
            shares[full(value)] = shares.get(full(value), 0) + weight
    return shares


def _values(record: Record) -> list[str]:
    if alias := record.get("AliasTarget"):
        return [alias["DNSName"]]
    return [each["Value"] for each in record.get("ResourceRecords", ())]


def _kept(record: Record) -> Record:
    """Return a record in the form that Route 53 stores."""
    kept = {**record, "Name": full(record["Name"])}
    if alias := record.get("AliasTarget"):
        kept["AliasTarget"] = {**alias, "DNSName": full(alias["DNSName"])}
    return kept


def _key(record: Record) -> Key:
    return record["Name"], record["Type"], record.get("SetIdentifier", "")


def _first(request: Mapping[str, Any]) -> Key:
    return (
        full(request["StartRecordName"]),
        request.get("StartRecordType", ""),
        request.get("StartRecordIdentifier", ""),
    )


def _labels(name: str) -> list[str]:
    """Return the labels of a name, the last one first, by which Route 53 sorts [G]."""
    return name.rstrip(".").split(".")[::-1] if name != "." else []


def _place(key: Key) -> tuple[list[str], str, str]:
    return _labels(key[0]), key[1], key[2]


def _apply(zone: str, records: dict[Key, Record], action: str, record: Record) -> None:
    key = _key(record)
    shown = f"[name='{key[0]}', type='{key[1]}'" + (f", set identifier='{key[2]}']" if key[2] else "]")
    if not f".{key[0]}".endswith(f".{zone}"):
        raise _invalid(f"RRSet with DNS name {key[0]} is not permitted in zone {zone}")  # [F]
    if ("Weight" in record) is not bool(key[2]):  # other routing policies are not simulated
        raise _invalid(f"Invalid Resource Record: a weighted record has a weight and a set identifier {shown}")  # †
    if bool(record.get("AliasTarget")) is bool(record.get("ResourceRecords")):
        raise AwsError(
            "InvalidInput", f"Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords]] {shown}"
        )  # [F]
    if action == "CREATE" and key in records:
        raise _invalid(f"Tried to create resource record set {shown} but it already exists")  # [F]
    if action == "DELETE":
        if key not in records:
            raise _invalid(f"Tried to delete resource record set {shown} but it was not found")  # [F]
        if records[key] != record:
            raise _invalid(
                f"Tried to delete resource record set {shown} but the values provided do not match the current values"
            )  # [F]
        del records[key]
        return
    records[key] = record


def _check(records: Mapping[Key, Record]) -> None:
    """Raise AwsError for a simple record beside weighted ones, or a CNAME beside records of another type [F]."""
    for name, kind, identifier in records:
        others = [key for key in records if key[0] == name and key != (name, kind, identifier)]
        if not identifier and any(key[1] == kind for key in others):
            message = f"RRSet with DNS name {name}, type {kind} cannot be created as other RRSets exist with the same name and type."
            raise _invalid(message)
        if kind == "CNAME" and any(key[1] != kind for key in others):
            message = f"RRSet of type CNAME with DNS name {name} is not permitted as it conflicts with other records with the same DNS name"
            raise _invalid(message)


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidChangeBatch", f"[{message}]")
