"""Logs: lines that a service's instances and their platform have written."""

from dataclasses import dataclass, replace
from enum import Enum

from slipway.records.form import Record


class LogSource(Enum):
    """The writer of a line."""

    APPLICATION = "application"
    PLATFORM = "platform"


@dataclass(frozen=True, kw_only=True)
class LogLine(Record, schema="slipway/log-line/1"):
    """One line of a log.

    - at: Unix time with milliseconds.
    - stream: the instance, or the platform's operation, that wrote the line.
    - text: untrusted.
    """

    at: float
    source: LogSource
    stream: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Log(Record, schema="slipway/log/1"):
    """Lines in order of time. `deployment` is the deployment that wrote them; None for the live service."""

    environment: str
    lines: tuple[LogLine, ...]
    deployment: int | None = None

    def last(self, most: int | None) -> "Log":
        """Return the log with its newest lines, at most `most`; with None all of them."""
        return self if most is None else replace(self, lines=self.lines[-most:])
