"""How many tasks an Express service shall have: its scalable target, and the policy that follows a metric.

The policy acts as Application Auto Scaling does on ECS: out after three minutes above the target, in after a quarter of an hour below nine
tenths of it, and not in during a deployment [G].
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from slipway.simulator.contract import AwsError, Call, Operations, operations_of, paged

DIMENSION = "ecs:service:DesiredCount"
METRICS = {
    "AVERAGE_CPU": "ECSServiceAverageCPUUtilization",
    "AVERAGE_MEMORY": "ECSServiceAverageMemoryUtilization",
    "REQUEST_COUNT_PER_TARGET": "ALBRequestCountPerTarget",
}
_OUT, _IN = 3, 15  # minutes [G]
_PROCESSES = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")
_LOW = 0.9  # of the target, below which it scales in [G]


@dataclass(kw_only=True)
class Scaling:
    """The scalable target of a service, which Express Mode makes, and its policy."""

    resource: str  # service/CLUSTER/NAME
    created: datetime
    least: int = 1
    most: int = 1
    desired: int = 1
    metric: str = "AVERAGE_CPU"
    target: float = 60
    suspended: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(_PROCESSES, False))
    _seen: list[float] = field(default_factory=list)  # the metric of the last minutes, the newest last

    def limit(self, wanted: Mapping[str, Any]) -> None:
        """Take over the scaling target of a revision."""
        self.metric, self.target = wanted["autoScalingMetric"], wanted["autoScalingTargetValue"]
        self.between(wanted["minTaskCount"], wanted["maxTaskCount"])

    def between(self, least: int, most: int) -> None:
        """Change the limits, and with them the desired tasks where those are beyond [G]."""
        self.least, self.most = least, most
        self.desired = min(max(self.desired, least), most)

    def follow(self, value: float | None, *, deploys: bool) -> None:
        """Apply a minute's value of the metric; None when it has none."""
        self._seen = [*self._seen[-_IN + 1 :], value] if value is not None else []
        out, low = self._seen[-_OUT:], self._seen[-_IN:]
        holds_in, holds_out, _ = (self.suspended[each] for each in _PROCESSES)
        if len(out) == _OUT and min(out) > self.target and not holds_out:
            self._move(math.ceil(self.desired * out[-1] / self.target))
        elif len(low) == _IN and max(low) < self.target * _LOW and not (deploys or holds_in):
            self._move(math.ceil(self.desired * low[-1] / self.target))

    def _move(self, desired: int) -> None:
        before, self.desired = self.desired, min(max(desired, self.least), self.most)
        self._seen = self._seen if before == self.desired else []


class ApplicationAutoScaling:
    """The scalable targets and policies that ECS has made."""

    def __init__(self, known: Callable[[], Sequence[Scaling]]) -> None:
        self._known = known
        self.operations: Operations = operations_of(self)

    async def describe_scalable_targets(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        wanted = request.get("ResourceIds")
        found = [
            self._place(each)
            | {
                "ScalableTargetARN": _arn("scalable-target", each, call),
                "MinCapacity": each.least,
                "MaxCapacity": each.most,
                "SuspendedState": each.suspended,
                "RoleARN": f"arn:aws:iam::{call.account}:role/aws-service-role/ecs.application-autoscaling.amazonaws.com/"
                "AWSServiceRoleForApplicationAutoScaling_ECSService",
            }
            for each in self._of(request)
            if wanted is None or each.resource in wanted
        ]
        return paged("ScalableTargets", found, request)

    async def describe_scaling_policies(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        wanted = request.get("ResourceId")
        found = [
            self._place(each)
            | {
                "PolicyARN": _arn("scalingPolicy", each, call),
                "PolicyName": "express",
                "PolicyType": "TargetTrackingScaling",
                "Alarms": [],  # those of the policy are not simulated
                "TargetTrackingScalingPolicyConfiguration": {
                    "TargetValue": float(each.target),
                    "PredefinedMetricSpecification": {"PredefinedMetricType": METRICS[each.metric]},
                },
            }
            for each in self._of(request)
            if wanted in (None, each.resource)
        ]
        return paged("ScalingPolicies", found, request)

    async def register_scalable_target(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """Change limits, or suspend scaling, directly; Express Mode does not overwrite that unless an update asks for other ones †."""
        found = next((each for each in self._of(request) if each.resource == request["ResourceId"]), None)
        if found is None:
            raise AwsError("ValidationException", f"ECS service doesn't exist: {request['ResourceId']}")  # [F]
        least, most = request.get("MinCapacity", found.least), request.get("MaxCapacity", found.most)
        if least > most:
            raise AwsError("ValidationException", "Maximum capacity cannot be less than minimum capacity")  # [F]
        found.between(least, most)
        found.suspended |= request.get("SuspendedState", {})
        return {"ScalableTargetARN": _arn("scalable-target", found, call)}

    def _of(self, request: Mapping[str, Any]) -> Sequence[Scaling]:
        is_ecs = request["ServiceNamespace"] == "ecs" and request.get("ScalableDimension", DIMENSION) == DIMENSION
        return self._known() if is_ecs else ()

    def _place(self, scaling: Scaling) -> dict[str, Any]:
        return {
            "ServiceNamespace": "ecs",
            "ResourceId": scaling.resource,
            "ScalableDimension": DIMENSION,
            "CreationTime": scaling.created,
        }


def _arn(kind: str, scaling: Scaling, call: Call) -> str:
    return f"arn:aws:application-autoscaling:{call.region}:{call.account}:{kind}/{scaling.resource.rpartition('/')[2]}"
