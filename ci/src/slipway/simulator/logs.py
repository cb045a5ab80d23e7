"""Amazon CloudWatch Logs: groups, streams and events, which the platform writes."""

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from slipway.simulator.contract import AwsError, Call, Operations, operations_of, paged

_MOST_EVENTS = 10_000
_MOST_NAMES = 50
_PAGE = ("nextToken", "limit")
_TERM = re.compile(r'([-?]?)(?:"((?:[^"\\]|\\.)*)"|(\S+))')


@dataclass(frozen=True)
class LogEvent:
    """One line of a log."""

    at: datetime  # the platform's time
    message: str
    id: str

    @property
    def milliseconds(self) -> int:
        return int(self.at.timestamp() * 1000)

    def description(self) -> dict[str, Any]:
        return {"timestamp": self.milliseconds, "message": self.message, "ingestionTime": self.milliseconds}


class Logs:
    """Log groups. A group exists from its creation or its first event."""

    def __init__(self) -> None:
        self.late = 0.0  # seconds until an event can be read
        self._ids = itertools.count()
        self._groups: dict[str, dict[str, list[LogEvent]]] = {}
        self._retention: dict[str, int] = {}  # days by group
        self.operations: Operations = operations_of(self)

    def write(self, group: str, stream: str, at: datetime, message: str) -> None:
        self._groups.setdefault(group, {}).setdefault(stream, []).append(
            LogEvent(at, message, f"{next(self._ids):056d}")
        )

    def create(self, group: str) -> None:
        """Create an empty group unless it exists."""
        self._groups.setdefault(group, {})

    def has(self, group: str) -> bool:
        return group in self._groups

    async def create_log_group(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        if self.has(request["logGroupName"]):
            raise AwsError("ResourceAlreadyExistsException", "The specified log group already exists")
        self.create(request["logGroupName"])
        return {}

    async def describe_log_groups(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        arn = f"arn:aws:logs:{call.region}:{call.account}:log-group"
        part, prefix = request.get("logGroupNamePattern", ""), request.get("logGroupNamePrefix", "")
        if part and prefix:
            raise AwsError("InvalidParameterException", "LogGroup name prefix and pattern are mutually exclusive.")  # †
        groups = sorted(name for name in self._groups if name.startswith(prefix) and part.lower() in name.lower())
        description = [
            {"logGroupName": name, "arn": f"{arn}:{name}:*", "retentionInDays": self._retention.get(name)}
            for name in groups
        ]
        return paged("logGroups", description, request, most=_MOST_NAMES, names=_PAGE)

    async def delete_log_group(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        self._group(request)
        del self._groups[request["logGroupName"]]
        self._retention.pop(request["logGroupName"], None)
        return {}

    async def put_retention_policy(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        self._group(request)
        self._retention[request["logGroupName"]] = request["retentionInDays"]
        return {}

    async def delete_retention_policy(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        self._group(request)
        self._retention.pop(request["logGroupName"], None)
        return {}

    async def describe_log_streams(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        prefix, by_time = request.get("logStreamNamePrefix", ""), request.get("orderBy") == "LastEventTime"
        if prefix and by_time:
            message = "Cannot order by LastEventTime with a logStreamNamePrefix."  # † [M] forbids it
            raise AwsError("InvalidParameterException", message)
        streams: list[dict[str, Any]] = [
            {
                "logStreamName": name,
                "creationTime": events[0].milliseconds,
                "firstEventTimestamp": events[0].milliseconds,
                "lastEventTimestamp": events[-1].milliseconds,
            }
            for name, events in self._group(request).items()
            if name.startswith(prefix)
        ]
        key = "lastEventTimestamp" if by_time else "logStreamName"
        streams.sort(key=lambda stream: stream[key], reverse=request.get("descending", False))
        return paged("logStreams", streams, request, most=_MOST_NAMES, names=_PAGE)

    async def get_log_events(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        streams = self._group(request)
        name = request["logStreamName"]
        if name not in streams:
            raise AwsError("ResourceNotFoundException", "The specified log stream does not exist.")
        visible = [event for event in streams[name] if self._is_visible(event, call) and _within(event, request)]
        first, end = _page(request, len(visible))
        events = [event.description() for event in visible[first:end]]
        return {"events": events, "nextForwardToken": f"f/{end}", "nextBackwardToken": f"b/{first}"}

    async def filter_log_events(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        matching = sorted(self._filtered(request, call), key=lambda item: (item[1].at, item[0]))
        events = [event.description() | {"logStreamName": stream, "eventId": event.id} for stream, event in matching]
        return paged("events", events, request, most=_MOST_EVENTS, names=_PAGE) | {"searchedLogStreams": []}

    def _is_visible(self, event: LogEvent, call: Call) -> bool:
        return event.at + timedelta(seconds=self.late) <= call.now

    def _filtered(self, request: Mapping[str, Any], call: Call) -> Iterator[tuple[str, LogEvent]]:
        wanted, prefix = request.get("logStreamNames"), request.get("logStreamNamePrefix", "")
        if wanted and prefix:
            # The condition [M], the words †.
            raise AwsError("InvalidParameterException", "logStreamNames and logStreamNamePrefix are exclusive.")
        fits = _pattern(request.get("filterPattern", ""))
        for name, events in self._group(request).items():
            if name.startswith(prefix) and (wanted is None or name in wanted):
                visible = (event for event in events if self._is_visible(event, call))
                passing = (event for event in visible if fits(event.message))
                yield from ((name, event) for event in passing if _within(event, request, inclusive=True))

    def _group(self, request: Mapping[str, Any]) -> dict[str, list[LogEvent]]:
        """Return a log group. `logGroupName` is its name; `logGroupIdentifier` may be its name or ARN [M]."""
        names = [request[member] for member in ("logGroupName", "logGroupIdentifier") if member in request]
        if len(names) != 1:
            message = "Exactly one of logGroupName and logGroupIdentifier is required."  # †
            raise AwsError("InvalidParameterException", message)
        name = names[0].partition(":log-group:")[2].removesuffix(":*") or names[0]
        if name not in self._groups:
            raise AwsError("ResourceNotFoundException", "The specified log group does not exist.")
        return self._groups[name]


def _pattern(text: str) -> Callable[[str], bool]:
    """Return a function that tests a line for a filter pattern [G]: all terms, any of those with `?`, none of those with `-`."""
    if text[:1] in ("{", "[", "%"):
        raise AwsError("InvalidParameterException", "The simulator filters by terms, not by fields or expressions.")
    terms = [(sign, quoted.replace('\\"', '"') or bare) for sign, quoted, bare in _TERM.findall(text)]
    every, none, some = ([term for sign, term in terms if sign == wanted] for wanted in ("", "-", "?"))
    return lambda message: (
        all(term in message for term in every)
        and not any(term in message for term in none)
        and (not some or any(term in message for term in some))
    )


def _page(request: Mapping[str, Any], count: int) -> tuple[int, int]:
    """Return where the page begins and ends. At an end of the stream, the same token is returned without events [M]."""
    limit, token = request.get("limit", _MOST_EVENTS), request.get("nextToken")
    if token is None:
        return (0, min(limit, count)) if request.get("startFromHead") else (max(0, count - limit), count)
    direction, _, place = token.partition("/")
    if direction not in ("f", "b") or not place.isdecimal() or int(place) > count:
        raise AwsError("InvalidParameterException", "The specified nextToken is invalid.")  # †
    at = int(place)
    return (at, min(at + limit, count)) if direction == "f" else (max(0, at - limit), at)


def _within(event: LogEvent, request: Mapping[str, Any], *, inclusive: bool = False) -> bool:
    """Return whether an event is in the requested time. GetLogEvents excludes endTime, FilterLogEvents includes it [M]."""
    end = request.get("endTime", 1 << 62) + inclusive
    return bool(request.get("startTime", 0) <= event.milliseconds < end)
