"""How a part of slipway that runs inside the service's environment answers: by a record in a file, or by why there is none."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from slipway.errors import SlipwayError
from slipway.records.form import to_json
from slipway.records.refusal import Refusal


def answer(file: Path, ask: Callable[[], Any]) -> int:
    """Write what `ask` answers; answers the exit code."""
    try:
        record = ask()
    except SlipwayError as error:
        return refuse(file, error)
    file.write_text(to_json(record), encoding="utf-8")
    return 0


def refuse(file: Path, error: SlipwayError) -> int:
    """Write why there is no record; answers the exit code."""
    file.write_text(to_json(Refusal.of(error)), encoding="utf-8")
    print(error, file=sys.stderr)  # noqa: T201 -- for whoever calls it by hand
    return error.exit_code
