"""A step of the story: one call, and the expected answer."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from slipway.simulator.faults import Effect


@dataclass(frozen=True)
class Refused:
    """An expected refusal."""

    code: str  # AWS's, and the name of the SDK's error type
    message: str = ""  # a part of AWS's


@dataclass(frozen=True)
class Step:
    """One call.

    Paths consist of member names, with a small first letter, and of list indexes, `*` for all. The platform's time stops during a step
    unless it `waits`: then the call is repeated until no operation is in progress.
    """

    name: str
    call: str
    asks: Mapping[str, Any]
    sees: Mapping[str, Any] | Refused  # expected values, or functions that check them, by path
    keeps: Mapping[str, str] = field(default_factory=dict)  # paths of values for later steps, by name
    waits: bool = False
    meets: Effect | None = None  # the fault of the first request


def a_time(value: Any) -> bool:
    """Return whether the value is a recent time, in seconds since 1970 or ISO 8601."""
    at = datetime.fromtimestamp(value, UTC) if isinstance(value, (int, float)) else datetime.fromisoformat(value)
    return abs(datetime.now(UTC) - at) < timedelta(days=2)


def nothing(value: Any) -> bool:
    return value is None


def at(answer: Any, path: str) -> Any:
    """Return the value at a path of an answer; None when it is missing."""
    member, _, rest = path.partition(".")
    if member == "*":
        return [at(item, rest) for item in answer]
    inner = answer[int(member)] if isinstance(answer, list) else answer.get(member)
    return at(inner, rest) if rest and inner is not None else inner


def filled_in(pattern: Any, kept: Mapping[str, str]) -> Any:
    """Replace `{name}` by the values that the story has kept."""
    if isinstance(pattern, str):
        return pattern.format_map(kept)
    if isinstance(pattern, Mapping):
        return {key: filled_in(value, kept) for key, value in pattern.items()}
    return [filled_in(item, kept) for item in pattern] if isinstance(pattern, list) else pattern


def wrong(step: Step, line: Mapping[str, Any], kept: Mapping[str, str]) -> Iterator[str]:
    """Yield where a player's line differs from the expectation."""
    if isinstance(step.sees, Refused):
        error = line.get("error") or {}
        if (error.get("code"), error.get("type")) != (step.sees.code, step.sees.code):
            yield f"not refused with {step.sees.code} but {line}"
        elif filled_in(step.sees.message, kept) not in error["message"]:
            yield f"refused with another message: {error['message']}"
        return
    if "answer" not in line:
        yield f"refused: {line['error']}"
        return
    for path, expected in step.sees.items():
        found, wanted = at(line["answer"], path), filled_in(expected, kept)
        if not (wanted(found) if callable(wanted) else found == wanted):
            yield f"{path} is {found!r}, not {getattr(wanted, '__name__', repr(wanted))}"
