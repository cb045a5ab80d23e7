"""The internals of a simulated account."""

from slipway.simulator.cloud import Cloud


def everything(cloud: Cloud) -> tuple[list[str], ...]:
    """List its services, auto scaling, repositories and log groups."""
    services = [service.name for service in cloud.app_runner.services.values() if service.status != "DELETED"]
    scaling = [found.name for found in cloud.app_runner.scaling._revisions.values() if not found.deleted]
    return services, scaling, list(cloud.store.repositories), list(cloud.logs._groups)
