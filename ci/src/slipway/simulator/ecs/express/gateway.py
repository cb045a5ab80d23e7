"""The traffic of a service: its target groups, its rule, its public address, and the alarm on its answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from slipway.simulator.balancing import NAMESPACE, LoadBalancer, Rule, TargetGroup
from slipway.simulator.cloudwatch import Alarm
from slipway.simulator.ecs.express.rollout import EVALUATED, PERIOD, THRESHOLD, Count, goes_off
from slipway.simulator.serving import Front

_KEPT_PERIODS = 60
METRICS = {
    "total": "RequestCountPerTarget",
    "4xx": "HTTPCode_Target_4XX_Count",
    "5xx": "HTTPCode_Target_5XX_Count",
}


@dataclass(kw_only=True)
class Gateway:
    """A service's share of a load balancer. A new revision gets the target group that is not in use."""

    balancer: LoadBalancer
    rule: Rule
    groups: tuple[TargetGroup, TargetGroup]
    security_group: str  # the security group of the tasks
    log_group: str
    certificate: str
    alarm: Alarm
    now: Callable[[], datetime]
    client_errors: Callable[[], int]  # returns the smallest number of client errors in a period that counts
    counted: Mapping[str, Callable[[int], None]]  # counts an answer of each group by its status
    unanswered: Callable[[], None]  # counts an error of the load balancer itself
    # returns whether the load balancer admits the client of a connection between two ports
    admits: Callable[[int, int], bool]
    forced: bool = False  # whether the alarm is on regardless of the answers
    counts: dict[int, dict[str, Count]] = field(default_factory=dict)  # by period and group
    asked: dict[str, tuple[str, int]]  # the path and port that a revision requested last, by group
    front: Front = field(init=False)

    def __post_init__(self) -> None:
        self.front = Front(self._count, self.admits)

    @property
    def ingress(self) -> dict[str, str]:
        """The API's IngressPathSummary."""
        return {"accessType": "PUBLIC" if self.balancer.public else "PRIVATE", "endpoint": self.front.address}

    def group(self, arn: str) -> TargetGroup:
        return next(group for group in self.groups if group.arn == arn)

    def weight(self, group: str) -> int:
        return self.rule.weights[group]

    def other(self, group: str | None) -> TargetGroup:
        """Return the target group for a new revision beside one in `group`."""
        return self.groups[0] if group != self.groups[0].arn else self.groups[1]

    def prepare(self, group: TargetGroup, path: str, port: int) -> None:
        """Set path and port of a target group's health check, if the revision requests other ones than the previous.

        Otherwise a manual change stays [G].
        """
        if self.asked[group.arn] != (path, port):
            group.path, group.check_port = path, str(port)
        self.asked[group.arn] = (path, port)

    def weigh(self, weights: Mapping[str, int]) -> None:
        """Set the weights of the target groups. Groups that are not named get no traffic."""
        self.rule.weights = {group.arn: weights.get(group.arn, 0) for group in self.groups}
        self.refresh()

    def refresh(self) -> None:
        """Divide the traffic among targets. A group with a weight but without targets answers 503 [F]."""
        shares: dict[str, float] = {}
        for group in self.groups:
            routed = group.routed or [""]
            shares |= {address: self.rule.weights[group.arn] / len(routed) for address in routed}
        self.front.split(shares)

    def evaluate(self, since: datetime) -> bool:
        """Evaluate the alarm for the whole periods since its deployment began. Return whether it is on."""
        now = self.now()
        last = _period(now) - 1
        percents = [
            max((count.percent(self.client_errors()) for count in self.counts.get(period, {}).values()), default=0.0)
            for period in range(max(last - EVALUATED + 1, _period(since)), last + 1)
        ]
        if self.forced or goes_off(percents):
            shown = ", ".join(f"{percent:.4g}" for percent in percents)
            reason = f"Threshold Crossed: datapoints [{shown}] were greater than the threshold ({THRESHOLD})."
            self.alarm.turn("ALARM", reason, now)
            return True
        self.alarm.turn("OK", "Threshold Crossed: no datapoints were greater than the threshold.", now)
        return False

    def errors_since(self, since: datetime, group: str) -> int:
        """Return how many answers of a target group were 500 or more since the begin of the period that contains `since`."""
        counts = (counted.get(group) for period, counted in self.counts.items() if period >= _period(since))
        return sum(count.server_errors for count in counts if count)

    def requests(self, at: datetime) -> int:
        """Return how many requests the targets answered in the period that contains `at`."""
        return sum(count.total for count in self.counts.get(_period(at), {}).values())

    def _count(self, upstream: str, status: int) -> None:
        if not upstream:
            self.unanswered()
            return
        period = _period(self.now())
        if period not in self.counts:
            self.counts = {old: counted for old, counted in self.counts.items() if old > period - _KEPT_PERIODS}
        counted = self.counts.setdefault(period, {})
        for group in self.groups:
            if upstream in group.targets:
                counted.setdefault(group.arn, Count()).add(status)
                self.counted[group.arn](status)


def _period(at: datetime) -> int:
    return int(at.timestamp()) // PERIOD


def metric_dimensions(balancer: LoadBalancer, group: TargetGroup) -> dict[str, str]:
    """Return the dimensions of a target group's metrics."""
    return balancer.dimensions | {"TargetGroup": group.arn.rpartition(":")[2]}


def alarm_metrics(balancer: LoadBalancer, groups: tuple[TargetGroup, TargetGroup]) -> list[dict[str, Any]]:
    """Return the alarm's metrics and expressions: the larger error rate of both target groups [F]."""
    queries: list[dict[str, Any]] = []
    for index, group in enumerate(groups):
        found = metric_dimensions(balancer, group)
        dimensions = [{"Name": name, "Value": value} for name, value in found.items()]
        for short, name in METRICS.items():
            metric = {"Namespace": NAMESPACE, "MetricName": name, "Dimensions": dimensions}
            stat = {"Metric": metric, "Period": PERIOD, "Stat": "Sum"}
            queries.append({"Id": f"m{index}_{short}", "MetricStat": stat, "ReturnData": False})
        expression = f"100 * (IF(m{index}_4xx < 5, 0, m{index}_4xx) + m{index}_5xx) / FILL(m{index}_total, 1)"
        queries.append({"Id": f"em{index}", "Expression": expression, "ReturnData": False})
    return [*queries, {"Id": "e", "Expression": "MAX([em0, em1])", "ReturnData": True}]
