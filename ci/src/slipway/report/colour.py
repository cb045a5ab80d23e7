"""Colours of verdicts and severities on a terminal."""

import os
import re
from typing import Final, TextIO

from slipway.records.outcome import Status
from slipway.records.proof import Level

_RED, _GREEN, _YELLOW, _BLUE = 31, 32, 33, 34  # colour codes of terminals (SGR)
_COLOURS: Final = {
    **{level.value.upper(): colour for level, colour in zip(Level, (_RED, _YELLOW, _BLUE), strict=True)},
    **{status.value: {0: _GREEN, 3: _YELLOW}.get(status.exit_code, _RED) for status in Status},
    "passed:": _GREEN,
    "refused:": _RED,
    "failed:": _RED,
    "blocked": _RED,
    "not covered:": _YELLOW,
    "OK": _GREEN,
    "ok": _GREEN,
    "NO": _RED,
    "NG": _RED,
    "SKIP": _YELLOW,
    "?": _YELLOW,
}
_COLOURED = re.compile(rf"^( {{0,4}})({'|'.join(map(re.escape, _COLOURS))})(?= |$)", re.MULTILINE)


def coloured(text: str, stream: TextIO) -> str:
    """Colour the verdict or severity at the beginning of a line, if `stream` is a terminal and NO_COLOR is not set."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not stream.isatty():
        return text
    return _COLOURED.sub(lambda match: f"{match[1]}\x1b[1;{_COLOURS[match[2]]}m{match[2]}\x1b[0m", text)
