"""The database of the service itself, by the variable in which it is told its URL; and none of its secrets in what is printed.

For a container that the platform has given the service's own variables: nothing is told from outside but their names.
"""

import os
import sys
import traceback
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TextIO

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from slipway.database_url import filled, parts_of
from slipway.errors import BadInputError
from slipway.migration.database import with_driver
from slipway.migration.secrets import secrets_in, without

_SHORTEST = 4  # of what is told to be a secret; shorter ones would make holes in every word


def own_database(variable: str, templates: Mapping[str, str]) -> URL:
    """The database that this process's `variable` names; `templates` fill variables that it does not have. Raises BadInputError."""
    told = os.environ.get(variable)
    if not told:
        raise BadInputError(
            f"the container has no variable {variable} with the database's URL",
            "name it in database-variable of [tool.slipway.migrations], and its secret in the environment's secrets",
        )
    try:
        url = with_driver(make_url(told))
        parts = parts_of(told)
    except (ArgumentError, ValueError):
        raise BadInputError(
            f"the variable {variable} holds no URL of a database",
            "allowed is postgresql://user:password@host:port/database, with any driver",
        ) from None
    for name, template in templates.items():
        os.environ.setdefault(name, filled(template, parts))
    return url


@contextmanager
def discreet(names: Collection[str]) -> Iterator[None]:
    """Within this block the values of these variables, and of those that are named as secrets are, are printed by nobody."""
    told = {os.environ[name] for name in names if len(os.environ.get(name, "")) >= _SHORTEST}
    secrets = secrets_in(os.environ) | told
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (_Discreet(stream, secrets) for stream in before)
    try:
        yield
    except Exception:  # noqa: BLE001 -- the interpreter would print it where nothing is taken out
        traceback.print_exc()
        raise SystemExit(1) from None
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.close()
        sys.stdout, sys.stderr = before


class _Discreet:
    """A stream whose lines are written whole, for a secret may come in pieces."""

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
        """A line that has not ended is kept until it has, but for the last one."""

    def close(self) -> None:
        """Write what is left; the stream below stays open."""
        self._stream.write(without(self._secrets, self._rest))
        self._rest = ""
        self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
