"""The logs of a service and its platform: recent lines, new lines as they arrive, or the lines of one deployment."""

import math
import re
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from slipway.environment.opened import OpenEnvironment, existing
from slipway.errors import BadInputError, SlipwayError
from slipway.migration.output import secrets_in, without
from slipway.records.logs import Log, LogLine, LogSource
from slipway.release.aws.logs import Lines
from slipway.release.diagnosis import unfolded, without_values
from slipway.release.engine.target import Operation
from slipway.release.failures import PlatformWords

POLL_SECONDS: Final = 3.0
_LATE: Final = timedelta(minutes=1)  # a line may arrive in CloudWatch this long after it was written
_ERROR: Final = re.compile(
    r"\b(?:ERROR|CRITICAL|FATAL)\b|^Traceback \(most recent"  # written by loggers
    r"|\"(?:level|levelname|severity)\": ?\"(?i:error|critical|fatal)\""  # written by loggers as JSON
    r"|\" 5\d\d\b"  # written to access logs
)
_TRACEBACK: Final = "Traceback (most recent"
# a frame of the service's code, not of a library
_OWN: Final = re.compile(r' +File "(?!.*/(?:site-packages|lib/python3)[./\d]*/)')
_MOST_LINES: Final = 3  # shown of errors without a traceback
_LATELY: Final = timedelta(minutes=10)
_LONGEST: Final = timedelta(days=3650)  # CloudWatch refuses times before 1970
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def span(text: str) -> timedelta:
    """Read a span such as 10m. Raise BadInputError for another text."""
    match = re.fullmatch(r"([0-9]{1,6})([smhd])", text)
    found = timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else None
    if found is None or found > _LONGEST:
        raise BadInputError(
            f"{text!r:.40} is no span of time",
            f"pass a number with s, m, h or d, such as 10m, and at most {_LONGEST.days}d",
        )
    return found


async def recent(environment: OpenEnvironment, since: timedelta) -> Log:
    """Return the service's lines in the last `since`. Raise RefusedError when there is no service."""
    return await _since(environment, (await existing(environment)).arn or "", since)


async def _since(environment: OpenEnvironment, arn: str, since: timedelta) -> Log:
    lines = await environment.platform.log_since(environment.aws, arn, environment.time.now() - since)
    return Log(environment=environment.name, lines=tuple(_shown(environment, lines)))


async def of_deployment(environment: OpenEnvironment, number: int) -> Log:
    """Return the lines of a recorded deployment, from start to end. Raise BadInputError when it started no operation."""
    operation = await operation_of(environment, number)
    lines = await environment.platform.log_of_operation(environment.aws, operation)
    return Log(environment=environment.name, lines=tuple(_shown(environment, lines)), deployment=number)


async def operation_of(environment: OpenEnvironment, number: int) -> Operation:
    """Return the platform's operation of deployment `number`. Raise BadInputError when it has none."""
    accepted = await environment.ledger.accepted(number)
    if accepted is None:
        if await environment.ledger.intent(number) is None:
            raise BadInputError(f"the ledger has no deployment {number}", "`slipway history` lists the recorded ones")
        raise BadInputError(
            f"deployment {number} started no operation on the platform",
            f"`slipway diagnose --number {number}` shows how it ended",
        )
    return accepted


async def elsewhere(environment: OpenEnvironment, number: int | None, *, errors: bool) -> str:
    """Return a hint for an empty log: look at the time after the deployment, or at an earlier time."""
    kind, only = ("line that looks like an error", " --errors") if errors else ("line", "")
    if number is None:
        return f"no {kind} in this span; `slipway logs --since 1d{only}` reads the last day"
    found = f"deployment {number} has no {kind} between its start and its end"
    release = next(iter(await environment.ledger.releases([number])), None)
    if release is None:
        return f"{found}, which is not recorded yet"
    minutes = max(1, math.ceil((environment.time.now().timestamp() - release.ended) / 60))
    return f"{found}; `slipway logs --since {minutes}m{only}` has the lines since then"


