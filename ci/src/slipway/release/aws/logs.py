"""CloudWatch Logs of a service, as lines in order of time."""

from dataclasses import dataclass
from datetime import UTC, datetime

from slipway.release.aws.client import Aws
from slipway.release.errors import AwsRefusedError


@dataclass(frozen=True)
class Line:
    """One line; `at` is in milliseconds since 1970, `message` is untrusted text, `stream` is the log stream's name."""

    at: int
    message: str
    stream: str = ""


async def read(
    aws: Aws, group: str, *, since: datetime | None = None, prefix: str | None = None
) -> tuple[Line, ...] | None:
    """Return the lines of a log group; None when it does not exist."""
    lines: list[Line] = []
    page: dict[str, object] = {"logGroupName": group}
    if since:
        page["startTime"] = int(since.timestamp() * 1000)
    if prefix:
        page["logStreamNamePrefix"] = prefix
    while True:
        try:
            answer = await aws.call("logs", "filter_log_events", **page)
        except AwsRefusedError as error:
            if error.code == "ResourceNotFoundException":
                return None
            raise
        lines += [Line(event["timestamp"], event["message"], event["logStreamName"]) for event in answer["events"]]
        if "nextToken" not in answer:
            return tuple(lines)
        page["nextToken"] = answer["nextToken"]


async def began(aws: Aws, group: str, stream: str) -> datetime | None:
    """Return when a log stream was created; None when that cannot be read."""
    try:
        answer = await aws.call("logs", "describe_log_streams", logGroupName=group, logStreamNamePrefix=stream)
    except AwsRefusedError:
        return None
    made = next((found.get("creationTime") for found in answer["logStreams"] if found["logStreamName"] == stream), None)
    return None if made is None else datetime.fromtimestamp(made / 1000, UTC)
