"""What happens on the way, in words: each event as lines that stay, and what is going on as one line that moves."""

from slipway.records.progress import Event
from slipway.untrusted import printable


def lines(event: Event) -> list[str]:
    """The lines of an event that stay: the phase that begins with it, and what it says."""
    begun = [beginning(event)] if event.phase else []
    return [*begun, *printable(event.line).splitlines()]


def beginning(event: Event) -> str:
    """`the platform is at work, as a rule for about 3:10`."""
    words = event.phase.value if event.phase else ""
    return words if event.expected is None else f"{words}, as a rule for about {clock(event.expected)}"


def moving(words: str, elapsed: float, expected: float | None) -> str:
    """`the platform is at work · 1:24 of about 3:10`; nobody who waits longer than usual is told that it is usual."""
    if expected is None:
        return f"{words} · {clock(elapsed)}"
    if elapsed > expected:
        return f"{words} · {clock(elapsed)}, longer than the usual {clock(expected)}"
    return f"{words} · {clock(elapsed)} of about {clock(expected)}"


def clock(seconds: float) -> str:
    """`0:07`, `3:10`, `1:02:03`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
