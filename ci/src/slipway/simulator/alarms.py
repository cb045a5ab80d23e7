"""Amazon CloudWatch: the alarms that other services create."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from slipway.simulator.contract import AwsError, Call, Operations, operations_of, paged


@dataclass(kw_only=True)
class Alarm:
    """An alarm on an expression of metrics."""

    name: str
    arn: str
    description: str
    configured: datetime
    evaluated: int  # datapoints
    breaching: int  # of them
    threshold: float
    metrics: list[dict[str, Any]]  # the API's MetricDataQueries
    state: str = "INSUFFICIENT_DATA"
    reason: str = "Unchecked: Initial alarm creation"
    since: datetime | None = None

    def rewrite(self, now: datetime) -> None:
        """Write the alarm again, which resets its state."""
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
