"""Untrusted text (logs, AWS's messages, SQL errors), made safe to print or read."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]")
# Commands that GitHub's runner executes when a step prints them: `##[set-output name=x]` anywhere, and `::set-output
# name=x::` at the start of a line (its src/Runner.Common/ActionCommand.cs).
_COMMAND = re.compile(r"##(?=\[)|^([^\S\n]*):(?=:[\w-]+(?: [^\n]*)?::)", re.MULTILINE)


def printable(text: str) -> str:
    """Remove terminal sequences, control characters, lone surrogates and bidirectional controls.

    Tabs and line ends stay. Text that would be a command for GitHub's runner gets an additional space.
    """
    shown = _CONTROL.sub("", _SEQUENCE.sub("", text.replace("\r\n", "\n")))
    return _COMMAND.sub(r"\g<0> ", shown)


def one_line(text: str, longest: int = 300) -> str:
    """Return printable text as one line of at most `longest` characters."""
    line = " ".join(printable(text).split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def json_object(text: str) -> Mapping[str, Any]:
    """Return the JSON object in a text; an empty one when the text has none."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, Mapping) else {}


def strings_in(value: Any) -> Iterator[str]:
    """Yield every text in plain data."""
    match value:
        case str():
            yield value
        case Mapping():
            for item in value.values():
                yield from strings_in(item)
        case list():
            for item in value:
                yield from strings_in(item)
