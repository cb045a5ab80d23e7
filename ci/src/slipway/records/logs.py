"""Logs: lines of a service, from its instances and from the platform that runs them."""

from dataclasses import dataclass, replace
from enum import Enum

from slipway.records.form import Record


class LogSource(Enum):
    """The writer of a line."""

    APPLICATION = "application"
    PLATFORM = "platform"


@dataclass(frozen=True, kw_only=True)
class LogLine(Record, schema="slipway/log-line/1"):
    """One line.

    - at: Unix time with milliseconds. stream: the instance, or the operation of the platform. text: untrusted.
    """

    at: float
    source: LogSource
    stream: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Log(Record, schema="slipway/log/1"):
    """Lines in order of time; `deployment` is the one that they belong to, None for those of the live service."""

    environment: str
    lines: tuple[LogLine, ...]
    deployment: int | None = None

    def last(self, most: int | None) -> "Log":
        """Return the newest lines, at most so many; all of them when it is None."""
        return self if most is None else replace(self, lines=self.lines[-most:])
