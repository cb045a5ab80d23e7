"""Errors that clients got since a time, from CloudWatch: the errors of each side, and those of the new side's load balancer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from slipway.release.aws.client import Aws

_MINUTE = 60
_WORSE = 0.01  # the new side's share of errors may exceed the old side's by this much, as in Express Mode's own alarm


@dataclass(frozen=True, kw_only=True)
class Counter:
    """The place of some counts in CloudWatch: a namespace, its metrics by the fields of Counted, and the dimensions of each counted part."""

    namespace: str
    metrics: Mapping[str, str]
    parts: Sequence[Mapping[str, str]] = field(default_factory=tuple)

    def queries(self, of: str) -> list[dict[str, Any]]:
        """Return the queries. Their ids begin with `of`, the name of the counted side."""
        return [
            self._query(f"{of}_{kind}_{index}", metric, part)
            for index, part in enumerate(self.parts)
            for kind, metric in self.metrics.items()
        ]

    def _query(self, name: str, metric: str, part: Mapping[str, str]) -> dict[str, Any]:
        dimensions = [{"Name": key, "Value": value} for key, value in part.items()]
        named = {"Namespace": self.namespace, "MetricName": metric, "Dimensions": dimensions}
        return {"Id": name, "MetricStat": {"Metric": named, "Period": _MINUTE, "Stat": "Sum"}}


@dataclass(frozen=True, kw_only=True)
class Counted:
    """Counts of requests: all, those with 5xx, failed handshakes, and those for a host without a rule."""

    requests: float = 0.0
    errors: float = 0.0
    handshakes: float = 0.0
    unknown: float = 0.0

    @property
    def share(self) -> float:
        return self.errors / max(self.requests, self.errors, 1.0)

    @property
    def lost(self) -> float:
        """The requests that reached no service."""
        return self.handshakes + self.unknown


NOTHING = Counted()


def worse(old: Counted, new: Counted, balancer: Counted, before: Counted) -> str:
    """Return why the new side has too many errors, otherwise an empty text.

    The load balancer counts the requests of all its services and of scanners. Only its errors beyond those in an
    equally long time `before` the move are counted, and lost requests only when they exceed those that arrived.
    """
    own = max(0.0, balancer.errors - before.errors)
    all_new = Counted(requests=new.requests + own, errors=new.errors + own)
    if all_new.share - old.share > _WORSE:
        beside = f", the old one {old.errors:.0f} of {old.requests:.0f}" if old.requests else ""
        itself = f" ({own:.0f} by the load balancer itself)" if own else ""
        answered = f"{all_new.errors:.0f} of {max(all_new.requests, all_new.errors):.0f} requests with 5xx{itself}"
        return f"the new side has answered {answered}{beside}"
    if balancer.lost - before.lost > new.requests:
        found = f"{balancer.handshakes:.0f} TLS handshakes failed and {balancer.unknown:.0f} requests had no rule"
        return f"at the load balancer {found}, and {new.requests:.0f} requests arrived"
    return ""


async def counted(aws: Aws, counters: Mapping[str, Counter], since: float, until: float) -> dict[str, Counted]:
    """Return the counts in the minutes between two times, by the keys of the counters."""
    begin = datetime.fromtimestamp(since // _MINUTE * _MINUTE, UTC)
    end = datetime.fromtimestamp(until, UTC) + timedelta(seconds=_MINUTE)
    queries = [query for of, counter in counters.items() for query in counter.queries(of)]
    sums: dict[str, dict[str, float]] = {of: {} for of in counters}
    asked = {"MetricDataQueries": queries, "StartTime": begin, "EndTime": end}
    async for result in aws.items("cloudwatch", "get_metric_data", "MetricDataResults", **asked):
        of, kind, _ = result["Id"].split("_")
        sums[of][kind] = sums[of].get(kind, 0.0) + sum(result["Values"])
    return {of: Counted(**kinds) for of, kinds in sums.items()}
