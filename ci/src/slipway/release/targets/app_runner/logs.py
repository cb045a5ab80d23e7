"""The log groups of a service on App Runner: one of its instances, and one of the platform with a stream for each operation."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from slipway.records.logs import LogSource
from slipway.release.aws import logs
from slipway.release.aws.client import Aws
from slipway.release.aws.logs import Line, Lines
from slipway.release.engine.target import Operation


def group_of(arn: str, source: LogSource) -> str:
    """Return the name of a log group, such as /aws/apprunner/NAME/ID/application, for a service's ARN."""
    _, name, identity = arn.rsplit("/", 2)
    return f"/aws/apprunner/{name}/{identity}/{'application' if source is LogSource.APPLICATION else 'service'}"


async def since(aws: Aws, arn: str, time: datetime) -> Lines:
    """Return the lines that a service and its platform have written since a time."""
    application, platform = [await logs.read(aws, group_of(arn, source), since=time) for source in LogSource]
    return {LogSource.APPLICATION: application, LogSource.PLATFORM: _once(platform)}


def _once(lines: Iterable[Line]) -> tuple[Line, ...]:
    """Remove equal lines within a second: App Runner writes a deployment's lines into its own stream and into `events`."""
    return tuple({name: replace(line, id=name) for line in lines for name in [f"{line.at:%c} {line.message}"]}.values())


async def platform_lines(aws: Aws, operation: Operation) -> tuple[Line, ...]:
    stream = f"deployment/{operation.id.replace('-', '')}"
    return await logs.read(aws, group_of(operation.arn, LogSource.PLATFORM), prefix=stream)


async def of_operation(aws: Aws, operation: Operation) -> Lines:
    """Return the platform's lines about an operation, and the lines of the instances that it started, up to its end."""
    platform = await platform_lines(aws, operation)
    if not platform:
        return {}
    group = group_of(operation.arn, LogSource.APPLICATION)
    application = await logs.of_new_streams(aws, group, platform[0].at, platform[-1].at)
    return {LogSource.PLATFORM: platform, LogSource.APPLICATION: application}
