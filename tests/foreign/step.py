"""A step of the story: one call, and what must be seen in its answer."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from slipway.simulator.faults import Effect


@dataclass(frozen=True)
class Refused:
    """`code` is AWS's, and the name of the SDK's own type of error; `message` is a part of AWS's."""

    code: str
    message: str = ""


@dataclass(frozen=True)
class Step:
    """`sees` by path what is there, or a function that says whether it is right; `keeps` by name the path of what later steps need.

    A path goes by members, named as in the answer but with a small first letter, and by places in a list, all of them as `*`.
    The platform's time stands still, unless the step `waits`: then it is asked again until no operation is in progress.
    `meets` is what becomes of the first request.
    """

    name: str
    call: str
    asks: Mapping[str, Any]
    sees: Mapping[str, Any] | Refused
    keeps: Mapping[str, str] = field(default_factory=dict)
    waits: bool = False
    meets: Effect | None = None


def a_time(said: Any) -> bool:
    """Seconds since 1970, or ISO 8601, of about these days."""
    at = datetime.fromtimestamp(said, UTC) if isinstance(said, (int, float)) else datetime.fromisoformat(said)
    return abs(datetime.now(UTC) - at) < timedelta(days=2)


def nothing(said: Any) -> bool:
    return said is None


def at(answer: Any, path: str) -> Any:
    """What stands there in an answer; None where there is nothing."""
    member, _, rest = path.partition(".")
    if member == "*":
        return [at(item, rest) for item in answer]
    inner = answer[int(member)] if isinstance(answer, list) else answer.get(member)
    return at(inner, rest) if rest and inner is not None else inner


def filled_in(written: Any, kept: Mapping[str, str]) -> Any:
    """What is written with `{name}` for what the story has kept."""
    if isinstance(written, str):
        return written.format_map(kept)
    if isinstance(written, Mapping):
        return {key: filled_in(value, kept) for key, value in written.items()}
    return [filled_in(item, kept) for item in written] if isinstance(written, list) else written


def wrong(step: Step, line: Mapping[str, Any], kept: Mapping[str, str]) -> Iterator[str]:
    """What a player's line does not show as it must."""
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
