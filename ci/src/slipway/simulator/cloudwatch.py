"""Amazon CloudWatch: the metrics that other services count by the minute, and the alarms that they create.

Marks: [M] API model, [G] developer guide, † unverified.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from slipway.simulator.contract import AwsError, Call, Operations, operations_of, paged

MINUTE = 60
_KEPT = 24 * 60  # minutes
Key = tuple[str, str, frozenset[tuple[str, str]]]  # namespace, name, dimensions


class Metrics:
    """Sums of counts, by metric and minute."""

    def __init__(self) -> None:
        self._counts: dict[Key, dict[int, int]] = {}
        self.operations: Operations = operations_of(self)

    def count(self, namespace: str, name: str, dimensions: Mapping[str, str], at: datetime) -> None:
        minutes = self._counts.setdefault((namespace, name, frozenset(dimensions.items())), {})
        minute = int(at.timestamp()) // MINUTE
        minutes[minute] = minutes.get(minute, 0) + 1
        for old in [each for each in minutes if each < minute - _KEPT]:
            del minutes[old]

    async def get_metric_data(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        """Return the sum of each metric over its period. A period without a count has no value [G]."""
        start, end = (_seconds(request[key]) for key in ("StartTime", "EndTime"))
        if start >= end:
            message = "The parameter StartTime must be less than the parameter EndTime."  # words †
            raise AwsError("ValidationError", message)
        return {"MetricDataResults": [self._result(query, start, end) for query in request["MetricDataQueries"]]}

    def _result(self, query: Mapping[str, Any], start: float, end: float) -> dict[str, Any]:
        if "MetricStat" not in query or query["MetricStat"]["Stat"] != "Sum":
            raise AwsError("ValidationError", "The simulator has sums only, no expressions and no other statistics.")
        metric, period = query["MetricStat"]["Metric"], query["MetricStat"]["Period"]
        dimensions = frozenset((each["Name"], each["Value"]) for each in metric.get("Dimensions", ()))
        minutes = self._counts.get((metric["Namespace"], metric["MetricName"], dimensions), {})
        sums: dict[float, float] = {}
        for minute, count in minutes.items():
            begin = minute * MINUTE // period * period
            if start <= begin < end:
                sums[begin] = sums.get(begin, 0) + count
        newest_first = sorted(sums, reverse=True)
        return {
            "Id": query["Id"],
            "Label": query.get("Label", metric["MetricName"]),
            "Timestamps": [datetime.fromtimestamp(begin, UTC) for begin in newest_first],
            "Values": [float(sums[begin]) for begin in newest_first],
            "StatusCode": "Complete",
        }


def _seconds(moment: Any) -> float:
    """Return a time in a request in seconds since 1970. CBOR has already decoded it as a number."""
    return moment.timestamp() if isinstance(moment, datetime) else float(moment)


def counting(
    metrics: Metrics, now: Callable[[], datetime], namespace: str, names: Sequence[str], dimensions: Mapping[str, str]
) -> Callable[[int], None]:
    """Return a function that counts an answer by its status.

    `names` are the metrics for all answers, for 4xx and for 5xx.
    """

    def count(status: int) -> None:
        total, client, server = names
        for name, counts in ((total, True), (client, 400 <= status < 500), (server, status >= 500)):
            if counts:
                metrics.count(namespace, name, dimensions, now())

    return count


@dataclass(kw_only=True)
class Alarm:
    """An alarm on an expression over metrics."""

    name: str
    arn: str
    description: str
    configured: datetime
    evaluated: int  # number of datapoints
    breaching: int  # how many of these datapoints must exceed the threshold
    threshold: float
    metrics: list[dict[str, Any]]  # the API's MetricDataQueries
    state: str = "INSUFFICIENT_DATA"
    reason: str = "Unchecked: Initial alarm creation"
    since: datetime | None = None

    def rewrite(self, now: datetime) -> None:
        """Write the alarm again. This resets its state."""
        self.configured = now
        self.turn("INSUFFICIENT_DATA", "Unchecked: Initial alarm creation", now)

    def turn(self, state: str, reason: str, now: datetime) -> None:
        self.since = now if state != self.state else self.since
        self.state, self.reason = state, reason

    def as_json(self) -> dict[str, Any]:
        """Return the API's MetricAlarm."""
        return {
            "AlarmName": self.name,
            "AlarmArn": self.arn,
            "AlarmDescription": self.description,
            "AlarmConfigurationUpdatedTimestamp": self.configured,
            "ActionsEnabled": True,
            "OKActions": [],
            "AlarmActions": [],
            "InsufficientDataActions": [],
            "StateValue": self.state,
            "StateReason": self.reason,
            "StateUpdatedTimestamp": self.since or self.configured,
            "StateTransitionedTimestamp": self.since or self.configured,
            "EvaluationPeriods": self.evaluated,
            "DatapointsToAlarm": self.breaching,
            "Threshold": self.threshold,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
            "Metrics": self.metrics,
        }


class Alarms:
    """The alarms by name."""

    def __init__(self) -> None:
        self.alarms: dict[str, Alarm] = {}
        self.operations: Operations = operations_of(self)

    async def describe_alarms(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        names, prefix, state = (request.get(key) for key in ("AlarmNames", "AlarmNamePrefix", "StateValue"))
        if names and prefix:
            raise AwsError("ValidationError", "AlarmNamePrefix cannot be used with AlarmNames.")  # [M], words †
        found = [
            alarm.as_json()
            for name, alarm in sorted(self.alarms.items())
            if (not names or name in names) and name.startswith(prefix or "") and state in (None, alarm.state)
        ]
        shown = "MetricAlarm" in request.get("AlarmTypes", ["MetricAlarm"])
        page = paged("MetricAlarms", found if shown else [], request, names=("NextToken", "MaxRecords"))
        return page | {"CompositeAlarms": []}
