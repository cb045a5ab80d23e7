"""The pace of the load balancer's health checks. Express Mode has none of its own to set, and keeps what a target group has [G]."""

from dataclasses import astuple

from slipway.release.engine.plan import health_pace
from slipway.release.targets.ecs_express.api import ExpressApi
from slipway.settings import TargetGroupPace


async def tune(api: ExpressApi, pace: TargetGroupPace, revision: str) -> bool:
    """Give the target groups of a service revision a pace, where they have another; return whether there are any yet."""
    groups = await api.target_groups(await api.revision(revision))
    for group in groups:
        if group.check != health_pace(astuple(pace)):
            await api.aws.call_idempotent("elbv2", "modify_target_group", **group.tuned(pace))
    return bool(groups)
