"""CloudWatch Logs of a service, as lines in order of time."""

from dataclasses import dataclass
from datetime import UTC, datetime

from slipway.release.aws.client import Aws
from slipway.release.errors import AwsRefusedError, or_absent


@dataclass(frozen=True)
class Line:
    """One line; `message` is untrusted text, `stream` is the log stream's name."""

    message: str
    stream: str


async def read(
    aws: Aws, group: str, *, since: datetime | None = None, prefix: str | None = None
) -> tuple[Line, ...] | None:
    """Return the lines of a log group; None when it does not exist."""
    request: dict[str, object] = {"logGroupName": group}
    if since:
        request["startTime"] = int(since.timestamp() * 1000)
    if prefix:
        request["logStreamNamePrefix"] = prefix
    return await or_absent(_events(aws, request), "ResourceNotFoundException")


async def _events(aws: Aws, request: dict[str, object]) -> tuple[Line, ...]:
    pages = aws.pages("logs", "filter_log_events", **request)
    events = [event async for page in pages for event in page["events"]]
    return tuple(Line(event["message"], event["logStreamName"]) for event in events)


async def began(aws: Aws, group: str, stream: str) -> datetime | None:
    """Return when a log stream was created; None when that cannot be read."""
    try:
        answer = await aws.call("logs", "describe_log_streams", logGroupName=group, logStreamNamePrefix=stream)
    except AwsRefusedError:
        return None
    made = next((found.get("creationTime") for found in answer["logStreams"] if found["logStreamName"] == stream), None)
    return None if made is None else datetime.fromtimestamp(made / 1000, UTC)
