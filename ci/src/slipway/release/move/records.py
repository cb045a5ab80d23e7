"""The DNS records of one name: each side's share of the traffic, and the batch that changes it. Pure.

A weighted pair of records replaces the simple one. Their set identifiers mark them as slipway's. Each batch deletes the
records as they were read and creates new ones, so Route 53 refuses it when another client changed them first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

OLD, NEW = "slipway app-runner", "slipway ecs-express"  # set identifiers
WHOLE = 100
TTL_SECONDS = 60
_LEADING = ("A", "AAAA", "CNAME")  # the record types that give a client an address
Record = Mapping[str, Any]  # Route 53's ResourceRecordSet


@dataclass(frozen=True, kw_only=True)
class Destination:
    """The destination of a side's records: its DNS name, and the hosted zone for alias records.

    The zone is empty when only the present record has it.
    """

    dns: str
    zone: str = ""


@dataclass(frozen=True, kw_only=True)
class NameRecords:
    """One of the service's own names, and its records as they were read.

    `zone` is None when this account's Route 53 does not have the name.
    """

    name: str
    zone: str | None
    records: tuple[Record, ...] = ()

    @property
    def leading(self) -> list[Record]:
        """The records that give clients the service's address."""
        return [record for record in self.records if record["Type"] in _LEADING]

    @property
    def is_weighed(self) -> bool:
        return any("SetIdentifier" in record for record in self.leading)

    def problem(self, old: Destination, new: Destination | None) -> str:
        """Return why these records cannot have weights, otherwise an empty text."""
        if self.zone is None or self.percent(old, new) is not None:
            return ""
        shown = ", ".join(f"{record['Type']} {_target(record)}" for record in self.leading) or "none"
        return f"the records of {self.name} are neither one that leads to {old.dns} nor those of a move: {shown}"

    def percent(self, old: Destination, new: Destination | None) -> int | None:
        """Return the new side's share; None when the records are not slipway's."""
        found = self.leading
        pair = {record.get("SetIdentifier"): record for record in found}
        if len(found) == len(pair) == 2 and set(pair) == {OLD, NEW}:
            weights = pair[OLD]["Weight"], pair[NEW]["Weight"]
            return round(WHOLE * weights[1] / sum(weights)) if sum(weights) else None
        if len(found) != 1 or "SetIdentifier" in found[0]:
            return None
        shares = {_plain(old.dns): 0} | ({_plain(new.dns): WHOLE} if new else {})
        return shares.get(_target(found[0]))

    def weighed(self, percent: int, old: Destination, new: Destination) -> list[Record]:
        """Return the weighted records of both sides; the new side gets `percent`."""
        return [
            self._leading_to(old) | {"SetIdentifier": OLD, "Weight": WHOLE - percent},
            self._leading_to(new) | {"SetIdentifier": NEW, "Weight": percent},
        ]

    def simple(self, side: Destination) -> list[Record]:
        """Return the one record that remains after a move."""
        return [self._leading_to(side)]

    def _leading_to(self, side: Destination) -> dict[str, Any]:
        """Return a record for a side, of the same kind as the present one.

        If the side already has a record, use it, because only that one has the zone.
        """
        kept = next((record for record in self.leading if _target(record) == _plain(side.dns)), None)
        example = kept or self.leading[0]
        made: dict[str, Any] = {"Name": example["Name"], "Type": example["Type"]}
        if "AliasTarget" not in example:
            return made | {"TTL": TTL_SECONDS, "ResourceRecords": [{"Value": side.dns}]}
        alias = {"HostedZoneId": side.zone, "DNSName": side.dns, "EvaluateTargetHealth": False}
        return made | {"AliasTarget": kept["AliasTarget"] if kept else alias}


def batch(before: Sequence[Record], after: Sequence[Record]) -> list[dict[str, Any]]:
    """Return the changes that replace the records as they were read."""
    return [
        *({"Action": "DELETE", "ResourceRecordSet": record} for record in before),
        *({"Action": "CREATE", "ResourceRecordSet": record} for record in after),
    ]


def _target(record: Record) -> str:
    if alias := record.get("AliasTarget"):
        return _plain(alias["DNSName"])
    return ", ".join(_plain(each["Value"]) for each in record.get("ResourceRecords", ()))


def _plain(dns: str) -> str:
    """Return a DNS name without the prefix that the console adds for load balancers."""
    return dns.lower().rstrip(".").removeprefix("dualstack.")
