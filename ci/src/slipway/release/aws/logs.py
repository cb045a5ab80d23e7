"""CloudWatch Logs of a service, as lines in order of time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from slipway.records.logs import LogSource
from slipway.release.aws.client import Aws
from slipway.release.errors import AwsRefusedError, or_absent


@dataclass(frozen=True, kw_only=True)
class Line:
    """One event of a log. `message` is untrusted text, `stream` is the log stream's name, `id` is unique."""

    message: str
    stream: str
    id: str
    at: datetime


Lines = Mapping[LogSource, tuple[Line, ...]]


async def read(
    aws: Aws, group: str, *, since: datetime | None = None, until: datetime | None = None, prefix: str | None = None
) -> tuple[Line, ...]:
    """Return the lines of a log group between two times, both included; none when the group does not exist."""
    request: dict[str, object] = {"logGroupName": group}
    request |= {key: _milliseconds(time) for key, time in (("startTime", since), ("endTime", until)) if time}
    if prefix:
        request["logStreamNamePrefix"] = prefix
    return await or_absent(_events(aws, request), "ResourceNotFoundException") or ()


async def of_new_streams(aws: Aws, group: str, since: datetime, until: datetime | None) -> tuple[Line, ...]:
    """Return the lines of streams that began after `since`. Streams of older instances, which still write, are left out."""
    lines = await read(aws, group, since=since, until=until)
    new = set()
    for stream in {line.stream for line in lines}:
        start = await began(aws, group, stream)
        if start is None or start >= since:
            new.add(stream)
    return tuple(line for line in lines if line.stream in new)


async def _events(aws: Aws, request: dict[str, object]) -> tuple[Line, ...]:
    lines = [
        Line(
            message=event["message"],
            stream=event["logStreamName"],
            id=event.get("eventId", ""),
            at=datetime.fromtimestamp(event["timestamp"] / 1000, UTC),
        )
        async for event in aws.items("logs", "filter_log_events", "events", **request)
    ]
    return tuple(lines)


async def began(aws: Aws, group: str, stream: str) -> datetime | None:
    """Return when a log stream was created; None when this cannot be read."""
    try:
        answer = await aws.call("logs", "describe_log_streams", logGroupName=group, logStreamNamePrefix=stream)
    except AwsRefusedError:
        return None
    made = next((found.get("creationTime") for found in answer["logStreams"] if found["logStreamName"] == stream), None)
    return None if made is None else datetime.fromtimestamp(made / 1000, UTC)


def _milliseconds(time: datetime) -> int:
    return int(time.timestamp() * 1000)


def creation_of(group: str, environment: str) -> str:
    """Return a sentence on how to create the log group of a task in an environment."""
    by_hand = f"aws logs create-log-group --log-group-name {group}"
    return f"create it with `slipway bootstrap --environment {environment} --apply`, or without bootstrap by {by_hand}"
