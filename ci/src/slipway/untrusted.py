"""Text that others wrote (logs, AWS's messages, SQL errors), made harmless to show."""

import re

_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]")
# What GitHub's runner obeys wherever a step prints it: `##[set-output name=x]` anywhere, `::set-output name=x::` where a line begins
# (its src/Runner.Common/ActionCommand.cs).
_COMMAND = re.compile(r"##(?=\[)|^([^\S\n]*):(?=:[\w-]+(?: [^\n]*)?::)", re.MULTILINE)


def printable(text: str) -> str:
    """Without terminal sequences, control characters, what no file can hold (lone surrogates) and what turns the direction of text.

    Tabs and line ends stay. A space takes the force from what would be a command to GitHub's runner.
    """
    shown = _CONTROL.sub("", _SEQUENCE.sub("", text.replace("\r\n", "\n")))
    return _COMMAND.sub(r"\g<0> ", shown)


def one_line(text: str, longest: int = 300) -> str:
    """The same in one line of at most `longest` characters."""
    line = " ".join(printable(text).split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"
