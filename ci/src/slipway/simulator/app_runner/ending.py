"""What takes a service's instances away: a pause, for a while, and a deletion, for good."""

from slipway.simulator.app_runner.deployment import Platform
from slipway.simulator.app_runner.service import Operation, Service


async def pause(platform: Platform, service: Service, operation: Operation) -> None:
    """No instance, and nothing answers; configuration and address stay."""
    await _stop(platform, service)
    _end(platform, service, operation, "PAUSED", "RUNNING")


async def delete(platform: Platform, service: Service, operation: Operation) -> None:
    """The name is free again, and the service described for a while longer [G]."""
    await _stop(platform, service)
    _end(platform, service, operation, "DELETED", "DELETE_FAILED")
    if service.status == "DELETED":
        with platform.clock.held():
            await service.front.close()
        service.deleted = service.updated


async def _stop(platform: Platform, service: Service) -> None:
    service.front.route(None)
    with platform.clock.held():
        if service.instance:
            await service.instance.stop()
    service.instance = None
    await platform.clock.sleep(platform.pace.route)


def _end(platform: Platform, service: Service, operation: Operation, well: str, badly: str) -> None:
    failed = operation.type in service.failing
    now = platform.clock.now()
    operation.status, operation.ended = "FAILED" if failed else "SUCCEEDED", now
    service.status, service.updated = badly if failed else well, now
    line = f"[AppRunner] Service status is set to {service.status}."
    platform.logs.write(f"{service.log_group}/service", "events", now, line)
