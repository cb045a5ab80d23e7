"""Numbers and lists in words, the same in every report."""

from collections.abc import Sequence
from datetime import UTC, datetime

from slipway.untrusted import one_line


def duration(seconds: float) -> str:
    """`4 m 57 s`, or `5.1 s`."""
    return f"{int(seconds) // 60} m {int(seconds) % 60:02d} s" if seconds >= 60 else f"{seconds:.1f} s"


def clock(seconds: float) -> str:
    """`0:07`, `3:10`, `1:02:03`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def moment(seconds: int) -> str:
    """A Unix time in UTC: `2026-11-27 23:09:38Z`."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%SZ}"


def counted(number: int, noun: str) -> str:
    """`1 error`, `2 errors`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def heads(revisions: Sequence[str], none: str = "no revision") -> str:
    """The heads of a history or a database in one line; `none` when there are none."""
    return one_line(", ".join(revisions)) or none
