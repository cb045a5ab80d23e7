"""How many tasks an Express service shall have: its limits, and the policy that follows a metric.

The policy acts as Application Auto Scaling does on ECS: out after three minutes above the target, in after a quarter of an hour below nine
tenths of it, and not in during a deployment [G].
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

METRICS = {
    "AVERAGE_CPU": "ECSServiceAverageCPUUtilization",
    "AVERAGE_MEMORY": "ECSServiceAverageMemoryUtilization",
    "REQUEST_COUNT_PER_TARGET": "ALBRequestCountPerTarget",
}
_OUT, _IN = 3, 15  # minutes [G]
_LOW = 0.9  # of the target, below which it scales in [G]


@dataclass(kw_only=True)
class Scaling:
    """The scalable target of a service, and the policy that changes its desired tasks."""

    least: int = 1
    most: int = 1
    desired: int = 1
    metric: str = "AVERAGE_CPU"
    target: float = 60
    _seen: list[float] = field(default_factory=list)  # the metric of the last minutes, the newest last

    def limit(self, wanted: Mapping[str, Any]) -> None:
        """Take over the scaling target of a revision; desired tasks beyond its limits change with them [G]."""
        self.metric, self.target = wanted["autoScalingMetric"], wanted["autoScalingTargetValue"]
        self.least, self.most = wanted["minTaskCount"], wanted["maxTaskCount"]
        self.desired = min(max(self.desired, self.least), self.most)

    def follow(self, value: float | None, *, deploys: bool) -> None:
        """Apply a minute's value of the metric; None when it has none."""
        self._seen = [*self._seen[-_IN + 1 :], value] if value is not None else []
        out, low = self._seen[-_OUT:], self._seen[-_IN:]
        if len(out) == _OUT and min(out) > self.target:
            self._move(math.ceil(self.desired * out[-1] / self.target))
        elif len(low) == _IN and max(low) < self.target * _LOW and not deploys:
            self._move(math.ceil(self.desired * low[-1] / self.target))

    def _move(self, desired: int) -> None:
        before, self.desired = self.desired, min(max(desired, self.least), self.most)
        self._seen = self._seen if before == self.desired else []
