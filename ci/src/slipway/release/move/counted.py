"""The errors that clients got from each side since a time, as CloudWatch counts them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from slipway.release.aws.client import Aws

_MINUTE = 60
_WORSE = 0.01  # the share of errors that the new side may have beyond that of the old side, as Express Mode's own alarm


@dataclass(frozen=True, kw_only=True)
class Counter:
    """Where one side is counted: a namespace, its metrics of all requests and of 5xx, and the dimensions of each counted part."""

    namespace: str
    requests: str
    errors: str
    parts: Sequence[Mapping[str, str]] = field(default_factory=tuple)

    def queries(self, side: str) -> list[dict[str, Any]]:
        """Return the queries of a side, whose ids begin with its name."""
        return [
            self._query(f"{side}_{kind}_{index}", metric, part)
            for index, part in enumerate(self.parts)
            for kind, metric in (("requests", self.requests), ("errors", self.errors))
        ]

    def _query(self, name: str, metric: str, part: Mapping[str, str]) -> dict[str, Any]:
        dimensions = [{"Name": key, "Value": value} for key, value in part.items()]
        named = {"Namespace": self.namespace, "MetricName": metric, "Dimensions": dimensions}
        return {"Id": name, "MetricStat": {"Metric": named, "Period": _MINUTE, "Stat": "Sum"}}


@dataclass(frozen=True)
class Counted:
    """The requests of one side, and those that it answered with 5xx."""

    requests: float
    errors: float

    @property
    def share(self) -> float:
        return self.errors / max(self.requests, self.errors, 1.0)


def worse(old: Counted, new: Counted) -> str:
    """Return why the new side's errors are too many, otherwise nothing."""
    if new.share - old.share <= _WORSE:
        return ""
    beside = f", the old one {old.errors:.0f} of {old.requests:.0f}" if old.requests else ""
    return (
        f"the new side has answered {new.errors:.0f} of {max(new.requests, new.errors):.0f} requests with 5xx{beside}"
    )


async def counted(aws: Aws, counters: Mapping[str, Counter], since: float, until: float) -> dict[str, Counted]:
    """Return what both sides have answered in the minutes between two times, by side."""
    begin = datetime.fromtimestamp(since // _MINUTE * _MINUTE, UTC)
    end = datetime.fromtimestamp(until, UTC) + timedelta(seconds=_MINUTE)
    queries = [query for side, counter in counters.items() for query in counter.queries(side)]
    sums: dict[tuple[str, str], float] = {}
    async for page in aws.pages(
        "cloudwatch", "get_metric_data", MetricDataQueries=queries, StartTime=begin, EndTime=end
    ):
        for result in page["MetricDataResults"]:
            side, kind, _ = result["Id"].split("_")
            sums[side, kind] = sums.get((side, kind), 0.0) + sum(result["Values"])
    return {side: Counted(sums.get((side, "requests"), 0.0), sums.get((side, "errors"), 0.0)) for side in counters}
