"""The output of a process in the service's virtual environment: a record, or the reason why there is none, without secrets.

In a container whose files cannot be read, the answer is a line of standard output that begins with MARK.
"""

import json
import os
import re
import sys
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TextIO
from urllib.parse import quote, unquote

from slipway.database_url import LOGIN
from slipway.errors import BadInputError, SlipwayError
from slipway.records.form import MARK, to_data
from slipway.records.refusal import Refusal

HIDDEN: Final = "***"
_SHORTEST: Final = 8  # shorter values are words like `postgres`
_SHORTEST_DECLARED: Final = 4  # a shorter secret would be a part of many words
_NAMES_SECRET: Final = re.compile(r"PASS|SECRET|TOKEN|CREDENTIAL|PRIVATE|API_?KEY|ACCESS_?KEY|_KEY\Z", re.IGNORECASE)
_PASSWORD: Final = re.compile(rf"{LOGIN}[^/]*/?([^?\s]*)")


def answer(file: Path | None, ask: Callable[[], Any], database: str = "") -> int:
    """Write the record that `ask` returns, without secrets of this process and of the URL `database`.

    Return the exit code.
    """
    try:
        record = ask()
    except SlipwayError as error:
        return refuse(file, error, database)
    try:
        _write(file, record, database)
    except OSError as error:
        return refuse(
            file, BadInputError(f"{file} cannot be written", f"{error.strerror or error}; name another file"), database
        )
    return 0


def refuse(file: Path | None, error: SlipwayError, database: str = "") -> int:
    """Write the reason why there is no record, if the file is writable. Return the exit code."""
    with suppress(OSError):
        _write(file, Refusal.of(error), database)
    print(without(secrets_in(os.environ, [database]), str(error)), file=sys.stderr)  # noqa: T201 -- for a call by hand
    return error.exit_code


def _write(file: Path | None, record: Any, database: str) -> None:
    data = without(secrets_in(os.environ, [database]), to_data(record))
    if file is None:
        print(MARK + json.dumps(data, separators=(",", ":")), flush=True)  # noqa: T201 -- this is the answer
        return
    file.write_text(json.dumps(data) + "\n", encoding="utf-8")


def secrets_in(variables: Mapping[str, str], urls: Iterable[str] = ()) -> frozenset[str]:
    """Return the values of variables whose names suggest a secret, and all passwords in URLs, quoted and unquoted."""
    named = (value for name, value in variables.items() if _NAMES_SECRET.search(name))
    passwords = (each for text in (*variables.values(), *urls) for each in _passwords(text))
    values = {value for value in (*named, *passwords) if len(value) >= _SHORTEST}
    return frozenset({*values, *map(unquote, values), *(quote(value, safe="") for value in values)})


def _passwords(text: str) -> Iterator[str]:
    """Yield the passwords in URLs, except those that are equal to the user or the database."""
    for user, password, database in _PASSWORD.findall(text):
        if password not in (user, database):
            yield password


def without(secrets: Iterable[str], data: Any) -> Any:
    """Replace the secrets in a text, or in all values of plain data. Keys stay unchanged."""
    longest_first = sorted(secrets, key=len, reverse=True)
    return _replaced(re.compile("|".join(map(re.escape, longest_first))), data) if longest_first else data


def _replaced(pattern: re.Pattern[str], data: Any) -> Any:
    if isinstance(data, str):
        return pattern.sub(HIDDEN, data)
    if isinstance(data, dict):
        return {key: _replaced(pattern, value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_replaced(pattern, value) for value in data]
    return data


@contextmanager
def discreet(names: Collection[str]) -> Iterator[None]:
    """Remove the values of these variables, and of those whose names suggest a secret, from all output of the block."""
    declared = {os.environ[name] for name in names if len(os.environ.get(name, "")) >= _SHORTEST_DECLARED}
    secrets = secrets_in(os.environ) | declared
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (_Discreet(stream, secrets) for stream in before)
    try:
        yield
    except Exception:  # noqa: BLE001 -- the interpreter would print it unfiltered
        traceback.print_exc()
        raise SystemExit(1) from None
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.close()
        sys.stdout, sys.stderr = before


class _Discreet:
    """A stream that writes only whole lines, because a secret may arrive in several pieces."""

    def __init__(self, stream: TextIO, secrets: Collection[str]) -> None:
        self._stream = stream
        self._secrets = secrets
        self._rest = ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._stream.write(without(self._secrets, line) + "\n")
        if lines:
            self._stream.flush()
        return len(text)

    def writelines(self, lines: Collection[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Do nothing: an incomplete line waits for its end, and the last one for `close`."""

    def close(self) -> None:
        """Write the last, incomplete line. The underlying stream stays open."""
        self._stream.write(without(self._secrets, self._rest))
        self._rest = ""
        self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