async def follow(environment: OpenEnvironment, since: timedelta) -> AsyncIterator[LogLine]:
    """Yield the lines in the last `since`, and then each new line until the caller stops."""
    arn = (await existing(environment)).arn or ""
    reader = LogReader(environment, arn, environment.time.now() - since)
    while True:
        for line in await reader.new():
            yield line
        await environment.time.sleep(POLL_SECONDS)


class LogReader:
    """The lines of a service since `start`, each returned once. A line that arrives up to a minute late is still found."""

    def __init__(self, environment: OpenEnvironment, arn: str, start: datetime) -> None:
        self._environment = environment
        self._arn = arn
        self._start = start
        self._seen: dict[str, datetime] = {}

    async def new(self) -> tuple[LogLine, ...]:
        """Return the lines that earlier calls did not return."""
        environment = self._environment
        read = await environment.platform.log_since(environment.aws, self._arn, self._start)
        new = {source: tuple(line for line in lines if line.id not in self._seen) for source, lines in read.items()}
        self._start = max(self._start, environment.time.now() - _LATE)
        self._seen |= {line.id: line.at for lines in new.values() for line in lines}
        self._seen = {id_: at for id_, at in self._seen.items() if at >= self._start}
        return tuple(_shown(environment, new))


def is_error(line: LogLine, words: PlatformWords) -> bool:
    """Return whether a line looks like an error of the application, or is the platform's line about an unhealthy instance."""
    return bool(_ERROR.search(line.text)) or (line.source is LogSource.PLATFORM and words.unhealthy in line.text)


class ErrorLines:
    """A filter that keeps lines that look like errors, with the rest of their tracebacks. The lines must be in order."""

    def __init__(self, words: PlatformWords) -> None:
        self._words = words
        self._open: dict[str, bool] = {}  # by stream: whether a traceback, or only indented text, may continue

    def __call__(self, line: LogLine) -> bool:
        if is_error(line, self._words):
            self._open[line.stream] = line.text.startswith(_TRACEBACK) or self._open.get(line.stream, False)
            return True
        if line.stream not in self._open:
            return False
        if line.text[:1].isspace() or not line.text:
            return True
        return self._open.pop(line.stream)  # the line with the exception ends its traceback


async def newest_error(environment: OpenEnvironment, arn: str) -> tuple[str, ...]:
    """Return the newest error that the application has logged lately.

    Return nothing when there is none, or when the log cannot be read.
    """
    try:
        lines = (await _since(environment, arn, _LATELY)).lines
    except SlipwayError:
        return ()
    return error_in((line for line in lines if line.source is LogSource.APPLICATION), environment.platform.words)


def error_in(lines: Iterable[LogLine], words: PlatformWords) -> tuple[str, ...]:
    """Return the newest error: the last traceback's exception, and the line of the service that led to it.

    Without a traceback, return the last lines.
    """
    kept = [
        (line.stream, text)
        for line in filter(ErrorLines(words), lines)
        for text in unfolded(line.text).split("\n")
        if text.strip()
    ]
    begun = [number for number, (_, text) in enumerate(kept) if text.startswith(_TRACEBACK)]
    if not begun:
        return tuple(text for _, text in kept[-_MOST_LINES:])
    stream = kept[begun[-1]][0]
    block = [text for where, text in kept[begun[-1] + 1 :] if where == stream]
    end = next((number for number, text in enumerate(block) if not text[:1].isspace()), len(block) - 1)
    own = [number for number, text in enumerate(block[:end]) if _OWN.match(text)]
    return (*(block[own[-1] : own[-1] + 2] if own else ()), *block[end : end + 1])


def _shown(environment: OpenEnvironment, read: Lines) -> Iterator[LogLine]:
    """Yield lines in order of time, without secrets that the settings contain.

    An event with several lines becomes several lines.
    """
    secrets = secrets_in(environment.own_settings.variables)
    events = [(line, source) for source, lines in read.items() for line in lines]
    for line, source in sorted(events, key=lambda event: event[0].at):
        for text in without_values(without(secrets, line.message)).splitlines():
            yield LogLine(at=line.at.timestamp(), source=source, stream=line.stream, text=text)
