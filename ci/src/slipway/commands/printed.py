"""Add flags of the current call to commands in its messages, so that a reader can paste these commands."""

import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from slipway.commands.command import Flags
from slipway.commands.table import COMMANDS

_PRINTED: Final = re.compile(r"`slipway (?P<name>[a-z]+)(?P<flags>[^`\n]*)`")
_CARRIED: Final = ("environment", "service", "region", "source", "endpoint-url")
_TAKEN: Final = {
    command.name: {flag.name for flag in command.flags}
    for command in COMMANDS
    if command.name != "simulator"  # `simulator` itself serves an endpoint; its flag is for pushes only
}


def completed(text: str, flags: Flags, escape: Callable[[str], str] = str) -> str:
    """Add the flags `_CARRIED` of this call to each command in a text, if the command takes the flag and the text lacks it.

    `escape` quotes a flag for the text's format, such as JSON.
    """
    carried = _carried(flags)

    def complete(printed: re.Match[str]) -> str:
        command, dashes, rest = printed.group().strip("`").partition(" -- ")
        if "--help" in command:
            return printed.group()
        taken, named = _TAKEN.get(printed["name"], set()), set(re.findall(r"--([a-z-]+)", command))
        more = (f" --{name} {shlex.quote(value)}" for name, value in carried.items() if name in taken - named)
        return f"`{command}{''.join(map(escape, more))}{dashes}{rest}`"

    return _PRINTED.sub(complete, text) if carried else text


def _carried(flags: Flags) -> Mapping[str, str]:
    """Return the passed flags among `_CARRIED`. For a promotion, `environment` is the one that it changes."""
    passed = vars(flags)
    values = {name: passed.get(name.replace("-", "_")) for name in _CARRIED}
    if "from_" in passed:
        values["environment"] = passed["to"]
    return {name: str(value) for name, value in values.items() if isinstance(value, str | Path) and str(value) != "."}
