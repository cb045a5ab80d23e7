"""The answer of a process inside the service's environment: a record in a file, or the reason why there is none.

In a container whose files cannot be read, the answer is a line of standard output that begins with MARK.
"""

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL

from slipway.errors import BadInputError, SlipwayError
from slipway.migration.secrets import secrets_in, without
from slipway.records.form import MARK, to_data
from slipway.records.refusal import Refusal


def answer(file: Path | None, ask: Callable[[], Any], database: URL | None = None) -> int:
    """Write the record that `ask` returns, without the secrets of the database and of this process; return the exit code."""
    try:
        record = ask()
    except SlipwayError as error:
        return refuse(file, error, database)
    try:
        _write(file, record, database)
    except OSError as error:
        return refuse(file, BadInputError(f"{file} cannot be written", error.strerror or str(error)), database)
    return 0


def refuse(file: Path | None, error: SlipwayError, database: URL | None = None) -> int:
    """Write the reason why there is no record, if the file is writable; return the exit code."""
    with suppress(OSError):
        _write(file, Refusal.of(error), database)
    print(without(_secrets(database), str(error)), file=sys.stderr)  # noqa: T201 -- for a call by hand
    return error.exit_code


def _write(file: Path | None, record: Any, database: URL | None) -> None:
    data = without(_secrets(database), to_data(record))
    if file is None:
        print(MARK + json.dumps(data, separators=(",", ":")), flush=True)  # noqa: T201 -- this is the answer
        return
    file.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


def _secrets(database: URL | None) -> frozenset[str]:
    return secrets_in(os.environ, [database.render_as_string(hide_password=False)] if database else [])
