"""The records of one name in DNS: the share of its traffic that each side gets, and the batch that changes it. Pure.

A weighted pair replaces the simple record; its set identifiers say whose it is. Each batch deletes the records as they were read and creates
the wanted ones, so Route 53 refuses it when another client was faster.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

OLD, NEW = "slipway app-runner", "slipway ecs-express"  # set identifiers
WHOLE = 100
TTL_SECONDS = 60
_LEADING = ("A", "AAAA", "CNAME")  # the types that lead a client to an address
Record = Mapping[str, Any]  # Route 53's ResourceRecordSet


@dataclass(frozen=True, kw_only=True)
class Destination:
    """A side in DNS: its name, and the hosted zone for an alias record, empty if only the present record has it."""

    dns: str
    zone: str = ""


@dataclass(frozen=True, kw_only=True)
class NameRecords:
    """A name of the service's own and its records as they were read; `zone` is None when Route 53 of this account does not have it."""

    name: str
    zone: str | None
    records: tuple[Record, ...] = ()

    @property
    def leading(self) -> list[Record]:
        """The records that lead to the service."""
        return [record for record in self.records if record["Type"] in _LEADING]

    @property
    def is_weighed(self) -> bool:
        return any("SetIdentifier" in record for record in self.leading)

    def problem(self, old: Destination, new: Destination | None) -> str:
        """Return why these records cannot be weighed, otherwise nothing."""
        if self.zone is None or self.percent(old, new) is not None:
            return ""
        shown = ", ".join(f"{record['Type']} {_target(record)}" for record in self.leading) or "none"
        return f"the records of {self.name} are neither one that leads to {old.dns} nor those of a move: {shown}"

    def percent(self, old: Destination, new: Destination | None) -> int | None:
        """Return the share of the new side; None when the records are not ours to weigh."""
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
        """Return a record of the present kind that leads to a side; that side's own record if it has one, as only that has its zone."""
        kept = next((record for record in self.leading if _target(record) == _plain(side.dns)), None)
        example = kept or self.leading[0]
        made: dict[str, Any] = {"Name": example["Name"], "Type": example["Type"]}
        if "AliasTarget" not in example:
            return made | {"TTL": TTL_SECONDS, "ResourceRecords": [{"Value": side.dns}]}
        alias = {"HostedZoneId": side.zone, "DNSName": side.dns, "EvaluateTargetHealth": False}
        return made | {"AliasTarget": kept["AliasTarget"] if kept else alias}


def batch(before: Sequence[Record], after: Sequence[Record]) -> list[dict[str, Any]]:
    """Return the changes from the records as they were read to the wanted ones."""
    return [
        *({"Action": "DELETE", "ResourceRecordSet": record} for record in before),
        *({"Action": "CREATE", "ResourceRecordSet": record} for record in after),
    ]


def _target(record: Record) -> str:
    if alias := record.get("AliasTarget"):
        return _plain(alias["DNSName"])
    return ", ".join(_plain(each["Value"]) for each in record.get("ResourceRecords", ()))


def _plain(dns: str) -> str:
    """Return a name without the prefix that the console adds to a load balancer's."""
    return dns.lower().rstrip(".").removeprefix("dualstack.")
