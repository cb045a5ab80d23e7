"""CloudWatch Logs of a service, as lines in the order of their time."""

from dataclasses import dataclass
from datetime import datetime

from slipway.release.aws import Aws, AwsRefusedError


@dataclass(frozen=True)
class Line:
    """One line; `at` is milliseconds since 1970, `message` is untrusted text."""

    at: int
    message: str


async def read(
    aws: Aws, group: str, *, since: datetime | None = None, prefix: str | None = None
) -> tuple[Line, ...] | None:
    """The lines of a group; None when there is no such group."""
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
        lines += [Line(event["timestamp"], event["message"]) for event in answer["events"]]
        if "nextToken" not in answer:
            return tuple(lines)
        page["nextToken"] = answer["nextToken"]
